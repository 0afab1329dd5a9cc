//! The list of a file's units, from their headers alone, and which unit an address is in.

use std::sync::OnceLock;

use gimli::{
    DebugAranges, DebugInfo, DebugInfoOffset, DebugTypes, LittleEndian, SectionId, UnitHeader, UnitType,
};
use lkdb_base::LinkAddr;

use super::{Error, Reader, Sections, Unit, UnitId};

/// Every unit of `.debug_info`. Threads may share it.
#[derive(Debug)]
pub struct UnitTable<'d> {
    headers: Vec<UnitHeader<Reader<'d>>>,
    /// Where each begins.
    starts: Vec<usize>,
    listed: OnceLock<Listed>,
    others: OnceLock<Vec<UnitRange>>,
}

/// What `.debug_aranges` lists.
#[derive(Debug)]
struct Listed {
    /// By address.
    ranges: Vec<UnitRange>,
    /// Which units are in it, by their numbers.
    units: Vec<bool>,
}

/// A range of addresses that belongs to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct UnitRange {
    start: u64,
    end: u64,
    unit: UnitId,
}

impl<'d> UnitTable<'d> {
    /// Lists the units. Where a header is damaged the list ends: nothing tells where the next one is.
    pub(super) fn new(sections: &Sections<'d>) -> Result<Self, Error> {
        let whole = sections.get(SectionId::DebugInfo)?;
        let types_at = sections.types_at().unwrap_or(whole.len());
        let (info, types) = whole.split_at_checked(types_at).unwrap_or((whole, &[]));
        let (mut headers, mut starts) = (Vec::new(), Vec::new());
        let mut units = DebugInfo::new(info, LittleEndian).units();
        while let Ok(Some(header)) = units.next() {
            starts.push(header.debug_info_offset().map_or(0, |offset| offset.0));
            headers.push(header);
        }
        let mut units = DebugTypes::new(types, LittleEndian).units();
        while let Ok(Some(header)) = units.next() {
            starts.push(types_at + header.debug_types_offset().map_or(0, |offset| offset.0));
            headers.push(header);
        }
        Ok(Self { headers, starts, listed: OnceLock::new(), others: OnceLock::new() })
    }

    /// How many units there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.headers.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// Every unit's number, in the order of `.debug_info`.
    pub fn ids(&self) -> impl Iterator<Item = UnitId> + use<> {
        (0..u32::try_from(self.headers.len()).unwrap_or(u32::MAX)).map(UnitId)
    }

    /// A unit's header.
    #[must_use]
    pub fn header(&self, id: UnitId) -> Option<&UnitHeader<Reader<'d>>> {
        self.headers.get(id.0 as usize)
    }

    /// Where a unit begins in `.debug_info`.
    #[must_use]
    pub fn start(&self, id: UnitId) -> Option<usize> {
        self.starts.get(id.0 as usize).copied()
    }

    /// The unit that holds an offset of `.debug_info`.
    #[must_use]
    pub fn unit_of(&self, offset: DebugInfoOffset) -> Option<UnitId> {
        let behind = self.starts.partition_point(|start| *start <= offset.0);
        let index = behind.checked_sub(1)?;
        let header = self.headers.get(index)?;
        let inside = offset.0 - self.starts.get(index)? < header.length_including_self();
        inside.then(|| u32::try_from(index).ok().map(UnitId)).flatten()
    }

    /// See [`super::Dwarf::unit_at`].
    pub(super) fn unit_at(
        &self,
        sections: &Sections<'d>,
        address: LinkAddr,
    ) -> Result<Option<UnitId>, Error> {
        let listed = match self.listed.get() {
            Some(listed) => listed,
            None => {
                let made = self.list(sections)?;
                self.listed.get_or_init(|| made)
            }
        };
        if let Some(unit) = holder(&listed.ranges, address) {
            return Ok(Some(unit));
        }
        // Most addresses end above: only then the units that say for themselves need to be parsed.
        let others = self.others.get_or_init(|| self.ask(sections, &listed.units));
        Ok(holder(others, address))
    }

    /// The ranges of units that `.debug_aranges` does not list, by address. Damaged units are passed over.
    fn ask(&self, sections: &Sections<'d>, listed: &[bool]) -> Vec<UnitRange> {
        let mut ranges = Vec::new();
        for (id, header) in self.ids().zip(&self.headers) {
            let known = listed.get(id.0 as usize).copied().unwrap_or(false);
            let code = matches!(
                header.type_(),
                UnitType::Compilation | UnitType::Skeleton(_) | UnitType::SplitCompilation(_)
            );
            if known || !code {
                continue;
            }
            let start = self.start(id).unwrap_or(0);
            let Ok(unit) = Unit::new(sections, id, start, header) else { continue };
            for range in unit.ranges(sections).unwrap_or_default() {
                ranges.push(UnitRange { start: range.begin, end: range.end, unit: id });
            }
        }
        ranges.sort_unstable();
        ranges
    }

    /// What `.debug_aranges` lists.
    fn list(&self, sections: &Sections<'d>) -> Result<Listed, Error> {
        let mut units = vec![false; self.headers.len()];
        let aranges = DebugAranges::new(sections.get(SectionId::DebugAranges)?, LittleEndian);
        let mut ranges = Vec::new();
        let mut sets = aranges.headers();
        while let Ok(Some(set)) = sets.next() {
            let Some(unit) = self.unit_of(set.debug_info_offset()) else { continue };
            let before = ranges.len();
            let mut entries = set.entries();
            while let Ok(Some(entry)) = entries.next() {
                let range = entry.range();
                ranges.push(UnitRange { start: range.begin, end: range.end, unit });
            }
            if let Some(mark) = units.get_mut(unit.0 as usize) {
                *mark = ranges.len() > before;
            }
        }
        ranges.sort_unstable();
        Ok(Listed { ranges, units })
    }
}

/// The unit whose range an address is in.
fn holder(ranges: &[UnitRange], address: LinkAddr) -> Option<UnitId> {
    let behind = ranges.partition_point(|range| range.start <= address.0);
    // Ranges of different units do not overlap, but empty files and per-CPU data at 0 may nest a few.
    let mut near = ranges.get(..behind)?.iter().rev().take(8);
    near.find(|range| address.0 < range.end).map(|range| range.unit)
}
