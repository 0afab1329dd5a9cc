//! Expressions for other rooms' questions: an address, a number.

use std::rc::Rc;

use lkdb_base::RuntimeAddr;
use lkdb_symbols::types::{Encoding, Type};
use lkdb_symbols::{DwarfRegister, TypeId, TypeSource as _};
use lkdb_value::expr::{address_in, evaluate, evaluate_and_write, parse};
use lkdb_value::{Bytes, Context, Error as ValueError, Value, Writer};

use crate::{Error, Result, Session};

impl Session<'_> {
    /// The value of an expression; it changes convenience variables, and the target where there is one.
    ///
    /// # Errors
    /// gdb's.
    pub fn evaluate(&self, text: &str) -> Result<Value> {
        let context: &dyn Context = self;
        let expression = parse(text, context)?;
        Ok(evaluate_and_write(&expression, context, self)?)
    }

    /// The address that an expression gives: of a function or label its own, else its value.
    ///
    /// # Errors
    /// gdb's.
    pub fn address_of(&self, text: &str) -> Result<RuntimeAddr> {
        if text.is_empty() {
            return Err(Error::say("Argument required (address)."));
        }
        let context: &dyn Context = self;
        let value = evaluate(&parse(text, context)?, context)?;
        Ok(address_in(&value, context)?)
    }
}

impl Session<'_> {
    /// A scalar as a whole number.
    ///
    /// # Errors
    /// When it is none, or cannot be read.
    pub fn integer_of(&self, value: &Value) -> Result<i128> {
        let bare = self.symbols().resolved(value.ty)?;
        let signed = match &*bare.ty {
            Type::Base(base) => matches!(base.encoding, Encoding::Signed | Encoding::SignedChar),
            Type::Enum(one) => one.signed,
            Type::Pointer { .. } | Type::Flags(_) => false,
            Type::Array { .. } | Type::Function(_) => {
                return Ok(i128::from(address_in(value, self)?.0));
            }
            _ => return Err(Error::say("Value can't be converted to integer.")),
        };
        let (_, bytes) = value.bytes(self)?;
        let mut wide =
            if signed && bytes.last().is_some_and(|top| top & 0x80 != 0) { [0xff; 16] } else { [0; 16] };
        for (to, from) in wide.iter_mut().zip(bytes.iter()) {
            *to = *from;
        }
        Ok(i128::from_le_bytes(wide))
    }

    /// The bytes of an array; none for what is no array.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn array_bytes(&self, value: &Value) -> Result<Option<Rc<[u8]>>> {
        match &*self.symbols().resolved(value.ty)?.ty {
            Type::Array { .. } => Ok(Some(value.bytes(self)?.1)),
            _ => Ok(None),
        }
    }

    /// Sets `$_` to an address that was looked at, and `$__` to what is there.
    pub fn remember_examined(&self, ty: TypeId, address: RuntimeAddr) {
        let pointer = self.symbols().make(Type::Pointer { size: 8, target: ty });
        // These names are variables', so setting them does not fail.
        let _ = self.values().set("_", (pointer, address.0.to_le_bytes().into()));
        if let Ok(bytes) = Value::in_memory(ty, address).bytes(self) {
            let _ = self.values().set("__", bytes);
        }
    }
}

impl Writer for Session<'_> {
    fn write_memory(&self, address: RuntimeAddr, bytes: &[u8]) -> Result<(), ValueError> {
        let live = self.live().map_err(|_| {
            ValueError::Operation(format!(
                "cannot write memory at address {address}: there is no machine here, only files"
            ))
        })?;
        Ok(live.memory().write(address, bytes)?)
    }

    fn write_register(&self, register: DwarfRegister, bytes: &[u8]) -> Result<(), ValueError> {
        self.write_frame_register(register, bytes).map_err(in_expression)
    }

    fn write_register_named(&self, name: &str, bytes: &[u8]) -> Result<(), ValueError> {
        if self.live().is_err() {
            return Err(ValueError::Operation("No registers.".to_owned()));
        }
        self.write_register_by_name(name, bytes).map_err(in_expression)
    }

    fn set_convenience(&self, name: &str, value: Bytes) -> Result<(), ValueError> {
        let (ty, bytes): (_, Rc<[u8]>) = value;
        self.values().set(name, (ty, bytes))
    }
}

fn in_expression(error: Error) -> ValueError {
    match error {
        Error::Value(error) => error,
        other => ValueError::Operation(other.to_string()),
    }
}
