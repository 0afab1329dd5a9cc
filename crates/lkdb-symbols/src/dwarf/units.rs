//! The list of a file's units, from their headers alone, and which unit an address is in.

use std::sync::OnceLock;

use gimli::{DebugAranges, DebugInfo, DebugInfoOffset, LittleEndian, SectionId, UnitHeader, UnitType};
use lkdb_base::LinkAddr;

use super::{Error, Reader, Sections, Unit, UnitId};

/// Every unit of `.debug_info`. Threads may share it.
#[derive(Debug)]
pub struct UnitTable<'d> {
    headers: Vec<UnitHeader<Reader<'d>>>,
    ranges: OnceLock<Vec<UnitRange>>,
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
        let info = DebugInfo::new(sections.get(SectionId::DebugInfo)?, LittleEndian);
        let mut headers = Vec::new();
        let mut units = info.units();
        while let Ok(Some(header)) = units.next() {
            headers.push(header);
        }
        Ok(Self { headers, ranges: OnceLock::new() })
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
        self.header(id).and_then(start)
    }

    /// The unit that holds an offset of `.debug_info`.
    #[must_use]
    pub fn unit_of(&self, offset: DebugInfoOffset) -> Option<UnitId> {
        let behind = self.headers.partition_point(|header| start(header).is_some_and(|at| at <= offset.0));
        let index = behind.checked_sub(1)?;
        let header = self.headers.get(index)?;
        let inside = offset.0 - start(header)? < header.length_including_self();
        inside.then(|| u32::try_from(index).ok().map(UnitId)).flatten()
    }

    /// See [`super::Dwarf::unit_at`].
    pub(super) fn unit_at(
        &self,
        sections: &Sections<'d>,
        address: LinkAddr,
    ) -> Result<Option<UnitId>, Error> {
        let ranges = match self.ranges.get() {
            Some(ranges) => ranges,
            None => {
                let made = self.collect(sections)?;
                self.ranges.get_or_init(|| made)
            }
        };
        let behind = ranges.partition_point(|range| range.start <= address.0);
        // Ranges of different units do not overlap, but empty files and per-CPU data at 0 may nest a few.
        let near = ranges.get(..behind).unwrap_or_default().iter().rev().take(8);
        Ok(near.clone().find(|range| address.0 < range.end).map(|range| range.unit))
    }

    /// Every unit's ranges, by address.
    fn collect(&self, sections: &Sections<'d>) -> Result<Vec<UnitRange>, Error> {
        let mut listed = vec![false; self.headers.len()];
        let mut ranges = self.listed(sections, &mut listed)?;
        for (id, header) in self.ids().zip(&self.headers) {
            let known = listed.get(id.0 as usize).copied().unwrap_or(false);
            let code = matches!(header.type_(), UnitType::Compilation | UnitType::Skeleton(_));
            if known || !code {
                continue;
            }
            let Ok(unit) = Unit::new(sections, id, header) else { continue };
            for range in unit.ranges(sections).unwrap_or_default() {
                ranges.push(UnitRange { start: range.begin, end: range.end, unit: id });
            }
        }
        ranges.sort_unstable();
        Ok(ranges)
    }

    /// The ranges in `.debug_aranges`; marks the units it lists.
    fn listed(&self, sections: &Sections<'d>, listed: &mut [bool]) -> Result<Vec<UnitRange>, Error> {
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
            if let Some(mark) = listed.get_mut(unit.0 as usize) {
                *mark = ranges.len() > before;
            }
        }
        Ok(ranges)
    }
}

fn start(header: &UnitHeader<Reader<'_>>) -> Option<usize> {
    header.debug_info_offset().map(|offset| offset.0)
}
