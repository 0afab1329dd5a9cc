//! The index's bytes: a header, then parts, all little-endian and used where they lie.
//!
//! ```text
//! header   "LKDBIDX\n", format version u32, parts u32, lkdb's version 16 bytes, identity 32 bytes,
//!          sizes of .debug_info, .debug_str, .debug_line_str u64 each, length u64,
//!          for each part: offset u64, length u64, checksum u64; checksum of the header u64
//! STRINGS  paths, unit names, producers, each with its NUL; the empty one at 0
//! UNITS    32 bytes a unit in the file's order: start, name, comp_dir, producer, language, zeros: u32 each
//! RANGES   20 bytes a range, by begin: begin u64, end u64, unit u32
//! FILES    16 bytes a file, by path: path, comp_dir, place in LINED, number of units: u32 each
//! LINED    for each file the units that have lines of it: LEB128, each the distance to the one before
//! NAMES    8 bytes a name, by its bytes: where its bytes are (see `gather`), place in ENTRIES: u32 each
//! ENTRIES  for each name: number of entries LEB128, each a byte (kind, flags in the upper bits), then LEB128:
//!          DIE (distance to the entry before), file + 1, line, for an enumerator the distance back to its
//!          enumeration; then number of copies, and their distances
//! ```
//!
//! Names are not repeated here: the file they are from is at hand whenever its index is. The sizes of its
//! sections are compared, so that a place in them is never one in another file's.
//!
//! A part's checksum is compared when the part is first used: a few milliseconds, once, in place of a read of
//! everything at each start.

/// What files begin with.
pub(super) const MAGIC: [u8; 8] = *b"LKDBIDX\n";

/// Changes with every change of what the bytes mean, or of what is put in.
pub(super) const VERSION: u32 = 4;

/// The parts, by number.
pub(super) const STRINGS: usize = 0;
pub(super) const UNITS: usize = 1;
pub(super) const RANGES: usize = 2;
pub(super) const FILES: usize = 3;
pub(super) const LINED: usize = 4;
pub(super) const NAMES: usize = 5;
pub(super) const ENTRIES: usize = 6;
pub(super) const PARTS: usize = 7;

pub(super) const UNIT_SIZE: usize = 32;
pub(super) const RANGE_SIZE: usize = 20;
pub(super) const FILE_SIZE: usize = 16;
pub(super) const NAME_SIZE: usize = 8;

const FIXED: usize = 8 + 4 + 4 + 16 + 32 + 3 * 8 + 8;
pub(super) const HEADER: usize = FIXED + PARTS * 24 + 8;

/// What must agree before an index is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) lkdb: [u8; 16],
    pub(super) file: [u8; 32],
    pub(super) sizes: [u64; 3],
}

impl Identity {
    pub(super) fn new(identity: &[u8], sizes: [usize; 3]) -> Self {
        Self {
            lkdb: padded(env!("CARGO_PKG_VERSION").as_bytes()),
            file: padded(identity),
            sizes: sizes.map(|size| size as u64),
        }
    }
}

fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut field = [0; N];
    for (to, from) in field.iter_mut().zip(bytes) {
        *to = *from;
    }
    field
}

/// A checksum that runs at memory speed: four lanes of multiply and fold. It finds damage, not malice:
/// what an index says is bounds-checked anyway.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |lane: u64, word: u64| (lane ^ word).wrapping_mul(PRIME).rotate_left(29);
    let mut lanes = [1u64, 2, 3, 4];
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane = mix(*lane, u64::from_le_bytes(*word));
        }
    }
    let mut sum = bytes.len() as u64;
    for byte in rest {
        sum = mix(sum, u64::from(*byte));
    }
    for lane in lanes {
        sum = mix(sum, lane);
    }
    sum ^ (sum >> 32)
}

/// Puts header and parts together.
pub(super) fn assemble(identity: &Identity, parts: [Vec<u8>; PARTS]) -> Vec<u8> {
    let length = HEADER + parts.iter().map(|part| part.len().next_multiple_of(8)).sum::<usize>();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((PARTS as u32).to_le_bytes());
    bytes.extend(identity.lkdb);
    bytes.extend(identity.file);
    identity.sizes.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
    bytes.extend((length as u64).to_le_bytes());
    let mut offset = HEADER;
    for part in &parts {
        for number in [offset as u64, part.len() as u64, checksum(part)] {
            bytes.extend(number.to_le_bytes());
        }
        offset += part.len().next_multiple_of(8);
    }
    bytes.extend(checksum(&bytes).to_le_bytes());
    for part in parts {
        bytes.extend(&part);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes
}

/// Makes the checksums of a damaged index right again, so that tests reach what lies behind them.
pub(super) fn reseal(bytes: &mut [u8]) -> Option<()> {
    for part in 0..PARTS {
        let entry = FIXED + part * 24;
        let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let (offset, length) =
            (usize::try_from(number(entry)?).ok()?, usize::try_from(number(entry + 8)?).ok()?);
        let sum = checksum(bytes.get(offset..offset.checked_add(length)?)?);
        bytes.get_mut(entry + 16..entry + 24)?.copy_from_slice(&sum.to_le_bytes());
    }
    let sum = checksum(bytes.get(..HEADER - 8)?);
    bytes.get_mut(HEADER - 8..HEADER)?.copy_from_slice(&sum.to_le_bytes());
    Some(())
}

/// A part, and whether its checksum has been compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'i> {
    pub(super) bytes: &'i [u8],
    pub(super) checksum: u64,
}

/// Takes the header apart. None when anything of it is not as it must be.
pub(super) fn parts<'i>(bytes: &'i [u8], identity: &Identity) -> Option<[Part<'i>; PARTS]> {
    let (covered, rest) = bytes.split_at_checked(HEADER - 8)?;
    let sum = u64::from_le_bytes(*rest.first_chunk()?);
    let mut expected = Vec::with_capacity(FIXED);
    expected.extend(MAGIC);
    expected.extend(VERSION.to_le_bytes());
    expected.extend((PARTS as u32).to_le_bytes());
    expected.extend(identity.lkdb);
    expected.extend(identity.file);
    identity.sizes.iter().for_each(|size| expected.extend(size.to_le_bytes()));
    expected.extend((bytes.len() as u64).to_le_bytes());
    let (fixed, table) = covered.split_at_checked(FIXED)?;
    if fixed != expected || checksum(covered) != sum {
        return None;
    }
    let mut parts = [Part { bytes: &[], checksum: 0 }; PARTS];
    for (part, entry) in parts.iter_mut().zip(table.as_chunks::<24>().0) {
        let (numbers, _) = entry.as_chunks::<8>();
        let [offset, length, checksum] = numbers else { return None };
        let offset = usize::try_from(u64::from_le_bytes(*offset)).ok()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let bytes = bytes.get(offset..offset.checked_add(length)?)?;
        *part = Part { bytes, checksum: u64::from_le_bytes(*checksum) };
    }
    Some(parts)
}
