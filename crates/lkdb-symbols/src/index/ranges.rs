//! Where a unit's code is: what its own DIE says (DWARF 5, section 2.17), from `.debug_rnglists` or
//! `.debug_ranges`.

use crate::names::Raw;
use crate::names::cursor::Cursor;
use crate::names::form;
use crate::names::unit::{Die, Head, RootFacts, address_at};

/// More ranges than a unit has; beyond is damage.
const MOST: usize = 1 << 20;

/// What ranges of one unit are read with.
struct Unit<'a> {
    raw: &'a Raw<'a>,
    head: &'a Head,
    facts: &'a RootFacts,
}

/// The ranges of a unit's code, begin and end. Damage ends the list.
pub(super) fn of_unit(raw: &Raw<'_>, head: &Head, die: &Die, facts: &RootFacts) -> Vec<(u64, u64)> {
    let unit = Unit { raw, head, facts };
    let mut found = Vec::new();
    let low = unit.address(die.low);
    if die.ranges.0 != 0 {
        let base = low.unwrap_or(0);
        let _ = if head.encoding.version >= 5 {
            unit.list(die.ranges, base, &mut found)
        } else {
            unit.old_list(die.ranges.1, base, &mut found)
        };
    } else if let (Some(low), true) = (low, die.high.0 != 0) {
        // As an address, or as a length.
        let high = if die.high.0 == form::ADDR || form::is_address_index(die.high.0) {
            unit.address(die.high).unwrap_or(low)
        } else {
            low.wrapping_add(die.high.1)
        };
        found.push((low, high));
    }
    found.retain(|(low, high)| low < high);
    found
}

impl Unit<'_> {
    fn address(&self, (form, value): (u16, u64)) -> Option<u64> {
        match form {
            form::ADDR | form::IMPLICIT_CONST => Some(value),
            form if form::is_address_index(form) => self.indexed(value),
            _ => None,
        }
    }

    fn indexed(&self, index: u64) -> Option<u64> {
        let size = self.head.encoding.address_size;
        address_at(self.raw, self.facts.addr_base.unwrap_or(8), size, index)
    }

    fn old_list(&self, offset: u64, mut base: u64, found: &mut Vec<(u64, u64)>) -> Option<()> {
        let size = self.head.encoding.address_size;
        let most = if size == 4 { u64::from(u32::MAX) } else { u64::MAX };
        let mut cursor = Cursor::new(self.raw.ranges, usize::try_from(offset).ok()?);
        while found.len() < MOST {
            match (cursor.sized(size)?, cursor.sized(size)?) {
                (0, 0) => break,
                (low, new) if low == most => base = new,
                (low, high) => found.push((base.wrapping_add(low), base.wrapping_add(high))),
            }
        }
        Some(())
    }

    fn list(&self, (form, value): (u16, u64), mut base: u64, found: &mut Vec<(u64, u64)>) -> Option<()> {
        let mut offset = value;
        if form == form::RNGLISTX {
            // An index into the table of offsets in front of the lists.
            let table = self.facts.rnglists_base.unwrap_or(12);
            let at = table.checked_add(value.checked_mul(4)?)?;
            let entry = Cursor::new(self.raw.rnglists, usize::try_from(at).ok()?).u32()?;
            offset = table.checked_add(entry.into())?;
        }
        let size = self.head.encoding.address_size;
        let mut cursor = Cursor::new(self.raw.rnglists, usize::try_from(offset).ok()?);
        while found.len() < MOST {
            let range = match cursor.u8()? {
                0 => break,
                1 => {
                    base = self.indexed(cursor.uleb()?)?;
                    continue;
                }
                2 => (self.indexed(cursor.uleb()?)?, self.indexed(cursor.uleb()?)?),
                3 => {
                    let low = self.indexed(cursor.uleb()?)?;
                    (low, low.wrapping_add(cursor.uleb()?))
                }
                4 => (base.wrapping_add(cursor.uleb()?), base.wrapping_add(cursor.uleb()?)),
                5 => {
                    base = cursor.sized(size)?;
                    continue;
                }
                6 => (cursor.sized(size)?, cursor.sized(size)?),
                7 => {
                    let low = cursor.sized(size)?;
                    (low, low.wrapping_add(cursor.uleb()?))
                }
                _ => return None,
            };
            found.push(range);
        }
        Some(())
    }
}
