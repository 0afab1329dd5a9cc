//! Compresses archives in the forms that kernels unpack, streaming. The way back is [`crate::compress`].
//!
//! What a kernel takes is narrower than what the formats allow: xz with no check but CRC32 (or none),
//! lz4 in its legacy frame only, zstd in one frame with a window of at most 128 MiB.

use std::io::{self, Write};
use std::num::NonZeroU64;

use crate::compress::Compression;

/// How to compress an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// Not at all.
    None,
    /// gzip, at zlib's level 6.
    Gzip,
    /// zstd, at level 3, over all CPUs.
    Zstd,
    /// lz4, the fast way, as `lz4 -l`.
    Lz4,
    /// xz, at preset 6, over all CPUs.
    Xz,
}

impl Packing {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Zstd, Self::Lz4, Self::Xz];

    /// The name users type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
        }
    }

    /// The compression as readers know it.
    #[must_use]
    pub const fn compression(self) -> Option<Compression> {
        match self {
            Self::None => None,
            Self::Gzip => Some(Compression::Gzip),
            Self::Zstd => Some(Compression::Zstd),
            Self::Lz4 => Some(Compression::Lz4),
            Self::Xz => Some(Compression::Xz),
        }
    }
}

impl std::fmt::Display for Packing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A writer that compresses what it is given into another. [`Compressor::finish`] must be called.
/// The same bytes come out whatever the number of threads and however the input is cut up.
pub struct Compressor<W: Write>(Encoder<W>);

enum Encoder<W: Write> {
    None(W),
    Gzip(Box<Even<flate2::write::GzEncoder<W>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, W>>),
    Lz4(Lz4Legacy<W>),
    Xz(Box<lzma_rust2::XzWriterMt<W>>),
}

impl<W: Write> std::fmt::Debug for Compressor<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor")
    }
}

/// What an xz block holds; each is compressed by one thread. As much as preset 6 looks back.
const XZ_BLOCK: u64 = 8 << 20;

impl<W: Write> Compressor<W> {
    /// Starts a stream into `out`, with up to `threads` threads where the format allows it.
    ///
    /// # Errors
    /// If the compressor cannot be set up, or its header cannot be written.
    pub fn new(packing: Packing, threads: usize, out: W) -> io::Result<Self> {
        let threads = u32::try_from(threads.clamp(1, 64)).unwrap_or(1);
        Ok(Self(match packing {
            Packing::None => Encoder::None(out),
            Packing::Gzip => {
                // mtime 0 and no name: the header is the same each time.
                let encoder = flate2::GzBuilder::new().mtime(0).write(out, flate2::Compression::default());
                Encoder::Gzip(Box::new(Even { inner: encoder, block: Vec::with_capacity(EVEN) }))
            }
            Packing::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(out, 3)?;
                // Never 0: that is another algorithm, whose output differs from that of any threads.
                encoder.multithread(threads)?;
                encoder.include_checksum(true)?;
                Encoder::Zstd(Box::new(encoder))
            }
            Packing::Lz4 => Encoder::Lz4(Lz4Legacy::new(out)?),
            Packing::Xz => {
                let mut options = lzma_rust2::XzOptions::with_preset(6);
                options.set_check_sum_type(lzma_rust2::CheckType::Crc32);
                options.set_block_size(NonZeroU64::new(XZ_BLOCK));
                Encoder::Xz(Box::new(lzma_rust2::XzWriterMt::new(out, options, threads)?))
            }
        }))
    }

    /// Writes what is left and the end of the stream, and gives `out` back.
    ///
    /// # Errors
    /// Those of `out` and of the compressor.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Encoder::None(out) => Ok(out),
            Encoder::Gzip(encoder) => encoder.into_inner()?.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
            Encoder::Lz4(encoder) => encoder.finish(),
            Encoder::Xz(encoder) => encoder.finish(),
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.0 {
            Encoder::None(out) => out,
            Encoder::Gzip(encoder) => encoder,
            Encoder::Zstd(encoder) => encoder,
            Encoder::Lz4(encoder) => encoder,
            Encoder::Xz(encoder) => encoder,
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }
}

/// Hands on what it is given in blocks of one size: zlib's output depends on how its input is cut up.
struct Even<W> {
    inner: W,
    block: Vec<u8>,
}

const EVEN: usize = 128 << 10;

impl<W: Write> Even<W> {
    fn into_inner(mut self) -> io::Result<W> {
        self.inner.write_all(&self.block)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Even<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.get(..EVEN - self.block.len()).unwrap_or(bytes);
        self.block.extend_from_slice(taken);
        if self.block.len() == EVEN {
            self.inner.write_all(&self.block)?;
            self.block.clear();
        }
        Ok(taken.len())
    }
    /// Does nothing: a flush in between would change the stream.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The legacy lz4 frame: a magic number, then blocks of 8 MiB, each with its compressed length before
/// it, and no end mark (lib/decompress_unlz4.c).
struct Lz4Legacy<W> {
    out: W,
    block: Vec<u8>,
    packed: Vec<u8>,
}

const LZ4_MAGIC: [u8; 4] = 0x184c_2102_u32.to_le_bytes();
const LZ4_BLOCK: usize = 8 << 20;

impl<W: Write> Lz4Legacy<W> {
    fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&LZ4_MAGIC)?;
        Ok(Self { out, block: Vec::with_capacity(LZ4_BLOCK), packed: Vec::new() })
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.packed.resize(lz4_flex::block::get_maximum_output_size(self.block.len()), 0);
        let length =
            lz4_flex::block::compress_into(&self.block, &mut self.packed).map_err(io::Error::other)?;
        self.block.clear();
        let header = u32::try_from(length).map_err(io::Error::other)?.to_le_bytes();
        self.out.write_all(&header)?;
        self.out.write_all(self.packed.get(..length).unwrap_or_default())
    }

    fn finish(mut self) -> io::Result<W> {
        self.end_block()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Lz4Legacy<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = LZ4_BLOCK - self.block.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.block.extend_from_slice(taken);
        if self.block.len() == LZ4_BLOCK {
            self.end_block()?;
        }
        Ok(taken.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
