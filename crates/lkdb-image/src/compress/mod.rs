//! The compressions that kernels and initramfs archives come in, told apart by their first bytes
//! and undone within a limit.
//!
//! The kernel's own list is `lib/decompress.c` (archives) and `arch/x86/boot/compressed/misc.c`
//! (images): gzip, bzip2, lzma, xz, lzo, lz4, zstd. Two of them have a form that tools write and
//! the kernel does not read: the modern lz4 frame ([`Compression::Lz4Frame`]), and gzip's members or
//! xz's streams one after another in what is meant as one file ([`decompress_all`]).
//!
//! Reading only: what writes archives is in `archive`.

mod lz4;
mod lzo;
mod output;
mod streams;
#[cfg(test)]
mod tests;

use output::Output;

/// A compression, as the kernel tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// gzip (RFC 1952).
    Gzip,
    /// bzip2.
    Bzip2,
    /// The LZMA-alone format of LZMA Utils (`.lzma`).
    Lzma,
    /// xz, with the filters it may have (x86 kernels are packed with BCJ).
    Xz,
    /// LZO1X in the container that `lzop` writes.
    Lzo,
    /// lz4 in the legacy frame (`lz4 -l`), the only one that kernels read.
    Lz4,
    /// lz4 in the modern frame, which no kernel reads.
    #[serde(rename = "lz4-frame")]
    Lz4Frame,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// Every compression.
    pub const ALL: [Self; 8] =
        [Self::Gzip, Self::Bzip2, Self::Lzma, Self::Xz, Self::Lzo, Self::Lz4, Self::Lz4Frame, Self::Zstd];

    /// What `bytes` begin with, by their magic. `None` where they are in no compression known.
    #[must_use]
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| match kind {
            Self::Lzma => is_lzma_alone(bytes),
            _ => bytes.starts_with(kind.magic()),
        })
    }

    /// The first bytes of every stream.
    const fn magic(self) -> &'static [u8] {
        match self {
            Self::Gzip => &[0x1f, 0x8b],
            Self::Bzip2 => b"BZh",
            Self::Lzma => &[0x5d, 0, 0],
            Self::Xz => &[0xfd, b'7', b'z', b'X', b'Z', 0],
            Self::Lzo => &lzo::MAGIC,
            Self::Lz4 => &lz4::LEGACY_MAGIC,
            Self::Lz4Frame => &lz4::FRAME_MAGIC,
            Self::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
        }
    }

    /// The name that people and tools use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Lzma => "lzma",
            Self::Xz => "xz",
            Self::Lzo => "lzo",
            Self::Lz4 => "lz4",
            Self::Lz4Frame => "lz4 (modern frame)",
            Self::Zstd => "zstd",
        }
    }

    /// The option (without `CONFIG_`) a kernel needs to read an initramfs in this compression;
    /// `None` where no kernel can.
    #[must_use]
    pub const fn initrd_option(self) -> Option<&'static str> {
        match self {
            Self::Gzip => Some("RD_GZIP"),
            Self::Bzip2 => Some("RD_BZIP2"),
            Self::Lzma => Some("RD_LZMA"),
            Self::Xz => Some("RD_XZ"),
            Self::Lzo => Some("RD_LZO"),
            Self::Lz4 => Some("RD_LZ4"),
            Self::Lz4Frame => None,
            Self::Zstd => Some("RD_ZSTD"),
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// LZMA-alone has no magic: the usual properties (`0x5d`), a dictionary size as `lzma` writes them,
/// and a plausible size are taken for one.
fn is_lzma_alone(bytes: &[u8]) -> bool {
    let Some(([0x5d, d0, d1, d2, d3, size @ ..], _)) = bytes.split_first_chunk::<13>() else { return false };
    let dictionary = u32::from_le_bytes([*d0, *d1, *d2, *d3]);
    let size = u64::from_le_bytes(*size);
    let regular = dictionary.is_power_of_two() || (dictionary / 3).is_power_of_two() && dictionary % 3 == 0;
    dictionary >= 4096 && regular && (size == u64::MAX || size < 1 << 40)
}

/// Why a compressed stream gave nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecompressError {
    /// The stream ends before it should.
    #[error("the {0} data is truncated: it ends in the middle of the stream")]
    Truncated(Compression),
    /// The stream is damaged, or uses what is not supported.
    #[error("the {kind} data is damaged: {detail}")]
    Corrupt {
        /// What it was read as.
        kind: Compression,
        /// What the reader said.
        detail: String,
    },
    /// It unpacks to more than the caller allows.
    #[error("the {kind} data unpacks to more than {limit} bytes")]
    TooBig {
        /// What it was read as.
        kind: Compression,
        /// The caller's limit, in bytes.
        limit: usize,
    },
}

impl DecompressError {
    fn corrupt(kind: Compression, detail: impl std::fmt::Display) -> Self {
        Self::Corrupt { kind, detail: detail.to_string() }
    }
}

/// What a stream unpacked to.
#[derive(Debug, PartialEq, Eq)]
pub struct Decompressed {
    /// The content.
    pub bytes: Vec<u8>,
    /// How many bytes of the input the stream took. What follows may be padding or another stream.
    pub consumed: usize,
}

/// Unpacks the one stream (gzip member, xz stream, zstd or lz4 frame, …) that `bytes` begin with, as
/// the kernel does with each segment of an initramfs. What follows the stream is left alone.
///
/// A legacy lz4 frame has no end mark: it ends with its first block of less than 8 MiB, at the end
/// of `bytes`, or where what follows cannot be a block.
///
/// # Errors
/// [`DecompressError`]; content of more than `limit` bytes is an error, not cut off.
pub fn decompress(kind: Compression, bytes: &[u8], limit: usize) -> Result<Decompressed, DecompressError> {
    let mut output = Output::new(kind, limit);
    let consumed = decompress_into(kind, bytes, &mut output)?;
    Ok(Decompressed { bytes: output.bytes, consumed })
}

/// Unpacks the stream that `bytes` begin with and those of the same compression that follow it
/// directly, as `zcat`, `xzcat` and their like do with a file. xz's padding between streams counts
/// as part of them.
///
/// # Errors
/// As [`decompress`]; `limit` is for all streams together.
pub fn decompress_all(
    kind: Compression,
    bytes: &[u8],
    limit: usize,
) -> Result<Decompressed, DecompressError> {
    let mut output = Output::new(kind, limit);
    let mut consumed = 0;
    loop {
        let rest = bytes.get(consumed..).unwrap_or_default();
        let padding = if kind == Compression::Xz && consumed > 0 { xz_padding(rest) } else { 0 };
        let stream = rest.get(padding..).unwrap_or_default();
        if consumed > 0 && Compression::detect(stream) != Some(kind) {
            return Ok(Decompressed { bytes: output.bytes, consumed });
        }
        consumed += padding + decompress_into(kind, stream, &mut output)?;
    }
}

/// How many bytes of padding (zeros, in fours) `bytes` begin with.
fn xz_padding(bytes: &[u8]) -> usize {
    bytes.chunks_exact(4).take_while(|four| *four == [0; 4]).count() * 4
}

/// Unpacks one stream; returns how much of `bytes` it took, which is never nothing.
fn decompress_into(kind: Compression, bytes: &[u8], output: &mut Output) -> Result<usize, DecompressError> {
    let consumed = match kind {
        Compression::Gzip => streams::gzip(bytes, output),
        Compression::Bzip2 => streams::bzip2(bytes, output),
        Compression::Lzma => streams::lzma(bytes, output),
        Compression::Xz => streams::xz(bytes, output),
        Compression::Zstd => streams::zstd(bytes, output),
        Compression::Lzo => lzo::lzop(bytes, output),
        Compression::Lz4 => lz4::legacy(bytes, output),
        Compression::Lz4Frame => lz4::frame(bytes, output),
    }?;
    if consumed == 0 { Err(output.truncated()) } else { Ok(consumed) }
}
