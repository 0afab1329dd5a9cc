//! Kernel images: recognised, unpacked, described.
//!
//! What a boot loader starts is a bzImage (x86), an `Image` (arm64), or an EFI zboot image that packs
//! the latter; a build also leaves the ELF file `vmlinux`, and any of them may lie about compressed as
//! a whole (`Image.gz`, `vmlinux.zst`). Unpacked there are two things: an ELF file (from a bzImage
//! or as vmlinux) or the kernel flat as it lies in memory (arm64). Modules, ELF files too, are
//! recognised since they are asked about in the same way.
//!
//! Nothing here reads symbols or debug information, changes an image, or does I/O. A vmlinux is only
//! looked at, never copied: hand in a mapping.

mod advice;
mod arm64;
mod bytes;
mod bzimage;
mod contents;
mod describe;
mod dwarf;
mod elf;
mod foreign;
mod module;
mod notes;
mod pair;
mod pe;
mod search;
#[cfg(test)]
mod tests;
mod zboot;

use std::borrow::Cow;

use lkdb_base::{Arch, BuildId, arch};

use crate::compress::{self, Compression, DecompressError};
use crate::config::Config;

pub use advice::{Finding, Purpose, Want, advise};
pub use arm64::Arm64Header;
pub use bzimage::BzImage;
pub use contents::{Contents, Dwarf};
pub use describe::{Info, describe};
pub use module::Module;
pub use pair::{PairError, check_pair};

use elf::Elf;
use zboot::Zboot;

/// The most that an image may unpack to. A vmlinux with debug information, compressed as a whole, is
/// the largest thing there is; boot images unpack to less than 100 MB.
const UNPACKED_LIMIT: usize = 2 << 30;

/// Why a file is no kernel image that lkdb can use.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ImageError {
    /// Something else altogether; the text says what, with its article.
    #[error("not a kernel image (bzImage, arm64 Image, EFI zboot, vmlinux), but {0}")]
    NotAKernel(String),
    /// A kernel, or part of one, for another architecture; the text says what, with its article.
    #[error("this is {0}; lkdb knows kernels for x86_64 and aarch64, 64-bit little-endian")]
    Foreign(String),
    /// The file is shorter than its own header says.
    #[error("truncated {what}: by its header it has at least {needed} bytes, the file has {has}")]
    Truncated {
        /// The format.
        what: &'static str,
        /// How long it is, at least, in bytes.
        needed: u64,
        /// How long the file is, in bytes.
        has: u64,
    },
    /// The headers contradict themselves or the rest.
    #[error("damaged {what}: {detail}")]
    Malformed {
        /// The format.
        what: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// What is packed in it does not unpack.
    #[error("{what}: {source}")]
    Packed {
        /// What was being unpacked.
        what: &'static str,
        /// Why it failed.
        source: DecompressError,
    },
}

impl ImageError {
    fn malformed(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Malformed { what, detail: detail.to_string() }
    }

    fn truncated(what: &'static str, needed: u64, bytes: &[u8]) -> Self {
        Self::Truncated { what, needed, has: bytes.len() as u64 }
    }
}

/// What kind of file a kernel came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Format {
    /// The x86 boot image.
    #[serde(rename = "bzImage")]
    BzImage,
    /// The arm64 boot image, not packed.
    #[serde(rename = "Image")]
    Image,
    /// An EFI program with a packed arm64 image in it.
    #[serde(rename = "zboot")]
    Zboot,
    /// The ELF file that the build links.
    #[serde(rename = "vmlinux")]
    Vmlinux,
    /// A module, no kernel.
    #[serde(rename = "module")]
    Module,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BzImage => "bzImage",
            Self::Image => "arm64 Image",
            Self::Zboot => "EFI zboot",
            Self::Vmlinux => "vmlinux (ELF)",
            Self::Module => "module (ELF)",
        })
    }
}

/// A kernel (or module) out of its wrappings.
#[derive(Debug)]
pub struct Kernel<'a> {
    /// What kind of file it came in.
    pub format: Format,
    /// What it runs on.
    pub arch: &'static Arch,
    /// The compression round the whole file (`Image.gz`).
    pub wrapping: Option<Compression>,
    /// The compression inside the boot image.
    pub packing: Option<Compression>,
    /// The header of a bzImage.
    pub bzimage: Option<BzImage>,
    /// The header of an arm64 image, in a zboot image too.
    pub arm64: Option<Arm64Header>,
    bytes: Cow<'a, [u8]>,
}

impl Kernel<'_> {
    /// The kernel itself: an ELF file from bzImage, vmlinux and modules (bytes may follow its end), a
    /// flat memory image on arm64 otherwise.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, owned: copied only where it was not unpacked.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes.into_owned()
    }

    /// Whether [`Kernel::bytes`] are an ELF file.
    #[must_use]
    pub fn is_elf(&self) -> bool {
        Elf::is_one(&self.bytes)
    }

    /// Its build ID; `None` when it was linked without one.
    #[must_use]
    pub fn build_id(&self) -> Option<BuildId> {
        match Elf::parse(&self.bytes) {
            Ok(elf) => elf.notes().find_map(notes::build_id),
            Err(_) => notes::build_id_in_memory(&self.bytes),
        }
    }

    /// What it says of itself at boot, `Linux version …`, without the newline.
    #[must_use]
    pub fn banner(&self) -> Option<String> {
        let mut first = None;
        for banner in self.regions().into_iter().flat_map(search::banners) {
            if search::is_numbered(&banner) {
                return Some(banner);
            }
            first.get_or_insert(banner);
        }
        first
    }

    /// The configuration it carries (`CONFIG_IKCONFIG`).
    #[must_use]
    pub fn config(&self) -> Option<Config> {
        self.regions().into_iter().find_map(search::config)
    }

    /// What is in memory when it runs, as far as the file holds it.
    fn regions(&self) -> Vec<&[u8]> {
        match Elf::parse(&self.bytes) {
            Ok(elf) => elf.regions(),
            Err(_) => vec![&self.bytes],
        }
    }
}

/// Recognises a kernel image or a module by its content and unpacks it.
///
/// # Errors
/// [`ImageError`]: it is something else, for another architecture, truncated or damaged.
pub fn unpack(file: &[u8]) -> Result<Kernel<'_>, ImageError> {
    let Some(wrapping) = Compression::detect(file) else { return unwrapped(Cow::Borrowed(file)) };
    let inner = compress::decompress_all(wrapping, file, UNPACKED_LIMIT)
        .map_err(|source| ImageError::Packed { what: "compressed file", source })?
        .bytes;
    match unwrapped(Cow::Owned(inner)) {
        Ok(kernel) => Ok(Kernel { wrapping: Some(wrapping), ..kernel }),
        Err(ImageError::NotAKernel(what)) => {
            Err(ImageError::NotAKernel(format!("a {wrapping} file that holds {what}")))
        }
        Err(other) => Err(other),
    }
}

fn unwrapped(file: Cow<'_, [u8]>) -> Result<Kernel<'_>, ImageError> {
    if Elf::is_one(&file) {
        let elf = Elf::parse(&file)?;
        let format = if elf.kind == elf::Kind::Module { Format::Module } else { Format::Vmlinux };
        let arch = elf.arch;
        return Ok(Kernel {
            format,
            arch,
            wrapping: None,
            packing: None,
            bzimage: None,
            arm64: None,
            bytes: file,
        });
    }
    if BzImage::is_one(&file) {
        return from_bzimage(&file);
    }
    if Zboot::is_one(&file) {
        return from_zboot(&file);
    }
    if Arm64Header::is_one(&file) {
        let header = Arm64Header::parse(&file)?;
        return Ok(flat(Format::Image, None, header, file));
    }
    Err(ImageError::NotAKernel(foreign::what(&file)))
}

fn flat(
    format: Format,
    packing: Option<Compression>,
    header: Arm64Header,
    bytes: Cow<'_, [u8]>,
) -> Kernel<'_> {
    Kernel {
        format,
        arch: &arch::AARCH64,
        wrapping: None,
        packing,
        bzimage: None,
        arm64: Some(header),
        bytes,
    }
}

fn from_bzimage(file: &[u8]) -> Result<Kernel<'static>, ImageError> {
    const WHAT: &str = "the kernel in the bzImage";
    let header = BzImage::parse(file)?;
    if header.entry_64 == Some(false) {
        return Err(ImageError::Foreign("a bzImage for 32-bit x86".to_owned()));
    }
    let payload =
        header.payload(file).ok_or_else(|| ImageError::malformed(WHAT, "it lies outside the file"))?;
    let (packing, bytes) = unpack_payload(WHAT, payload, true)?;
    let kind = Elf::parse(&bytes)?.kind;
    if kind != elf::Kind::Kernel {
        return Err(ImageError::malformed(WHAT, "it is a module"));
    }
    Ok(Kernel {
        format: Format::BzImage,
        arch: &arch::X86_64,
        wrapping: None,
        packing: Some(packing),
        bzimage: Some(header),
        arm64: None,
        bytes: Cow::Owned(bytes),
    })
}

fn from_zboot(file: &[u8]) -> Result<Kernel<'static>, ImageError> {
    const WHAT: &str = "the kernel in the EFI zboot image";
    let zboot = Zboot::parse(file)?;
    let payload = zboot.payload(file).unwrap_or_default();
    if Compression::detect(payload).is_none() {
        let detail = format!("its header says `{}`, but it is in no compression known", zboot.compression);
        return Err(ImageError::malformed(WHAT, detail));
    }
    let (packing, bytes) = unpack_payload(WHAT, payload, false)?;
    let header = Arm64Header::parse(&bytes)?;
    Ok(flat(Format::Zboot, Some(packing), header, Cow::Owned(bytes)))
}

/// Unpacks what a boot image carries. With `sized`, all compressions but gzip have the unpacked size
/// behind them in 4 bytes.
fn unpack_payload(
    what: &'static str,
    payload: &[u8],
    sized: bool,
) -> Result<(Compression, Vec<u8>), ImageError> {
    let kind = Compression::detect(payload)
        .ok_or_else(|| ImageError::malformed(what, "it is in no compression known"))?;
    let (stream, size) = match payload.split_last_chunk() {
        Some((stream, size)) if sized && kind != Compression::Gzip => {
            (stream, Some(u32::from_le_bytes(*size)))
        }
        _ => (payload, None),
    };
    let limit =
        size.and_then(|size| usize::try_from(size).ok()).unwrap_or(UNPACKED_LIMIT).min(UNPACKED_LIMIT);
    let bytes = compress::decompress(kind, stream, limit)
        .map_err(|source| ImageError::Packed { what, source })?
        .bytes;
    match size {
        Some(size) if bytes.len() as u64 != u64::from(size) => {
            let detail = format!("it unpacks to {} bytes instead of {size}", bytes.len());
            Err(ImageError::malformed(what, detail))
        }
        _ => Ok((kind, bytes)),
    }
}

/// The build ID of an image, vmlinux or module; `None` when it was linked without one. Quick for ELF
/// files, an unpacking for boot images.
///
/// # Errors
/// As [`unpack`].
pub fn build_id(file: &[u8]) -> Result<Option<BuildId>, ImageError> {
    unpack(file).map(|kernel| kernel.build_id())
}

/// What the kernel in an image or vmlinux says of itself at boot, `Linux version …`, without the
/// newline. `None` where a file of debug information alone does not hold it.
///
/// # Errors
/// As [`unpack`].
pub fn banner(file: &[u8]) -> Result<Option<String>, ImageError> {
    unpack(file).map(|kernel| kernel.banner())
}

/// The release in a banner: `Linux version 6.1.0-56-cloud-amd64 (…) …` gives `6.1.0-56-cloud-amd64`.
#[must_use]
pub fn release_of(banner: &str) -> Option<&str> {
    banner.strip_prefix("Linux version ")?.split(' ').next().filter(|release| !release.is_empty())
}
