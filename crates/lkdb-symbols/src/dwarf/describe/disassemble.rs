//! The operations of a DWARF expression, one a line, as gdb lists them.

use std::fmt::Write as _;

use gimli::{DwOp, Reader as _, UnitOffset, constants};

use super::super::{Expression, Reader};
use super::{DescribeError, Describer};

/// How deep expressions nest (`DW_OP_entry_value`).
const DEEPEST: usize = 8;

/// Lists operations up to the end of a piece or of the expression.
pub(super) fn piece<'d>(
    describer: &Describer<'_, 'd>,
    expression: &Expression<'d>,
    rest: &mut Reader<'d>,
    text: &mut String,
) -> Result<(), DescribeError> {
    let mut lister = Lister { describer, expression, start: rest.slice(), text };
    lister.list(rest, 0)
}

struct Lister<'a, 'b, 'd> {
    describer: &'a Describer<'b, 'd>,
    expression: &'a Expression<'d>,
    /// Where offsets count from.
    start: &'d [u8],
    text: &'a mut String,
}

impl<'d> Lister<'_, '_, 'd> {
    fn list(&mut self, rest: &mut Reader<'d>, depth: usize) -> Result<(), DescribeError> {
        while let Some(byte) = rest.slice().first().copied() {
            let op = DwOp(byte);
            if op == constants::DW_OP_piece || op == constants::DW_OP_bit_piece {
                break;
            }
            let at = self.offset(rest);
            let Some(name) = op.static_string() else { return Err(DescribeError::Opcode(byte, at)) };
            let _ = write!(self.text, "  {at:width$}: {name}", width = 2 * depth + 4);
            let cut = |_| DescribeError::Corrupted(String::new());
            rest.skip(1).map_err(cut)?;
            if op == constants::DW_OP_entry_value || op == constants::DW_OP_GNU_entry_value {
                let length = rest.read_uleb128().map_err(cut)?;
                let mut inner = rest.split(usize::try_from(length).unwrap_or(usize::MAX)).map_err(cut)?;
                self.text.push('\n');
                if depth < DEEPEST {
                    self.list(&mut inner, depth + 1)?;
                }
                continue;
            }
            let operands = self.operands(op, rest).map_err(cut)?;
            self.text.push_str(&operands);
            self.text.push('\n');
        }
        Ok(())
    }

    fn offset(&self, rest: &Reader<'d>) -> usize {
        // Nested expressions are parts of the same bytes.
        (rest.slice().as_ptr() as usize).saturating_sub(self.start.as_ptr() as usize)
    }

    fn operands(&self, op: DwOp, rest: &mut Reader<'d>) -> gimli::Result<String> {
        use constants as dw;
        let encoding = self.expression.encoding;
        Ok(match op {
            dw::DW_OP_addr => format!(" {:#x}", rest.read_address(encoding.address_size)?),
            dw::DW_OP_const1u => format!(" {}", rest.read_u8()?),
            dw::DW_OP_const1s => format!(" {}", rest.read_i8()?),
            dw::DW_OP_const2u => format!(" {}", rest.read_u16()?),
            dw::DW_OP_const2s => format!(" {}", rest.read_i16()?),
            dw::DW_OP_const4u => format!(" {}", rest.read_u32()?),
            dw::DW_OP_const4s => format!(" {}", rest.read_i32()?),
            dw::DW_OP_const8u => format!(" {}", rest.read_u64()?),
            dw::DW_OP_const8s => format!(" {}", rest.read_i64()?),
            dw::DW_OP_constu | dw::DW_OP_plus_uconst => format!(" {}", rest.read_uleb128()?),
            dw::DW_OP_consts | dw::DW_OP_fbreg => format!(" {}", rest.read_sleb128()?),
            dw::DW_OP_implicit_value => {
                let length = rest.read_uleb128()?;
                rest.skip(usize::try_from(length).unwrap_or(usize::MAX))?;
                format!(" {length}")
            }
            dw::DW_OP_xderef_size | dw::DW_OP_deref_size | dw::DW_OP_pick => format!(" {}", rest.read_u8()?),
            dw::DW_OP_skip => {
                let by = rest.read_i16()?;
                format!(" to {}", self.target(rest, by))
            }
            dw::DW_OP_bra => {
                let by = rest.read_i16()?;
                format!(" {}", self.target(rest, by))
            }
            dw::DW_OP_call2 => format!(" offset {:x}", rest.read_u16()?),
            dw::DW_OP_call4 | dw::DW_OP_GNU_parameter_ref => format!(" offset {:x}", rest.read_u32()?),
            dw::DW_OP_call_ref | dw::DW_OP_GNU_variable_value => {
                format!(" offset {:x}", rest.read_offset(encoding.format)?)
            }
            dw::DW_OP_implicit_pointer | dw::DW_OP_GNU_implicit_pointer => {
                let die = rest.read_offset(encoding.format)?;
                format!(" DIE {die:x} offset {}", rest.read_sleb128()?)
            }
            _ => return self.registers(op, rest),
        })
    }

    /// Operations on registers, and those that name a type.
    fn registers(&self, op: DwOp, rest: &mut Reader<'d>) -> gimli::Result<String> {
        use constants as dw;
        let register = |number| self.describer.register(number);
        let from = |first: DwOp| u64::from(op.0.wrapping_sub(first.0));
        Ok(match op {
            _ if (dw::DW_OP_reg0..=dw::DW_OP_reg31).contains(&op) => {
                format!(" [${}]", register(from(dw::DW_OP_reg0)))
            }
            _ if (dw::DW_OP_breg0..=dw::DW_OP_breg31).contains(&op) => {
                format!(" {} [${}]", rest.read_sleb128()?, register(from(dw::DW_OP_breg0)))
            }
            dw::DW_OP_regx => {
                let number = rest.read_uleb128()?;
                format!(" {number} [${}]", register(number))
            }
            dw::DW_OP_bregx => {
                let number = rest.read_uleb128()?;
                format!(" register {number} [${}] offset {}", register(number), rest.read_sleb128()?)
            }
            dw::DW_OP_deref_type | dw::DW_OP_GNU_deref_type => {
                let size = rest.read_u8()?;
                format!("{} {size}", self.ty(rest.read_uleb128()?))
            }
            dw::DW_OP_const_type | dw::DW_OP_GNU_const_type => {
                let ty = self.ty(rest.read_uleb128()?);
                let count = rest.read_u8()?;
                let bytes = rest.split(usize::from(count))?;
                let bytes: String = bytes.slice().iter().map(|byte| format!(" {byte:02x}")).collect();
                format!("{ty} {count} byte block:{bytes}")
            }
            dw::DW_OP_regval_type | dw::DW_OP_GNU_regval_type => {
                let number = rest.read_uleb128()?;
                format!("{} [${}]", self.ty(rest.read_uleb128()?), register(number))
            }
            dw::DW_OP_convert | dw::DW_OP_GNU_convert | dw::DW_OP_reinterpret | dw::DW_OP_GNU_reinterpret => {
                match rest.read_uleb128()? {
                    0 => "<0>".to_owned(),
                    ty => self.ty(ty),
                }
            }
            dw::DW_OP_addrx | dw::DW_OP_GNU_addr_index => format!(" {:#x}", self.indexed(rest)?),
            dw::DW_OP_constx | dw::DW_OP_GNU_const_index => format!(" {}", self.indexed(rest)?),
            _ => String::new(),
        })
    }

    fn indexed(&self, rest: &mut Reader<'d>) -> gimli::Result<u64> {
        let index = rest.read_uleb128()?;
        let address = self.describer.dwarf.indexed_address(self.expression.unit, index);
        Ok(address.map_or(0, |address| address.0))
    }

    fn target(&self, rest: &Reader<'d>, by: i16) -> i64 {
        self.offset(rest).cast_signed() as i64 + i64::from(by)
    }

    /// A base type, by its offset in the unit.
    fn ty(&self, offset: u64) -> String {
        let dwarf = self.describer.dwarf;
        let name = || {
            let unit = dwarf.unit(self.expression.unit).ok()?;
            let entry = unit.entry(UnitOffset(usize::try_from(offset).ok()?)).ok()?;
            dwarf.name_of(&unit, &entry).ok()?
        };
        format!("<{} [{offset:#x}]>", crate::types::canonical_name(name().unwrap_or("void")))
    }
}
