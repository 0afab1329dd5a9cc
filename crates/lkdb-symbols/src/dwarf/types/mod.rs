//! DIEs as C types, one level at a time. Structs and their members, arrays and functions have files of
//! their own; here are the rest and the ways from a DIE to its type.
//!
//! What gdb does where DWARF leaves room: one-byte integers are characters; an enumeration is signed if a
//! value is negative; qualifiers C does not have are looked through.

mod array;
mod composite;
mod definition;
mod function;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use gimli::{AttributeValue, DwTag, UnitOffset, UnitType, constants};

use super::{Attribute, DieRef, Dwarf, Entry, Error, Unit};
use crate::types::{
    Base, CompositeKind, Encoding, MadeTypes, Qualifier, Type, TypeError, TypeId, canonical_name,
};

/// How many types that are but another way to write a type are looked through.
const STEPS: usize = 16;

/// The offset of types that are in `.debug_types` or in another file ([`super::Gap`]).
const ELSEWHERE: u64 = u64::MAX;

impl<'d> Dwarf<'d> {
    /// The type that the DIE at `offset` of `.debug_info` describes. A function's DIE is the function's type.
    /// Dimensions behind the first become types of `made`.
    ///
    /// # Errors
    /// When the DIE is damaged or describes no type of C.
    pub fn type_at(&self, offset: u64, made: &MadeTypes) -> Result<Type, TypeError> {
        if offset == ELSEWHERE {
            return Err(TypeError::Elsewhere { object: format!("file {}", self.object().0) });
        }
        let mut at = self.die_at(offset).map_err(|error| self.damaged(offset, &error.to_string()))?;
        for _ in 0..STEPS {
            let found = self.read_type(at, made);
            match found.map_err(|error| self.damaged(offset, &error.to_string()))? {
                Found::Type(ty) => return Ok(ty),
                Found::SameAs(other) => at = other,
                Found::Nothing(tag) => {
                    return Err(self.damaged(offset, &format!("{tag} is no type of C")));
                }
            }
        }
        Err(TypeError::Endless)
    }

    /// The number of the type that a DIE's `DW_AT_type` names (a variable's, parameter's, member's), its own
    /// or that of what it is an instance of; [`TypeId::Void`] where there is none. A type that no unit of
    /// `.debug_info` has gets a number that reads as an error.
    ///
    /// # Errors
    /// When the DIE it is an instance of is damaged.
    pub fn type_id_of(&self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>) -> Result<TypeId, Error> {
        let Some(found) = self.attribute(unit, entry, constants::DW_AT_type)? else {
            return Ok(TypeId::Void);
        };
        let elsewhere = Ok(TypeId::Dwarf(self.object(), ELSEWHERE));
        self.referenced(&found.unit, found.value).map_or(elsewhere, |die| self.type_id(die))
    }

    /// The number of the type at a DIE.
    ///
    /// # Errors
    /// When there is no such unit.
    pub fn type_id(&self, die: DieRef) -> Result<TypeId, Error> {
        Ok(TypeId::Dwarf(self.object(), self.offset_of(die)?))
    }

    /// The DIE that a reference leads to, into type units too.
    fn referenced(&self, unit: &Unit<'d>, value: Attribute<'d>) -> Option<DieRef> {
        let units = self.units().ok()?;
        let AttributeValue::DebugTypesRef(wanted) = value else { return unit.reference(units, value) };
        units.ids().find_map(|id| match units.header(id)?.type_() {
            UnitType::Type { type_signature, type_offset }
            | UnitType::SplitType { type_signature, type_offset }
                if type_signature == wanted =>
            {
                Some(DieRef { unit: id, offset: type_offset })
            }
            _ => None,
        })
    }

    fn read_type(&self, at: DieRef, made: &MadeTypes) -> Result<Found, Error> {
        let (unit, entry) = self.entry(at)?;
        if let Some(signature) = entry.attr_value(constants::DW_AT_signature)
            && let Some(whole) = self.referenced(&unit, signature)
            && whole != at
        {
            return Ok(Found::SameAs(whole));
        }
        let target = || self.type_id_of(&unit, &entry);
        let size = || unsigned(&entry, constants::DW_AT_byte_size);
        let pointer = || size().unwrap_or(u64::from(unit.encoding().address_size));
        let qualified = |qualifier| Ok(Found::Type(Type::Qualified { qualifier, target: target()? }));
        Ok(Found::Type(match entry.tag() {
            constants::DW_TAG_base_type => Type::Base(self.base_type(&unit, &entry)?),
            constants::DW_TAG_pointer_type
            | constants::DW_TAG_reference_type
            | constants::DW_TAG_rvalue_reference_type => Type::Pointer { size: pointer(), target: target()? },
            constants::DW_TAG_structure_type | constants::DW_TAG_class_type => {
                Type::Composite(self.composite(&unit, &entry, CompositeKind::Struct)?)
            }
            constants::DW_TAG_union_type => {
                Type::Composite(self.composite(&unit, &entry, CompositeKind::Union)?)
            }
            constants::DW_TAG_enumeration_type => Type::Enum(self.enumeration(&unit, &entry)?),
            constants::DW_TAG_typedef => match unit.name_of(self.sections(), &entry)? {
                Some(name) => Type::Typedef { name: name.into(), target: target()? },
                None => return self.same_as(&unit, &entry),
            },
            constants::DW_TAG_const_type => return qualified(Qualifier::Const),
            constants::DW_TAG_volatile_type => return qualified(Qualifier::Volatile),
            constants::DW_TAG_restrict_type => return qualified(Qualifier::Restrict),
            constants::DW_TAG_atomic_type => return qualified(Qualifier::Atomic),
            constants::DW_TAG_array_type => self.array_type(&unit, &entry, made)?,
            constants::DW_TAG_subroutine_type
            | constants::DW_TAG_subprogram
            | constants::DW_TAG_inlined_subroutine => Type::Function(self.function_type(&unit, &entry)?),
            constants::DW_TAG_unspecified_type => Type::Void,
            constants::DW_TAG_subrange_type
            | constants::DW_TAG_packed_type
            | constants::DW_TAG_shared_type
            | constants::DW_TAG_immutable_type => return self.same_as(&unit, &entry),
            tag => return Ok(Found::Nothing(tag)),
        }))
    }

    /// What is but another way to write its target.
    fn same_as(&self, unit: &Unit<'d>, entry: &Entry<'d>) -> Result<Found, Error> {
        let target = entry.attr_value(constants::DW_AT_type).and_then(|value| self.referenced(unit, value));
        Ok(target.map_or(Found::Type(Type::Void), Found::SameAs))
    }

    fn base_type(&self, unit: &Unit<'d>, entry: &Entry<'d>) -> Result<Base, Error> {
        let name = unit.name_of(self.sections(), entry)?.unwrap_or_default();
        let size = unsigned(entry, constants::DW_AT_byte_size)
            .or_else(|| Some(unsigned(entry, constants::DW_AT_bit_size)?.div_ceil(8)))
            .unwrap_or(0);
        let encoding = match entry.attr_value(constants::DW_AT_encoding) {
            Some(AttributeValue::Encoding(encoding)) => encoding,
            _ => constants::DW_ATE_signed,
        };
        let encoding = match encoding {
            constants::DW_ATE_boolean => Encoding::Boolean,
            constants::DW_ATE_float => Encoding::Float,
            constants::DW_ATE_complex_float => Encoding::Complex,
            constants::DW_ATE_UTF => Encoding::Utf,
            constants::DW_ATE_signed | constants::DW_ATE_signed_char if size == 1 => Encoding::SignedChar,
            constants::DW_ATE_unsigned | constants::DW_ATE_unsigned_char if size == 1 => {
                Encoding::UnsignedChar
            }
            constants::DW_ATE_unsigned | constants::DW_ATE_unsigned_char | constants::DW_ATE_address => {
                Encoding::Unsigned
            }
            _ => Encoding::Signed,
        };
        Ok(Base { name: canonical_name(name).into(), size, encoding })
    }

    fn damaged(&self, at: u64, why: &str) -> TypeError {
        TypeError::Damaged { object: format!("file {}", self.object().0), at, why: why.to_owned() }
    }
}

/// What reading a DIE as a type gave.
enum Found {
    Type(Type),
    SameAs(DieRef),
    Nothing(DwTag),
}

/// A number that is not negative.
fn unsigned(entry: &Entry<'_>, name: gimli::DwAt) -> Option<u64> {
    entry.attr_value(name)?.udata_value()
}

/// A constant; none for expressions and references to variables. Only `DW_FORM_sdata` has a sign: 255 in one
/// byte is 255.
fn number(value: &Attribute<'_>) -> Option<i64> {
    match value {
        AttributeValue::Sdata(value) => Some(*value),
        // What does not fit is 2^64 − 1 in its unsigned form.
        _ => value.udata_value().map(u64::cast_signed),
    }
}

/// A flag that is set.
fn flag(entry: &Entry<'_>, name: gimli::DwAt) -> bool {
    matches!(entry.attr_value(name), Some(AttributeValue::Flag(true)))
}

impl<'d> Unit<'d> {
    /// Where the unit's first DIE is.
    pub(super) fn root(&self) -> UnitOffset {
        self.header.root_offset()
    }
}
