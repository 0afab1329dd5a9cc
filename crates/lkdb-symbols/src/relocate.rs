//! Relocations applied to a copy of a section: a module's DWARF and unwind tables refer to its sections by relocation.
//!
//! Only the kinds that occur in such sections (`Arch::debug_relocations`). Sections that are in memory at
//! run time are at the places [`Layout`] gives them, debug sections begin at 0, undefined symbols are 0.

use lkdb_base::arch::DebugRelocation;

use crate::elf::{Elf, Section};
use crate::relocation::{Layout, Rela};

/// A copy of `bytes` (the section's contents, unpacked) with the section's relocations applied; none when
/// it has none.
pub(crate) fn relocated(
    elf: &Elf<'_>,
    section: &Section<'_>,
    bytes: &[u8],
) -> Result<Option<Vec<u8>>, String> {
    let arch = elf.arch().map_err(|error| error.to_string())?;
    let relocations = elf.relocations(section).map_err(|error| error.to_string())?;
    let mut made: Option<Vec<u8>> = None;
    let layout = Layout::new(elf);
    for Rela { offset, kind, symbol, addend } in relocations {
        let known = arch.debug_relocations.iter().find(|(number, _)| *number == kind);
        let how = match known {
            Some((_, how)) => *how,
            None => return Err(format!("it has a relocation of kind {kind}, which lkdb does not know")),
        };
        let place = layout.place(section.index).wrapping_add(offset);
        let target = symbol.map_or(0, |symbol| layout.place(symbol.section).wrapping_add(symbol.value));
        let value = target.wrapping_add(addend.cast_unsigned());
        let copy = made.get_or_insert_with(|| bytes.to_vec());
        write(copy, offset, how, value, place)
            .ok_or_else(|| format!("a relocation at {offset:#x} lies outside of it"))?;
    }
    Ok(made)
}

/// Writes a relocated value over what is there. None when that is outside of the section.
fn write(copy: &mut [u8], offset: u64, how: DebugRelocation, value: u64, place: u64) -> Option<()> {
    let (value, size) = match how {
        DebugRelocation::None => return Some(()),
        DebugRelocation::Absolute(size) => (value, size),
        DebugRelocation::Relative(size) => (value.wrapping_sub(place), size),
    };
    let (start, size) = (usize::try_from(offset).ok()?, usize::from(size));
    let bytes = value.to_le_bytes();
    copy.get_mut(start..start.checked_add(size)?)?.copy_from_slice(bytes.get(..size)?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_where_they_fit() {
        let mut bytes = [0xff; 8];
        assert!(write(&mut bytes, 2, DebugRelocation::Absolute(4), 0x1234_5678, 0).is_some());
        assert_eq!(bytes, [0xff, 0xff, 0x78, 0x56, 0x34, 0x12, 0xff, 0xff]);
        assert!(write(&mut bytes, 0, DebugRelocation::Relative(4), 0x10, 0x18).is_some());
        assert_eq!(bytes[..4], (-8_i32).to_le_bytes());
        assert!(write(&mut bytes, 6, DebugRelocation::Absolute(4), 0, 0).is_none(), "over the end");
        assert!(write(&mut bytes, u64::MAX, DebugRelocation::Absolute(8), 0, 0).is_none());
    }
}
