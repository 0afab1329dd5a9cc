//! What a skeleton tells of its unit: where it is, its code, its line table.

use super::SplitUnit;
use crate::names::cursor::Cursor;
use crate::names::unit::{self, Die, Reader, RootFacts};
use crate::names::{Raw, form};

/// What a skeleton tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skeleton {
    pub(super) head: (usize, usize),
    pub(super) die: Facts,
}

/// The skeleton's attributes, as numbers that need no skeleton; none for what it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Facts {
    pub(super) directory: Option<u64>,
    pub(super) low: Option<u64>,
    pub(super) length: Option<u64>,
    pub(super) ranges: Option<u64>,
    pub(super) lines: Option<u64>,
    pub(super) addresses: Option<u64>,
    pub(super) old_ranges: Option<u64>,
}

/// A unit's facts when it is a skeleton.
pub(super) fn read(raw: &Raw<'_>, reader: &Reader<'_>) -> Option<SplitUnit> {
    let (die, facts) = reader.root()?;
    let text = |(form, value)| {
        let bytes = unit::string(raw, facts.str_offsets_base, form, value)?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    (facts.dwo_name.0 != 0).then_some(())?;
    let name = text(facts.dwo_name)?;
    let id = id_of(raw.info, reader, &facts)?;
    let address = |(form, value): (u16, u64)| match form {
        form::ADDR => Some(value),
        form if form::is_address_index(form) => {
            let size = reader.head.encoding.address_size;
            unit::address_at(raw, facts.addr_base.unwrap_or(0), size, value)
        }
        _ => None,
    };
    let low = address(die.low);
    let length = match die.high {
        (0, _) => None,
        high => match address(high) {
            Some(high) => Some(high.wrapping_sub(low?)),
            None => Some(high.1),
        },
    };
    let (form, place) = facts.comp_dir;
    let directory = match form {
        form::STRP => Some(place),
        form if form::is_string_index(form) => {
            unit::indexed(raw, facts.str_offsets_base, place).map(|at| at as u64)
        }
        _ => None,
    };
    let die = Facts {
        directory,
        low,
        length,
        ranges: ranges(raw, &die, &facts),
        lines: facts.stmt_list,
        addresses: facts.addr_base,
        old_ranges: facts.rnglists_base.filter(|_| reader.head.encoding.version < 5),
    };
    let skeleton = Skeleton { head: (reader.head.start, reader.head.end), die };
    Some(SplitUnit { name, directory: text(facts.comp_dir).unwrap_or_default(), id, skeleton })
}

/// What tells that a skeleton and a unit belong together: in the header, or before version 5 an attribute.
pub(super) fn id_of(info: &[u8], reader: &Reader<'_>, facts: &RootFacts) -> Option<u64> {
    match reader.head.encoding.version {
        5.. => Cursor::new(info, reader.head.first.checked_sub(8)?).u64(),
        _ => facts.dwo_id,
    }
}

/// Where the unit's range list is.
fn ranges(raw: &Raw<'_>, die: &Die, facts: &RootFacts) -> Option<u64> {
    match die.ranges {
        (0, _) => None,
        (form::RNGLISTX, index) => {
            let table = facts.rnglists_base?;
            let at = usize::try_from(table.checked_add(index.checked_mul(4)?)?).ok()?;
            table.checked_add(Cursor::new(raw.rnglists, at).u32()?.into())
        }
        (_, offset) => Some(offset),
    }
}
