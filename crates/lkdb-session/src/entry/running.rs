//! Where a kernel lies that runs already, by its page tables (x86-64).
//!
//! The kernel's text is the first thing mapped at or above ffffffff80000000: `cleanup_highmap()` drops
//! what was mapped below `_text` early in boot. The mapping gives both slides at once. Under page-table
//! isolation a CPU in user mode uses a table that maps little more than the kernel's entry code; the
//! kernel's own is the page below (bit 12 of cr3 cleared). Without isolation that bit is part of the
//! address like any other, so both are looked at, and the build ID decides.

use lkdb_base::memory::words;
use lkdb_base::{PhysAddr, Slide};
use lkdb_target::{Physical, Stub, Thread};

use super::Error;
use super::identity::Kernel;

const PRESENT: u64 = 1;
const HUGE: u64 = 1 << 7;
const FRAME: u64 = 0x000f_ffff_ffff_f000;
/// The lowest address of the kernel's mapping: `__START_KERNEL_map`.
const KERNEL_MAP: u64 = 0xffff_ffff_8000_0000;
const PMD_SIZE: u64 = 2 << 20;
const PAGE_SIZE: u64 = 4 << 10;
/// `cr4.LA57`: five levels of page tables.
const LA57: u64 = 1 << 12;

/// The places the kernel may be at, the likelier first.
pub(super) fn find(stub: &mut Stub, kernel: &Kernel<'_>) -> Result<Vec<(Slide, PhysAddr)>, Error> {
    let cpu = Thread(1);
    let registers = stub.registers(cpu)?;
    let number = |name: &str| {
        let missing = || lkdb_target::Error::NoRegister(name.to_owned());
        registers.number(name).ok_or_else(missing)
    };
    let (cr0, cr3, cr4) = (number("cr0")?, number("cr3")?, number("cr4")?);
    if cr0 >> 31 & 1 == 0 {
        return Err(Error::NotRunning("paging is off"));
    }
    let mut memory = stub.physical()?;
    let mut tables = vec![cr3 & FRAME & !PAGE_SIZE, cr3 & FRAME];
    tables.dedup();
    let mut found = Vec::new();
    let mut failure = None;
    for table in tables {
        match walk(&mut memory, table, cr4 & LA57 != 0, kernel) {
            Ok(place) => found.push(place),
            Err(error @ Error::NotRunning(_)) => failure = Some(error),
            Err(error) => return Err(error),
        }
    }
    memory.close()?;
    found.dedup();
    match failure {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

/// Both slides by one top-level table.
fn walk(
    memory: &mut Physical<'_>,
    mut top: u64,
    five_levels: bool,
    kernel: &Kernel<'_>,
) -> Result<(Slide, PhysAddr), Error> {
    if five_levels {
        top = next(memory, top, 511)?;
    }
    let directory = next(memory, top, 511)?;
    let middle = next(memory, directory, 510)?;
    let (index, entry) = first_present(memory, middle)?;
    let mut address = KERNEL_MAP + index * PMD_SIZE;
    let (physical, size) = if entry & HUGE == 0 {
        let (index, entry) = first_present(memory, entry & FRAME)?;
        address += index * PAGE_SIZE;
        (entry & FRAME, PAGE_SIZE)
    } else {
        (entry & FRAME & !(PMD_SIZE - 1), PMD_SIZE)
    };
    // What is mapped first is the page that `_text` lies in.
    let offset = kernel.text().0 & (size - 1);
    Ok((Slide((address + offset).wrapping_sub(kernel.text().0)), PhysAddr(physical + offset)))
}

/// The table that an entry of a table refers to.
fn next(memory: &mut Physical<'_>, table: u64, index: u64) -> Result<u64, Error> {
    let entry = memory.read_u64(PhysAddr(table + index * 8))?;
    if entry & PRESENT == 0 || entry & HUGE != 0 {
        return Err(Error::NotRunning("nothing of a kernel is mapped at ffffffff80000000"));
    }
    Ok(entry & FRAME)
}

/// The first entry of a table that maps something.
fn first_present(memory: &mut Physical<'_>, table: u64) -> Result<(u64, u64), Error> {
    let mut bytes = [0; 4096];
    memory.read(PhysAddr(table), &mut bytes)?;
    let mut present = (0..).zip(words(&bytes)).filter(|(_, entry)| entry & PRESENT != 0);
    present.next().ok_or(Error::NotRunning("nothing is mapped at or above ffffffff80000000"))
}
