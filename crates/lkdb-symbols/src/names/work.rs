//! One thread's part of a search: hits checked against the unit that they lie in.

use std::ops::Range;

use memchr::memmem;

use super::abbrev::Abbrevs;
use super::cursor::Cursor;
use super::needle::Finder;
use super::scan::{self, Children, Within};
use super::unit::{self, Die, Head, Reader};
use super::{Extent, Found, Kinds, Raw, form};

/// How the DIEs of a unit that may have the wanted name begin.
#[derive(Debug, Default)]
struct Shapes {
    /// The abbreviation's code as it is written, its length, and the bytes from it to the name.
    fixed: Vec<([u8; 10], usize, usize)>,
    /// In some the name is not at a fixed distance: all must be gone through.
    varied: bool,
}

impl Shapes {
    fn reset(&mut self, abbrevs: &Abbrevs, kinds: Kinds, form: u16) {
        self.fixed.clear();
        self.varied = false;
        for (code, abbrev) in abbrevs.iter().filter(|(_, abbrev)| Kinds::of_tag(abbrev.tag).meets(kinds)) {
            let Some(name) = abbrev.name else { continue };
            match name.offset {
                Some(before) if name.form == form => {
                    let (bytes, length) = leb(code);
                    self.fixed.push((bytes, length, usize::from(before)));
                }
                None if name.form == form => self.varied = true,
                _ => self.varied |= name.form == form::INDIRECT,
            }
        }
    }

    /// Where a DIE would begin whose name is at `at`.
    fn starts(&self, info: &[u8], at: usize) -> impl Iterator<Item = usize> {
        self.fixed.iter().filter_map(move |(code, length, before)| {
            let start = at.checked_sub(length + before)?;
            (info.get(start..start + length)? == code.get(..*length)?).then_some(start)
        })
    }
}

fn leb(mut value: u64) -> ([u8; 10], usize) {
    let (mut bytes, mut length) = ([0; 10], 0);
    for slot in &mut bytes {
        *slot = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        length += 1;
        if value == 0 {
            break;
        }
        *slot |= 0x80;
    }
    (bytes, length)
}

/// One thread's work.
pub(super) struct Work<'a> {
    raw: &'a Raw<'a>,
    heads: &'a [Head],
    kinds: Kinds,
    extent: Extent,
    /// The unit that `abbrevs` and `shapes` are of.
    ready: Option<usize>,
    abbrevs: Abbrevs,
    shapes: Shapes,
    /// That unit's; read where the file has a section that it is the base of.
    addr_base: Option<u64>,
    found: Vec<Found>,
}

impl<'a> Work<'a> {
    pub(super) fn new(raw: &'a Raw<'a>, heads: &'a [Head], kinds: Kinds, extent: Extent) -> Self {
        let (abbrevs, shapes) = (Abbrevs::default(), Shapes::default());
        Self { raw, heads, kinds, extent, ready: None, abbrevs, shapes, addr_base: None, found: Vec::new() }
    }

    /// What has been found so far.
    pub(super) fn found(self) -> Vec<Found> {
        self.found
    }

    /// A definition has been found.
    pub(super) fn done(&self) -> bool {
        self.found.iter().any(|die| !die.declaration)
    }

    fn ready(&mut self, unit: usize, form: u16) -> Option<Head> {
        let head = *self.heads.get(unit)?;
        if self.ready != Some(unit) {
            self.ready = None;
            self.abbrevs.reparse(self.raw.abbrev, head.abbrevs, head.encoding)?;
            self.shapes.reset(&self.abbrevs, self.kinds, form);
            let reader = Reader::new(self.raw.info, head, &self.abbrevs);
            let root = if self.raw.addr.is_empty() { None } else { reader.root() };
            self.addr_base = root.and_then(|(_, facts)| facts.addr_base);
            self.ready = Some(unit);
        }
        Some(head)
    }

    /// Checks each place in some units where the name's bytes are.
    pub(super) fn hits(&mut self, units: Range<usize>, finder: &Finder, form: u16) {
        let (Some(first), Some(last)) = (self.heads.get(units.start), self.heads.get(units.end - 1)) else {
            return;
        };
        let Some(part) = self.raw.info.get(..last.end) else { return };
        let mut at = first.start;
        while let Some(hit) = finder.next(part, at) {
            at = hit + 1;
            let Some(unit) = unit::containing(self.heads, hit) else { break };
            let Some(head) = self.ready(unit, form) else {
                // Damaged abbreviations: nothing of this unit can be read.
                at = self.heads.get(unit).map_or(at, |head| head.end);
                continue;
            };
            if self.shapes.varied {
                let named = |(is, value): (u16, u64)| is == form && self.same(hit, form, value);
                let named: Vec<Found> = self.collect(head, named);
                self.found.extend(named);
                at = head.end;
            } else {
                self.hit(head, hit);
            }
            if self.extent == Extent::First && self.done() {
                return;
            }
        }
    }

    /// Whether a name of a form and value is the one whose bytes are at `hit`.
    fn same(&self, hit: usize, form: u16, value: u64) -> bool {
        let read = |at: usize| Cursor::new(self.raw.info, at);
        if form == form::STRING {
            let other = usize::try_from(value).ok().and_then(|at| read(at).string());
            return other.is_some() && other == read(hit).string();
        }
        read(hit).u32().map(u64::from) == Some(value)
    }

    fn hit(&mut self, head: Head, hit: usize) {
        let reader = Reader::new(self.raw.info, head, &self.abbrevs);
        let starts: Vec<usize> =
            self.shapes.starts(self.raw.info, hit).filter(|start| *start >= head.first).collect();
        for start in starts {
            let Some(Some(die)) = reader.die(start) else { continue };
            let defined = defined_elsewhere(&reader, self.raw.info, &die);
            // Headers declare the same thing in hundreds of units: one such will do.
            if die.declaration && defined.is_none() && self.found.iter().any(|found| found.declaration) {
                continue;
            }
            let Some(within) = scan::reach(&reader, start) else { continue };
            if !reader.dropped(self.raw, self.addr_base, &die) {
                self.found.extend(accept(&reader, &die, within, defined));
            }
        }
    }

    /// Goes through all DIEs of a unit for those with a name that `named` accepts.
    pub(super) fn go_through(&mut self, unit: usize, named: impl Fn((u16, u64)) -> bool) {
        let Some(head) = self.ready(unit, 0) else { return };
        let found = self.collect(head, named);
        self.found.extend(found);
    }

    fn collect(&self, head: Head, named: impl Fn((u16, u64)) -> bool) -> Vec<Found> {
        let reader = Reader::new(self.raw.info, head, &self.abbrevs);
        let mut found = Vec::new();
        let want = |tag: u16| Kinds::of_tag(tag) != Kinds(0);
        let _ = scan::over(&reader, head.first, want, |die, within| {
            let kind = Kinds::of_tag(die.tag);
            let wanted = kind.meets(self.kinds) && die.name.0 != 0 && named(die.name);
            if wanted && !reader.dropped(self.raw, self.addr_base, die) {
                let defined = defined_elsewhere(&reader, self.raw.info, die);
                found.extend(accept(&reader, die, within, defined));
            }
            let inside = Kinds::ENUM.or(Kinds::STRUCT).or(Kinds::UNION);
            if kind.meets(inside) { Children::Enter } else { Children::Pass }
        });
        found
    }
}

/// A DIE that was reached, if it is of file scope.
fn accept(reader: &Reader<'_>, die: &Die, within: Within, defined: Option<usize>) -> Option<Found> {
    (!within.local).then(|| Found {
        unit: reader.head.start as u64,
        offset: defined.unwrap_or(die.offset) as u64,
        tag: die.tag,
        declaration: reader.only_declared(die) && defined.is_none(),
        parent: within.parent as u64,
    })
}

/// The DIE of the same unit that defines what `die` declares: it refers back to it
/// (`DW_AT_specification`) in place of a name.
fn defined_elsewhere(reader: &Reader<'_>, info: &[u8], die: &Die) -> Option<usize> {
    let declares = die.declaration && Kinds::of_tag(die.tag).meets(Kinds::VARIABLE.or(Kinds::FUNCTION));
    if !declares {
        return None;
    }
    let back = u32::try_from(die.offset - reader.head.start).ok()?.to_le_bytes();
    let unit = info.get(..reader.head.end)?;
    for at in memmem::find_iter(unit.get(die.end..)?, &back) {
        // The reference is among the first attributes; its DIE begins a few bytes in front.
        for start in (die.end + at).saturating_sub(12).max(die.end)..die.end + at {
            let other = reader.die(start).flatten();
            if other.is_some_and(|other| other.specification == die.offset && other.tag == die.tag)
                && scan::reach(reader, start).is_some()
            {
                return Some(start);
            }
        }
    }
    None
}
