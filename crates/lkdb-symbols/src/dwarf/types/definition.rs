//! What makes a declaration whole: the struct of the same tag that the same unit defines.

use gimli::{AttributeValue, constants};

use super::flag;
use crate::dwarf::{DieRef, Dwarf, Error};

impl<'d> Dwarf<'d> {
    /// The definition, in the same unit, of the struct, union or enumeration that the DIE at `offset`
    /// declares. Those within functions do not count. Reads every type of the unit: ask once.
    ///
    /// # Errors
    /// When the unit is damaged.
    pub fn definition_in_unit(&self, offset: u64) -> Result<Option<DieRef>, Error> {
        let at = self.die_at(offset)?;
        let (unit, declared) = self.entry(at)?;
        let Some(name) = unit.name_of(self.sections(), &declared)? else { return Ok(None) };
        // One string is often but once in the file: then its offset says enough.
        let written = declared.attr_value(constants::DW_AT_name);
        let mut found = None;
        unit.children(unit.root(), |child| {
            let fits = child.tag() == declared.tag() && !flag(child, constants::DW_AT_declaration);
            let other = fits.then(|| child.attr_value(constants::DW_AT_name)).flatten();
            let same = match (&other, &written) {
                (Some(AttributeValue::DebugStrRef(one)), Some(AttributeValue::DebugStrRef(two)))
                    if one == two =>
                {
                    true
                }
                (Some(other), _) => unit.string(self.sections(), *other)? == Some(name),
                (None, _) => false,
            };
            if same {
                found = Some(DieRef { unit: unit.id, offset: child.offset() });
            }
            Ok(!same)
        })?;
        Ok(found)
    }

    /// The tag and name of a struct, union or enumeration.
    ///
    /// # Errors
    /// When there is no DIE, or it is damaged.
    pub fn tag_and_name(&self, offset: u64) -> Result<Option<(gimli::DwTag, &'d str)>, Error> {
        let (unit, entry) = self.entry(self.die_at(offset)?)?;
        Ok(unit.name_of(self.sections(), &entry)?.map(|name| (entry.tag(), name)))
    }
}
