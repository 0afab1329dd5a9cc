//! Debug info that a file refers to and lkdb does not read: found by section names and unit headers alone.

use gimli::SectionId;
use memchr::memmem;

use super::Sections;
use crate::elf::Elf;
use crate::names::unit::heads;

/// What is missing, why, and what to do: one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Gap {
    /// `-gsplit-dwarf`.
    #[error(
        "its debug info is split, and {0} of its .dwo files cannot be read (the first is {1}): types, variables and \
         parameters of those are missing; keep them where they were built, or beside this file"
    )]
    Split(usize, String),
    /// `dwz -m`; the other file.
    #[error("what `dwz -m' has moved to {0} is not read; use the file as it was before dwz")]
    Shared(String),
    /// The 64-bit DWARF format.
    #[error("debug info in the 64-bit DWARF format is not read; build without -gdwarf64")]
    Wide,
}

/// What is missing from a file's debug info. Headers of units are read only where the sections make a gap likely,
/// and nothing is relocated for that.
pub(super) fn of(elf: &Elf<'_>, sections: &Sections<'_>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let plain = elf.section(".debug_info").filter(|section| !elf.packed(section));
    let plain = plain.and_then(|section| elf.bytes(&section));
    // To unpack it for this alone takes longer than most questions.
    let info = plain.unwrap_or_default();
    if info.starts_with(&[0xff; 4]) {
        gaps.push(Gap::Wide);
    } else if let Some((count, first)) = sections.joined.get().and_then(|joined| joined.missing.clone()) {
        gaps.push(Gap::Split(count, first));
    }
    gaps.extend(shared(elf).map(Gap::Shared));
    gaps
}

/// Whether a unit is but the skeleton of one in another file. Only such units, and clang's, have their
/// addresses in a section of their own.
pub(super) fn has_split_units(sections: &Sections<'_>) -> bool {
    /// `DW_UT_skeleton`, of DWARF 5.
    const SKELETON: u8 = 4;
    /// `DW_AT_GNU_dwo_name` as `DW_FORM_strp` or `DW_FORM_string`, as abbreviations have it.
    const NAMES: [[u8; 3]; 2] = [[0xb0, 0x42, 0x0e], [0xb0, 0x42, 0x08]];
    if !sections.has(SectionId::DebugAddr) {
        return false;
    }
    let Ok(info) = sections.get(SectionId::DebugInfo) else { return false };
    let Ok(heads) = heads(info) else { return false };
    let kind = |start: usize| info.get(start + 6).copied();
    let skeleton = heads.iter().any(|head| head.encoding.version == 5 && kind(head.start) == Some(SKELETON));
    let old = heads.iter().any(|head| head.encoding.version < 5);
    let abbreviations = sections.get(SectionId::DebugAbbrev).unwrap_or_default();
    skeleton || old && NAMES.iter().any(|name| memmem::find(abbreviations, name).is_some())
}

/// The name of the file that `dwz -m` shared parts go to: in GNU's section, or in that of DWARF 5 behind a
/// version and a byte that tells which side this is.
fn shared(elf: &Elf<'_>) -> Option<String> {
    let bytes = |name| elf.bytes(&elf.section(name)?);
    let name = match bytes(".gnu_debugaltlink") {
        Some(bytes) => bytes,
        None => bytes(".debug_sup").filter(|bytes| bytes.get(2) == Some(&0))?.get(3..)?,
    };
    let name = name.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}
