//! One expression: what it asks for on the way, and what it comes to.
//!
//! The operations themselves are gimli's; it stops where something of the frame or the file is needed.

use gimli::{
    DieReference, EndianSlice, Evaluation, EvaluationResult, LittleEndian, Location, UnitOffset, Value,
    ValueType,
};
use lkdb_base::{LinkAddr, RuntimeAddr};
use lkdb_symbols::dwarf::{DieRef, Expression, LocationDescription};
use lkdb_symbols::{DwarfRegister, Gone, Object, Piece, Place};

use super::{Depth, Scene, damaged, describe, dwarf};
use crate::evaluate::MOST_OPERATIONS;

type Slice<'d> = EndianSlice<'d, LittleEndian>;
type Step<'d> = Result<EvaluationResult<Slice<'d>>, gimli::Error>;

const DW_OP_REG0: u8 = gimli::constants::DW_OP_reg0.0;
const DW_OP_REG31: u8 = gimli::constants::DW_OP_reg31.0;
const DW_OP_GNU_UNINIT: u8 = 0xf0;

/// One evaluation: where, and what.
pub(super) struct Machine<'m, 's, 'd> {
    pub(super) scene: &'m Scene<'s, 'd>,
    pub(super) object: &'m Object<'d>,
    pub(super) expression: &'m Expression<'d>,
    pub(super) depth: Depth<'m>,
}

impl<'s, 'd> Scene<'s, 'd> {
    /// What an expression of `object` comes to.
    pub(super) fn evaluate(
        &self,
        object: &Object<'d>,
        expression: &Expression<'d>,
        depth: Depth<'_>,
    ) -> Result<Place, Gone> {
        let machine = Machine { scene: self, object, expression, depth: depth.deeper()? };
        machine.run()
    }
}

impl<'d> Machine<'_, '_, 'd> {
    fn run(&self) -> Result<Place, Gone> {
        if self.expression.bytes.is_empty() {
            return Err(Gone::OptimizedOut);
        }
        if let [register @ DW_OP_REG0..=DW_OP_REG31, DW_OP_GNU_UNINIT] = self.expression.bytes {
            let register = DwarfRegister(u16::from(register - DW_OP_REG0));
            self.frame()?.register(register)?;
            return Ok(Place::Unset(register));
        }
        let bytes = self.expression.bytes;
        let bytes = EndianSlice::new(bytes, LittleEndian);
        let mut evaluation = gimli::Expression(bytes).evaluation(self.expression.encoding);
        evaluation.set_max_iterations(MOST_OPERATIONS);
        let mut state = evaluation.evaluate().map_err(damaged)?;
        // Each answer lets at least one operation be done, which gimli counts.
        while !matches!(state, EvaluationResult::Complete) {
            state = self.answer(&mut evaluation, state)?.map_err(damaged)?;
        }
        self.result(evaluation.as_result())
    }

    /// Gives an evaluation what it asks for.
    fn answer(
        &self,
        evaluation: &mut Evaluation<Slice<'d>>,
        asked: EvaluationResult<Slice<'d>>,
    ) -> Result<Step<'d>, Gone> {
        Ok(match asked {
            EvaluationResult::RequiresRegister { register, base_type } => {
                let value = self.register(DwarfRegister(register.0))?;
                evaluation.resume_with_register(self.typed(base_type, value)?)
            }
            EvaluationResult::RequiresMemory { address, size, space: None, base_type } => {
                let value = self.memory(address, size)?;
                evaluation.resume_with_memory(self.typed(base_type, value)?)
            }
            EvaluationResult::RequiresFrameBase => evaluation.resume_with_frame_base(self.frame_base()?),
            EvaluationResult::RequiresCallFrameCfa => {
                let cfa = self.frame()?.cfa.ok_or_else(|| describe("the frame's address is not known"))?;
                evaluation.resume_with_call_frame_cfa(cfa.0)
            }
            EvaluationResult::RequiresRelocatedAddress(address) => {
                evaluation.resume_with_relocated_address(self.runtime(address)?)
            }
            EvaluationResult::RequiresIndexedAddress { index, relocate } => {
                let found = dwarf(self.object)?.indexed_address(self.expression.unit, index.0 as u64);
                let address = found.map_err(damaged)?.0;
                evaluation.resume_with_indexed_address(if relocate {
                    self.runtime(address)?
                } else {
                    address
                })
            }
            EvaluationResult::RequiresBaseType(offset) => {
                evaluation.resume_with_base_type(self.base_type(offset)?)
            }
            EvaluationResult::RequiresAtLocation(die) => {
                evaluation.resume_with_at_location(EndianSlice::new(self.called(die)?, LittleEndian))
            }
            EvaluationResult::RequiresEntryValue(of) => {
                let value = self.entry_value(of.0.slice())?;
                evaluation.resume_with_entry_value(Value::Generic(value))
            }
            EvaluationResult::RequiresParameterRef(offset) => {
                let parameter = DieRef { unit: self.expression.unit, offset };
                evaluation.resume_with_parameter_ref(self.parameter_value(parameter)?)
            }
            EvaluationResult::RequiresTls(_) => {
                return Err(describe("DW_OP_form_tls_address: a kernel has no thread-local storage"));
            }
            EvaluationResult::RequiresMemory { .. } => {
                return Err(describe("DW_OP_xderef: a kernel has one address space"));
            }
            EvaluationResult::RequiresWasmLocal { .. }
            | EvaluationResult::RequiresWasmGlobal { .. }
            | EvaluationResult::RequiresWasmStack { .. } => {
                return Err(describe("DW_OP_WASM_location: no WebAssembly is here"));
            }
            EvaluationResult::Complete => return Err(describe("an evaluation without end")),
        })
    }

    pub(super) fn frame(&self) -> Result<&crate::Frame, Gone> {
        self.scene.frames.first().ok_or(Gone::NoFrame)
    }

    /// A register's value. Behind a call GCC names only those that the callee leaves as they are, though others like it
    /// may change them; other compilers' lists go on behind calls that do.
    fn register(&self, register: DwarfRegister) -> Result<u64, Gone> {
        let frame = self.frame()?;
        let left = || {
            let unit = dwarf(self.object).ok()?.unit(self.expression.unit).ok()?;
            frame.registers.left_by_callee(register.0).filter(|_| unit.is_gcc())
        };
        frame.register(register).or_else(|gone| left().ok_or(gone))
    }

    fn runtime(&self, address: u64) -> Result<u64, Gone> {
        self.object.runtime(LinkAddr(address)).map(|address| address.0).ok_or(Gone::NotHere)
    }

    fn memory(&self, address: u64, size: u8) -> Result<u64, Gone> {
        let mut bytes = [0; 8];
        let into = bytes.get_mut(..usize::from(size)).ok_or_else(|| describe("more than 8 bytes at once"))?;
        let unreadable = |error: lkdb_base::Unreadable| Gone::Unreadable(error.address);
        self.scene.memory.read(RuntimeAddr(address), into).map_err(unreadable)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// A number as a value of a base type; offset 0 stands for none.
    fn typed(&self, offset: UnitOffset, value: u64) -> Result<Value, Gone> {
        if offset.0 == 0 {
            return Ok(Value::Generic(value));
        }
        let kind = self.base_type(offset)?;
        let bytes = value.to_le_bytes();
        Value::parse(kind, EndianSlice::new(&bytes, LittleEndian)).map_err(damaged)
    }

    fn base_type(&self, offset: UnitOffset) -> Result<ValueType, Gone> {
        if offset.0 == 0 {
            return Ok(ValueType::Generic);
        }
        let unit = dwarf(self.object)?.unit(self.expression.unit).map_err(damaged)?;
        let entry = unit.entry(offset).map_err(damaged)?;
        let kind = ValueType::from_entry(&entry).map_err(damaged)?;
        kind.ok_or_else(|| describe("an operation on a type that is no number of up to 8 bytes"))
    }

    /// The location of another DIE, for `DW_OP_call2` and its like.
    fn called(&self, die: DieReference) -> Result<&'d [u8], Gone> {
        let dwarf = dwarf(self.object)?;
        let die = match die {
            DieReference::UnitRef(offset) => DieRef { unit: self.expression.unit, offset },
            DieReference::DebugInfoRef(offset) => dwarf.die_at(offset.0 as u64).map_err(damaged)?,
        };
        let (unit, entry) = dwarf.entry(die).map_err(damaged)?;
        match dwarf.location_of(&unit, &entry).map_err(damaged)? {
            LocationDescription::Expression(expression) => Ok(expression.bytes),
            LocationDescription::OptimizedOut => Ok(&[]),
            _ => Err(describe("DW_OP_call of what has no expression")),
        }
    }

    /// What `DW_OP_fbreg` counts from.
    fn frame_base(&self) -> Result<u64, Gone> {
        let here = self.object.link(self.frame()?.pc.lookup()).ok_or(Gone::NotHere)?;
        let dwarf = dwarf(self.object)?;
        let function = dwarf.function_at(here).map_err(damaged)?;
        let function = function.ok_or_else(|| describe("DW_OP_fbreg outside of any function"))?;
        let base = dwarf.frame_base(&function).map_err(damaged)?;
        match self.scene.place_within(self.object, &base, None, self.depth.deeper()?)? {
            Place::Memory(address) => Ok(address.0),
            Place::Register(register) | Place::Unset(register) => self.register(register),
            Place::Literal(bytes) => Ok(super::little_endian(&bytes)),
            _ => Err(describe("a frame base that is no address")),
        }
    }

    fn result(&self, pieces: &[gimli::Piece<Slice<'d>>]) -> Result<Place, Gone> {
        if let [piece] = pieces
            && piece.size_in_bits.is_none()
        {
            return self.place(&piece.location);
        }
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            parts.push(Piece {
                bits: piece.size_in_bits.ok_or_else(|| describe("a piece without a size"))?,
                bit_offset: piece.bit_offset.unwrap_or(0),
                place: self.place(&piece.location).unwrap_or_else(Place::Gone),
            });
        }
        Ok(Place::Pieces(parts.into()))
    }

    fn place(&self, location: &Location<Slice<'d>>) -> Result<Place, Gone> {
        Ok(match location {
            Location::Empty => Place::Gone(Gone::OptimizedOut),
            Location::Address { address } => Place::Memory(RuntimeAddr(*address)),
            Location::Register { register } => {
                let register = DwarfRegister(register.0);
                match self.frame()?.register(register) {
                    Ok(_) => Place::Register(register),
                    Err(_) => Place::Literal(self.register(register)?.to_le_bytes().into()),
                }
            }
            Location::Value { value } => Place::Literal(bytes(*value).into()),
            Location::Bytes { value } => Place::Literal(value.slice().into()),
            Location::ImplicitPointer { value, byte_offset } => {
                let dwarf = dwarf(self.object)?;
                let die = dwarf.die_at(value.0 as u64).map_err(damaged)?;
                let (unit, entry) = dwarf.entry(die).map_err(damaged)?;
                let location = dwarf.location_of(&unit, &entry).map_err(damaged)?;
                let target = self.scene.place_within(self.object, &location, None, self.depth.deeper()?);
                Place::Implicit(Box::new(target.unwrap_or_else(Place::Gone)), *byte_offset)
            }
        })
    }
}

/// A value's bytes as they would lie in memory.
fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::Generic(value) | Value::U64(value) => value.to_le_bytes().to_vec(),
        Value::I8(value) => value.to_le_bytes().to_vec(),
        Value::U8(value) => value.to_le_bytes().to_vec(),
        Value::I16(value) => value.to_le_bytes().to_vec(),
        Value::U16(value) => value.to_le_bytes().to_vec(),
        Value::I32(value) => value.to_le_bytes().to_vec(),
        Value::U32(value) => value.to_le_bytes().to_vec(),
        Value::I64(value) => value.to_le_bytes().to_vec(),
        Value::F32(value) => value.to_le_bytes().to_vec(),
        Value::F64(value) => value.to_le_bytes().to_vec(),
    }
}
