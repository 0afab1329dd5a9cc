//! DWARF debug information measured, not read: its version, how it is packed, what is left out.

use std::borrow::Cow;
use std::io::Read;

use object::elf;

use super::bytes::{u8_at, u16_at, u32_at, u64_at};
use super::elf::{Elf, Section};

/// DWARF debug information.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Dwarf {
    /// The newest version among the first units (assembler files may be older than the rest).
    pub version: Option<u16>,
    /// All `.debug_*` sections together, as they are in the file, in bytes.
    pub size: u64,
    /// What the sections are packed with: `zlib`, `zstd`.
    pub compression: Option<&'static str>,
    /// Whether it says where variables are while a function runs. Without (`DEBUG_INFO_REDUCED`),
    /// locals are mostly unknown and structures are only declared in most units. `None`: it is split,
    /// and that is elsewhere.
    pub locations: Option<bool>,
    /// Whether the bulk of it is elsewhere: in `.dwo` files of the build tree (`DEBUG_INFO_SPLIT`).
    pub split: bool,
}

/// How many units are looked at.
const UNITS: usize = 64;
/// How much of a packed section is unpacked to see units.
const UNPACKED: u64 = 256 * 1024;
/// Size of `Elf64_Chdr`.
const CHDR: usize = 24;
/// `DW_UT_skeleton`: a unit whose bulk is in a `.dwo` file.
const SKELETON: u8 = 4;

/// Measures the `.debug_*` sections; `None` without `.debug_info`.
pub(super) fn find(elf: &Elf<'_>) -> Option<Dwarf> {
    let sections = || {
        let held = elf.sections.iter().filter(|section| !section.data.is_empty());
        held.filter_map(|section| Some((debug_name(section)?, section)))
    };
    let find = |name: &str| sections().find(|(found, _)| *found == name).map(|(_, section)| section);
    let info = find("info")?;
    let compression = compression(info);
    let units = units(&beginning(info, compression));
    let old_skeletons = || find("addr").is_some() && units.iter().all(|unit| unit.version < 5);
    // DWARF 4 has an address table only where it is split (the GNU extension).
    let split = units.iter().any(|unit| unit.skeleton) || old_skeletons();
    Some(Dwarf {
        version: units.iter().map(|unit| unit.version).max(),
        size: sections().map(|(_, section)| section.data.len() as u64).sum(),
        compression,
        locations: (!split).then(|| find("loclists").or(find("loc")).is_some()),
        split,
    })
}

/// The name behind `.debug_`, or `.zdebug_` of the older GNU way to pack a section.
fn debug_name<'a>(section: &Section<'a>) -> Option<&'a str> {
    section.name.strip_prefix(".debug_").or(section.name.strip_prefix(".zdebug_"))
}

/// `SHF_COMPRESSED` sections begin with an `Elf64_Chdr` whose first word is the method.
fn compression(section: &Section<'_>) -> Option<&'static str> {
    if section.name.starts_with(".zdebug_") {
        return Some("zlib-gnu");
    }
    if section.flags.0 & elf::SHF_COMPRESSED.0 == 0 {
        return None;
    }
    match elf::CompressionType(u32_at(section.data, 0)?) {
        elf::ELFCOMPRESS_ZLIB => Some("zlib"),
        elf::ELFCOMPRESS_ZSTD => Some("zstd"),
        _ => Some("unknown"),
    }
}

/// The section's content as far as it is cheap to have. What does not unpack is left out.
fn beginning<'a>(section: &Section<'a>, compression: Option<&str>) -> Cow<'a, [u8]> {
    let packed = section.data.get(CHDR..).unwrap_or_default();
    let mut bytes = Vec::new();
    let _ = match compression {
        None => return Cow::Borrowed(section.data),
        Some("zlib") => flate2::read::ZlibDecoder::new(packed).take(UNPACKED).read_to_end(&mut bytes),
        Some("zstd") => zstd::stream::read::Decoder::with_buffer(packed)
            .and_then(|reader| reader.take(UNPACKED).read_to_end(&mut bytes)),
        Some(_) => Ok(0),
    };
    Cow::Owned(bytes)
}

struct Unit {
    version: u16,
    skeleton: bool,
}

/// The first units, by their headers: the length (4 bytes, or 0xffffffff and 8 bytes), the version
/// and, since DWARF 5, the type (DWARF 5, section 7.5.1).
fn units(info: &[u8]) -> Vec<Unit> {
    let mut at = 0_u64;
    let next = || {
        let (length, header) = match u32_at(info, at)? {
            u32::MAX => (u64_at(info, at + 4)?, 12),
            length => (u64::from(length), 4),
        };
        let version = u16_at(info, at + header).filter(|version| (2..=6).contains(version))?;
        let skeleton = version >= 5 && u8_at(info, at + header + 2) == Some(SKELETON);
        at = at.checked_add(length)?.checked_add(header)?;
        Some(Unit { version, skeleton })
    };
    std::iter::from_fn(next).take(UNITS).collect()
}
