//! bzImage, the x86 boot image: its header, and where its payload lies.
//!
//! The format is the kernel's `Documentation/arch/x86/boot.rst`. A file is real-mode code of
//! `setup_sects + 1` sectors whose second sector holds the header, then protected-mode code that a
//! boot loader puts at 1 MiB. In that lies the payload (boot protocol 2.08, Linux 2.6.26): a packed
//! ELF file, with relocations behind it where the kernel can be moved. All packings but gzip have
//! the unpacked size behind them, 4 bytes (`scripts/Makefile.lib`, `size_append`); gzip ends with it
//! by itself. The build (`arch/x86/boot/compressed/mkpiggy.c`) reads it from there too.

use super::ImageError;
use super::bytes::{range, text_at, u8_at, u16_at, u32_at, u64_at};

/// What the header says, as far as unpacking and debugging need it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BzImage {
    /// Boot protocol version, as 0x020f for 2.15.
    pub protocol: u16,
    /// The release and who built it, from the real-mode code: `6.1.0-… (…) #1 SMP …`.
    pub version: Option<String>,
    /// Where the protected-mode code begins in the file, in bytes.
    pub protected_mode_offset: u64,
    /// Its size in bytes, as the header says.
    pub protected_mode_size: u64,
    /// Where the payload begins, in bytes from the start of the protected-mode code. Loaded at 1 MiB,
    /// the payload is at 0x100000 + this.
    pub payload_offset: u32,
    /// Size of the payload in bytes, the 4 bytes of unpacked size behind it included.
    pub payload_length: u32,
    /// How much contiguous memory the kernel needs from its load address before it reads its memory
    /// map, in bytes. 0 before protocol 2.10.
    pub init_size: u32,
    /// Where it would best be loaded, a physical address. 0 before protocol 2.10.
    pub pref_address: u64,
    /// Whether it may run elsewhere than at `pref_address` (needed for KASLR).
    pub relocatable: bool,
    /// Alignment of its load address when relocatable, in bytes.
    pub kernel_alignment: u32,
    /// The longest command line it takes, in bytes without the NUL.
    pub cmdline_size: u32,
    /// Whether it has a 64-bit entry point (`XLF_KERNEL_64`), known since protocol 2.12.
    pub entry_64: Option<bool>,
}

const MAGIC_OFFSET: usize = 0x202;
const SECTOR: u64 = 512;
const XLF_KERNEL_64: u16 = 1;

impl BzImage {
    /// Whether `bytes` are a bzImage (or an old zImage), by the magic of the boot protocol.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.get(MAGIC_OFFSET..).is_some_and(|header| header.starts_with(b"HdrS"))
            && u16_at(bytes, 0x1fe) == Some(0xaa55)
    }

    /// Reads the header. Nothing is unpacked.
    ///
    /// # Errors
    /// When it is no bzImage, is older than the payload fields, or the file is shorter than its
    /// header says.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        if !Self::is_one(bytes) {
            return Err(ImageError::malformed("bzImage", "there is no boot protocol header in it"));
        }
        let image = Self::fields(bytes).ok_or_else(|| ImageError::truncated("bzImage", 0x264, bytes))?;
        if image.protocol < 0x0208 {
            return Err(ImageError::malformed(
                "bzImage",
                "its boot protocol is older than 2.08 (Linux 2.6.26) and does not say where the kernel lies",
            ));
        }
        // The last sector may have lost its padding, so a paragraph of slack.
        let payload_end = u64::from(image.payload_offset) + u64::from(image.payload_length);
        let needed =
            image.protected_mode_offset + payload_end.max(image.protected_mode_size.saturating_sub(15));
        if (bytes.len() as u64) < needed {
            return Err(ImageError::truncated("bzImage", needed, bytes));
        }
        Ok(image)
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let protocol = u16_at(bytes, 0x206)?;
        let since = |version, value: Option<u64>| if protocol < version { Some(0) } else { value };
        let setup_sects = match u8_at(bytes, 0x1f1)? {
            0 => 4,
            sects => u64::from(sects),
        };
        let small = |value: u64| u32::try_from(value).ok();
        Some(Self {
            protocol,
            version: version(bytes),
            protected_mode_offset: (setup_sects + 1) * SECTOR,
            protected_mode_size: u64::from(u32_at(bytes, 0x1f4)?) * 16,
            payload_offset: u32_at(bytes, 0x248)?,
            payload_length: u32_at(bytes, 0x24c)?,
            init_size: small(since(0x20a, u32_at(bytes, 0x260).map(u64::from))?)?,
            pref_address: since(0x20a, u64_at(bytes, 0x258))?,
            relocatable: since(0x205, u8_at(bytes, 0x234).map(u64::from))? != 0,
            kernel_alignment: small(since(0x205, u32_at(bytes, 0x230).map(u64::from))?)?,
            cmdline_size: small(since(0x206, u32_at(bytes, 0x238).map(u64::from))?)?,
            entry_64: (protocol >= 0x20c)
                .then(|| u16_at(bytes, 0x236).map(|flags| flags & XLF_KERNEL_64 != 0))
                .flatten(),
        })
    }

    /// The protected-mode code in the file that the header was read from.
    #[must_use]
    pub fn protected_mode<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        file.get(usize::try_from(self.protected_mode_offset).ok()?..)
    }

    /// The payload in the file that the header was read from, its size behind it included.
    #[must_use]
    pub fn payload<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let offset = self.protected_mode_offset + u64::from(self.payload_offset);
        range(file, offset, u64::from(self.payload_length))
    }
}

/// The version string in the real-mode code: the field points 0x200 bytes before it.
fn version(bytes: &[u8]) -> Option<String> {
    match u16_at(bytes, 0x20e)? {
        0 => None,
        pointer => text_at(bytes, u64::from(pointer) + 0x200, 512),
    }
}
