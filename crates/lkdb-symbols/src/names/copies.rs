//! The places a function's code is at: its own, and where it was inlined. Those DIEs have no name; they
//! refer to the one that has (`DW_AT_abstract_origin`).

use memchr::memmem;

use super::abbrev::Abbrevs;
use super::scan::{self, Children};
use super::unit::{self, Head, Reader};
use super::{Found, Kinds, Raw, Units};

/// A DIE with code of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instance {
    /// Where its unit begins.
    pub unit: u64,
    /// Where it is.
    pub offset: u64,
    /// `DW_TAG_inlined_subroutine`, not the function itself.
    pub inlined: bool,
}

const INLINED: u16 = 0x1d;
const SUBPROGRAM: u16 = 0x2e;

/// The DIEs that instantiate a function that [`super::find`] found: out of line and inlined, in the file's
/// order. Units that link-time optimisation tied together are searched as well where there are such.
#[must_use]
pub fn instances(raw: &Raw<'_>, units: &Units, function: &Found) -> Vec<Instance> {
    let (Ok(start), Ok(offset)) = (usize::try_from(function.unit), usize::try_from(function.offset)) else {
        return Vec::new();
    };
    let Some(own) = unit::containing(&units.heads, start).and_then(|own| units.heads.get(own)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if let Some(back) = offset.checked_sub(own.start) {
        in_unit(raw, *own, back, offset, &mut found);
    }
    // DW_AT_abstract_origin with DW_FORM_ref_addr, as any abbreviation writes it.
    if memmem::find(raw.abbrev, &[0x31, 0x10]).is_some() {
        for head in units.heads.iter().filter(|head| head.start != own.start) {
            in_unit(raw, *head, offset, offset, &mut found);
        }
    }
    found.sort_unstable();
    found
}

/// The instances in one unit, where the function is referred to as `bytes`.
fn in_unit(raw: &Raw<'_>, head: Head, bytes: usize, offset: usize, found: &mut Vec<Instance>) {
    let Ok(bytes) = u32::try_from(bytes) else { return };
    let unit = raw.info.get(head.first..head.end).unwrap_or_default();
    if memmem::find(unit, &bytes.to_le_bytes()).is_none() {
        return;
    }
    let Some(abbrevs) = Abbrevs::parse(raw.abbrev, head.abbrevs, head.encoding) else { return };
    let reader = Reader::new(raw.info, head, &abbrevs);
    let want = |tag: u16| matches!(tag, INLINED | SUBPROGRAM) || Kinds::of_tag(tag).meets(Kinds::TYPES);
    let _ = scan::over(&reader, head.first, want, |die, _| {
        if !matches!(die.tag, INLINED | SUBPROGRAM) {
            return Children::Pass;
        }
        if die.origin == offset {
            let inlined = die.tag == INLINED;
            found.push(Instance { unit: head.start as u64, offset: die.offset as u64, inlined });
        }
        // Abstract and declared functions hold no code.
        if die.inline != 0 || die.declaration { Children::Pass } else { Children::Enter }
    });
}
