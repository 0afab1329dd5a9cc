//! What an assignment writes, and where: memory, registers, parts of both. Whoever can write carries it out.

use std::rc::Rc;

use lkdb_base::RuntimeAddr;
use lkdb_symbols::{DwarfRegister, Place};

use crate::context::{Context, Error, Writer};
use crate::value::{MAX_VALUE_SIZE, Name, Value, copy_bits};

/// Pieces within pieces.
const NESTING: usize = 8;

/// One thing to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Memory.
    Memory(RuntimeAddr, Vec<u8>),
    /// The low bytes of a register of the selected frame.
    Register(DwarfRegister, Vec<u8>),
    /// A register by the name users type.
    Named(Rc<str>, Vec<u8>),
}

impl Write {
    /// Writes it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn carry_out(&self, writer: &dyn Writer) -> Result<(), Error> {
        match self {
            Self::Memory(address, bytes) => writer.write_memory(*address, bytes),
            Self::Register(register, bytes) => writer.write_register(*register, bytes),
            Self::Named(name, bytes) => writer.write_register_named(name, bytes),
        }
    }
}

/// What to write for `value` to become `bytes`.
///
/// # Errors
/// [`Error::Gone`] for a value that is not there, and when it is no place that can be written.
pub fn plan(value: &Value, bytes: &[u8], context: &dyn Context) -> Result<Vec<Write>, Error> {
    if let Some(Name::Register(name)) = &value.name {
        return Ok(vec![Write::Named(Rc::clone(name), bytes.to_vec())]);
    }
    let (first, count) = match value.bits {
        Some(bits) => (bits.first, bits.count),
        None => (0, bytes.len() as u64 * 8),
    };
    let mut writes = Vec::new();
    let first = value.offset.saturating_mul(8).saturating_add(first);
    let mut plan = Plan { context, writes: &mut writes };
    plan.add(&value.place, first, Part { bytes, first: 0, count }, NESTING)?;
    Ok(writes)
}

/// Some bits of the new value.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    first: u64,
    count: u64,
}

struct Plan<'a> {
    context: &'a dyn Context,
    writes: &'a mut Vec<Write>,
}

impl Plan<'_> {
    /// Adds what puts `part` at bit `at` of `place`.
    fn add(&mut self, place: &Place, at: u64, part: Part, nesting: usize) -> Result<(), Error> {
        let not_an_lvalue = || Error::Operation("Left operand of assignment is not an lvalue.".into());
        let length = (at % 8).saturating_add(part.count).div_ceil(8);
        if length > MAX_VALUE_SIZE {
            return Err(not_an_lvalue());
        }
        let length = usize::try_from(length).unwrap_or(0);
        match place {
            Place::Memory(address) => {
                let address = address.offset(at / 8);
                let mut bytes = vec![0; length];
                if !at.is_multiple_of(8) || !part.count.is_multiple_of(8) {
                    self.context.memory().read(address, &mut bytes)?;
                }
                copy_bits(part.bytes, part.first, &mut bytes, at % 8, part.count);
                self.writes.push(Write::Memory(address, bytes));
            }
            Place::Register(register) | Place::Unset(register) => {
                let old = self.context.register(*register).map_err(Error::Gone)?;
                let end = usize::try_from(at / 8).unwrap_or(usize::MAX).saturating_add(length);
                if end > old.len() {
                    return Err(not_an_lvalue());
                }
                let mut bytes: Vec<u8> = old.iter().take(end).copied().collect();
                copy_bits(part.bytes, part.first, &mut bytes, at, part.count);
                self.writes.push(Write::Register(*register, bytes));
            }
            Place::Pieces(pieces) => {
                let nesting = nesting.checked_sub(1).ok_or_else(not_an_lvalue)?;
                self.add_pieces(pieces, at, part, nesting)?;
            }
            Place::Gone(why) => return Err(Error::Gone(why.clone())),
            Place::Literal(_) | Place::Implicit(..) => return Err(not_an_lvalue()),
        }
        Ok(())
    }

    fn add_pieces(
        &mut self,
        pieces: &[lkdb_symbols::Piece],
        at: u64,
        part: Part,
        nesting: usize,
    ) -> Result<(), Error> {
        let end = at.saturating_add(part.count);
        let mut start = 0_u64;
        for piece in pieces {
            let stop = start.saturating_add(piece.bits);
            let (from, to) = (start.max(at), stop.min(end));
            if from < to {
                let part = Part { first: part.first + (from - at), count: to - from, ..part };
                self.add(&piece.place, piece.bit_offset.saturating_add(from - start), part, nesting)?;
            }
            start = stop;
        }
        Ok(())
    }
}
