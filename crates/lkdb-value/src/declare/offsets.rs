//! The columns that `ptype/o` has before each member, and its lines about holes.
//!
//! gdb keeps two numbers while it prints: where the members printed so far end, and what offset the struct
//! has in the outermost one. It carries them into nested structs in a way that is at times off: a union at an
//! offset shows padding it does not have, and an array of unnamed structs shows offsets of a struct before
//! it. Text is kept equal; [`super::layout()`] has the true ones.

use super::{Body, Field};

/// Whether offsets are printed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offsets {
    /// Plain `ptype`.
    #[default]
    No,
    /// `ptype/o`.
    Decimal,
    /// `ptype/ox`.
    Hex,
}

/// The width of the columns.
pub(super) const INDENT: usize = 27;

/// gdb's two numbers, in bits; its arithmetic is that of 32 bits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// Where the outermost struct has the one that is being printed.
    base: u32,
    /// Where the members printed so far end, in the struct that is being printed.
    end: u32,
}

impl State {
    /// Enters a struct that is the member just printed.
    pub(super) fn enter(self, field: &Field) -> Self {
        Self {
            base: self.base.wrapping_add(bits(field.bit_offset)),
            end: self.end.wrapping_sub(bits(field.size.wrapping_mul(8))),
        }
    }

    /// The columns before a member, with a line about the hole before it.
    pub(super) fn member(&mut self, body: &Body, field: &Field, offsets: Offsets, out: &mut String) {
        let hex = offsets == Offsets::Hex;
        let size = if hex { format!("0x{:04x}", field.size) } else { format!("{:6}", field.size) };
        if body.union {
            out.push_str(&format!("/*                {size} */"));
            return;
        }
        let start = bits(field.bit_offset);
        self.hole(start, "hole", out);
        let place = start.wrapping_add(self.base);
        let byte = place / 8;
        let byte = if hex { format!("0x{byte:04x}") } else { format!("{byte:6}") };
        let packed = field.bit_size.is_some() || !self.base.is_multiple_of(8);
        let bit = match (packed, hex) {
            (true, true) => format!(": 0x{:x} ", place % 8),
            (true, false) => format!(":{:2}   ", place % 8),
            (false, _) => "      ".to_owned(),
        };
        out.push_str(&format!("/* {byte}{bit}|  {size} */"));
        let length =
            if packed { bits(field.bit_size.unwrap_or(0)) } else { bits(field.size.wrapping_mul(8)) };
        self.end = start.wrapping_add(length);
    }

    /// The line about what is unused at the end.
    pub(super) fn padding(&self, body: &Body, out: &mut String) {
        self.hole(bits(body.size.wrapping_mul(8)), "padding", out);
    }

    fn hole(&self, next: u32, what: &str, out: &mut String) {
        if self.end == 0 || self.end >= next {
            return;
        }
        let hole = next - self.end;
        if !hole.is_multiple_of(8) {
            out.push_str(&format!("/* XXX {:2}-bit {what:<7}    */\n", hole % 8));
        }
        if hole / 8 > 0 {
            out.push_str(&format!("/* XXX {:2}-byte {what:<7}   */\n", hole / 8));
        }
    }
}

/// gdb's unsigned int.
fn bits(number: u64) -> u32 {
    (number & u64::from(u32::MAX)) as u32
}
