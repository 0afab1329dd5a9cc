//! DWARF expressions in call frame information (DWARF 5, section 6.4.2): over registers, memory and the CFA
//! alone. Those of variables, which may ask for more, are in `location`.

use gimli::{EndianSlice, EvaluationResult, Expression, LittleEndian, Location, Value};
use lkdb_base::{Memory, RuntimeAddr};

/// More operations than any compiler writes.
pub(crate) const MOST_OPERATIONS: u32 = 10_000;

/// How DWARF is written in kernels for 64-bit machines.
pub(crate) const ENCODING: gimli::Encoding =
    gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 5 };

/// Evaluates to a number: an address, or what `DW_OP_stack_value` says; both count as the same here.
pub(crate) fn number(
    bytes: &[u8],
    cfa: Option<u64>,
    register: &dyn Fn(u16) -> Option<u64>,
    memory: &dyn Memory,
) -> Result<u64, String> {
    let wrong = |error: gimli::Error| error.to_string();
    let mut evaluation = Expression(EndianSlice::new(bytes, LittleEndian)).evaluation(ENCODING);
    evaluation.set_max_iterations(MOST_OPERATIONS);
    if let Some(cfa) = cfa {
        evaluation.set_initial_value(cfa);
    }
    let mut state = evaluation.evaluate().map_err(wrong)?;
    loop {
        state = match state {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register: number, .. } => {
                let value =
                    register(number.0).ok_or_else(|| format!("register {} is not known", number.0))?;
                evaluation.resume_with_register(Value::Generic(value)).map_err(wrong)?
            }
            EvaluationResult::RequiresMemory { address, size, .. } => {
                let value = word(memory, address, size)?;
                evaluation.resume_with_memory(Value::Generic(value)).map_err(wrong)?
            }
            EvaluationResult::RequiresRelocatedAddress(address) => {
                evaluation.resume_with_relocated_address(address).map_err(wrong)?
            }
            other => return Err(format!("an operation that has no place here: {other:?}")),
        };
    }
    match evaluation.as_result() {
        [piece] => match &piece.location {
            Location::Address { address } => Ok(*address),
            Location::Value { value } => value.to_u64(u64::MAX).map_err(wrong),
            other => Err(format!("no number: {other:?}")),
        },
        _ => Err("pieces".to_owned()),
    }
}

/// A little-endian word of up to 8 bytes.
pub(crate) fn word(memory: &dyn Memory, address: u64, size: u8) -> Result<u64, String> {
    let mut bytes = [0; 8];
    let into = bytes.get_mut(..usize::from(size)).ok_or("a word of more than 8 bytes")?;
    memory.read(RuntimeAddr(address), into).map_err(|error| error.to_string())?;
    Ok(u64::from_le_bytes(bytes))
}
