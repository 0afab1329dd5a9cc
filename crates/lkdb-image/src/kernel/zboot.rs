//! EFI zboot: an EFI program that carries a packed `Image` and unpacks it itself.
//!
//! The header is the kernel's `drivers/firmware/efi/libstub/zboot-header.S` (Linux 6.1): `MZ`, then
//! at 4 `zimg`, at 8 the offset and at 12 the size of the payload in the file, at 24 the name of the
//! compression, and PE headers where offset 60 points. The size leaves out the 4 bytes of unpacked
//! size behind the payload. Those names are the build's (`xzkern`, `zstd22`), so it is the payload's
//! magic that decides and the name only serves to say what an unreadable one was.

use super::ImageError;
use super::bytes::{array_at, range, text_at, u32_at};
use super::pe::{self, Pe};

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Zboot {
    pub(super) payload_offset: u64,
    pub(super) payload_size: u64,
    /// The build's name of the compression.
    pub(super) compression: String,
}

const WHAT: &str = "EFI zboot image";

impl Zboot {
    pub(super) fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(b"MZ") && array_at(bytes, 4) == Some(*b"zimg")
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let header = || {
            Some(Self {
                payload_offset: u64::from(u32_at(bytes, 8)?),
                payload_size: u64::from(u32_at(bytes, 12)?),
                compression: text_at(bytes, 24, 32)?,
            })
        };
        let header = header().ok_or_else(|| ImageError::truncated(WHAT, 64, bytes))?;
        let end = header.payload_offset + header.payload_size;
        if end > bytes.len() as u64 {
            return Err(ImageError::truncated(WHAT, end, bytes));
        }
        pe::check_length(WHAT, bytes)?;
        match Pe::parse(bytes) {
            Some(pe) if pe.machine != pe::MACHINE_ARM64 => {
                Err(ImageError::Foreign(format!("an EFI zboot kernel for {}", pe.machine_name())))
            }
            _ => Ok(header),
        }
    }

    pub(super) fn payload<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        range(file, self.payload_offset, self.payload_size)
    }
}
