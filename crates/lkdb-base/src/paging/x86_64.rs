//! x86-64's page tables, of four levels and five, and where control registers say they are.
//!
//! Sources: Intel's manual, volume 3, chapter "Paging"; for page-table isolation the kernel's
//! `arch/x86/mm/pti.c` and `arch/x86/include/asm/pgtable.h` (`kernel_to_user_pgdp`).

use super::{AddressSpace, Entry, Format, Paging, PhysicalMemory, ReadRegister, Rights, Tables};
use crate::PhysAddr;
use crate::memory::words;

const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// Below a large page's address, above its attribute index (bit 12).
const RESERVED_2M: u64 = 0x001f_e000;
const RESERVED_1G: u64 = 0x3fff_e000;

/// `cr0.PG`: paging is on.
const CR0_PAGING: u64 = 1 << 31;
/// `cr4.LA57`: five levels.
const CR4_LA57: u64 = 1 << 12;
/// `efer.LMA`: long mode is active.
const EFER_LONG_MODE: u64 = 1 << 10;

/// Four levels, 48 bits.
pub static FOUR_LEVELS: Format =
    Format { name: "x86-64, 4 levels", levels: 4, page_bits: 12, index_bits: 9, address_bits: 48, entry };

/// Five levels, 57 bits.
pub static FIVE_LEVELS: Format =
    Format { name: "x86-64, 5 levels", levels: 5, address_bits: 57, ..FOUR_LEVELS_SHAPE };

/// A static cannot be copied from, a constant can.
const FOUR_LEVELS_SHAPE: Format =
    Format { name: "", levels: 4, page_bits: 12, index_bits: 9, address_bits: 48, entry };

/// x86-64's page tables.
pub static X86_64: Paging =
    Paging { space, with_kernel, registers: &["cr0", "cr3", "cr4", "efer"], kernel: "init_top_pgt" };

fn entry(entry: u64, level: u8) -> Entry {
    if entry & PRESENT == 0 {
        return Entry::Absent;
    }
    let at = PhysAddr(entry & FRAME);
    let rights =
        Rights { write: entry & WRITE != 0, user: entry & USER != 0, execute: entry & NO_EXECUTE == 0 };
    match level {
        1 => Entry::Page(at, rights),
        2 if entry & LARGE != 0 && entry & RESERVED_2M == 0 => Entry::Page(at, rights),
        3 if entry & LARGE != 0 && entry & RESERVED_1G == 0 => Entry::Page(at, rights),
        _ if entry & LARGE != 0 => Entry::Reserved,
        _ => Entry::Table(at, rights),
    }
}

fn space(register: ReadRegister<'_>) -> Option<AddressSpace> {
    let (cr0, cr3, cr4) = (register("cr0")?, register("cr3")?, register("cr4")?);
    if cr0 & CR0_PAGING == 0 {
        return Some(AddressSpace::Flat);
    }
    if register("efer")? & EFER_LONG_MODE == 0 {
        return None;
    }
    let format = if cr4 & CR4_LA57 != 0 { &FIVE_LEVELS } else { &FOUR_LEVELS };
    Some(AddressSpace::Paged(Tables::one(format, PhysAddr(cr3 & FRAME))))
}

/// Under page-table isolation a process has two top tables in two neighbouring pages: the kernel's, and, with
/// bit 12 set, the user's, which maps of the kernel little more than its entry code. Without isolation
/// the bit is an address bit like any other. What tells: in the kernel's table each entry of the user's half
/// is the user's own with execution forbidden (`__pti_set_user_pgtbl`).
fn with_kernel(memory: &dyn PhysicalMemory, space: AddressSpace) -> AddressSpace {
    const PAGE: usize = 4096;
    let AddressSpace::Paged(tables) = space else { return space };
    let (user, kernel) = (tables.high, PhysAddr(tables.high.0 & !(PAGE as u64)));
    let (mut users, mut kernels) = ([0; PAGE / 2], [0; PAGE / 2]);
    let read = memory.read_physical(user, &mut users).and(memory.read_physical(kernel, &mut kernels));
    if user == kernel || read.is_err() {
        return space;
    }
    let mut pairs = 0;
    for (user, kernel) in words(&users).zip(words(&kernels)) {
        // Whether one was used is noted in each by itself.
        const ACCESSED: u64 = 1 << 5;
        if user & PRESENT == 0 && kernel & PRESENT == 0 {
            continue;
        }
        if (user | NO_EXECUTE | ACCESSED) != (kernel | NO_EXECUTE | ACCESSED) {
            return space;
        }
        pairs += usize::from(kernel & NO_EXECUTE != 0);
    }
    if pairs == 0 { space } else { AddressSpace::Paged(tables.with_kernel(kernel)) }
}
