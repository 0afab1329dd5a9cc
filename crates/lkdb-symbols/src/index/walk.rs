//! What one unit puts into the index: its DIEs gone through once, past members, parameters and all else
//! that has no name of file scope.

use super::Kind;
use super::files::Files;
use super::gather::{Gathered, Item, NAME_INFO, NAME_LINE_STR, NO_FILE, UnitFacts};
use super::ranges;
use crate::names::abbrev::Abbrevs;
use crate::names::unit::{self, Die, Head, Reader, RootFacts};
use crate::names::{Raw, form};

/// The memory that goes from unit to unit.
#[derive(Default)]
pub(super) struct Walker<'d> {
    abbrevs: Abbrevs,
    /// Another unit's, for references that link-time optimisation makes.
    foreign: Option<(usize, Abbrevs)>,
    files: Files<'d>,
    /// Our number for each of the unit's files, once asked for.
    numbers: Vec<u32>,
    comp_dir: &'d [u8],
    /// The unit's name, and our number for it as a file once asked for.
    own: (&'d [u8], u32),
    str_base: Option<u64>,
    addr_base: Option<u64>,
    open: Vec<Inside>,
    /// The enumeration that was entered last: its DIE, file and line.
    enumeration: (u32, u32, u32),
}

/// The list of DIEs that the walk is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Of file scope: the unit.
    File,
    /// A namespace's, of Rust: what it has goes by longer names, but C may be inlined into its functions.
    Namespace,
    /// A function's.
    Function,
    /// An enumeration's.
    Enumeration,
    /// One that only has to be gone past.
    Nothing,
}

const DEEPEST: usize = 1024;

impl<'d> Walker<'d> {
    /// Goes through one unit. What is in front of damage is kept.
    pub(super) fn unit(&mut self, raw: &Raw<'d>, heads: &[Head], number: usize, to: &mut Gathered<'d>) {
        let whole = heads.get(number).and_then(|head| {
            let mut abbrevs = std::mem::take(&mut self.abbrevs);
            let done = abbrevs.reparse(raw.abbrev, head.abbrevs, head.encoding).and_then(|()| {
                let reader = Reader::new(raw.info, *head, &abbrevs);
                self.root(raw, &reader, number, to)?;
                self.dies(raw, heads, &reader, to)
            });
            self.abbrevs = abbrevs;
            done
        });
        if whole.is_none() {
            to.damaged += 1;
        }
    }

    fn root(
        &mut self,
        raw: &Raw<'d>,
        reader: &Reader<'_>,
        number: usize,
        to: &mut Gathered<'d>,
    ) -> Option<()> {
        let (die, facts) = reader.root()?;
        self.str_base = facts.str_offsets_base;
        self.addr_base = facts.addr_base;
        let string =
            |(form, value)| unit::string(raw, facts.str_offsets_base, form, value).unwrap_or_default();
        self.comp_dir = string(facts.comp_dir);
        self.own = (string(die.name), NO_FILE);
        self.lines(raw, &facts);
        let lined = self.files.lined.iter().enumerate().filter(|(_, lined)| **lined);
        let lined: Vec<u32> = lined.filter_map(|(file, _)| u32::try_from(file).ok()).collect();
        let files = lined.into_iter().map(|file| self.file(file, to)).filter(|file| *file != NO_FILE);
        let mut files: Vec<u32> = files.collect();
        files.sort_unstable();
        files.dedup();
        to.units.push(UnitFacts {
            number: u32::try_from(number).ok()?,
            start: u32::try_from(reader.head.start).ok()?,
            name: string(die.name),
            comp_dir: self.comp_dir,
            producer: string(facts.producer),
            language: u16::try_from(facts.language).unwrap_or(0),
            ranges: ranges::of_unit(raw, &reader.head, &die, &facts),
            files,
        });
        Some(())
    }

    fn lines(&mut self, raw: &Raw<'d>, facts: &RootFacts) {
        self.numbers.clear();
        self.files.read(raw, facts.stmt_list.unwrap_or(u64::MAX), facts.str_offsets_base);
    }

    /// The file of what does not say where it is declared: the unit's own. (The assembler's functions, base types.)
    fn own_file(&mut self, to: &mut Gathered<'d>) -> u32 {
        if self.own.1 == NO_FILE && !self.own.0.is_empty() {
            self.own.1 = to.file((b"", self.own.0, self.comp_dir));
        }
        self.own.1
    }

    /// Our number for one of the unit's files.
    fn file(&mut self, file: u32, to: &mut Gathered<'d>) -> u32 {
        let slot = file as usize;
        if let Some(known) = self.numbers.get(slot).filter(|known| **known != NO_FILE) {
            return *known;
        }
        let Some((directory, name)) = self.files.get(file, self.own.0) else { return NO_FILE };
        if name.is_empty() {
            return NO_FILE;
        }
        let number = to.file((directory, name, self.comp_dir));
        if slot >= self.numbers.len() {
            self.numbers.resize(slot + 1, NO_FILE);
        }
        if let Some(known) = self.numbers.get_mut(slot) {
            *known = number;
        }
        number
    }

    fn dies(
        &mut self,
        raw: &Raw<'d>,
        heads: &[Head],
        reader: &Reader<'_>,
        to: &mut Gathered<'d>,
    ) -> Option<()> {
        self.open.clear();
        let mut inside = Inside::File;
        let mut at = reader.head.first;
        // The unit's own DIE.
        let (abbrev, attributes) = reader.code(at)?;
        at = reader.pass(abbrev?, attributes)?.0;
        if !abbrev?.children {
            return Some(());
        }
        while at < reader.head.end {
            let (abbrev, attributes) = reader.code(at)?;
            let Some(abbrev) = abbrev else {
                at = attributes;
                match self.open.pop() {
                    Some(outer) => inside = outer,
                    None => return Some(()),
                }
                continue;
            };
            let enter = match (inside, abbrev.tag) {
                (Inside::Nothing, _) => None,
                (Inside::File, 0x13 | 0x17 | 0x02 | 0x04 | 0x16 | 0x24 | 0x3b | 0x34 | 0x2e)
                | (Inside::Enumeration, 0x28)
                | (Inside::Function, 0x1d | 0x2e)
                | (Inside::Namespace, 0x2e) => {
                    let die = reader.attributes(abbrev, at, attributes, &mut ())?;
                    let enter = self.named(raw, heads, reader, &die, inside, to);
                    at = Self::next(
                        &mut self.open,
                        &mut inside,
                        abbrev.children,
                        enter,
                        (die.end, die.sibling),
                        reader,
                    );
                    (self.open.len() < DEEPEST).then_some(())?;
                    continue;
                }
                // Namespaces; blocks.
                (Inside::File | Inside::Namespace, 0x39) => Some(Inside::Namespace),
                (Inside::Function, 0x0b) => Some(Inside::Function),
                _ => None,
            };
            let passed = reader.pass(abbrev, attributes)?;
            at = Self::next(&mut self.open, &mut inside, abbrev.children, enter, passed, reader);
            (self.open.len() < DEEPEST).then_some(())?;
        }
        Some(())
    }

    /// Where to go on behind a DIE: into its children, or past them, at once where it says how.
    #[inline(always)]
    fn next(
        open: &mut Vec<Inside>,
        inside: &mut Inside,
        children: bool,
        enter: Option<Inside>,
        (end, sibling): (usize, usize),
        reader: &Reader<'_>,
    ) -> usize {
        if !children {
            return end;
        }
        if enter.is_none() && sibling >= end && sibling <= reader.head.end {
            return sibling;
        }
        open.push(*inside);
        *inside = enter.unwrap_or(Inside::Nothing);
        end
    }

    /// Notes a DIE; whether its children matter, and as what.
    fn named(
        &mut self,
        raw: &Raw<'d>,
        heads: &[Head],
        reader: &Reader<'_>,
        die: &Die,
        inside: Inside,
        to: &mut Gathered<'d>,
    ) -> Option<Inside> {
        match die.tag {
            0x1d => {
                if let Some((name, ..)) = self.origin(raw, heads, reader, die) {
                    to.copies.push((name, u32::try_from(die.offset).ok()?));
                }
                Some(Inside::Function)
            }
            0x2e => {
                let code = die.low.0 != 0 || die.ranges.0 != 0;
                if !code {
                    return None;
                }
                if inside == Inside::File {
                    self.note(raw, heads, reader, die, Kind::Function, to);
                }
                Some(Inside::Function)
            }
            0x34 => {
                if reader.dropped(raw, self.addr_base, die) {
                    return None;
                }
                let die = &Die { declaration: reader.only_declared(die), ..*die };
                self.note(raw, heads, reader, die, Kind::Variable, to);
                None
            }
            0x28 => {
                let (_, file, line) = self.enumeration;
                let die = &Die { file, line, ..*die };
                self.note(raw, heads, reader, die, Kind::Enumerator, to);
                None
            }
            0x04 => {
                let fresh = self.note(raw, heads, reader, die, Kind::Enum, to);
                self.enumeration = (u32::try_from(die.offset).ok()?, die.file, die.line);
                (fresh && !die.declaration).then_some(Inside::Enumeration)
            }
            tag => {
                let kind = match tag {
                    0x13 | 0x02 => Kind::Struct,
                    0x17 => Kind::Union,
                    0x16 => Kind::Typedef,
                    _ => Kind::Base,
                };
                self.note(raw, heads, reader, die, kind, to);
                None
            }
        }
    }

    /// Adds a DIE unless another unit had the same. Whether it is new.
    fn note(
        &mut self,
        raw: &Raw<'d>,
        heads: &[Head],
        reader: &Reader<'_>,
        die: &Die,
        kind: Kind,
        to: &mut Gathered<'d>,
    ) -> bool {
        let (mut name, mut file, mut line, mut external) =
            (self.name(raw, die), die.file, die.line, die.external);
        if name.is_none()
            && let Some((of_origin, origin, same_unit)) = self.origin(raw, heads, reader, die)
        {
            name = Some(of_origin);
            external |= origin.external;
            if line == 0 {
                line = origin.line;
            }
            if file == 0 && same_unit {
                file = origin.file;
            }
        }
        let file = match kind {
            _ if line != 0 => self.file(file, to),
            Kind::Function | Kind::Variable | Kind::Base => self.own_file(to),
            _ => NO_FILE,
        };
        // Each unit's own functions, variables and base types; enumerators go with their enumeration.
        let own = matches!(kind, Kind::Function | Kind::Variable) && !die.declaration
            || matches!(kind, Kind::Enumerator | Kind::Base);
        if !own {
            // Declarations are the same wherever they are; the rest is by its place in the source.
            let place = if die.declaration { 0 } else { u64::from(file) << 32 | u64::from(line) };
            let known_by = name.or_else(|| self.first_child(raw, reader, die)).unwrap_or(u32::MAX);
            let what = u64::from(known_by) << 32 | u64::from(die.declaration) << 8 | u64::from(kind.code());
            if !to.seen.insert((what, place)) {
                return false;
            }
        }
        if let (Some(name), Ok(die_offset)) = (name, u32::try_from(die.offset)) {
            let mut flags = 0;
            if die.declaration {
                flags |= super::DECLARATION;
            }
            if external {
                flags |= super::EXTERNAL;
            }
            let enumeration = if kind == Kind::Enumerator { self.enumeration.0 } else { 0 };
            to.items.push(Item { name, kind, flags, file, line, die: die_offset, enumeration });
        }
        true
    }

    /// The name of the first child: what tells enumerations without names apart.
    fn first_child(&self, raw: &Raw<'d>, reader: &Reader<'_>, die: &Die) -> Option<u32> {
        if !die.children {
            return None;
        }
        reader.die(die.end).flatten().and_then(|child| self.name(raw, &child))
    }

    /// Where a DIE's own name is.
    fn name(&self, raw: &Raw<'d>, die: &Die) -> Option<u32> {
        place_of_name(raw, self.str_base, die.name)
    }

    /// The DIE that names what `die` is an instance or the definition of: its name, it, and whether it is
    /// of the same unit.
    fn origin(
        &mut self,
        raw: &Raw<'d>,
        heads: &[Head],
        reader: &Reader<'_>,
        die: &Die,
    ) -> Option<(u32, Die, bool)> {
        let mut at = if die.origin != 0 { die.origin } else { die.specification };
        // An instance of an abstract function that a declaration names: two steps.
        for _ in 0..4 {
            if at == 0 {
                return None;
            }
            let own = (reader.head.first..reader.head.end).contains(&at);
            let (named, base) =
                if own { (reader.die(at)??, self.str_base) } else { self.elsewhere(raw, heads, at)? };
            if let Some(name) = place_of_name(raw, base, named.name) {
                return Some((name, named, own));
            }
            at = if named.origin != 0 { named.origin } else { named.specification };
        }
        None
    }

    /// A DIE of another unit, and that unit's base of string offsets.
    fn elsewhere(&mut self, raw: &Raw<'d>, heads: &[Head], at: usize) -> Option<(Die, Option<u64>)> {
        let number = unit::containing(heads, at)?;
        let head = *heads.get(number)?;
        if self.foreign.as_ref().is_none_or(|(known, _)| *known != number) {
            self.foreign = Some((number, Abbrevs::parse(raw.abbrev, head.abbrevs, head.encoding)?));
        }
        let (_, abbrevs) = self.foreign.as_ref()?;
        let reader = Reader::new(raw.info, head, abbrevs);
        Some((reader.die(at)??, reader.root()?.1.str_offsets_base))
    }
}

/// Where a name's bytes are, as one number.
fn place_of_name(raw: &Raw<'_>, base: Option<u64>, (form, value): (u16, u64)) -> Option<u32> {
    let within = |value: u64, first: u32, behind: u64| {
        let place = u64::from(first).checked_add(value)?;
        (place < behind).then(|| u32::try_from(place).ok()).flatten()
    };
    match form {
        form::STRP => within(value, 0, NAME_LINE_STR.into()),
        form::LINE_STRP => within(value, NAME_LINE_STR, NAME_INFO.into()),
        form::STRING => within(value, NAME_INFO, 1 << 32),
        form if form::is_string_index(form) => {
            within(unit::indexed(raw, base, value)? as u64, 0, NAME_LINE_STR.into())
        }
        _ => None,
    }
}
