//! As much of PE as boot images with an EFI stub need: for which machine, and how long the file is.

use super::ImageError;
use super::bytes::{array_at, u16_at, u32_at};

/// The header of a PE file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pe {
    /// `IMAGE_FILE_MACHINE_…`.
    pub(super) machine: u16,
    /// Where the last section ends in the file, in bytes.
    pub(super) end: u64,
}

/// The machine numbers that lkdb has an architecture for.
pub(super) const MACHINE_X86_64: u16 = 0x8664;
pub(super) const MACHINE_ARM64: u16 = 0xaa64;

impl Pe {
    /// Reads the headers; `None` where there are none, or the file ends within them.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(b"MZ") {
            return None;
        }
        let at = u64::from(u32_at(bytes, 0x3c)?);
        if array_at(bytes, at)? != *b"PE\0\0" {
            return None;
        }
        let table = at + 24 + u64::from(u16_at(bytes, at + 20)?);
        let end = (0..u64::from(u16_at(bytes, at + 6)?)).try_fold(0, |end: u64, index| {
            let section = table + 40 * index;
            let (size, offset) = (u32_at(bytes, section + 16)?, u32_at(bytes, section + 20)?);
            Some(end.max(u64::from(size) + u64::from(offset)))
        })?;
        Some(Self { machine: u16_at(bytes, at + 4)?, end })
    }

    /// The machine, for people.
    pub(super) fn machine_name(&self) -> String {
        let name = match self.machine {
            0x14c => "32-bit x86",
            MACHINE_X86_64 => "x86-64",
            0x1c0 | 0x1c2 | 0x1c4 => "32-bit ARM",
            MACHINE_ARM64 => "arm64",
            0x5032 | 0x5064 => "RISC-V",
            0x6232 | 0x6264 => "LoongArch",
            other => return format!("machine {other:#x}"),
        };
        name.to_owned()
    }
}

/// Refuses a file that ends before its last section does. Without PE headers nothing is known.
pub(super) fn check_length(what: &'static str, bytes: &[u8]) -> Result<(), ImageError> {
    match Pe::parse(bytes) {
        Some(pe) if pe.end > bytes.len() as u64 => Err(ImageError::truncated(what, pe.end, bytes)),
        _ => Ok(()),
    }
}
