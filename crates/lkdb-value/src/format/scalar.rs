//! One number in one of the formats: `print_scalar_formatted` of gdb.

use lkdb_base::RuntimeAddr;

use super::spec::Letter;
use super::text;
use crate::context::Context;
use crate::float;

/// A scalar's bytes and what its type says of them.
#[derive(Clone, Copy)]
pub(super) struct Scalar<'a> {
    /// Little-endian; at most 16 count.
    pub(super) bytes: &'a [u8],
    /// In two's complement.
    pub(super) signed: bool,
    /// A floating point number.
    pub(super) float: bool,
    /// Hexadecimal and binary numbers are filled to the full width.
    pub(super) fill: bool,
}

impl Scalar<'_> {
    fn raw(&self) -> u128 {
        crate::value::extract(self.bytes, 0, self.width(), false).cast_unsigned()
    }

    fn number(&self) -> i128 {
        crate::value::extract(self.bytes, 0, self.width(), true)
    }

    /// In bits.
    fn width(&self) -> u64 {
        (self.bytes.len() as u64 * 8).min(128)
    }

    /// As a decimal number.
    pub(super) fn decimal(&self, signed: bool) -> String {
        if signed { self.number().to_string() } else { self.raw().to_string() }
    }

    /// In this format.
    pub(super) fn format(&self, letter: Letter, context: &dyn Context) -> String {
        if self.float && matches!(letter, Letter::Character | Letter::Address) {
            let bytes = whole(float::decode(self.bytes).to_f64()).to_le_bytes();
            return Scalar { bytes: &bytes, signed: true, float: false, ..*self }.format(letter, context);
        }
        let raw = self.raw();
        let digits = |per_digit: u64| usize::try_from(self.width().div_ceil(per_digit)).unwrap_or(0);
        match letter {
            Letter::Hex if self.fill => format!("0x{raw:0width$x}", width = digits(4)),
            Letter::Zeros => format!("0x{raw:0width$x}", width = digits(4)),
            Letter::Hex => format!("0x{raw:x}"),
            Letter::Binary if self.fill => format!("{raw:0width$b}", width = digits(1)),
            Letter::Binary => format!("{raw:b}"),
            Letter::Octal if raw == 0 => "0".into(),
            Letter::Octal => format!("0{raw:o}"),
            Letter::Decimal => self.decimal(true),
            Letter::Unsigned => raw.to_string(),
            Letter::Character => {
                let byte = self.bytes.first().copied().unwrap_or(0);
                let number = if self.signed { i64::from(byte.cast_signed()) } else { i64::from(byte) };
                format!("{number} {}", text::character(u32::from(byte), ""))
            }
            Letter::Address => {
                let address = if self.signed { self.number().cast_unsigned() } else { raw };
                let address = u64::try_from(address & u128::from(u64::MAX)).unwrap_or(0);
                match context.symbol_at(RuntimeAddr(address)) {
                    Some(symbol) => format!("{address:#x} <{symbol}>"),
                    None => format!("{address:#x}"),
                }
            }
            Letter::Float if self.float || matches!(self.bytes.len(), 4 | 8 | 16) => {
                float::decode(self.bytes).text()
            }
            Letter::Float | Letter::Text | Letter::Instruction => self.decimal(self.signed),
        }
    }
}

/// The whole part of a number, as far as 64 bits go; gdb takes what is no number for a large one.
#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn whole(value: f64) -> i64 {
    if value.is_nan() { i64::MAX } else { value.trunc() as i64 }
}
