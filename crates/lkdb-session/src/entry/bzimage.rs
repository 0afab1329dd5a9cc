//! From the first instruction to the kernel's entry, through a bzImage's own unpacking code.
//!
//! Two stops do it (x86-64; `arch/x86/boot/compressed/head_64.S`). The head code copies the compressed
//! image out of the way and ends in `jmp *%rax`, the last instruction before the payload: rax is where the
//! copy goes on. That block clears the BSS, calls the unpacker, which picks both slides, and ends in
//! another `jmp *%rax`: rax is the physical entry of the kernel. The bytes of both jumps are checked.

use std::time::{Duration, Instant};

use lkdb_base::{PhysAddr, RuntimeAddr};
use lkdb_image::kernel::BzImage;
use lkdb_target::{BreakpointKind, Stop, Stub, Thread};

use super::identity::Kernel;
use super::{Error, cpu_of};

/// `jmp *%rax`.
const JUMP: [u8; 2] = [0xff, 0xe0];
/// Where QEMU's boot loader puts the protected-mode part of every bzImage.
const LOAD: u64 = 0x10_0000;
/// How much of the relocated block is searched for its jump; it is about 100 bytes long.
const BLOCK: usize = 512;

/// How a boot file gets to its kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// A bzImage that unpacks itself.
    Compressed(Head),
    /// An ELF kernel that QEMU loads where it is linked (PVH): no unpacking, no slide.
    Direct,
}

/// What of a bzImage's setup header the way through it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Where the protected-mode part is loaded.
    pub load: u64,
    /// `payload_offset`: where the payload begins in that part.
    pub payload: u64,
}

impl Boot {
    /// Tells from a boot file's bytes; nothing is unpacked.
    ///
    /// # Errors
    /// For other files, and for bzImages from before Linux 2.6.26.
    pub fn of_file(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.starts_with(b"\x7fELF") {
            return Ok(Self::Direct);
        }
        let image = BzImage::parse(bytes)?;
        if image.payload_offset < 2 {
            return Err(Error::BootFile("its payload lies before its code"));
        }
        Ok(Self::Compressed(Head { load: LOAD, payload: image.payload_offset.into() }))
    }
}

/// Runs to the jump into the unpacked kernel; returns where `_text` lies.
pub(super) fn run(
    stub: &mut Stub,
    head: &Head,
    kernel: &Kernel<'_>,
    timeout: Duration,
) -> Result<PhysAddr, Error> {
    let jump = head.load + head.payload - JUMP.len() as u64;
    let cpu = run_to(stub, &[jump], "the end of the kernel's head code", timeout)?.0;
    let mut code = [0; JUMP.len()];
    stub.physical()?.read(PhysAddr(jump), &mut code)?;
    if code != JUMP {
        return Err(Error::HeadCode { what: "`jmp *%rax` before the payload", address: jump });
    }
    let block = register(stub, cpu, "rax")?;
    let jumps = jumps_in(stub, block)?;
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let (cpu, _) = run_to(stub, &jumps, "the jump into the unpacked kernel", left)?;
        let entry = register(stub, cpu, "rax")?;
        // Other code behind the block may have such jumps too; the kernel's entry is page-aligned RAM.
        if entry & 0xfff == kernel.entry_offset() & 0xfff && entry >= LOAD {
            return Ok(PhysAddr(entry.wrapping_sub(kernel.entry_offset())));
        }
    }
}

/// A kernel loaded by QEMU where it is linked: runs to its entry, since the loader may be an option ROM.
pub(super) fn run_direct(stub: &mut Stub, kernel: &Kernel<'_>, timeout: Duration) -> Result<PhysAddr, Error> {
    if let Some(entry) = kernel.pvh_entry() {
        run_to(stub, &[entry.0], "the kernel's PVH entry", timeout)?;
    }
    Ok(kernel.text_physical())
}

fn register(stub: &mut Stub, cpu: Thread, name: &'static str) -> Result<u64, Error> {
    let registers = stub.registers(cpu)?;
    registers.number(name).ok_or_else(|| lkdb_target::Error::NoRegister(name.to_owned()).into())
}

/// The addresses of the first few `jmp *%rax` in the relocated block.
fn jumps_in(stub: &mut Stub, block: u64) -> Result<Vec<u64>, Error> {
    let mut code = [0; BLOCK];
    stub.physical()?.read(PhysAddr(block), &mut code)?;
    let found = code.windows(JUMP.len()).enumerate().filter(|(_, bytes)| *bytes == JUMP);
    let jumps: Vec<u64> = found.map(|(at, _)| block + at as u64).take(4).collect();
    if jumps.is_empty() {
        return Err(Error::HeadCode { what: "`jmp *%rax` in the relocated block", address: block });
    }
    Ok(jumps)
}

/// Runs until one of `places` is about to be executed; leaves no breakpoint behind.
fn run_to(
    stub: &mut Stub,
    places: &[u64],
    place: &'static str,
    timeout: Duration,
) -> Result<(Thread, u64), Error> {
    // Hardware breakpoints: under KVM a software one would be overwritten when the code is copied there.
    for address in places {
        stub.insert(BreakpointKind::Hardware, RuntimeAddr(*address), 1)?;
    }
    let stopped = stub.run_for(timeout);
    if !stub.running() {
        for address in places {
            stub.remove(BreakpointKind::Hardware, RuntimeAddr(*address), 1)?;
        }
    }
    let address = places.first().copied().unwrap_or_default();
    let stop = stopped?.ok_or(Error::NotReached { place, address, after: timeout })?;
    if !matches!(stop, Stop::Signal { .. }) {
        return Err(Error::OtherStop(stop));
    }
    let cpu = cpu_of(&stop);
    let pc = register(stub, cpu, "rip")?;
    if places.contains(&pc) { Ok((cpu, pc)) } else { Err(Error::OtherStop(stop)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of boot protocol 2.15, one sector of setup code, 64 bytes of protected-mode code.
    fn bzimage() -> Vec<u8> {
        let mut bytes = vec![0; 1024 + 64];
        bytes[0x1f1] = 1;
        bytes[0x1f4] = 4;
        bytes[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        bytes[0x248..0x24c].copy_from_slice(&0x20_u32.to_le_bytes());
        bytes[0x24c..0x250].copy_from_slice(&0x10_u32.to_le_bytes());
        bytes
    }

    #[test]
    fn the_boot_file_tells_the_way() {
        let head = Head { load: 0x10_0000, payload: 0x20 };
        assert_eq!(Boot::of_file(&bzimage()).unwrap(), Boot::Compressed(head));
        assert_eq!(Boot::of_file(b"\x7fELF\x02").unwrap(), Boot::Direct);
        assert!(Boot::of_file(&bzimage()[..0x220]).is_err(), "cut off");
        assert!(Boot::of_file(b"").is_err());
    }
}
