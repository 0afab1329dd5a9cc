//! The arm64 `Image`: a header of 64 bytes before the kernel as it lies in memory, not packed.
//!
//! The format is the kernel's `Documentation/arch/arm64/booting.rst`. Built with an EFI stub the
//! same bytes are a PE file too, and its section table is what tells a truncated file: the header's
//! own size counts memory that the file does not hold.

use super::ImageError;
use super::bytes::{array_at, u64_at};
use super::pe;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Arm64Header {
    /// How far above a 2 MiB boundary the image is to be loaded, in bytes.
    pub text_offset: u64,
    /// How much memory the kernel takes from there, what the file does not hold (bss) included.
    /// 0 before Linux 3.17.
    pub image_size: u64,
    /// Page size in bytes; `None` where the header does not say.
    pub page_size: Option<u32>,
    /// Whether it may be anywhere in physical memory, not only near its start.
    pub anywhere: bool,
}

impl Arm64Header {
    /// Whether `bytes` are an arm64 image, by its magic.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        array_at(bytes, 56) == Some(*b"ARM\x64")
    }

    /// Reads the header.
    ///
    /// # Errors
    /// When it is no arm64 image, is for big-endian processors, or the file is shorter than its
    /// section table says.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        const WHAT: &str = "arm64 Image";
        if !Self::is_one(bytes) {
            return Err(ImageError::malformed(WHAT, "its magic is not there"));
        }
        let field = |offset| u64_at(bytes, offset).ok_or_else(|| ImageError::truncated(WHAT, 64, bytes));
        let (text_offset, image_size, flags) = (field(8)?, field(16)?, field(24)?);
        if flags & 1 != 0 {
            return Err(ImageError::Foreign("a big-endian arm64 kernel".to_owned()));
        }
        pe::check_length(WHAT, bytes)?;
        let page_size = [None, Some(4 << 10), Some(16 << 10), Some(64 << 10)];
        let page_size = page_size.get((flags >> 1 & 3) as usize).copied().flatten();
        Ok(Self { text_offset, image_size, page_size, anywhere: flags & 8 != 0 })
    }
}
