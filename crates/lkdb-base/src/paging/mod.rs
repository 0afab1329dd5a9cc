//! Page tables: from a virtual address to a physical one, and what stands in the way.
//!
//! An architecture describes its tables as a [`Format`] (how many levels, how many address bits each takes,
//! how an entry reads), one file an architecture; the walk itself is the same for all. Levels are counted
//! from the page upwards, so level 1 is the last table whatever the depth: x86-64's PTE is level 1, PMD 2,
//! PUD 3, P4D 4, PGD 5 (or 4). arm64 fits: its granules of 4, 16 and 64 KiB are formats of 9, 11 and 13
//! bits a level, and its two roots (TTBR0 and TTBR1) are [`Tables::low`] and [`Tables::high`]. On x86 both
//! are CR3's, unless page-table isolation hides the kernel's half: then they differ too.
//!
//! Nothing here reads a register or a mapping: memory comes through [`PhysicalMemory`].

mod translations;
mod x86_64;

use std::fmt;

use crate::{PhysAddr, RuntimeAddr};

pub use translations::Translations;
pub use x86_64::{FIVE_LEVELS, FOUR_LEVELS, X86_64};

/// Physical memory that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("physical memory at {address} cannot be read: {why}")]
pub struct Missing {
    /// The first byte that could not be read.
    pub address: PhysAddr,
    /// Why, for a user: "no RAM is there".
    pub why: String,
}

/// Memory by physical address: mapped guest RAM, a stub, a dump. Reads copy.
pub trait PhysicalMemory {
    /// Fills `into` with the bytes from `address` on, all or none.
    ///
    /// # Errors
    /// When one of the bytes is not there.
    fn read_physical(&self, address: PhysAddr, into: &mut [u8]) -> Result<(), Missing>;

    /// A little-endian 64-bit word, such as an entry of a page table. Where memory changes meanwhile, an
    /// aligned word should be read in one piece.
    ///
    /// # Errors
    /// As [`PhysicalMemory::read_physical`].
    fn read_physical_u64(&self, address: PhysAddr) -> Result<u64, Missing> {
        let mut bytes = [0; 8];
        self.read_physical(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// What may be done through a mapping. Each level may take rights away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// It may be written.
    pub write: bool,
    /// User mode may use it.
    pub user: bool,
    /// It may be executed.
    pub execute: bool,
}

impl Rights {
    /// All of them: what a walk starts with.
    pub const ALL: Self = Self { write: true, user: true, execute: true };

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            write: self.write && other.write,
            user: self.user && other.user,
            execute: self.execute && other.execute,
        }
    }
}

/// What an entry of a page table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Nothing is mapped.
    Absent,
    /// Bits that no processor accepts at this level.
    Reserved,
    /// The next table, and what it takes away.
    Table(PhysAddr, Rights),
    /// A page, as large as what one entry of this level spans; low bits that are no address may be set.
    Page(PhysAddr, Rights),
}

/// How one kind of page table is built.
#[derive(Debug)]
pub struct Format {
    /// For messages: `x86-64, 4 levels`.
    pub name: &'static str,
    /// How many levels of tables.
    pub levels: u8,
    /// Bits of the offset in a page.
    pub page_bits: u32,
    /// Address bits that each level takes; the top one takes what is left of `address_bits`.
    pub index_bits: u32,
    /// Bits of a virtual address; those above repeat the highest.
    pub address_bits: u32,
    /// Reads an entry of a level (1 is the last).
    pub entry: fn(entry: u64, level: u8) -> Entry,
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Format {}

impl Format {
    /// The lowest address bit that the index of a level uses.
    const fn shift(&self, level: u8) -> u32 {
        self.page_bits + self.index_bits * (level as u32).saturating_sub(1)
    }

    /// The bytes that one entry of a level spans.
    #[must_use]
    pub const fn span(&self, level: u8) -> u64 {
        1 << self.shift(level)
    }

    /// Where the entry for `address` lies in the table at `table`.
    const fn place(&self, table: PhysAddr, address: RuntimeAddr, level: u8) -> PhysAddr {
        let bits = if level == self.levels { self.address_bits - self.shift(level) } else { self.index_bits };
        let index = address.0 >> self.shift(level) & ((1 << bits) - 1);
        table.offset(index * 8)
    }

    /// Whether the bits above the format's repeat its highest.
    const fn canonical(&self, address: RuntimeAddr) -> bool {
        let unused = 64 - self.address_bits;
        (address.0 << unused).cast_signed() >> unused == address.0.cast_signed()
    }
}

/// Page tables of one format, by the table that each half of the addresses starts at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tables {
    /// How they are built.
    pub format: &'static Format,
    /// The top table for addresses with the highest bit clear: users'.
    pub low: PhysAddr,
    /// The top table for addresses with the highest bit set: the kernel's.
    pub high: PhysAddr,
}

impl Tables {
    /// Both halves by one top table.
    #[must_use]
    pub const fn one(format: &'static Format, root: PhysAddr) -> Self {
        Self { format, low: root, high: root }
    }

    /// The same users' half, the kernel's by another table.
    #[must_use]
    pub const fn with_kernel(self, high: PhysAddr) -> Self {
        Self { high, ..self }
    }

    const fn root(&self, address: RuntimeAddr) -> PhysAddr {
        if address.0 >> 63 == 0 { self.low } else { self.high }
    }
}

/// What virtual addresses mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSpace {
    /// Paging is off: an address is a physical one.
    Flat,
    /// By page tables.
    Paged(Tables),
}

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// The physical address of the byte that was asked for.
    pub physical: PhysAddr,
    /// Bytes from there to the end of the page.
    pub left: u64,
    /// The page's size: 4 KiB, 2 MiB, 1 GiB.
    pub page: u64,
    /// What may be done through it.
    pub rights: Rights,
}

/// Why an address leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The upper bits do not repeat the highest one that the tables use.
    NotCanonical(&'static Format),
    /// Nothing is mapped.
    Absent {
        /// The level of the entry that says so; 1 is the last.
        level: u8,
        /// Where that entry lies.
        at: PhysAddr,
        /// What it holds. A page that was swapped out, or may not be touched, leaves other bits.
        entry: u64,
    },
    /// An entry that no processor accepts: memory that is no page table.
    Reserved {
        /// Its level.
        level: u8,
        /// Where it lies.
        at: PhysAddr,
        /// What it holds.
        entry: u64,
    },
    /// A table lies where no memory is.
    NoTable {
        /// The level of the entry that could not be read.
        level: u8,
        /// Where it should be.
        missing: Missing,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCanonical(format) => {
                write!(f, "the address is not canonical ({} bits are used)", format.address_bits)
            }
            Self::Absent { level, at, entry } => {
                write!(
                    f,
                    "no page is mapped there (level {level} entry at physical {at} not present: {entry:#x})"
                )
            }
            Self::Reserved { level, at, entry } => {
                write!(f, "the page table is damaged (level {level} entry at physical {at}: {entry:#x})")
            }
            Self::NoTable { level, missing } => {
                write!(f, "the page table is damaged (level {level} entry: {missing})")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// Walks the tables for one address.
///
/// # Errors
/// [`Fault`]: at which level, by which entry.
pub fn translate<M: PhysicalMemory + ?Sized>(
    memory: &M,
    space: &AddressSpace,
    address: RuntimeAddr,
) -> Result<Mapping, Fault> {
    match space {
        AddressSpace::Paged(tables) => walk(memory, tables, address),
        AddressSpace::Flat => {
            let physical = PhysAddr(address.0);
            Ok(Mapping {
                physical,
                left: address.0.wrapping_neg().max(1),
                page: 1 << 12,
                rights: Rights::ALL,
            })
        }
    }
}

fn walk<M: PhysicalMemory + ?Sized>(
    memory: &M,
    tables: &Tables,
    address: RuntimeAddr,
) -> Result<Mapping, Fault> {
    let format = tables.format;
    if !format.canonical(address) {
        return Err(Fault::NotCanonical(format));
    }
    let mut table = tables.root(address);
    let mut rights = Rights::ALL;
    for level in (1..=format.levels).rev() {
        let at = format.place(table, address, level);
        let entry = memory.read_physical_u64(at).map_err(|missing| Fault::NoTable { level, missing })?;
        match (format.entry)(entry, level) {
            Entry::Absent => return Err(Fault::Absent { level, at, entry }),
            Entry::Table(next, allows) if level > 1 => {
                table = next;
                rights = rights.and(allows);
            }
            Entry::Table(..) | Entry::Reserved => return Err(Fault::Reserved { level, at, entry }),
            Entry::Page(start, allows) => {
                let page = format.span(level);
                let inside = address.0 & (page - 1);
                let physical = PhysAddr(start.0 & !(page - 1) | inside);
                return Ok(Mapping { physical, left: page - inside, page, rights: rights.and(allows) });
            }
        }
    }
    let missing = Missing { address: table, why: "its format has no levels".to_owned() };
    Err(Fault::NoTable { level: 0, missing })
}

/// A CPU's registers, by the names in target.xml.
pub type ReadRegister<'a> = &'a dyn Fn(&str) -> Option<u64>;

/// An architecture's page tables, as a debugger finds them.
#[derive(Debug)]
pub struct Paging {
    /// The address space by a CPU's registers. `None` in a mode whose tables
    /// are not known here, or where registers are lacking.
    pub space: fn(register: ReadRegister<'_>) -> Option<AddressSpace>,
    /// Where the CPU may be using tables that hide the kernel (page-table isolation): the same with the
    /// kernel's half found. Others are given back as they are.
    pub with_kernel: fn(memory: &dyn PhysicalMemory, space: AddressSpace) -> AddressSpace,
    /// The registers that `space` asks for.
    pub registers: &'static [&'static str],
    /// The symbol of the kernel's own tables.
    pub kernel: &'static str,
}

#[cfg(test)]
mod tests;
