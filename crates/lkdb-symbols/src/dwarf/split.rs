//! Split debug info (`-gsplit-dwarf`): what lies in `.dwo` files, put behind the file's own debug info, so that
//! everything else sees one file as if it had never been split. Type units that lie in a section of their own (before
//! DWARF 5) come last.
//!
//! The file itself has skeletons: where each unit's code is, its line table, and the name of its `.dwo` file. A
//! skeleton's place in `.debug_info` is taken by the unit of that file. What only the skeleton tells, and where the
//! unit's parts of the joined sections begin, is put into the unit's abbreviations, as constants of the
//! attributes that a whole unit would have: so no byte of `.debug_info` moves against another. The readers take
//! such a constant for the offset or address that it is.
//!
//! Files are mapped by the caller ([`Sections::split_units`] tells which). A unit whose file is not there stays a
//! skeleton: lines, and no types or variables.

use std::collections::{HashMap, HashSet};

use gimli::SectionId;

use super::{SectionError, Sections};
use crate::elf::Elf;
use crate::names::Raw;
use crate::names::abbrev::Abbrevs;
use crate::names::cursor::Cursor;
use crate::names::form;
use crate::names::unit::{self, Die, Head, Reader, RootFacts};
use crate::store::Store;

/// A unit that lies in another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitUnit {
    /// The other file, as the compiler was told: from [`Self::directory`] on.
    pub name: String,
    /// Where the compiler ran.
    pub directory: String,
    /// What must be equal in both files.
    pub id: u64,
    skeleton: Skeleton,
}

/// What a skeleton tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Skeleton {
    head: (usize, usize),
    die: Facts,
}

/// The skeleton's attributes, as numbers that need no skeleton; none for what it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Facts {
    directory: Option<u64>,
    low: Option<u64>,
    length: Option<u64>,
    ranges: Option<u64>,
    lines: Option<u64>,
    addresses: Option<u64>,
    old_ranges: Option<u64>,
}

/// The sections of a file and of its `.dwo` files as one.
#[derive(Debug)]
pub(super) struct Joined<'d> {
    parts: HashMap<SectionId, &'d [u8]>,
    /// Where in `.debug_info` the type units begin, if there are any.
    types_at: Option<usize>,
    /// Changes with the files that were there.
    pub(super) fingerprint: u64,
    /// How many files were not, and the first.
    pub(super) missing: Option<(usize, String)>,
}

impl<'d> Joined<'d> {
    pub(super) fn get(&self, id: SectionId) -> Option<&'d [u8]> {
        self.parts.get(&id).copied()
    }
}

/// Sections that `.dwo` files have a part of.
const SHARED: [SectionId; 7] = [
    SectionId::DebugInfo,
    SectionId::DebugAbbrev,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugRngLists,
];

impl<'d> Sections<'d> {
    /// Whether [`Self::join`] has anything to do: units lie in other files, or types in `.debug_types`.
    #[must_use]
    pub fn wants_join(&self) -> bool {
        self.has(SectionId::DebugTypes) || super::gaps::has_split_units(self)
    }

    /// Where in `.debug_info` the units of `.debug_types` were put.
    pub(crate) fn types_at(&self) -> Option<usize> {
        self.joined.get()?.types_at
    }

    /// The units that lie in `.dwo` files. Reads the first DIE of each unit, where the file has skeletons.
    #[must_use]
    pub fn split_units(&self) -> Vec<SplitUnit> {
        if !super::gaps::has_split_units(self) {
            return Vec::new();
        }
        let Ok(raw) = Raw::of(self) else { return Vec::new() };
        let Ok(heads) = unit::heads(raw.info) else { return Vec::new() };
        let mut abbrevs = Abbrevs::default();
        let mut found = Vec::new();
        for head in heads {
            if abbrevs.reparse(raw.abbrev, head.abbrevs, head.encoding).is_some() {
                found.extend(skeleton(&raw, &Reader::new(raw.info, head, &abbrevs)));
            }
        }
        found
    }

    /// What tells the joined debug info from the file's own: which `.dwo` files were there. None where none is wanted.
    #[must_use]
    pub fn split_fingerprint(&self) -> Option<u64> {
        self.joined.get().map(|joined| joined.fingerprint)
    }

    /// Puts the `.dwo` files behind this file's own debug info; once, before anything else is read.
    ///
    /// # Errors
    /// When a section of this file cannot be unpacked. A `.dwo` file that cannot be used counts as missing.
    pub fn join(&self, files: &[(SplitUnit, Option<Elf<'d>>)]) -> Result<(), SectionError> {
        let mut joiner = Joiner::new(self)?;
        let own = self.get(SectionId::DebugInfo)?;
        let mut copied = 0;
        for (unit, file) in files {
            let (start, end) = unit.skeleton.head;
            joiner.append(SectionId::DebugInfo, own.get(copied..start).unwrap_or_default());
            copied = start;
            let whole = file.and_then(|file| joiner.part(unit, &Sections::split(&file, self.store)));
            match whole {
                Some(()) => copied = end,
                None => {
                    let (count, first) = joiner.missing.take().unwrap_or((0, unit.name.clone()));
                    joiner.missing = Some((count + 1, first));
                }
            }
        }
        joiner.append(SectionId::DebugInfo, own.get(copied..).unwrap_or_default());
        joiner.append(SectionId::DebugTypes, self.get(SectionId::DebugTypes)?);
        let _ = self.joined.set(joiner.finish(self.store));
        Ok(())
    }
}

/// A unit's facts when it is a skeleton.
fn skeleton(raw: &Raw<'_>, reader: &Reader<'_>) -> Option<SplitUnit> {
    let (die, facts) = reader.root()?;
    let text = |(form, value)| {
        let bytes = unit::string(raw, facts.str_offsets_base, form, value)?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    (facts.dwo_name.0 != 0).then_some(())?;
    let name = text(facts.dwo_name)?;
    let id = id_of(raw.info, reader, &facts)?;
    let address = |(form, value): (u16, u64)| match form {
        form::ADDR => Some(value),
        form if form::is_address_index(form) => {
            let size = reader.head.encoding.address_size;
            unit::address_at(raw, facts.addr_base.unwrap_or(0), size, value)
        }
        _ => None,
    };
    let low = address(die.low);
    let length = match die.high {
        (0, _) => None,
        high => match address(high) {
            Some(high) => Some(high.wrapping_sub(low?)),
            None => Some(high.1),
        },
    };
    let (form, place) = facts.comp_dir;
    let directory = match form {
        form::STRP => Some(place),
        form if form::is_string_index(form) => {
            unit::indexed(raw, facts.str_offsets_base, place).map(|at| at as u64)
        }
        _ => None,
    };
    let die = Facts {
        directory,
        low,
        length,
        ranges: ranges(raw, &die, &facts),
        lines: facts.stmt_list,
        addresses: facts.addr_base,
        old_ranges: facts.rnglists_base.filter(|_| reader.head.encoding.version < 5),
    };
    let skeleton = Skeleton { head: (reader.head.start, reader.head.end), die };
    Some(SplitUnit { name, directory: text(facts.comp_dir).unwrap_or_default(), id, skeleton })
}

/// What tells that a skeleton and a unit belong together: in the header, or before version 5 an attribute.
fn id_of(info: &[u8], reader: &Reader<'_>, facts: &RootFacts) -> Option<u64> {
    match reader.head.encoding.version {
        5.. => Cursor::new(info, reader.head.first.checked_sub(8)?).u64(),
        _ => facts.dwo_id,
    }
}

/// Where the unit's range list is.
fn ranges(raw: &Raw<'_>, die: &Die, facts: &RootFacts) -> Option<u64> {
    match die.ranges {
        (0, _) => None,
        (form::RNGLISTX, index) => {
            let table = facts.rnglists_base?;
            let at = usize::try_from(table.checked_add(index.checked_mul(4)?)?).ok()?;
            table.checked_add(Cursor::new(raw.rnglists, at).u32()?.into())
        }
        (_, offset) => Some(offset),
    }
}

/// The sections while they grow.
struct Joiner {
    sections: HashMap<SectionId, Vec<u8>>,
    used: HashSet<u64>,
    fingerprint: u64,
    missing: Option<(usize, String)>,
}

impl Joiner {
    /// With what the file itself has, but for `.debug_info`.
    fn new(own: &Sections<'_>) -> Result<Self, SectionError> {
        let mut sections = HashMap::from([(SectionId::DebugInfo, Vec::new())]);
        for id in SHARED.into_iter().filter(|id| *id != SectionId::DebugInfo) {
            sections.insert(id, own.get(id)?.to_vec());
        }
        Ok(Self { sections, used: HashSet::new(), fingerprint: 0xcbf2_9ce4_8422_2325, missing: None })
    }

    /// Puts bytes behind a section; gives where they begin.
    fn append(&mut self, id: SectionId, bytes: &[u8]) -> usize {
        let section = self.sections.entry(id).or_default();
        section.extend_from_slice(bytes);
        section.len() - bytes.len()
    }

    /// Puts a `.dwo` file's sections behind; none, and nothing changed, when it is not the unit's.
    fn part(&mut self, unit: &SplitUnit, part: &Sections<'_>) -> Option<()> {
        let raw = Raw::of(part).ok()?;
        let heads = unit::heads(raw.info).ok()?;
        let version = heads.first()?.encoding.version;
        let is_it = |head: &Head| {
            let abbrevs = Abbrevs::parse(raw.abbrev, head.abbrevs, head.encoding)?;
            let reader = Reader::new(raw.info, *head, &abbrevs);
            let (die, facts) = reader.root()?;
            (die.tag == COMPILE_UNIT && id_of(raw.info, &reader, &facts)? == unit.id).then_some(())
        };
        heads.iter().find_map(is_it)?;
        // Twice would be damage, and could be made to grow without end.
        self.used.insert(unit.id).then_some(())?;
        let old = version < 5;
        let list_section = if old { SectionId::DebugLoc } else { SectionId::DebugLocLists };
        let lists = part.get(list_section).ok()?;
        let strings = self.append(SectionId::DebugStr, raw.str);
        let strings = u32::try_from(strings).ok()?;
        // Before version 5 tables had no headers.
        let (header, list_header) = if old { (0, 0) } else { (8, 12) };
        let offsets: Vec<u8> = raw
            .str_offsets
            .get(header..)?
            .chunks_exact(4)
            .flat_map(|entry| {
                let entry = u32::from_le_bytes(entry.try_into().unwrap_or_default());
                entry.wrapping_add(strings).to_le_bytes()
            })
            .collect();
        let offsets = self.append(SectionId::DebugStrOffsets, &offsets);
        let lists = self.append(list_section, lists) + list_header;
        let ranges = self.append(SectionId::DebugRngLists, raw.rnglists) + list_header;
        let facts = unit.skeleton.die;
        let bases = [
            (0x72, Some(offsets as u64)),
            (0x73, facts.addresses),
            (0x74, if old { facts.old_ranges } else { Some(ranges as u64) }),
            (0x8c, Some(lists as u64)),
        ];
        let of_unit = [
            (0x1b, facts.directory),
            (0x11, facts.low),
            (0x12, facts.length),
            (0x55, facts.ranges),
            (0x10, facts.lines),
        ];
        let mut tables = HashMap::new();
        // The type units have the same abbreviations.
        let mut info = [raw.info, part.get(SectionId::DebugTypes).ok()?].concat();
        for head in &unit::heads_and_types(&info, Some(raw.info.len())).ok()? {
            let table = match tables.get(&head.abbrevs) {
                Some(known) => *known,
                None => {
                    let made = completed(raw.abbrev, head.abbrevs, &bases, &of_unit)?;
                    let at = self.append(SectionId::DebugAbbrev, &made);
                    tables.insert(head.abbrevs, at);
                    at
                }
            };
            let field = head.start + if old { 6 } else { 8 };
            info.get_mut(field..field + 4)?.copy_from_slice(&u32::try_from(table).ok()?.to_le_bytes());
        }
        let (info, types) = info.split_at_checked(raw.info.len())?;
        self.append(SectionId::DebugInfo, info);
        self.append(SectionId::DebugTypes, types);
        self.fingerprint = (self.fingerprint ^ unit.id).wrapping_mul(0x0100_0000_01b3);
        Some(())
    }

    fn finish<'d>(mut self, store: &'d Store) -> Joined<'d> {
        let types = self.sections.remove(&SectionId::DebugTypes).unwrap_or_default();
        let at = self.append(SectionId::DebugInfo, &types);
        let types_at = (!types.is_empty()).then_some(at);
        let keep = |(id, bytes): (SectionId, Vec<u8>)| (id, store.keep(bytes));
        let mut parts: HashMap<SectionId, &'d [u8]> = self.sections.into_iter().map(keep).collect();
        // It tells of units by their old places. Those of the joined file say for themselves.
        parts.insert(SectionId::DebugAranges, &[]);
        Joined { parts, types_at, fingerprint: self.fingerprint, missing: self.missing }
    }
}

const COMPILE_UNIT: u16 = 0x11;
const TYPE_UNIT: u64 = 0x41;

/// A table of abbreviations in which those of units have constants for what units of a whole file have. A unit's own
/// attributes stay in front; `of_unit` is for units with code alone.
fn completed(
    section: &[u8],
    table: usize,
    bases: &[(u16, Option<u64>)],
    of_unit: &[(u16, Option<u64>)],
) -> Option<Vec<u8>> {
    let mut made = Vec::new();
    let mut cursor = Cursor::new(section, table);
    loop {
        let start = cursor.at();
        if cursor.uleb()? == 0 {
            made.push(0);
            return Some(made);
        }
        let tag = cursor.uleb()?;
        cursor.u8()?;
        let mut own = Vec::new();
        let end = loop {
            let end = cursor.at();
            let (attribute, form) = (cursor.uleb()?, cursor.uleb()?);
            if (attribute, form) == (0, 0) {
                break end;
            }
            if form == u64::from(form::IMPLICIT_CONST) {
                cursor.sleb()?;
            }
            own.push(attribute);
        };
        made.extend_from_slice(section.get(start..end)?);
        let whole = tag == u64::from(COMPILE_UNIT);
        let more = of_unit.iter().filter(|_| whole);
        for (attribute, value) in bases.iter().chain(more).filter(|_| whole || tag == TYPE_UNIT) {
            if let Some(value) = value.filter(|_| !own.contains(&u64::from(*attribute))) {
                put_uleb(&mut made, u64::from(*attribute));
                put_uleb(&mut made, u64::from(form::IMPLICIT_CONST));
                put_sleb(&mut made, value.cast_signed());
            }
        }
        made.extend_from_slice(&[0, 0]);
    }
}

fn put_uleb(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    to.push(value.to_le_bytes()[0]);
}

fn put_sleb(to: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 && byte & 0x40 == 0 || value == -1 && byte & 0x40 != 0 {
            to.push(byte);
            return;
        }
        to.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::{completed, put_sleb, put_uleb};
    use crate::names::cursor::Cursor;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for value in [0, 1, -1, 63, 64, -64, -65, 1 << 40, i64::MIN, i64::MAX] {
            let mut bytes = Vec::new();
            put_sleb(&mut bytes, value);
            assert_eq!(Cursor::new(&bytes, 0).sleb(), Some(value));
            bytes.clear();
            put_uleb(&mut bytes, value.cast_unsigned());
            assert_eq!(Cursor::new(&bytes, 0).uleb(), Some(value.cast_unsigned()));
        }
    }

    #[test]
    fn a_units_own_attributes_stay_and_others_come_behind() {
        // 1: a unit with a name (string) and a directory; 2: a member. Then the end.
        let table = [1, 0x11, 1, 0x03, 0x08, 0x1b, 0x08, 0, 0, 2, 0x0d, 0, 0x03, 0x08, 0, 0, 0];
        let made =
            completed(&table, 0, &[(0x72, Some(8))], &[(0x1b, Some(5)), (0x10, Some(3)), (0x11, None)]);
        let wanted = [
            1, 0x11, 1, 0x03, 0x08, 0x1b, 0x08, 0x72, 0x21, 8, 0x10, 0x21, 3, 0, 0, 2, 0x0d, 0, 0x03, 0x08,
            0, 0, 0,
        ];
        assert_eq!(made.as_deref(), Some(&wanted[..]));
        for end in 0..table.len() {
            assert_eq!(completed(&table[..end], 0, &[], &[]), None);
        }
    }
}
