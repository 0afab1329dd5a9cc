//! Structs, unions, enumerations: DIEs whose children are their members.

use std::rc::Rc;

use gimli::{AttributeValue, Operation, constants};

use super::{flag, number, unsigned};
use crate::dwarf::{Attribute, Dwarf, Entry, Error, Unit};
use crate::types::{Composite, CompositeKind, Enum, Member, TypeId};

/// An enumerator as it is written: whether its form has a sign, and its bits.
type Written = (Rc<str>, bool, i128);

impl<'d> Dwarf<'d> {
    pub(super) fn composite(
        &self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
        kind: CompositeKind,
    ) -> Result<Composite, Error> {
        let mut members = Vec::new();
        unit.children(entry.offset(), |child| {
            // A static member of C++ is but declared here.
            let here = child.tag() == constants::DW_TAG_member
                && !flag(child, constants::DW_AT_external)
                && !flag(child, constants::DW_AT_declaration);
            if here {
                members.push(self.member(unit, child)?);
            }
            Ok(true)
        })?;
        Ok(Composite {
            kind,
            name: unit.name_of(self.sections(), entry)?.map(Rc::from),
            size: unsigned(entry, constants::DW_AT_byte_size).unwrap_or(0),
            declaration: flag(entry, constants::DW_AT_declaration),
            members: members.into(),
        })
    }

    fn member(&self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>) -> Result<Member, Error> {
        let ty = self.type_id_of(unit, entry)?;
        let start = match entry.attr_value(constants::DW_AT_data_member_location) {
            Some(value) => offset_in(unit, value).unwrap_or(0).saturating_mul(8),
            None => 0,
        };
        let bit_size = unsigned(entry, constants::DW_AT_bit_size);
        let shift = match unsigned(entry, constants::DW_AT_data_bit_offset) {
            Some(bits) => bits,
            None => self.old_shift(entry, bit_size, ty)?,
        };
        // The old form counts from the storage unit's end, and may begin before the member's first byte.
        let bit_offset = start.wrapping_add(shift);
        Ok(Member { name: unit.name_of(self.sections(), entry)?.map(Rc::from), ty, bit_offset, bit_size })
    }

    /// Up to DWARF 3 a bit field lies in a storage unit of `DW_AT_byte_size` (else of its type's size), and
    /// `DW_AT_bit_offset` counts from that unit's highest bit down to the field's highest.
    fn old_shift(&self, entry: &Entry<'d>, bit_size: Option<u64>, ty: TypeId) -> Result<u64, Error> {
        let old = entry.attr_value(constants::DW_AT_bit_offset).as_ref().and_then(number);
        let (Some(old), Some(bits)) = (old, bit_size) else { return Ok(0) };
        let storage = match unsigned(entry, constants::DW_AT_byte_size) {
            Some(size) => size,
            None => self.plain_size(ty)?,
        };
        let shift = storage.wrapping_mul(8).wrapping_sub(bits);
        Ok(shift.wrapping_sub(old.cast_unsigned()))
    }

    /// The size of an integer type or enumeration behind typedefs and qualifiers: what a bit field may be.
    fn plain_size(&self, ty: TypeId) -> Result<u64, Error> {
        let mut at = ty;
        for _ in 0..super::STEPS {
            let TypeId::Dwarf(_, offset) = at else { break };
            let (unit, entry) = self.entry(self.die_at(offset)?)?;
            if let Some(size) = unsigned(&entry, constants::DW_AT_byte_size) {
                return Ok(size);
            }
            at = self.type_id_of(&unit, &entry)?;
        }
        Ok(0)
    }

    pub(super) fn enumeration(&self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>) -> Result<Enum, Error> {
        let mut written: Vec<Written> = Vec::new();
        unit.children(entry.offset(), |child| {
            if child.tag() == constants::DW_TAG_enumerator
                && let Some(name) = unit.name_of(self.sections(), child)?
                && let Some(value) = child.attr_value(constants::DW_AT_const_value)
                && let Some((signed, value)) = constant(&value)
            {
                written.push((name.into(), signed, value));
            }
            Ok(true)
        })?;
        let signed = written.iter().any(|(_, signed, value)| *signed && *value < 0);
        let values = written.into_iter().map(|(name, _, value)| (name, value)).collect();
        let ty = self.type_id_of(unit, entry)?;
        let size = match unsigned(entry, constants::DW_AT_byte_size) {
            Some(size) => size,
            None => self.plain_size(ty)?,
        };
        Ok(Enum {
            name: unit.name_of(self.sections(), entry)?.map(Rc::from),
            size,
            signed,
            declaration: flag(entry, constants::DW_AT_declaration),
            values,
        })
    }
}

/// A member's place in bytes: a number, or (DWARF 2) an expression that adds it.
fn offset_in(unit: &Unit<'_>, value: Attribute<'_>) -> Option<u64> {
    let AttributeValue::Exprloc(expression) = value else { return value.udata_value() };
    match expression.operations(unit.encoding()).next() {
        Ok(Some(Operation::PlusConstant { value } | Operation::UnsignedConstant { value })) => Some(value),
        _ => None,
    }
}

/// An enumerator's value, and whether its form has a sign.
fn constant(value: &Attribute<'_>) -> Option<(bool, i128)> {
    match value {
        AttributeValue::Sdata(value) => Some((true, i128::from(*value))),
        _ => Some((false, i128::from(value.udata_value()?))),
    }
}
