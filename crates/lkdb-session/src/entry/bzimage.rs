//! From the first instruction to the kernel's entry, through a bzImage's own unpacking code.
//!
//! Three stops do it (x86-64; `arch/x86/boot/compressed/head_64.S`). The head code copies the compressed
//! image out of the way and ends in `jmp *%rax`, the last instruction before the payload: rax is where the
//! copy goes on. That block clears the BSS, calls the unpacker, which picks both slides and returns the physical
//! entry of the kernel in rax, and ends in another `jmp *%rax`. The bytes of both jumps are checked.
//!
//! No breakpoint may lie near the unpacker while that works: QEMU's TCG executes a page that has one instruction by
//! instruction, which makes minutes of seconds where the loops of the decompressor share the page. So the
//! second stop is the unpacker's first instruction, where its return address is exchanged for a place
//! where nobody comes by any more (the head code, which has run); the third stop is there, and the CPU goes on where it
//! would have returned to.

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

/// `call rel32`, and its length.
const CALL_NEAR: u8 = 0xe8;
const CALL: usize = 5;
/// How far before the jump the call begins at most.
const NEAR: usize = 24;
/// How far from the block the unpacker lies at most: payload and all.
const UNPACKER_WITHIN: u64 = 256 << 20;

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
    let mut code = [0; BLOCK];
    stub.physical()?.read(PhysAddr(block), &mut code)?;
    let jumps = jumps_in(&code, block)?;
    let mut places = jumps.clone();
    let call = jumps.first().and_then(|jump| Call::before(&code, block, *jump));
    places.extend(call.map(|call| call.target));
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let (mut cpu, pc) = run_to(stub, &places, "the jump into the unpacked kernel", left)?;
        if let Some(call) = call.filter(|call| call.target == pc) {
            places.clone_from(&jumps);
            match call.run_to_its_end(stub, cpu, head.load, left)? {
                Some(there) => cpu = there,
                None => continue,
            }
        }
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

/// The call of the unpacker.
#[derive(Debug, Clone, Copy)]
struct Call {
    /// The unpacker.
    target: u64,
    /// Where it returns to.
    back: u64,
}

impl Call {
    /// The call that stands close before a jump in the block; what looks like one may be part of something else.
    fn before(code: &[u8], block: u64, jump: u64) -> Option<Self> {
        let behind = usize::try_from(jump.checked_sub(block)?).ok()?;
        (behind.saturating_sub(NEAR)..=behind.checked_sub(CALL)?).rev().find_map(|at| {
            let (opcode, distance) = code.get(at..at + CALL)?.split_first()?;
            let distance = i32::from_le_bytes(distance.try_into().ok()?);
            let back = block + (at + CALL) as u64;
            let target = back.wrapping_add_signed(distance.into());
            (*opcode == CALL_NEAR && target.abs_diff(block) < UNPACKER_WITHIN)
                .then_some(Self { target, back })
        })
    }

    /// From the called function's first instruction to behind the call, by way of `aside`. None, and nothing is done,
    /// where it was called from elsewhere.
    fn run_to_its_end(
        self,
        stub: &mut Stub,
        cpu: Thread,
        aside: u64,
        timeout: Duration,
    ) -> Result<Option<Thread>, Error> {
        // Virtual addresses are physical ones here.
        let slot = PhysAddr(register(stub, cpu, "rsp")?);
        if stub.physical()?.read_u64(slot)? != self.back {
            return Ok(None);
        }
        stub.physical()?.write(slot, &aside.to_le_bytes())?;
        let there = run_to(stub, &[aside], "the end of the unpacker", timeout);
        match there {
            Ok((cpu, _)) => {
                stub.write_register(cpu, "rip", &self.back.to_le_bytes())?;
                Ok(Some(cpu))
            }
            Err(error) => {
                // As it was, for whoever lets it go on.
                let _ = stub.physical().and_then(|mut memory| memory.write(slot, &self.back.to_le_bytes()));
                Err(error)
            }
        }
    }
}

/// The addresses of the first few `jmp *%rax` in the relocated block.
fn jumps_in(code: &[u8], block: u64) -> Result<Vec<u64>, Error> {
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
