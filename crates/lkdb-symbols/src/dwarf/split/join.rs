//! The sections of a file and its `.dwo` files put behind each other.

use std::collections::{HashMap, HashSet};

use gimli::SectionId;

use super::abbreviations::{COMPILE_UNIT, Constant, completed};
use super::skeleton::{self, Facts};
use super::{SectionError, Sections, SplitUnit};
use crate::names::Raw;
use crate::names::abbrev::Abbrevs;
use crate::names::unit::{self, Head, Reader};
use crate::store::Store;

/// The sections of a file and of its `.dwo` files as one.
#[derive(Debug)]
pub(in crate::dwarf) struct Joined<'d> {
    parts: HashMap<SectionId, &'d [u8]>,
    /// Where in `.debug_info` the type units begin, if there are any.
    pub(super) types_at: Option<usize>,
    /// Changes with the files that were there.
    pub(in crate::dwarf) fingerprint: u64,
    /// How many files were not, and the first.
    pub(in crate::dwarf) missing: Option<(usize, String)>,
}

impl<'d> Joined<'d> {
    pub(in crate::dwarf) fn get(&self, id: SectionId) -> Option<&'d [u8]> {
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

/// The sections while they grow.
pub(super) struct Joiner {
    sections: HashMap<SectionId, Vec<u8>>,
    used: HashSet<u64>,
    fingerprint: u64,
    pub(super) missing: Option<(usize, String)>,
}

impl Joiner {
    /// With what the file itself has, but for `.debug_info`.
    pub(super) fn new(own: &Sections<'_>) -> Result<Self, SectionError> {
        let mut sections = HashMap::from([(SectionId::DebugInfo, Vec::new())]);
        for id in SHARED.into_iter().filter(|id| *id != SectionId::DebugInfo) {
            sections.insert(id, own.get(id)?.to_vec());
        }
        Ok(Self { sections, used: HashSet::new(), fingerprint: 0xcbf2_9ce4_8422_2325, missing: None })
    }

    /// Puts bytes behind a section; gives where they begin.
    pub(super) fn append(&mut self, id: SectionId, bytes: &[u8]) -> usize {
        let section = self.sections.entry(id).or_default();
        section.extend_from_slice(bytes);
        section.len() - bytes.len()
    }

    /// Puts a `.dwo` file's sections behind; none, and nothing changed, when it is not the unit's.
    pub(super) fn part(&mut self, unit: &SplitUnit, part: &Sections<'_>) -> Option<()> {
        let raw = Raw::of(part).ok()?;
        let heads = unit::heads(raw.info).ok()?;
        heads.iter().any(|head| id_of_unit(&raw, head) == Some(unit.id)).then_some(())?;
        // Twice would be damage, and could be made to grow without end.
        self.used.insert(unit.id).then_some(())?;
        let old = heads.first()?.encoding.version < 5;
        let bases = self.tables(&raw, part, old, &unit.skeleton.die)?;
        self.units(&raw, part, old, &bases, &unit.skeleton.die)?;
        self.fingerprint = (self.fingerprint ^ unit.id).wrapping_mul(0x0100_0000_01b3);
        Some(())
    }

    /// Puts what the units refer to behind; gives the attributes that tell where it begins.
    fn tables(
        &mut self,
        raw: &Raw<'_>,
        part: &Sections<'_>,
        old: bool,
        facts: &Facts,
    ) -> Option<[Constant; 4]> {
        let list_section = if old { SectionId::DebugLoc } else { SectionId::DebugLocLists };
        let lists = part.get(list_section).ok()?;
        let strings = u32::try_from(self.append(SectionId::DebugStr, raw.str)).ok()?;
        // Before version 5 tables had no headers.
        let (header, list_header) = if old { (0, 0) } else { (8, 12) };
        let moved = |entry: &[u8]| {
            let entry = u32::from_le_bytes(entry.try_into().unwrap_or_default());
            entry.wrapping_add(strings).to_le_bytes()
        };
        let offsets: Vec<u8> = raw.str_offsets.get(header..)?.chunks_exact(4).flat_map(moved).collect();
        let offsets = self.append(SectionId::DebugStrOffsets, &offsets);
        let lists = self.append(list_section, lists) + list_header;
        let ranges = self.append(SectionId::DebugRngLists, raw.rnglists) + list_header;
        Some([
            (0x72, Some(offsets as u64)),
            (0x73, facts.addresses),
            (0x74, if old { facts.old_ranges } else { Some(ranges as u64) }),
            (0x8c, Some(lists as u64)),
        ])
    }

    /// Puts the units behind, the type units at the end of all, with abbreviations that say what the skeleton did.
    fn units(
        &mut self,
        raw: &Raw<'_>,
        part: &Sections<'_>,
        old: bool,
        bases: &[Constant],
        facts: &Facts,
    ) -> Option<()> {
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
                    let made = completed(raw.abbrev, head.abbrevs, bases, &of_unit)?;
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
        Some(())
    }

    pub(super) fn finish<'d>(mut self, store: &'d Store) -> Joined<'d> {
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

/// What tells which skeleton a unit with code belongs to; none for other units.
fn id_of_unit(raw: &Raw<'_>, head: &Head) -> Option<u64> {
    let abbrevs = Abbrevs::parse(raw.abbrev, head.abbrevs, head.encoding)?;
    let reader = Reader::new(raw.info, *head, &abbrevs);
    let (die, facts) = reader.root()?;
    if die.tag == COMPILE_UNIT { skeleton::id_of(raw.info, &reader, &facts) } else { None }
}
