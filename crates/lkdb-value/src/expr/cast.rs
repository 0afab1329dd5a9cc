//! Casts, and assignment: what is written where.

use lkdb_symbols::types::Type;
use lkdb_symbols::{Place, TypeId};

use super::arithmetic::Kind;
use super::evaluate::{Evaluator, Mode, refuse};
use crate::context::Error;
use crate::value::{Name, Value};
use crate::write;

impl Evaluator<'_> {
    pub(super) fn cast(&self, value: &Value, ty: TypeId) -> Result<Value, Error> {
        let target = self.types.bare(ty)?;
        let source = self.types.bare(value.ty)?;
        match (&*target, &*source) {
            (Type::Void, _) => Ok(Value::void()),
            (Type::Array { .. }, Type::Array { .. }) => self.same_bytes(value, ty),
            (Type::Composite(to), Type::Composite(from)) => {
                if to.name == from.name && to.kind == from.kind || to.size == from.size {
                    return self.same_bytes(value, ty);
                }
                refuse("Invalid cast.")
            }
            (Type::Array { .. }, _) => self.same_bytes(value, ty),
            // What is in memory is taken as the other type.
            (Type::Composite(_), _) | (_, Type::Composite(_)) => match value.place {
                Place::Memory(address) => Ok(Value::in_memory(ty, address)),
                _ => refuse("Invalid cast."),
            },
            (Type::Function(_), Type::Function(_)) => Ok(value.retyped(ty)),
            (Type::Function(_), _) => refuse("Invalid cast."),
            _ => {
                let value = self.decay(value.clone())?;
                if matches!(self.kind(value.ty)?, Kind::Other) {
                    return refuse("Invalid cast.");
                }
                // A pointer that only exists through what it points to is so as another pointer too.
                if matches!(value.place, Place::Implicit(..)) && matches!(&*target, Type::Pointer { .. }) {
                    return Ok(value.retyped(ty));
                }
                self.number(self.load(&value)?, ty)
            }
        }
    }

    fn same_bytes(&self, value: &Value, ty: TypeId) -> Result<Value, Error> {
        if self.types.size(value.ty)? == self.types.size(ty)? || matches!(value.place, Place::Memory(_)) {
            return Ok(Value { bits: None, name: None, ..value.retyped(ty) });
        }
        refuse("Invalid cast.")
    }

    pub(super) fn assign(&self, to: &Value, from: &Value) -> Result<Value, Error> {
        if let Some(Name::Convenience(name)) = &to.name {
            return self.set_convenience(name, from);
        }
        let new = match &*self.types.bare(to.ty)? {
            Type::Composite(_) | Type::Array { .. } => self.cast(from, to.ty)?,
            Type::Function(_) | Type::Void => return refuse("Left operand of assignment is not an lvalue."),
            _ => self.cast(from, to.ty)?,
        };
        let writer = match self.mode {
            Mode::Types => return Ok(to.clone()),
            Mode::Read => {
                // That it is no lvalue is the better answer.
                write::plan(to, &new.bytes(self.context)?.1, self.context)?;
                return refuse("This expression may not change anything here.");
            }
            Mode::Write(writer) => writer,
        };
        let (_, bytes) = new.bytes(self.context)?;
        for one in write::plan(to, &bytes, self.context)? {
            one.carry_out(writer)?;
        }
        // Registers and pieces are as they will be; memory is read again, which shows that it took.
        Ok(match to.place {
            Place::Memory(_) => to.clone(),
            _ => Value { name: to.name.clone(), ..Value::literal(to.ty, bytes) },
        })
    }

    fn set_convenience(&self, name: &std::rc::Rc<str>, from: &Value) -> Result<Value, Error> {
        match self.mode {
            Mode::Types => Ok(Value::void()),
            Mode::Read => refuse("This expression may not change anything here."),
            Mode::Write(writer) => {
                let (ty, bytes) = from.bytes(self.context)?;
                writer.set_convenience(name, (ty, std::rc::Rc::clone(&bytes)))?;
                Ok(Value {
                    name: Some(Name::Convenience(std::rc::Rc::clone(name))),
                    ..Value::literal(ty, bytes)
                })
            }
        }
    }
}
