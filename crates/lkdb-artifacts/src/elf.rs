//! The two things the cache asks of a vmlinux: its build ID and the paths it was built under.
//!
//! Files are mapped, and touched in few places: a debug vmlinux has hundreds of megabytes. Everything else
//! about symbols and DWARF is lkdb-symbols' and lkdb-image's.

use std::path::Path;

use gimli::{AttributeValue, EndianSlice, RunTimeEndian};
use lkdb_base::BuildId;
use object::{Object as _, ObjectSection as _, ReadRef as _};

use crate::{Error, Result};

/// What an ELF file says of itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct ElfFacts {
    /// `e_machine`.
    pub(crate) machine: u16,
    /// Its GNU build ID.
    pub(crate) build_id: Option<BuildId>,
    /// Whether there is a `.debug_info` section (of any size).
    pub(crate) has_dwarf: bool,
    /// `DW_AT_name` of its first unit.
    pub(crate) unit_name: Option<String>,
    /// `DW_AT_comp_dir` of its first unit.
    pub(crate) comp_dir: Option<String>,
}

/// Reads those facts.
///
/// # Errors
/// When the file can't be read or is no ELF file.
pub(crate) fn facts(path: &Path) -> Result<ElfFacts> {
    let file = lkdb_map::map(path).map_err(|error| match error {
        lkdb_map::Error::Io { error, .. } => Error::io("open", path)(error),
        other => Error::Unfit(other.to_string()),
    })?;
    let data: &[u8] = &file;
    let elf = object::File::parse(data)
        .map_err(|error| Error::Unfit(format!("{} is no ELF file: {error}", path.display())))?;
    let mut facts = ElfFacts {
        machine: machine(data),
        build_id: elf.build_id().ok().flatten().map(BuildId::from_bytes),
        has_dwarf: elf.section_by_name(".debug_info").is_some(),
        ..ElfFacts::default()
    };
    if let Some((name, comp_dir)) = first_unit(&elf, data) {
        facts.unit_name = name;
        facts.comp_dir = comp_dir;
    }
    Ok(facts)
}

fn machine(data: &[u8]) -> u16 {
    data.read_bytes_at(18, 2).ok().and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
}

/// Name and directory of the first unit. Only that unit, its abbreviations and two strings are read.
fn first_unit(elf: &object::File<'_>, data: &[u8]) -> Option<(Option<String>, Option<String>)> {
    let endian = if elf.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let length = u64::from(u32::from_le_bytes(piece(elf, data, ".debug_info", 0, 4)?.try_into().ok()?));
    let info = piece(elf, data, ".debug_info", 0, (length + 4).min(1 << 20))?;
    let abbrev = piece(elf, data, ".debug_abbrev", 0, 1 << 20)?;
    let header = gimli::DebugInfo::new(info, endian).units().next().ok()??;
    let abbreviations = header.abbreviations(&gimli::DebugAbbrev::new(abbrev, endian)).ok()?;
    let mut entries = header.entries(&abbreviations);
    let root = entries.next_dfs().ok()??;
    let text = |attribute| match root.attr_value(attribute)? {
        AttributeValue::String(text) => Some(text.to_string_lossy().into_owned()),
        AttributeValue::DebugStrRef(at) => string(elf, data, ".debug_str", at.0),
        AttributeValue::DebugLineStrRef(at) => string(elf, data, ".debug_line_str", at.0),
        _ => None,
    };
    Some((text(gimli::DW_AT_name), text(gimli::DW_AT_comp_dir)))
}

fn string(elf: &object::File<'_>, data: &[u8], section: &str, at: usize) -> Option<String> {
    let bytes = piece(elf, data, section, at as u64, 4096)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some(EndianSlice::new(bytes.get(..end)?, RunTimeEndian::Little).to_string_lossy().into_owned())
}

/// At most `size` bytes of an uncompressed section, from `at`.
fn piece<'a>(elf: &object::File<'_>, data: &'a [u8], name: &str, at: u64, size: u64) -> Option<&'a [u8]> {
    let section = elf.section_by_name(name)?;
    let (offset, length) = section.file_range()?;
    let size = size.min(length.checked_sub(at)?);
    if section.compressed_file_range().ok()?.format != object::CompressionFormat::None {
        return None;
    }
    data.read_bytes_at(offset.checked_add(at)?, size).ok()
}
