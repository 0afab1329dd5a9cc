//! lz4's two containers around blocks that a library unpacks.
//!
//! Legacy (`lz4 -l`; the kernel's `lib/decompress_unlz4.c`): the magic, then blocks, each a 4-byte
//! little-endian size of what is packed and that many bytes, each unpacking to 8 MiB but the last.
//! There is no end mark. Modern: see lz4's `doc/lz4_Frame_format.md`.

use std::io::{self, Read};

use lz4_flex::frame::FrameDecoder;

use super::DecompressError;
use super::output::Output;

/// The legacy frame's magic, 0x184c2102.
pub(super) const LEGACY_MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
/// The modern frame's magic, 0x184d2204.
pub(super) const FRAME_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// What each block but the last unpacks to.
const LEGACY_BLOCK: usize = 8 << 20;
/// The most that such a block can take packed: lz4's own bound for data that does not pack.
const LEGACY_PACKED_MAX: usize = LEGACY_BLOCK + LEGACY_BLOCK / 255 + 16;

pub(super) fn legacy(bytes: &[u8], output: &mut Output) -> Result<usize, DecompressError> {
    let mut rest = bytes
        .strip_prefix(LEGACY_MAGIC.as_slice())
        .ok_or_else(|| output.corrupt("it does not begin with the magic"))?;
    let mut unpacked = Vec::new();
    while let Some((size, after)) = rest.split_first_chunk() {
        let size = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
        if size == 0 || size > LEGACY_PACKED_MAX {
            break;
        }
        let block = after.get(..size).ok_or_else(|| output.truncated())?;
        unpacked.resize(LEGACY_BLOCK.min(output.room().saturating_add(1)), 0);
        let length = match lz4_flex::block::decompress_into(block, &mut unpacked) {
            Ok(length) => length,
            Err(lz4_flex::block::DecompressError::OutputTooSmall { .. }) if unpacked.len() < LEGACY_BLOCK => {
                return Err(output.too_big());
            }
            Err(error) => return Err(output.corrupt(error)),
        };
        output.push(unpacked.get(..length).unwrap_or_default())?;
        rest = after.get(size..).unwrap_or_default();
        if length < LEGACY_BLOCK {
            break;
        }
    }
    Ok(bytes.len() - rest.len())
}

pub(super) fn frame(bytes: &[u8], output: &mut Output) -> Result<usize, DecompressError> {
    let mut reader = FrameDecoder::new(Watched { bytes, starved: false });
    output.drain(&mut reader)?;
    let Watched { bytes: rest, starved } = reader.into_inner();
    // The library takes an end of input between two blocks for the end of the frame.
    if starved {
        return Err(output.truncated());
    }
    Ok(bytes.len() - rest.len())
}

/// A slice that remembers whether it was asked for more than it had.
struct Watched<'a> {
    bytes: &'a [u8],
    starved: bool,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.starved |= buffer.len() > self.bytes.len();
        self.bytes.read(buffer)
    }
}
