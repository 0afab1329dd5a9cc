//! The `lzop` container and the LZO1X blocks in it.
//!
//! Container (lzop's `src/lzop.c`; the kernel's `lib/decompress_unlzo.c`), all numbers big-endian:
//! magic; version (16 bits), library version, since 0.940 the version needed; method (8 bits), since
//! 0.940 the level; flags (32 bits); a filter if the flags say so; mode, time (two words since
//! 0.940); the name with its length before it; a checksum; an extra field if the flags say so. Then
//! blocks: unpacked size (0 ends the stream), packed size, checksums as the flags say, data (stored
//! when both sizes are equal).
//!
//! LZO1X (the kernel's `Documentation/staging/lzo.rst`, bitstream version 0): a stream of
//! instructions, each a copy from what was unpacked before and 0 to 3 literal bytes after it, or a
//! run of literals. How small opcodes are read hangs on how many literals came last. Written here
//! since no library with a suitable licence checks its input.

use super::DecompressError;
use super::output::Output;

/// What every `lzop` file begins with.
pub(super) const MAGIC: [u8; 9] = [0x89, b'L', b'Z', b'O', 0, b'\r', b'\n', 0x1a, b'\n'];

const ADLER32_UNPACKED: u32 = 0x1;
const ADLER32_PACKED: u32 = 0x2;
const EXTRA_FIELD: u32 = 0x40;
const CRC32_UNPACKED: u32 = 0x100;
const CRC32_PACKED: u32 = 0x200;
const FILTER: u32 = 0x800;

/// The version since which the header has its later fields.
const VERSION_940: u16 = 0x0940;

/// One past the methods that are LZO1X (LZO1X-1, LZO1X-1(15), LZO1X-999).
const METHODS: std::ops::RangeInclusive<u8> = 1..=3;

pub(super) fn lzop(bytes: &[u8], output: &mut Output) -> Result<usize, DecompressError> {
    let mut input = Input { rest: bytes };
    let flags = header(&mut input, output)?;
    while block(&mut input, flags, output)? {}
    Ok(bytes.len() - input.rest.len())
}

/// Reads the header; returns its flags.
fn header(input: &mut Input<'_>, output: &Output) -> Result<u32, DecompressError> {
    let truncated = || output.truncated();
    if input.take(MAGIC.len()).ok_or_else(truncated)? != MAGIC {
        return Err(output.corrupt("it does not begin with the magic"));
    }
    let version = input.u16().ok_or_else(truncated)?;
    let later = version >= VERSION_940;
    input.take(if later { 4 } else { 2 }).ok_or_else(truncated)?;
    let method = input.u8().ok_or_else(truncated)?;
    if !METHODS.contains(&method) {
        return Err(output.corrupt(format_args!("method {method} is not LZO1X")));
    }
    input.take(usize::from(later)).ok_or_else(truncated)?;
    let flags = input.u32().ok_or_else(truncated)?;
    if flags & FILTER != 0 {
        return Err(output.corrupt("it uses a filter, which is not supported"));
    }
    input.take(if later { 12 } else { 8 }).ok_or_else(truncated)?; // mode and time
    let name = input.u8().ok_or_else(truncated)?;
    input.take(usize::from(name) + 4).ok_or_else(truncated)?; // and the header's checksum
    if flags & EXTRA_FIELD != 0 {
        let length = input.size().ok_or_else(truncated)?;
        input.take(length.saturating_add(4)).ok_or_else(truncated)?;
    }
    Ok(flags)
}

/// Reads one block; false at the end of the stream.
fn block(input: &mut Input<'_>, flags: u32, output: &mut Output) -> Result<bool, DecompressError> {
    let unpacked_size = input.size().ok_or_else(|| output.truncated())?;
    if unpacked_size == 0 {
        return Ok(false);
    }
    let packed_size = input.size().ok_or_else(|| output.truncated())?;
    if packed_size > unpacked_size {
        return Err(output.corrupt("a block is larger packed than unpacked"));
    }
    if unpacked_size > output.room() {
        return Err(output.too_big());
    }
    let mut checksum = |wanted: u32| match flags & wanted {
        0 => Ok(None),
        _ => input.u32().map(Some).ok_or_else(|| output.truncated()),
    };
    let adler = checksum(ADLER32_UNPACKED)?;
    let crc = checksum(CRC32_UNPACKED)?;
    if packed_size < unpacked_size {
        checksum(ADLER32_PACKED)?;
        checksum(CRC32_PACKED)?;
    }
    let packed = input.take(packed_size).ok_or_else(|| output.truncated())?;
    let start = output.bytes.len();
    if packed_size == unpacked_size {
        output.push(packed)?;
    } else {
        let end = start + unpacked_size;
        Lzo1x { input: Input { rest: packed }, output: &mut output.bytes, start, end }
            .unpack()
            .map_err(|detail| output.corrupt(detail))?;
    }
    let unpacked = output.bytes.get(start..).unwrap_or_default();
    if unpacked.len() != unpacked_size {
        return Err(output.corrupt("a block unpacks to another size than it says"));
    }
    let wrong = adler.is_some_and(|adler| adler != adler32(unpacked))
        || crc.is_some_and(|crc| crc != crc32(unpacked));
    if wrong { Err(output.corrupt("a block's checksum is wrong")) } else { Ok(true) }
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    // 5552 is the longest run whose sums fit 32 bits.
    for chunk in bytes.chunks(5552) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    b << 16 | a
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Bytes yet to be read.
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn size(&mut self) -> Option<usize> {
        self.u32().and_then(|size| usize::try_from(size).ok())
    }
}

const ENDS: &str = "an LZO block ends in the middle of an instruction";
const TOO_LONG: &str = "an LZO block unpacks to more than it says";

/// One LZO1X block being unpacked onto the end of `output`.
struct Lzo1x<'a, 'o> {
    input: Input<'a>,
    output: &'o mut Vec<u8>,
    /// Where the block's output begins: copies may not reach before it.
    start: usize,
    /// Where it must end.
    end: usize,
}

/// How many literals the last instruction copied: 0 to 3, or a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Literals {
    Few(u8),
    Run,
}

impl Lzo1x<'_, '_> {
    fn unpack(mut self) -> Result<(), &'static str> {
        let mut literals = self.first()?;
        loop {
            let opcode = self.byte()?;
            let Some((distance, length, few)) = self.copy_of(opcode, literals)? else {
                if opcode & 0xf0 == 0 {
                    let run = 3 + self.length(opcode, 0x0f)?;
                    self.literals(run)?;
                    literals = Literals::Run;
                    continue;
                }
                return Ok(());
            };
            self.copy(distance, length)?;
            self.literals(usize::from(few))?;
            literals = Literals::Few(few);
        }
    }

    /// The first byte may be a short run of literals.
    fn first(&mut self) -> Result<Literals, &'static str> {
        match self.input.rest.first() {
            Some(18..=21) => {
                let few = self.byte()? - 17;
                self.literals(usize::from(few))?;
                Ok(if few < 4 { Literals::Few(few) } else { Literals::Run })
            }
            Some(22..) => {
                let run = self.byte()? - 17;
                self.literals(usize::from(run))?;
                Ok(Literals::Run)
            }
            _ => Ok(Literals::Few(0)),
        }
    }

    /// The copy that `opcode` stands for: distance, length, literals after it. `None` for a run of
    /// literals (opcode below 16) and for the end of the block.
    fn copy_of(
        &mut self,
        opcode: u8,
        literals: Literals,
    ) -> Result<Option<(usize, usize, u8)>, &'static str> {
        let op = usize::from(opcode);
        let few = opcode & 3;
        Ok(Some(match opcode {
            0..16 => match literals {
                Literals::Few(0) => return Ok(None),
                Literals::Few(_) => (1 + (op >> 2) + (usize::from(self.byte()?) << 2), 2, few),
                Literals::Run => (2049 + (op >> 2) + (usize::from(self.byte()?) << 2), 3, few),
            },
            16..32 => {
                let length = 2 + self.length(opcode, 0x07)?;
                let (distance, few) = self.distance()?;
                let distance = ((op & 8) << 11) + distance;
                if distance == 0 {
                    return Ok(None);
                }
                (16384 + distance, length, few)
            }
            32..64 => {
                let length = 2 + self.length(opcode, 0x1f)?;
                let (distance, few) = self.distance()?;
                (1 + distance, length, few)
            }
            64..128 => (1 + ((op >> 2) & 7) + (usize::from(self.byte()?) << 3), 3 + ((op >> 5) & 1), few),
            128.. => (1 + ((op >> 2) & 7) + (usize::from(self.byte()?) << 3), 5 + ((op >> 5) & 3), few),
        }))
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        self.input.u8().ok_or(ENDS)
    }

    /// The length in the low bits of an opcode; zero there means that it goes on in more bytes.
    fn length(&mut self, opcode: u8, mask: u8) -> Result<usize, &'static str> {
        if opcode & mask != 0 {
            return Ok(usize::from(opcode & mask));
        }
        let mut length = usize::from(mask);
        loop {
            match self.byte()? {
                0 => length += 255,
                last => return Ok(length + usize::from(last)),
            }
        }
    }

    /// A little-endian word: 14 bits of distance and the number of literals.
    fn distance(&mut self) -> Result<(usize, u8), &'static str> {
        let [low, high] = self.input.array().ok_or(ENDS)?;
        Ok((usize::from(u16::from_le_bytes([low, high]) >> 2), low & 3))
    }

    fn literals(&mut self, length: usize) -> Result<(), &'static str> {
        let bytes = self.input.take(length).ok_or(ENDS)?;
        if self.output.len() + length > self.end {
            return Err(TOO_LONG);
        }
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    /// Copies from what was unpacked; the source may run into what the copy itself writes.
    fn copy(&mut self, distance: usize, length: usize) -> Result<(), &'static str> {
        let position = self.output.len();
        let source = position
            .checked_sub(distance)
            .filter(|source| *source >= self.start)
            .ok_or("an LZO block copies from before its start")?;
        if position + length > self.end {
            return Err(TOO_LONG);
        }
        let mut copied = 0;
        while copied < length {
            let available = self.output.len() - (source + copied);
            let step = available.min(length - copied);
            self.output.extend_from_within(source + copied..source + copied + step);
            copied += step;
        }
        Ok(())
    }
}
