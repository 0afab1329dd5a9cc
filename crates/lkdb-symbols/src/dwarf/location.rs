//! Location descriptions: where a variable is, as the compiler says it (DWARF 5, section 2.6).
//!
//! Only found and taken apart here, for an address; evaluating one needs a frame and is `lkdb-unwind`'s.

use std::rc::Rc;

use gimli::{
    AttributeValue, DebugLoc, DebugLocLists, Encoding, LittleEndian, LocationLists, Range, RawLocListEntry,
    SectionId, constants,
};
use lkdb_base::LinkAddr;

use super::{Attribute, Dwarf, Entry, Error, Reader, Sections, Unit, UnitId};

/// A DWARF expression and what is needed to evaluate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expression<'d> {
    /// Its bytes.
    pub bytes: &'d [u8],
    /// The unit it is in: base of type references, and of `DW_OP_addrx` (`Dwarf::indexed_address`).
    pub unit: UnitId,
    /// How its operands are encoded.
    pub encoding: Encoding,
}

/// Where a variable is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocationDescription<'d> {
    /// The compiler says of no place.
    OptimizedOut,
    /// At an address that never changes.
    Static(LinkAddr),
    /// In the same place everywhere in its scope; how to find that.
    Expression(Expression<'d>),
    /// In places that depend on the address; see [`Dwarf::location_list`].
    List(LocationList),
    /// It has no place but a value.
    Constant(Constant<'d>),
    /// Declared `extern` only: the symbol table tells.
    Unresolved,
}

/// A value in the debug info (`DW_AT_const_value`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constant<'d> {
    /// A number, as long as the variable's type.
    Number(i64),
    /// Its bytes, as in memory.
    Bytes(&'d [u8]),
}

/// Names a location list: the unit and where in `.debug_loclists` (or, before version 5, `.debug_loc`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocationList {
    /// The unit.
    pub unit: UnitId,
    /// The offset in the section.
    pub offset: usize,
}

/// An entry of a location list as it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListEntry<'d> {
    /// A base address for those that follow.
    Base(LinkAddr),
    /// While the program is in these addresses, the variable is there.
    Range(Range, Expression<'d>),
    /// Where no other entry says.
    Default(Expression<'d>),
}

impl<'d> Unit<'d> {
    /// An expression of this unit.
    #[must_use]
    pub fn expression(&self, bytes: &'d [u8]) -> Expression<'d> {
        Expression { bytes, unit: self.id, encoding: self.encoding() }
    }

    /// What an attribute of the class exprloc or loclist says.
    ///
    /// # Errors
    /// When it refers to a damaged table.
    pub fn location(
        &self,
        sections: &Sections<'d>,
        value: Attribute<'d>,
    ) -> Result<LocationDescription<'d>, Error> {
        let offset = match value {
            AttributeValue::Exprloc(expression) => return self.single(sections, expression.0.slice()),
            AttributeValue::Block(bytes) => return self.single(sections, bytes.slice()),
            AttributeValue::LocationListsRef(offset) if self.has_old_split_lists() => {
                gimli::LocationListsOffset(offset.0.saturating_add(self.loclists_base.0))
            }
            AttributeValue::LocationListsRef(offset) => offset,
            AttributeValue::DebugLocListsIndex(index) => lists(sections)?
                .get_offset(self.encoding(), self.loclists_base, index)
                .map_err(|why| self.wrong(why))?,
            _ => return Ok(LocationDescription::OptimizedOut),
        };
        Ok(LocationDescription::List(LocationList { unit: self.id, offset: offset.0 }))
    }

    /// An expression alone: an address alone is a static place, nothing is nowhere.
    fn single(&self, sections: &Sections<'d>, bytes: &'d [u8]) -> Result<LocationDescription<'d>, Error> {
        let expression = self.expression(bytes);
        if bytes.is_empty() {
            return Ok(LocationDescription::OptimizedOut);
        }
        let mut rest = Reader::new(bytes, LittleEndian);
        let operation = gimli::Operation::parse(&mut rest, self.encoding());
        let address = match operation {
            Ok(gimli::Operation::Address { address }) if rest.is_empty() => Some(address),
            Ok(gimli::Operation::AddressIndex { index }) if rest.is_empty() => {
                self.address(sections, AttributeValue::DebugAddrIndex(index))?
            }
            _ => None,
        };
        Ok(match address {
            Some(address) => LocationDescription::Static(LinkAddr(address)),
            None => LocationDescription::Expression(expression),
        })
    }
}

fn lists<'d>(sections: &Sections<'d>) -> Result<LocationLists<Reader<'d>>, Error> {
    let old = DebugLoc::new(sections.get(SectionId::DebugLoc)?, LittleEndian);
    let new = DebugLocLists::new(sections.get(SectionId::DebugLocLists)?, LittleEndian);
    Ok(LocationLists::new(old, new))
}

impl<'d> Dwarf<'d> {
    /// Where the variable of a DIE is. Its own attributes count before those of its origin.
    ///
    /// # Errors
    /// When the DIE or what it refers to is damaged.
    pub fn location_of(
        &self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
    ) -> Result<LocationDescription<'d>, Error> {
        if let Some(found) = self.attribute(unit, entry, constants::DW_AT_const_value)? {
            return self.constant(&found.unit, found.value);
        }
        if let Some(found) = self.attribute(unit, entry, constants::DW_AT_location)? {
            return found.unit.location(self.sections(), found.value);
        }
        let external = self.flag_of(unit, entry, constants::DW_AT_external)?;
        Ok(if external { LocationDescription::Unresolved } else { LocationDescription::OptimizedOut })
    }

    fn constant(&self, unit: &Unit<'d>, value: Attribute<'d>) -> Result<LocationDescription<'d>, Error> {
        let constant = match value {
            AttributeValue::Block(bytes) => Constant::Bytes(bytes.slice()),
            AttributeValue::Exprloc(expression) => Constant::Bytes(expression.0.slice()),
            AttributeValue::Data1(value) => Constant::Number(i64::from(value)),
            AttributeValue::Data2(value) => Constant::Number(i64::from(value)),
            AttributeValue::Data4(value) => Constant::Number(i64::from(value)),
            AttributeValue::Data8(value) => Constant::Number(value.cast_signed()),
            AttributeValue::Sdata(value) => Constant::Number(value),
            AttributeValue::Udata(value) => Constant::Number(value.cast_signed()),
            _ => match (unit.string(self.sections(), value)?, unit.address(self.sections(), value)?) {
                (Some(text), _) => Constant::Bytes(text.as_bytes()),
                (None, Some(address)) => Constant::Number(address.cast_signed()),
                (None, None) => return Ok(LocationDescription::OptimizedOut),
            },
        };
        Ok(LocationDescription::Constant(constant))
    }

    /// The expression that holds at `address`; none where the variable has none there.
    ///
    /// # Errors
    /// When the location list is damaged.
    pub fn expression_at(
        &self,
        location: &LocationDescription<'d>,
        address: LinkAddr,
    ) -> Result<Option<Expression<'d>>, Error> {
        let list = match location {
            LocationDescription::Expression(expression) => return Ok(Some(*expression)),
            LocationDescription::List(list) => *list,
            _ => return Ok(None),
        };
        let mut otherwise = None;
        for entry in self.location_list(list)? {
            match entry {
                ListEntry::Range(Range { begin, end }, expression)
                    if (begin..end).contains(&address.0)
                        || (begin == end && begin == address.0 && self.is_entry(address)?) =>
                {
                    return Ok(Some(expression));
                }
                ListEntry::Default(expression) => otherwise = Some(expression),
                _ => {}
            }
        }
        Ok(otherwise.filter(|expression| !expression.bytes.is_empty()))
    }

    /// Whether a function begins at an address. An empty range there tells of its entry; elsewhere it is for a view of
    /// its address that no debugger stops in.
    fn is_entry(&self, address: LinkAddr) -> Result<bool, Error> {
        Ok(self.function_at(address)?.is_some_and(|function| function.entry == address))
    }

    /// The entries of a location list, with their addresses made whole.
    ///
    /// # Errors
    /// When the list is damaged.
    pub fn location_list(&self, list: LocationList) -> Result<Vec<ListEntry<'d>>, Error> {
        let unit = self.unit(list.unit)?;
        let wrong = |why| unit.wrong(why);
        let offset = gimli::LocationListsOffset(list.offset);
        let lists = lists(self.sections())?;
        let raw = match unit.has_old_split_lists() {
            true => lists.raw_locations_dwo(offset, unit.encoding()),
            false => lists.raw_locations(offset, unit.encoding()),
        };
        let mut raw = raw.map_err(wrong)?;
        let mut found = Vec::new();
        let mut base = unit.low_pc;
        while let Some(entry) = raw.next().map_err(wrong)? {
            let index = |index| self.indexed(&unit, index);
            let (begin, end, data) = match entry {
                RawLocListEntry::BaseAddress { addr } => {
                    base = addr;
                    found.push(ListEntry::Base(LinkAddr(addr)));
                    continue;
                }
                RawLocListEntry::BaseAddressx { addr } => {
                    base = index(addr)?;
                    found.push(ListEntry::Base(LinkAddr(base)));
                    continue;
                }
                RawLocListEntry::DefaultLocation { data } => {
                    found.push(ListEntry::Default(unit.expression(data.0.slice())));
                    continue;
                }
                RawLocListEntry::AddressOrOffsetPair { begin, end, data }
                | RawLocListEntry::OffsetPair { begin, end, data } => {
                    (base.wrapping_add(begin), base.wrapping_add(end), data)
                }
                RawLocListEntry::StartEnd { begin, end, data } => (begin, end, data),
                RawLocListEntry::StartLength { begin, length, data } => {
                    (begin, begin.wrapping_add(length), data)
                }
                RawLocListEntry::StartxEndx { begin, end, data } => (index(begin)?, index(end)?, data),
                RawLocListEntry::StartxLength { begin, length, data } => {
                    let begin = index(begin)?;
                    (begin, begin.wrapping_add(length), data)
                }
            };
            found.push(ListEntry::Range(Range { begin, end }, unit.expression(data.0.slice())));
        }
        Ok(found)
    }

    fn indexed(&self, unit: &Unit<'d>, index: gimli::DebugAddrIndex) -> Result<u64, Error> {
        let address = unit.address(self.sections(), AttributeValue::DebugAddrIndex(index))?;
        Ok(address.unwrap_or(0))
    }

    /// The address that `DW_OP_addrx` means in a unit.
    ///
    /// # Errors
    /// When `.debug_addr` has no such entry.
    pub fn indexed_address(&self, unit: UnitId, index: u64) -> Result<LinkAddr, Error> {
        let unit = self.unit(unit)?;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.indexed(&unit, gimli::DebugAddrIndex(index)).map(LinkAddr)
    }
}
