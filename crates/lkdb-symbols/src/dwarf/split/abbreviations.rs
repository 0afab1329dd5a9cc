//! The abbreviations of split units, completed by what whole units have.

use crate::names::cursor::Cursor;
use crate::names::{form, leb};

pub(super) const COMPILE_UNIT: u16 = 0x11;
const TYPE_UNIT: u64 = 0x41;

/// An attribute by its number, and the constant that it is given; none for one that it is not.
pub(super) type Constant = (u16, Option<u64>);

/// A table of abbreviations in which those of units have constants for what units of a whole file have. A unit's own
/// attributes stay in front; `of_unit` is for units with code alone.
pub(super) fn completed(
    section: &[u8],
    table: usize,
    bases: &[Constant],
    of_unit: &[Constant],
) -> Option<Vec<u8>> {
    let mut made = Vec::new();
    let mut cursor = Cursor::new(section, table);
    loop {
        let start = cursor.at();
        if cursor.uleb()? == 0 {
            made.push(0);
            return Some(made);
        }
        let tag = cursor.uleb()?;
        cursor.u8()?;
        let mut own = Vec::new();
        let end = loop {
            let end = cursor.at();
            let (attribute, form) = (cursor.uleb()?, cursor.uleb()?);
            if (attribute, form) == (0, 0) {
                break end;
            }
            if form == u64::from(form::IMPLICIT_CONST) {
                cursor.sleb()?;
            }
            own.push(attribute);
        };
        made.extend_from_slice(section.get(start..end)?);
        let whole = tag == u64::from(COMPILE_UNIT);
        let more = of_unit.iter().filter(|_| whole);
        for (attribute, value) in bases.iter().chain(more).filter(|_| whole || tag == TYPE_UNIT) {
            if let Some(value) = value.filter(|_| !own.contains(&u64::from(*attribute))) {
                leb::put_unsigned(&mut made, u64::from(*attribute));
                leb::put_unsigned(&mut made, u64::from(form::IMPLICIT_CONST));
                leb::put_signed(&mut made, value.cast_signed());
            }
        }
        made.extend_from_slice(&[0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::completed;

    #[test]
    fn a_units_own_attributes_stay_and_others_come_behind() {
        // 1: a unit with a name (string) and a directory; 2: a member. Then the end.
        let table = [1, 0x11, 1, 0x03, 0x08, 0x1b, 0x08, 0, 0, 2, 0x0d, 0, 0x03, 0x08, 0, 0, 0];
        let made =
            completed(&table, 0, &[(0x72, Some(8))], &[(0x1b, Some(5)), (0x10, Some(3)), (0x11, None)]);
        let wanted = [
            1, 0x11, 1, 0x03, 0x08, 0x1b, 0x08, 0x72, 0x21, 8, 0x10, 0x21, 3, 0, 0, 2, 0x0d, 0, 0x03, 0x08,
            0, 0, 0,
        ];
        assert_eq!(made.as_deref(), Some(&wanted[..]));
        for end in 0..table.len() {
            assert_eq!(completed(&table[..end], 0, &[], &[]), None);
        }
    }
}
