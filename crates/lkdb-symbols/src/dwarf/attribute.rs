//! What attributes hold: strings, addresses and references, given at once or by an offset or an index.
//!
//! Indices count from the bases that the unit's first DIE gives. Range lists are in `ranges`, location lists in
//! `location`; what a DIE takes from the one it is an instance of is found by `follow`.

use gimli::{
    AttributeValue, DebugAddr, DebugInfoOffset, DebugLineStr, DebugStr, DebugStrOffsets, LittleEndian,
    SectionId, UnitOffset, constants,
};

use super::{Attribute, DieRef, Entry, Error, Reader, Sections, Unit, UnitTable};

impl<'d> Unit<'d> {
    /// A string attribute; none for attributes that are none.
    ///
    /// # Errors
    /// When it points outside of its section.
    pub fn string(&self, sections: &Sections<'d>, value: Attribute<'d>) -> Result<Option<&'d str>, Error> {
        let bytes = match value {
            AttributeValue::String(bytes) => Ok(bytes),
            AttributeValue::DebugStrRef(offset) => {
                DebugStr::new(sections.get(SectionId::DebugStr)?, LittleEndian).get_str(offset)
            }
            AttributeValue::DebugLineStrRef(offset) => {
                DebugLineStr::new(sections.get(SectionId::DebugLineStr)?, LittleEndian).get_str(offset)
            }
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let bytes = sections.get(SectionId::DebugStrOffsets)?;
                let format = self.encoding().format;
                let strings = DebugStr::new(sections.get(SectionId::DebugStr)?, LittleEndian);
                DebugStrOffsets::from(Reader::new(bytes, LittleEndian))
                    .get_str_offset(format, self.str_offsets_base, index)
                    .and_then(|offset| strings.get_str(offset))
            }
            _ => return Ok(None),
        };
        let bytes = bytes.map_err(|why| self.wrong(why))?;
        Ok(std::str::from_utf8(bytes.slice()).ok())
    }

    /// The name of a DIE, if it has one.
    ///
    /// # Errors
    /// When it points outside of its section.
    pub fn name_of(&self, sections: &Sections<'d>, entry: &Entry<'d>) -> Result<Option<&'d str>, Error> {
        match entry.attr_value(constants::DW_AT_name) {
            Some(value) => self.string(sections, value),
            None => Ok(None),
        }
    }

    /// An address attribute; none for attributes that are none.
    ///
    /// # Errors
    /// When it points outside of `.debug_addr`.
    pub fn address(&self, sections: &Sections<'d>, value: Attribute<'d>) -> Result<Option<u64>, Error> {
        match value {
            AttributeValue::Addr(address) => Ok(Some(address)),
            AttributeValue::DebugAddrIndex(index) => {
                let table = self.addresses(sections)?;
                let size = self.encoding().address_size;
                table.get_address(size, self.addr_base, index).map(Some).map_err(|why| self.wrong(why))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn addresses(&self, sections: &Sections<'d>) -> Result<DebugAddr<Reader<'d>>, Error> {
        Ok(DebugAddr::from(Reader::new(sections.get(SectionId::DebugAddr)?, LittleEndian)))
    }

    /// The DIE that a reference attribute leads to; none for attributes that are none, and for references
    /// into type units.
    #[must_use]
    pub fn reference(&self, units: &UnitTable<'_>, value: Attribute<'d>) -> Option<DieRef> {
        match value {
            AttributeValue::UnitRef(offset) => Some(DieRef { unit: self.id, offset }),
            AttributeValue::DebugInfoRef(DebugInfoOffset(at)) => {
                let unit = units.unit_of(DebugInfoOffset(at))?;
                Some(DieRef { unit, offset: UnitOffset(at.checked_sub(units.start(unit)?)?) })
            }
            _ => None,
        }
    }
}
