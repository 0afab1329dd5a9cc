//! When BTF alone is enough: it is small, and a type's text is there without a look at DWARF.
//!
//! BTF is made from DWARF, and loses some of what gdb prints. A type is written from it only if nothing that
//! may differ was written:
//! - no array: pahole writes the dimensions of `int a[2][3]` as one of six, and `[0]` as `[]`;
//! - no enumeration with values that older versions cut to 32 bits or stored without their sign;
//! - no struct that is but declared: gdb may know its definition from a file that BTF leaves out;
//! - one text for all types of the tag: where files define different structs, which gdb shows depends on
//!   their order in DWARF.
//!
//! What a type shows by name alone (members that are pointers to structs, typedefs) is the same in both.

use lkdb_symbols::types::{Enum, TypeError, TypeId, TypeSource};

use super::{Offsets, Writer, ptype_answer};

/// `ptype` of a tag from all `candidates` that BTF has for it, where the text is surely that of DWARF.
///
/// # Errors
/// When a type is damaged.
pub fn ptype_from_btf(
    types: &dyn TypeSource,
    candidates: &[TypeId],
    offsets: Offsets,
) -> Result<Option<String>, TypeError> {
    let mut text: Option<String> = None;
    for id in candidates {
        let writer = Writer::new(types, offsets != Offsets::No);
        writer.written(*id, "", 1, 0)?;
        if writer.doubt.get() {
            return Ok(None);
        }
        let this = ptype_answer(types, *id, offsets)?;
        if text.as_ref().is_some_and(|text| *text != this) {
            return Ok(None);
        }
        text = Some(this);
    }
    Ok(text)
}

/// Whether an enumeration may have been written down with fewer bits or another sign than it has.
pub(super) fn doubtful_enum(enumeration: &Enum) -> bool {
    let odd = |value: &i128| *value < 0 || *value > i128::from(i32::MAX);
    let values = || enumeration.values.iter().map(|(_, value)| value);
    // With both a sign and its values a kernel's BTF is of the newer kind, which tells them.
    let told = enumeration.signed && values().any(|value| *value < 0);
    enumeration.size != 4 || values().any(odd) && !told
}
