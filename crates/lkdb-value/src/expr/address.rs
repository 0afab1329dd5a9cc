//! Addresses: `&` and `*`, arrays and functions as the pointers that they become, values taken for addresses.

use lkdb_base::RuntimeAddr;
use lkdb_symbols::types::{Encoding, Type};
use lkdb_symbols::{Gone, Place, TypeId};

use super::arithmetic::Number;
use super::evaluate::{Evaluator, Mode, refuse};
use crate::context::{Context, Error};
use crate::shape::Types;
use crate::value::Value;

/// The address that a value is for commands that take one (`x`, `list *`): a pointer's, a number's, where
/// an array or function lies.
///
/// # Errors
/// When it is none of these, or cannot be read.
pub fn address_in(value: &Value, context: &dyn Context) -> Result<RuntimeAddr, Error> {
    Evaluator { context, types: Types(context.types()), mode: Mode::Read }.address_in(value)
}

impl Evaluator<'_> {
    /// A pointer to `target`.
    pub(super) fn pointer(&self, target: TypeId, address: RuntimeAddr) -> Result<Value, Error> {
        Ok(Value::literal(self.types.pointer_to(target), address.0.to_le_bytes()))
    }

    /// Of a name, where gdb's words tell what it is instead.
    pub(super) fn address_of_named(&self, value: &Value, name: &str) -> Result<Value, Error> {
        match &value.place {
            Place::Gone(Gone::NoSymbol(_)) => self.address_of(value),
            Place::Literal(_) | Place::Register(_) | Place::Unset(_) if self.dry() => {
                refuse("Attempt to take address of register or constant.")
            }
            Place::Register(number) | Place::Unset(number) if !self.dry() => {
                let register = self.context.register_name(*number).unwrap_or_default();
                refuse(format!(
                    "Address requested for identifier \"{name}\" which is in register ${register}"
                ))
            }
            Place::Literal(_) | Place::Gone(_) | Place::Pieces(_) | Place::Implicit(..) if !self.dry() => {
                refuse(format!("Can't take address of \"{name}\" which isn't an lvalue."))
            }
            _ => self.address_of(value),
        }
    }

    pub(super) fn address_of(&self, value: &Value) -> Result<Value, Error> {
        match &value.place {
            Place::Memory(address) => {
                let skipped = value.bits.map_or(0, |bits| bits.first / 8);
                self.pointer(value.ty, address.offset(skipped))
            }
            Place::Gone(why) if !self.dry() => Err(Error::gone(why.clone())),
            _ if self.dry() => self.pointer(value.ty, RuntimeAddr(0)),
            _ => refuse("Attempt to take address of value not located in memory."),
        }
    }

    /// Arrays and functions as the pointers that they are in most places.
    pub(super) fn decay(&self, value: Value) -> Result<Value, Error> {
        match &*self.types.bare(value.ty)? {
            Type::Array { element, .. } => {
                let pointer = self.address_of(&value)?;
                Ok(pointer.retyped(self.types.pointer_to(*element)))
            }
            Type::Function(_) => self.address_of(&value),
            _ => Ok(value),
        }
    }

    pub(super) fn dereference(&self, value: &Value) -> Result<Value, Error> {
        let value = self.decay(value.clone())?;
        match &*self.types.bare(value.ty)? {
            Type::Pointer { target, .. } => {
                if matches!(&*self.types.bare(*target)?, Type::Void) {
                    return refuse("Attempt to dereference a generic pointer.");
                }
                if let Place::Implicit(place, offset) = &value.place {
                    return Ok(Value::within(*target, (**place).clone(), offset.cast_unsigned()));
                }
                Ok(Value::in_memory(*target, self.address_in(&value)?))
            }
            // gdb lets a number be followed, as a pointer to long.
            Type::Base(base) if base.encoding != Encoding::Float => {
                Ok(Value::in_memory(self.types.known("long"), self.address_in(&value)?))
            }
            _ => refuse("Attempt to take contents of a non-pointer value."),
        }
    }

    /// A value as an address: pointers, numbers, arrays and functions.
    pub(super) fn address_in(&self, value: &Value) -> Result<RuntimeAddr, Error> {
        let value = self.decay(value.clone())?;
        match self.load(&value)? {
            Number::Int(address) => {
                Ok(RuntimeAddr(u64::try_from(address & i128::from(u64::MAX)).unwrap_or(0)))
            }
            Number::Float(_) => refuse("Value can't be converted to integer."),
        }
    }
}
