//! One ELF file: a vmlinux, a module, or a debug file. Sections, segments, notes, the symbol table.
//!
//! No DWARF, BTF or ORC here, and no relocation: addresses are link addresses, except in a module,
//! whose symbols' values are offsets into their sections.

use lkdb_base::arch::Arch;
use lkdb_base::{BuildId, LinkAddr, PhysAddr};
use object::elf::{self, FileHeader64};
use object::read::elf::{CompressionHeader, FileHeader, ProgramHeader, SectionHeader, SectionTable};
use object::read::{CompressedData, CompressedFileRange, CompressionFormat};
use object::{Endianness, SectionIndex};

use crate::symtab::RawSymbols;
use crate::table::SymbolTable;

/// The type of the note that holds the build ID, in the name space `GNU` (see `elf.h`).
pub const NT_GNU_BUILD_ID: u32 = 3;

/// Why a file is no ELF file we can use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No 64-bit ELF file, or one cut off within its headers.
    #[error("not a usable 64-bit ELF file: {0}")]
    Malformed(#[from] object::Error),
    /// A machine lkdb does not know.
    #[error("an ELF file for a machine lkdb does not know (e_machine {0})")]
    Machine(u16),
}

/// A section, where it is in the file and where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'data> {
    /// Its name.
    pub name: &'data str,
    /// Its number in the section table.
    pub index: usize,
    /// `sh_addr`; 0 in modules.
    pub address: LinkAddr,
    /// Its length in bytes.
    pub size: u64,
    /// It is in memory when the kernel (or module) is.
    pub allocated: bool,
    /// It holds instructions.
    pub executable: bool,
    /// It may be written.
    pub writable: bool,
    /// Zeros that the file does not hold.
    pub nobits: bool,
}

/// A loadable segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where it runs.
    pub address: LinkAddr,
    /// Where the boot loader puts it.
    pub physical: PhysAddr,
    /// Its length in memory.
    pub size: u64,
}

/// A parsed ELF file. Copying is cheap: it is references into the file's bytes.
#[derive(Debug, Clone, Copy)]
pub struct Elf<'data> {
    pub(crate) data: &'data [u8],
    header: &'data FileHeader64<Endianness>,
    pub(crate) endian: Endianness,
    pub(crate) sections: SectionTable<'data, FileHeader64<Endianness>>,
}

impl<'data> Elf<'data> {
    /// Reads the headers.
    ///
    /// # Errors
    /// When the bytes are no 64-bit ELF file or end within its headers.
    pub fn parse(data: &'data [u8]) -> Result<Self, Error> {
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, data)?;
        Ok(Self { data, header, endian, sections })
    }

    /// The architecture.
    ///
    /// # Errors
    /// For a machine lkdb has no table of.
    pub fn arch(&self) -> Result<&'static Arch, Error> {
        let machine = self.header.e_machine(self.endian).0;
        Arch::by_elf_machine(machine).ok_or(Error::Machine(machine))
    }

    /// Whether this is a relocatable file: a module, not a kernel.
    #[must_use]
    pub fn relocatable(&self) -> bool {
        self.header.e_type(self.endian) == elf::ET_REL
    }

    /// `e_entry`: for x86-64 kernels the physical address of `startup_64` without KASLR.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.header.e_entry(self.endian)
    }

    /// Every section with a readable name, in the file's order.
    pub fn sections(&self) -> impl Iterator<Item = Section<'data>> + use<'data> {
        let (endian, table) = (self.endian, self.sections);
        table.enumerate().filter_map(move |(index, header)| {
            let name = std::str::from_utf8(table.section_name(endian, header).ok()?).ok()?;
            let flags = header.sh_flags(endian).0;
            (!name.is_empty()).then(|| Section {
                name,
                index: index.0,
                address: LinkAddr(header.sh_addr(endian)),
                size: header.sh_size(endian),
                allocated: flags & elf::SHF_ALLOC.0 != 0,
                executable: flags & elf::SHF_EXECINSTR.0 != 0,
                writable: flags & elf::SHF_WRITE.0 != 0,
                nobits: header.sh_type(endian) == elf::SHT_NOBITS,
            })
        })
    }

    /// The first section of a name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<Section<'data>> {
        self.sections().find(|section| section.name == name)
    }

    /// A section's bytes as the file holds them (compressed ones stay so); none for a section of zeros,
    /// and for one that the file is too short for.
    #[must_use]
    pub fn bytes(&self, section: &Section<'_>) -> Option<&'data [u8]> {
        let header = self.sections.section(SectionIndex(section.index)).ok()?;
        (!section.nobits).then(|| header.data(self.endian, self.data).ok()).flatten()
    }

    /// Whether a section's bytes lie compressed.
    #[must_use]
    pub fn packed(&self, section: &Section<'_>) -> bool {
        !matches!(self.compression(section), Ok(None))
    }

    /// How a section's bytes are compressed (`SHF_COMPRESSED`); none when they are not.
    pub(crate) fn compression(
        &self,
        section: &Section<'_>,
    ) -> Result<Option<CompressedData<'data>>, object::Error> {
        let header = self.sections.section(SectionIndex(section.index))?;
        let Some((compression, offset, size)) = header.compression(self.endian, self.data)? else {
            return Ok(None);
        };
        let format = match compression.ch_type(self.endian) {
            elf::ELFCOMPRESS_ZLIB => CompressionFormat::Zlib,
            elf::ELFCOMPRESS_ZSTD => CompressionFormat::Zstandard,
            _ => CompressionFormat::Unknown,
        };
        let range = CompressedFileRange {
            format,
            offset,
            compressed_size: size,
            uncompressed_size: compression.ch_size(self.endian),
        };
        range.data(self.data).map(Some)
    }

    /// The bytes that lie at a link address, from there to their section's end.
    #[must_use]
    pub fn bytes_at(&self, address: LinkAddr) -> Option<&'data [u8]> {
        let inside = |section: &Section<'_>| {
            section.allocated && address.0.checked_sub(section.address.0).is_some_and(|at| at < section.size)
        };
        // A module's sections and a kernel's per-CPU one all begin at 0: no address means one of them.
        let section = self.sections().find(|section| section.address.0 != 0 && inside(section))?;
        let at = usize::try_from(address.0 - section.address.0).ok()?;
        self.bytes(&section)?.get(at..)
    }

    /// The loadable segments.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + use<'data> {
        let endian = self.endian;
        let headers = self.header.program_headers(endian, self.data).unwrap_or_default();
        headers.iter().filter(move |header| header.p_type(endian) == elf::PT_LOAD).map(move |header| {
            Segment {
                address: LinkAddr(header.p_vaddr(endian)),
                physical: PhysAddr(header.p_paddr(endian)),
                size: header.p_memsz(endian),
            }
        })
    }

    /// Where a link address is loaded when nothing moves the kernel.
    #[must_use]
    pub fn physical(&self, address: LinkAddr) -> Option<PhysAddr> {
        self.segments().find_map(|segment| {
            let at = address.0.checked_sub(segment.address.0).filter(|at| *at < segment.size)?;
            Some(segment.physical.offset(at))
        })
    }

    /// Notes of a name and type, from every note section: their descriptors.
    pub fn notes(&self, name: &'static [u8], kind: u32) -> impl Iterator<Item = &'data [u8]> + use<'data> {
        let (endian, data) = (self.endian, self.data);
        let headers = self.sections.iter().filter(move |header| header.sh_type(endian) == elf::SHT_NOTE);
        headers
            .filter_map(move |header| header.data(endian, data).ok())
            .flat_map(notes_in)
            .filter(move |note| note.name == name && note.kind == kind)
            .map(|note| note.descriptor)
    }

    /// The GNU build ID. In a vmlinux it lies in `.notes`, between the kernel's other notes.
    #[must_use]
    pub fn build_id(&self) -> Option<BuildId> {
        self.notes(b"GNU", NT_GNU_BUILD_ID).next().map(BuildId::from_bytes)
    }

    /// The symbol table; empty in a stripped file.
    ///
    /// # Errors
    /// When the table is damaged.
    pub fn symbols(&self) -> Result<SymbolTable<'data>, Error> {
        Ok(SymbolTable::new(self.raw_symbols()?.iter().collect()))
    }

    /// The symbol table as it lies in the file.
    ///
    /// # Errors
    /// When the table is damaged.
    pub fn raw_symbols(&self) -> Result<RawSymbols<'data>, Error> {
        let table = self.sections.symbols(self.endian, self.data, elf::SHT_SYMTAB)?;
        let names = self.sections.section(table.string_section()).ok();
        let strings = names.and_then(|names| names.data(self.endian, self.data).ok()).unwrap_or_default();
        Ok(RawSymbols { endian: self.endian, table, strings })
    }
}

/// One note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note<'data> {
    /// Who defined it, without the final NUL.
    pub name: &'data [u8],
    /// Its type.
    pub kind: u32,
    /// What it says.
    pub descriptor: &'data [u8],
}

/// The notes in the bytes of a note section (little-endian, padded to 4 bytes, as Linux has them), up to
/// the first one that makes no sense.
pub fn notes_in(bytes: &[u8]) -> impl Iterator<Item = Note<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let word = |at: usize| {
            let bytes = rest.get(at..at.checked_add(4)?)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        let (name_length, length) = (word(0)? as usize, word(4)? as usize);
        let kind = word(8)?;
        let name_end = name_length.checked_add(12)?;
        let name = rest.get(12..name_end)?;
        let start = name_end.checked_next_multiple_of(4)?;
        let end = start.checked_add(length)?;
        let descriptor = rest.get(start..end)?;
        rest = rest.get(end.checked_next_multiple_of(4)?..).unwrap_or_default();
        Some(Note { name: name.strip_suffix(b"\0").unwrap_or(name), kind, descriptor })
    })
}
