//! ELF notes: the build ID among them, in a note section and in a flat memory image.
//!
//! A note is three 4-byte words (size of the name, size of the content, type), the name with its
//! NUL, and the content, both padded to 4 bytes (System V ABI, "Note Section").

use std::ops::Range;

use memchr::memmem;

use lkdb_base::BuildId;

use super::bytes::{array_at, range, u16_at, u32_at, u64_at};

const NT_GNU_BUILD_ID: u32 = 3;
/// From the length of a CRC to that of SHA-512.
const LENGTHS: std::ops::RangeInclusive<u32> = 4..=64;

/// The build ID in the content of a note section.
pub(super) fn build_id(section: &[u8]) -> Option<BuildId> {
    let padded = |size: u32| (u64::from(size) + 3) & !3;
    let mut at = 0;
    loop {
        let [name_size, size, kind] =
            [u32_at(section, at)?, u32_at(section, at + 4)?, u32_at(section, at + 8)?];
        let content = at + 12 + padded(name_size);
        if kind == NT_GNU_BUILD_ID
            && LENGTHS.contains(&size)
            && range(section, at + 12, u64::from(name_size)) == Some(b"GNU\0")
        {
            return range(section, content, u64::from(size)).map(BuildId::from_bytes);
        }
        at = content + padded(size);
    }
}

/// The build ID of a kernel that lies flat in `memory`: the note by its fixed words, but not those of
/// the ELF files in it (vDSOs), which have their own.
pub(super) fn build_id_in_memory(memory: &[u8]) -> Option<BuildId> {
    let embedded: Vec<_> =
        memmem::find_iter(memory, b"\x7fELF").filter_map(|at| elf_extent(memory, at)).collect();
    memmem::find_iter(memory, b"\x03\0\0\0GNU\0")
        .filter(|at| !embedded.iter().any(|extent| extent.contains(at)))
        .find_map(|at| build_id(memory.get(at.checked_sub(8)?..)?.get(..12 + 4 + 64)?))
}

/// From where to where an ELF file at `start` reaches, by its section table, which comes last.
fn elf_extent(memory: &[u8], start: usize) -> Option<Range<usize>> {
    let file = memory.get(start..)?;
    let [class, order] = array_at(file, 4)?;
    let (table, size, count) = match (class, order) {
        (2, 1) => (u64_at(file, 40)?, u16_at(file, 58)?, u16_at(file, 60)?),
        (1, 1) => (u64::from(u32_at(file, 32)?), u16_at(file, 46)?, u16_at(file, 48)?),
        _ => return None,
    };
    let end = table.checked_add(u64::from(size) * u64::from(count))?;
    let end = start.checked_add(usize::try_from(end).ok()?)?;
    (end <= memory.len()).then_some(start..end)
}
