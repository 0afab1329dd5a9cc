//! What a kernel carries that a debugger can use, and how much of it.

use object::elf;

use super::Kernel;
use super::bytes::{u16_at, u32_at, u64_at};
use super::elf::{Elf, Section};
use super::search;

/// What a debugger finds in a kernel or module. Sizes are in bytes; `None`: it is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Contents {
    /// DWARF debug information: lines, locals, types.
    pub dwarf: Option<Dwarf>,
    /// BTF: types and functions' signatures.
    pub btf: Option<Btf>,
    /// ORC unwind tables (x86): exact call stacks without debug information.
    pub orc: Option<u64>,
    /// The names that the kernel itself prints in an oops.
    pub kallsyms: Option<Kallsyms>,
    /// How many entries `.symtab` has.
    pub symbols: Option<u64>,
}

/// DWARF debug information.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Dwarf {
    /// The newest version among the first units (assembler files may be older than the rest).
    pub version: Option<u16>,
    /// All `.debug_*` sections together, as they are in the file.
    pub size: u64,
    /// What the sections are packed with: `zlib`, `zstd`.
    pub compression: Option<&'static str>,
    /// Whether it says where variables are while a function runs. Without (`DEBUG_INFO_REDUCED`),
    /// locals are mostly unknown and structures are only declared in most units.
    pub locations: bool,
    /// Whether the bulk of it is elsewhere: in `.dwo` files of the build tree (`DEBUG_INFO_SPLIT`).
    pub split: bool,
}

/// BTF type information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Btf {
    /// Its size in bytes.
    pub size: u64,
}

/// The kernel's own table of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Kallsyms {}

impl Kernel<'_> {
    /// What it carries.
    #[must_use]
    pub fn contents(&self) -> Contents {
        let kallsyms = || self.regions().into_iter().any(search::has_kallsyms).then_some(Kallsyms {});
        let Ok(elf) = Elf::parse(self.bytes()) else {
            let btf = search::btf_size(self.bytes()).map(|size| Btf { size });
            return Contents { btf, kallsyms: kallsyms(), ..Contents::default() };
        };
        Contents {
            dwarf: dwarf(&elf),
            btf: elf.section(".BTF").map(|section| Btf { size: section.size }),
            orc: elf.section(".orc_unwind").map(|section| section.size + elf.size_of(".orc_unwind_ip")),
            kallsyms: kallsyms(),
            symbols: elf.sections.iter().find(|section| section.kind == elf::SHT_SYMTAB).map(|section| {
                section.size / 24 // Elf64_Sym
            }),
        }
    }
}

fn dwarf(elf: &Elf<'_>) -> Option<Dwarf> {
    let named =
        |section: &&Section<'_>| section.name.starts_with(".debug_") || section.name.starts_with(".zdebug_");
    let sections = || elf.sections.iter().filter(named).filter(|section| !section.data.is_empty());
    let find = |name: &str| {
        sections().find(|section| {
            let plain = section.name.strip_prefix(".zdebug_").or(section.name.strip_prefix(".debug_"));
            plain == Some(name)
        })
    };
    let info = find("info")?;
    let compression = compression(info);
    let version = match compression {
        None => newest_version(info.data),
        Some(_) => None,
    };
    let skeleton = find("addr").is_some() && find("str_offsets").is_some();
    Some(Dwarf {
        version,
        size: sections().map(|section| section.data.len() as u64).sum(),
        compression,
        locations: find("loclists").or(find("loc")).is_some(),
        split: find("gnu_pubnames").is_some() && skeleton,
    })
}

/// `SHF_COMPRESSED` sections begin with an `Elf64_Chdr` whose first word is the method; `.zdebug_`
/// ones are the older GNU way.
fn compression(section: &Section<'_>) -> Option<&'static str> {
    if section.name.starts_with(".zdebug_") {
        return Some("zlib");
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

/// The newest version among the first units. Each begins with its length (4 bytes, or 0xffffffff and
/// 8 bytes) and its version (DWARF 5, section 7.5.1).
fn newest_version(info: &[u8]) -> Option<u16> {
    let mut at = 0_u64;
    let mut newest = None;
    for _ in 0..64 {
        let Some((length, header)) = (match u32_at(info, at) {
            Some(u32::MAX) => u64_at(info, at + 4).map(|length| (length, 12)),
            Some(length) => Some((u64::from(length), 4)),
            None => None,
        }) else {
            break;
        };
        newest = newest.max(u16_at(info, at + header).filter(|version| (2..=6).contains(version)));
        let Some(next) = at.checked_add(length + header) else { break };
        at = next;
    }
    newest
}
