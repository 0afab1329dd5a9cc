//! Into structs and arrays: `.`, `->`, `[]` and gdb's `@`.

use std::rc::Rc;

use lkdb_symbols::types::{Composite, Type};
use lkdb_symbols::{Place, TypeId};

use super::arithmetic::Number;
use super::evaluate::{Evaluator, refuse};
use crate::context::{Context, Error};
use crate::shape::Types;
use crate::value::{Bits, MAX_VALUE_SIZE, Value};

/// Anonymous structs within each other.
const NESTING: usize = 16;

/// Pointers to pointers that `->` goes through.
const POINTERS: usize = 8;

/// A member found: its type, and where it lies in the outermost struct, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its type.
    pub ty: TypeId,
    /// Its first bit.
    pub bit_offset: u64,
    /// For a bit field, how many bits.
    pub bit_size: Option<u64>,
}

/// The member of this name, in anonymous structs and unions too.
///
/// # Errors
/// A type that cannot be read.
pub fn find_member(context: &dyn Context, ty: &Composite, name: &str) -> Result<Option<Found>, Error> {
    find(Types(context.types()), ty, name, NESTING)
}

fn find(types: Types, ty: &Composite, name: &str, nesting: usize) -> Result<Option<Found>, Error> {
    let Some(nesting) = nesting.checked_sub(1) else { return Ok(None) };
    for member in ty.members.iter() {
        match &member.name {
            Some(one) if **one == *name => {
                let (ty, bit_offset, bit_size) = (member.ty, member.bit_offset, member.bit_size);
                return Ok(Some(Found { ty, bit_offset, bit_size }));
            }
            Some(_) => {}
            None => {
                if let Type::Composite(inner) = &*types.bare(member.ty)?
                    && let Some(found) = find(types, inner, name, nesting)?
                {
                    let bit_offset = found.bit_offset.saturating_add(member.bit_offset);
                    return Ok(Some(Found { bit_offset, ..found }));
                }
            }
        }
    }
    Ok(None)
}

/// The part of a value at a member's place.
pub(crate) fn part(types: Types, value: &Value, found: Found) -> Result<Value, Error> {
    let Some(count) = found.bit_size else {
        return Ok(Value::within(
            found.ty,
            value.place.clone(),
            value.offset.saturating_add(found.bit_offset / 8),
        ));
    };
    // A bit field is a part of its storage unit, where that lies within the struct.
    let unit = types.size(found.ty)?.max(1).saturating_mul(8);
    let start = found.bit_offset / unit * unit;
    let start = if found.bit_offset.saturating_add(count) > start.saturating_add(unit) {
        found.bit_offset / 8 * 8
    } else {
        start
    };
    let mut part = Value::within(found.ty, value.place.clone(), value.offset.saturating_add(start / 8));
    part.bits = Some(Bits { first: found.bit_offset - start, count });
    Ok(part)
}

impl Evaluator<'_> {
    /// `.` and `->` are one to gdb: pointers are followed either way.
    pub(super) fn member(&self, object: &Value, name: &Rc<str>, arrow: bool) -> Result<Value, Error> {
        let mut object = object.clone();
        for _ in 0..POINTERS {
            match &*self.types.bare(object.ty)? {
                Type::Composite(composite) => {
                    let Some(found) = find_member(self.context, composite, name)? else {
                        return Err(Error::NoMember(name.to_string()));
                    };
                    return part(self.types, &object, found);
                }
                Type::Pointer { target, .. } => {
                    if let Place::Implicit(place, offset) = &object.place {
                        object = Value::within(*target, (**place).clone(), offset.cast_unsigned());
                    } else if matches!(&*self.types.bare(*target)?, Type::Composite(_) | Type::Pointer { .. })
                    {
                        object = Value::in_memory(*target, self.address_in(&object)?);
                    } else {
                        break;
                    }
                }
                _ => break,
            }
        }
        let kind = if arrow { "structure pointer" } else { "structure" };
        refuse(format!("Attempt to extract a component of a value that is not a {kind}."))
    }

    pub(super) fn index(&self, array: &Value, index: &Value) -> Result<Value, Error> {
        self.refuse_structs("[]", array, index)?;
        let Number::Int(at) = self.load(&self.decay(index.clone())?)? else {
            return refuse("Argument to arithmetic operation not a number or boolean.");
        };
        match &*self.types.bare(array.ty)? {
            Type::Array { element, count, .. } => {
                let size = i128::from(self.types.size(*element)?);
                let offset = at.wrapping_mul(size);
                if !matches!(array.place, Place::Memory(_))
                    && !(0..i128::from(count.fixed().unwrap_or(0))).contains(&at)
                    && !self.dry()
                {
                    return refuse("no such vector element");
                }
                let offset = i128::from(array.offset).wrapping_add(offset);
                let offset = u64::try_from(offset & i128::from(u64::MAX)).unwrap_or(0);
                Ok(Value::within(*element, array.place.clone(), offset))
            }
            Type::Pointer { target, .. } => {
                if matches!(&*self.types.bare(*target)?, Type::Void) {
                    return refuse("Attempt to take contents of a non-pointer value.");
                }
                let size = i128::from(self.types.size(*target)?.max(1));
                let offset = at.wrapping_mul(size) & i128::from(u64::MAX);
                let offset = u64::try_from(offset).unwrap_or(0);
                if let Place::Implicit(place, first) = &array.place {
                    return Ok(Value::within(
                        *target,
                        (**place).clone(),
                        first.cast_unsigned().wrapping_add(offset),
                    ));
                }
                Ok(Value::in_memory(*target, self.address_in(array)?.offset(offset)))
            }
            _ => {
                let name = crate::type_text(self.context, array.ty);
                refuse(format!("cannot subscript something of type `{name}'"))
            }
        }
    }

    /// `first@count`: an array of what lies in memory from `first` on.
    pub(super) fn repeat(&self, first: &Value, count: &Value) -> Result<Value, Error> {
        let Number::Int(count) = self.load(&self.decay(count.clone())?)? else {
            return refuse("Invalid number of repetitions.");
        };
        if self.dry() && count <= 0 {
            return Ok(first.retyped(self.types.array_of(first.ty, 1)));
        }
        if count <= 0 {
            return refuse(format!("Invalid number {count} of repetitions."));
        }
        let Place::Memory(_) = first.place else {
            return refuse("Only values in memory can be extended with '@'.");
        };
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let bytes = self.types.size(first.ty)?.saturating_mul(count);
        if bytes > MAX_VALUE_SIZE && !self.dry() {
            return refuse(format!("value requires {bytes} bytes, which is more than max-value-size"));
        }
        Ok(first.retyped(self.types.array_of(first.ty, count)))
    }
}
