//! The addresses that a DIE or a whole unit covers: one range, or a list of them (`.debug_rnglists`, and
//! `.debug_ranges` before version 5).

use gimli::{
    AttributeValue, DebugRanges, DebugRngLists, LittleEndian, Range, RangeLists, SectionId, constants,
};

use super::{Attribute, Entry, Error, Sections, Unit};

impl<'d> Unit<'d> {
    /// The addresses that a DIE covers, by `DW_AT_ranges` or `DW_AT_low_pc` and `DW_AT_high_pc`, in the
    /// file's order; none that are empty.
    ///
    /// # Errors
    /// When what they refer to is damaged.
    pub fn ranges_of(&self, sections: &Sections<'d>, entry: &Entry<'d>) -> Result<Vec<Range>, Error> {
        let (mut low, mut high, mut list) = (None, None, None);
        for attribute in entry.attrs() {
            match attribute.name() {
                constants::DW_AT_low_pc => low = Some(attribute.value()),
                constants::DW_AT_high_pc => high = Some(attribute.value()),
                constants::DW_AT_ranges => list = Some(attribute.value()),
                _ => {}
            }
        }
        let low = low.map(|low| self.address(sections, low)).transpose()?.flatten();
        self.pick(sections, low, high, list)
    }

    /// The addresses of the unit itself.
    ///
    /// # Errors
    /// When its range list is damaged.
    pub fn ranges(&self, sections: &Sections<'d>) -> Result<Vec<Range>, Error> {
        self.pick(sections, Some(self.low_pc), self.high_pc, self.range_list)
    }

    fn pick(
        &self,
        sections: &Sections<'d>,
        low: Option<u64>,
        high: Option<Attribute<'d>>,
        list: Option<Attribute<'d>>,
    ) -> Result<Vec<Range>, Error> {
        if let Some(list) = list {
            return self.range_list(sections, list);
        }
        let (Some(begin), Some(high)) = (low, high) else { return Ok(Vec::new()) };
        let end = match high.udata_value() {
            Some(length) => begin.wrapping_add(length),
            None => self.address(sections, high)?.unwrap_or(begin),
        };
        let dropped = begin == 0 && sections.nothing_at_zero();
        let range = Range { begin, end };
        Ok(if begin < end && !dropped { vec![range] } else { Vec::new() })
    }

    fn range_list(&self, sections: &Sections<'d>, list: Attribute<'d>) -> Result<Vec<Range>, Error> {
        let old = DebugRanges::new(sections.get(SectionId::DebugRanges)?, LittleEndian);
        let new = DebugRngLists::new(sections.get(SectionId::DebugRngLists)?, LittleEndian);
        let lists = RangeLists::new(old, new);
        let wrong = |why| self.wrong(why);
        let offset = match list {
            // Before version 5 those in a .dwo file count from a base of their own; the unit's own do not.
            AttributeValue::RangeListsRef(offset) if self.has_old_split_lists() => {
                gimli::RangeListsOffset(offset.0.saturating_add(self.rnglists_base.0))
            }
            AttributeValue::RangeListsRef(offset) => gimli::RangeListsOffset(offset.0),
            AttributeValue::Sdata(offset) => {
                gimli::RangeListsOffset(usize::try_from(offset).unwrap_or(usize::MAX))
            }
            AttributeValue::DebugRngListsIndex(index) => {
                lists.get_offset(self.encoding(), self.rnglists_base, index).map_err(wrong)?
            }
            _ => return Ok(Vec::new()),
        };
        let addresses = self.addresses(sections)?;
        let mut found = Vec::new();
        let mut entries =
            lists.ranges(offset, self.encoding(), self.low_pc, &addresses, self.addr_base).map_err(wrong)?;
        while let Some(range) = entries.next().map_err(wrong)? {
            if range.begin != 0 || !sections.nothing_at_zero() {
                found.push(range);
            }
        }
        Ok(found)
    }
}
