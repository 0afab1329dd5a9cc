//! The DIEs of a unit: one by its offset, a DIE's children, and going on from one to the next.

use gimli::{AttributeValue, DwTag, EntriesRaw, UnitOffset, constants};

use super::{Entry, Error, Reader, Unit};

impl<'d> Unit<'d> {
    /// Reads the unit's DIEs from `offset` on; none when that lies outside of it.
    ///
    /// # Errors
    /// When the offset is not in the unit.
    pub fn entries(&self, offset: Option<UnitOffset>) -> Result<EntriesRaw<'_, Reader<'d>>, Error> {
        self.header.entries_raw(&self.abbreviations, offset).map_err(|why| self.wrong(why))
    }

    /// The DIE at an offset.
    ///
    /// # Errors
    /// When it is damaged or the offset is not in the unit.
    pub fn entry(&self, offset: UnitOffset) -> Result<Entry<'d>, Error> {
        self.header.entry(&self.abbreviations, offset).map_err(|why| self.wrong(why))
    }

    /// Calls `visit` with each child of the DIE at `parent`, in order, until it returns false. Children's
    /// children are skipped, by `DW_AT_sibling` where there is one.
    ///
    /// # Errors
    /// When a DIE is damaged.
    pub fn children(
        &self,
        parent: UnitOffset,
        mut visit: impl FnMut(&Entry<'d>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut entries = self.entries(Some(parent))?;
        let mut entry = Entry::null();
        let mut skip_to = None;
        let mut depth = match entries.read_entry(&mut entry) {
            Ok(true) if entry.has_children() => 1,
            Ok(_) => return Ok(()),
            Err(why) => return Err(self.wrong(why)),
        };
        while depth > 0 {
            if let Some(sibling) = skip_to.take() {
                entries = self.entries(Some(sibling))?;
                depth = 1;
            }
            if entries.is_empty() {
                break;
            }
            if !entries.read_entry(&mut entry).map_err(|why| self.wrong(why))? {
                depth -= 1;
                continue;
            }
            if depth == 1 && !visit(&entry)? {
                break;
            }
            if entry.has_children() {
                let here = entry.offset();
                match entry.attr_value(constants::DW_AT_sibling) {
                    Some(AttributeValue::UnitRef(next)) if depth == 1 && next > here => skip_to = Some(next),
                    _ => depth += 1,
                }
            }
        }
        Ok(())
    }

    /// The tag of the DIE at an offset; none when nothing readable is there.
    #[must_use]
    pub fn tag(&self, offset: UnitOffset) -> Option<DwTag> {
        let mut entries = self.entries(Some(offset)).ok()?;
        entries.read_abbreviation().ok().flatten().map(gimli::Abbreviation::tag)
    }
}
