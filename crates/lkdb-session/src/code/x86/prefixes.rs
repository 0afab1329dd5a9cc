//! Prefixes: binutils writes also those that change nothing.

use iced_x86::{FlowControl, Instruction as Decoded};

use super::{is_indirect, target};

/// The prefixes of an instruction, as they lie before its opcode.
pub(super) struct Prefixes<'b> {
    bytes: &'b [u8],
    /// The first byte of the opcode; none for VEX and such, and where it is of two bytes.
    pub(super) opcode: Option<u8>,
    wide: bool,
}

impl<'b> Prefixes<'b> {
    pub(super) fn of(bytes: &'b [u8]) -> Self {
        let legacy = |byte: &u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3);
        let end = bytes.iter().take_while(|byte| legacy(byte)).count();
        let (bytes, rest) = bytes.split_at(end);
        let rex = rest.first().filter(|byte| (0x40..0x50).contains(*byte));
        let opcode = rest.get(usize::from(rex.is_some())).copied();
        Self { bytes, opcode, wide: rex.is_some_and(|rex| rex & 8 != 0) }
    }

    /// Those that change nothing, by binutils' names, in their order.
    pub(super) fn without_effect(&self, decoded: &Decoded, operands: &str) -> Vec<&'static str> {
        let branch = target(decoded).is_some();
        let mut sizes = self.bytes.iter().filter(|byte| **byte == 0x66).count();
        let vex = matches!(self.opcode, Some(0xc4 | 0xc5 | 0x62));
        let used = !(vex || branch || self.wide && self.opcode != Some(0x0f));
        let mut found = Vec::new();
        for byte in self.bytes {
            let name = match byte {
                0x26 => "es",
                0x2e => "cs",
                0x36 => "ss",
                0x3e if is_indirect(decoded) => "notrack",
                0x3e => "ds",
                0x64 if !operands.contains("fs:") => "fs",
                0x65 if !operands.contains("gs:") => "gs",
                0x66 => {
                    sizes -= 1;
                    if sizes == 0 && used {
                        continue;
                    }
                    "data16"
                }
                0xf0 => "lock",
                0xf2 if target(decoded).is_some() || is_indirect(decoded) => "bnd",
                0xf3 if matches!(decoded.flow_control(), FlowControl::Return) => "repz",
                _ => continue,
            };
            found.push(name);
        }
        found
    }
}
