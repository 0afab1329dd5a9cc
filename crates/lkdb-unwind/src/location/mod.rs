//! Where a variable of a frame is: location descriptions evaluated over the frame's registers.
//!
//! All operations of DWARF 5 that the kernel's compilers use, and GNU's before them. What a parameter was at the
//! function's entry (`DW_OP_entry_value`) comes from what the caller's call site passes, if that is the call which
//! led here. The number of operations and of descriptions within descriptions is bounded.

mod entry_value;
mod machine;

use std::cell::Cell;
use std::rc::Rc;

use lkdb_base::arch::Arch;
use lkdb_base::{Memory, RuntimeAddr};
use lkdb_symbols::dwarf::{Constant, Expression, LocationDescription};
use lkdb_symbols::{Dwarf, Gone, Object, Place, Symbols};

use crate::frame::Frame;

/// Descriptions that one may lead to: entry values of entry values, and so on.
const DEEPEST: u32 = 24;
/// All descriptions evaluated for one.
const MOST: u32 = 400;

/// What locations are evaluated in: a frame, its callers, and all that is known of the program.
#[derive(Clone, Copy)]
pub struct Scene<'s, 'd> {
    /// The architecture.
    pub arch: &'static Arch,
    /// Memory as the kernel sees it.
    pub memory: &'s dyn Memory,
    /// The files.
    pub symbols: &'s Symbols<'d>,
    /// The frame and then its callers, as many as are known: entry values come from them. None: a file alone.
    pub frames: &'s [Frame],
}

impl<'s, 'd> Scene<'s, 'd> {
    /// Where a variable is whose location description is of `object`.
    ///
    /// A register that is not known is [`Gone::Clobbered`], which tells the register. `size` is the variable's in
    /// bytes, where that is known: a constant is cut to it.
    #[must_use]
    pub fn place(&self, object: &Object<'d>, location: &LocationDescription<'d>, size: Option<u64>) -> Place {
        let fuel = Cell::new(MOST);
        self.place_within(object, location, size, Depth { level: 0, fuel: &fuel }).unwrap_or_else(Place::Gone)
    }

    fn place_within(
        &self,
        object: &Object<'d>,
        location: &LocationDescription<'d>,
        size: Option<u64>,
        depth: Depth<'_>,
    ) -> Result<Place, Gone> {
        match location {
            LocationDescription::OptimizedOut | LocationDescription::Unresolved => Err(Gone::OptimizedOut),
            LocationDescription::Static(address) => {
                object.runtime(*address).map(Place::Memory).ok_or(Gone::NotHere)
            }
            LocationDescription::Constant(constant) => Ok(Place::Literal(literal(constant, size))),
            LocationDescription::Expression(expression) => self.evaluate(object, expression, depth),
            LocationDescription::List(_) => {
                let frame = self.frames.first().ok_or(Gone::NoFrame)?;
                let here = object.link(frame.pc.lookup()).ok_or(Gone::NotHere)?;
                let found = dwarf(object)?.expression_at(location, here).map_err(damaged)?;
                match found {
                    Some(expression) if !expression.bytes.is_empty() => {
                        self.evaluate(object, &expression, depth)
                    }
                    Some(_) => Err(Gone::OptimizedOut),
                    None => Err(Gone::NotHere),
                }
            }
        }
    }

    /// The value of an expression as a number: of a call site's parameter, or of its target.
    fn number(
        &self,
        object: &Object<'d>,
        expression: &Expression<'d>,
        depth: Depth<'_>,
    ) -> Result<u64, Gone> {
        match self.evaluate(object, expression, depth)? {
            // Such expressions compute values; what looks like an address is one.
            Place::Memory(address) => Ok(address.0),
            Place::Literal(bytes) => Ok(little_endian(&bytes)),
            Place::Register(register) | Place::Unset(register) => {
                let frame = self.frames.first().ok_or(Gone::NoFrame)?;
                frame.register(register)
            }
            Place::Gone(gone) => Err(gone),
            Place::Implicit(..) | Place::Pieces(_) => Err(describe("no number")),
        }
    }

    /// The same scene one frame further out.
    fn caller(&self) -> Option<Self> {
        let (_, callers) = self.frames.split_first()?;
        (!callers.is_empty()).then_some(Self { frames: callers, ..*self })
    }

    fn object_at(&self, address: RuntimeAddr) -> Option<&'s Rc<Object<'d>>> {
        self.symbols.object(self.symbols.locate(address)?.object)
    }
}

/// How deep an evaluation is within others, and how many more there may be.
#[derive(Clone, Copy)]
struct Depth<'f> {
    level: u32,
    fuel: &'f Cell<u32>,
}

impl Depth<'_> {
    fn deeper(self) -> Result<Self, Gone> {
        let left = self.fuel.get().checked_sub(1).filter(|_| self.level < DEEPEST);
        self.fuel.set(left.ok_or_else(|| describe("a location that refers to itself"))?);
        Ok(Self { level: self.level + 1, ..self })
    }
}

fn dwarf<'o, 'd>(object: &'o Object<'d>) -> Result<&'o Dwarf<'d>, Gone> {
    object.dwarf().ok_or_else(|| describe("the file has no DWARF"))
}

fn describe(text: impl Into<String>) -> Gone {
    Gone::Description(text.into().into())
}

fn damaged(error: impl std::fmt::Display) -> Gone {
    describe(error.to_string())
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A constant's bytes, as many as the variable has.
fn literal(constant: &Constant<'_>, size: Option<u64>) -> Rc<[u8]> {
    let (mut bytes, sign) = match constant {
        Constant::Bytes(bytes) => return Rc::from(*bytes),
        Constant::Number(number) => (number.to_le_bytes().to_vec(), *number < 0),
    };
    if let Some(size) = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= 16) {
        bytes.resize(size, if sign { 0xff } else { 0 });
    }
    bytes.into()
}

#[cfg(test)]
mod tests;
