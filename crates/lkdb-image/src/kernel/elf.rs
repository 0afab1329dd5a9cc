//! A kernel's or module's ELF file: what it is for, its sections and notes. Never read whole: only
//! headers and the sections asked for are touched, so a mapped vmlinux stays on disk.
//!
//! Symbols and debug information are read elsewhere; here they are only found and measured.

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};

use lkdb_base::Arch;

use super::ImageError;
use super::bytes::{range, u16_at};

/// One section.
#[derive(Debug, Clone)]
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    /// `SHT_…`.
    pub(super) kind: elf::SectionType,
    /// `SHF_…`.
    pub(super) flags: elf::SectionFlags,
    /// Size in bytes, in memory where that differs.
    pub(super) size: u64,
    /// What the file holds of it: nothing for `SHT_NOBITS`.
    pub(super) data: &'a [u8],
}

impl Section<'_> {
    fn is_loaded(&self) -> bool {
        self.flags.0 & elf::SHF_ALLOC.0 != 0
    }
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Kernel,
    Module,
}

/// The headers of an ELF file.
#[derive(Debug, Clone)]
pub(super) struct Elf<'a> {
    pub(super) arch: &'static Arch,
    pub(super) kind: Kind,
    pub(super) sections: Vec<Section<'a>>,
    /// `PT_LOAD` and `PT_NOTE` segments: type and content.
    segments: Vec<(elf::ProgramType, &'a [u8])>,
}

impl<'a> Elf<'a> {
    /// Whether `bytes` begin as an ELF file does.
    pub(super) fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&elf::ELFMAG)
    }

    /// Reads the headers of a kernel or a module for an architecture that lkdb knows.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let arch = architecture(bytes)?;
        let broken = |error: object::Error| ImageError::malformed("ELF file", error);
        let header = FileHeader64::<LittleEndian>::parse(bytes).map_err(broken)?;
        check_length(header, bytes)?;
        let sections = sections(header, bytes).map_err(broken)?;
        let programs = header.program_headers(LittleEndian, bytes).map_err(broken)?;
        let segments = programs
            .iter()
            .filter_map(|segment| {
                let data = segment.data(LittleEndian, bytes).unwrap_or_default();
                let kind = segment.p_type(LittleEndian);
                matches!(kind, elf::PT_LOAD | elf::PT_NOTE).then_some((kind, data))
            })
            .collect();
        // A kernel's addresses have their top bit set on both architectures, a program's never.
        let is_kernel = programs.iter().any(|segment| {
            segment.p_type(LittleEndian) == elf::PT_LOAD && segment.p_vaddr(LittleEndian) >> 63 == 1
        });
        let kind = match header.e_type(LittleEndian) {
            elf::ET_EXEC | elf::ET_DYN if is_kernel => Kind::Kernel,
            elf::ET_REL if sections.iter().any(|section| section.name == ".gnu.linkonce.this_module") => {
                Kind::Module
            }
            other => return Err(ImageError::NotAKernel(other_elf(other, arch).to_owned())),
        };
        Ok(Self { arch, kind, sections, segments })
    }

    /// The section with this name.
    pub(super) fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Whether the file holds instructions, and not only the sizes of the sections with them.
    pub(super) fn has_code(&self) -> bool {
        let code = |section: &Section<'_>| section.flags.0 & elf::SHF_EXECINSTR.0 != 0;
        match self.sections.is_empty() {
            true => self.segments.iter().any(|(kind, data)| *kind == elf::PT_LOAD && !data.is_empty()),
            false => self.sections.iter().any(|section| code(section) && !section.data.is_empty()),
        }
    }

    /// What is in memory when it runs, as far as the file holds it: constants first, since that is
    /// where what is searched for lies. Loaded segments where the section table was stripped.
    pub(super) fn regions(&self) -> Vec<&'a [u8]> {
        let (constants, others): (Vec<&Section<'_>>, _) = self
            .sections
            .iter()
            .filter(|section| section.is_loaded())
            .partition(|section| section.name.starts_with(".rodata"));
        let sections = constants.into_iter().chain(others).map(|section| section.data);
        if self.sections.is_empty() {
            return self
                .segments
                .iter()
                .filter(|(kind, _)| *kind == elf::PT_LOAD)
                .map(|(_, data)| *data)
                .collect();
        }
        sections.collect()
    }

    /// Where notes may be.
    pub(super) fn notes(&self) -> impl Iterator<Item = &'a [u8]> {
        let sections = self.sections.iter().filter(|section| section.kind == elf::SHT_NOTE);
        let segments = self.segments.iter().filter(|(kind, _)| *kind == elf::PT_NOTE);
        sections.map(|section| section.data).chain(segments.map(|(_, data)| *data))
    }
}

fn sections<'a>(
    header: &FileHeader64<LittleEndian>,
    bytes: &'a [u8],
) -> Result<Vec<Section<'a>>, object::Error> {
    let table = header.sections(LittleEndian, bytes)?;
    let sections = table.iter().skip(1).map(|section| Section {
        name: table
            .section_name(LittleEndian, section)
            .ok()
            .and_then(|name| std::str::from_utf8(name).ok())
            .unwrap_or(""),
        kind: section.sh_type(LittleEndian),
        flags: section.sh_flags(LittleEndian),
        size: section.sh_size(LittleEndian),
        data: section.data(LittleEndian, bytes).unwrap_or_default(),
    });
    Ok(sections.collect())
}

/// The architecture, or what else the file is for.
fn architecture(bytes: &[u8]) -> Result<&'static Arch, ImageError> {
    let (Some(class), Some(order)) = (bytes.get(4), bytes.get(5)) else {
        return Err(ImageError::truncated("ELF file", 64, bytes));
    };
    let machine = match *order {
        2 => u16_at(bytes, 18).map(u16::swap_bytes),
        _ => u16_at(bytes, 18),
    };
    let machine = machine.ok_or_else(|| ImageError::truncated("ELF file", 64, bytes))?;
    let known = Arch::by_elf_machine(machine).filter(|_| (*class, *order) == (2, 1));
    known.ok_or_else(|| {
        let bits = if *class == 1 { "32-bit" } else { "64-bit" };
        let order = if *order == 2 { "big-endian " } else { "" };
        ImageError::Foreign(format!("an ELF file for {order}{}", machine_name(elf::Machine(machine), bits)))
    })
}

/// `e_machine` for people, of the architectures that Linux runs on most.
fn machine_name(machine: elf::Machine, bits: &str) -> String {
    let name = match machine {
        elf::EM_386 => return "32-bit x86".to_owned(),
        elf::EM_ARM => return "32-bit ARM".to_owned(),
        elf::EM_X86_64 => "x86-64",
        elf::EM_AARCH64 => "arm64",
        elf::EM_RISCV => "RISC-V",
        elf::EM_PPC | elf::EM_PPC64 => "PowerPC",
        elf::EM_S390 => "s390",
        elf::EM_MIPS => "MIPS",
        elf::EM_LOONGARCH => "LoongArch",
        elf::EM_SPARC | elf::EM_SPARCV9 => "SPARC",
        elf::Machine(other) => return format!("{bits} machine {other}"),
    };
    format!("{bits} {name}")
}

fn other_elf(kind: elf::FileType, arch: &Arch) -> String {
    let what = match kind {
        elf::ET_REL => "an object file",
        elf::ET_EXEC | elf::ET_DYN => "a program or library",
        elf::ET_CORE => "a core dump",
        _ => "an ELF file",
    };
    format!("{what} for {}", arch.name)
}

/// Refuses a file that ends before its segments or its section table, which linkers put last.
fn check_length(header: &FileHeader64<LittleEndian>, bytes: &[u8]) -> Result<(), ImageError> {
    let table = |offset: u64, count: u16, size: u16| match offset {
        0 => 0,
        _ => offset.saturating_add(u64::from(count) * u64::from(size)),
    };
    let e = LittleEndian;
    let sections = table(header.e_shoff(e), header.e_shnum(e), header.e_shentsize(e));
    let programs = table(header.e_phoff(e), header.e_phnum(e), header.e_phentsize(e));
    let needed = sections.max(programs);
    if needed > bytes.len() as u64 {
        return Err(ImageError::truncated("ELF file", needed, bytes));
    }
    // A file of debug information alone keeps segments that it does not hold: those count only
    // where nothing else shows the end.
    let segments = header.program_headers(e, bytes).unwrap_or_default();
    let end = segments.iter().map(|segment| segment.p_offset(e).saturating_add(segment.p_filesz(e))).max();
    match end {
        Some(end) if sections == 0 && range(bytes, 0, end).is_none() => {
            Err(ImageError::truncated("ELF file", end, bytes))
        }
        _ => Ok(()),
    }
}
