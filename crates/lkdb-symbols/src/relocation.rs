//! What a relocatable file (a module, `ET_REL`) leaves open: where its sections are, and the relocations
//! that say which bytes depend on that.
//!
//! Such a file's sections all claim address 0. [`Layout`] puts them one behind the other so that an address
//! means one place in the file; gdb does the same when it opens such a file alone.

use lkdb_base::LinkAddr;
use object::SectionIndex;
use object::elf;
use object::read::elf::{Rela as _, SectionHeader, Sym};

use crate::elf::{Elf, Error, Section};

/// Link addresses of a file's sections by their numbers: what the file says, or, in a relocatable file,
/// one section behind the other from 0 in the file's order, aligned as they want to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    places: Vec<u64>,
}

impl Layout {
    /// The layout of `elf`.
    #[must_use]
    pub fn new(elf: &Elf<'_>) -> Self {
        let relocatable = elf.relocatable();
        let mut end = 0_u64;
        let place = |header: &elf::SectionHeader64<object::Endianness>| {
            if !relocatable || !header.sh_flags(elf.endian).contains(elf::SHF_ALLOC) {
                return header.sh_addr(elf.endian);
            }
            let align = header.sh_addralign(elf.endian).max(1);
            let start = end.checked_next_multiple_of(align).unwrap_or(end);
            end = start.saturating_add(header.sh_size(elf.endian));
            start
        };
        Self { places: elf.sections.iter().map(place).collect() }
    }

    /// Where the section of a number begins; 0 for one that is not in memory.
    #[must_use]
    pub fn place(&self, section: usize) -> u64 {
        self.places.get(section).copied().unwrap_or(0)
    }

    /// Where a section begins.
    #[must_use]
    pub fn start(&self, section: &Section<'_>) -> LinkAddr {
        LinkAddr(self.place(section.index))
    }
}

/// A relocation with an explicit addend (`SHT_RELA`, the only sort that the architectures here have).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rela {
    /// Where in the section the bytes are.
    pub offset: u64,
    /// What is to be done with them, by the architecture's numbers.
    pub kind: u32,
    /// What they refer to; none for the null symbol.
    pub symbol: Option<RelaSymbol>,
    /// What is added.
    pub addend: i64,
}

/// What a relocation refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelaSymbol {
    /// The number of its section: 0 for an undefined one, `SHN_ABS` and such as they are.
    pub section: usize,
    /// `st_value`: an offset into that section.
    pub value: u64,
}

impl<'data> Elf<'data> {
    /// The relocations of a section.
    ///
    /// # Errors
    /// When the relocation section or the symbol table it names is damaged.
    pub fn relocations(
        &self,
        section: &Section<'_>,
    ) -> Result<impl Iterator<Item = Rela> + use<'data>, Error> {
        let (endian, data) = (self.endian, self.data);
        let mut found: &'data [elf::Rela64<object::Endianness>] = &[];
        let mut table = object::read::elf::SymbolTable::default();
        for header in self.sections.iter() {
            if header.sh_info(endian) as usize == section.index
                && let Some((entries, symbols)) = header.rela(endian, data)?
            {
                found = entries;
                table = self.sections.symbol_table_by_index(endian, data, symbols)?;
                break;
            }
        }
        Ok(found.iter().map(move |entry| {
            let symbol = entry.symbol(endian, false).and_then(|index| {
                let symbol = table.symbol(index).ok()?;
                let section = table.symbol_section(endian, symbol, index).ok()?;
                let section = section.map_or(0, |SectionIndex(index)| index);
                Some(RelaSymbol { section, value: symbol.st_value(endian) })
            });
            Rela {
                offset: entry.r_offset(endian),
                kind: entry.r_type(endian, false).0,
                symbol,
                addend: entry.r_addend(endian),
            }
        }))
    }
}
