//! Where the kernel lies: the virtual and the physical slide of KASLR, found and then verified.
//!
//! There are two slides, independent of each other. Three ways lead to them, all without any change to
//! the guest and without `nokaslr`:
//!
//! - [`at_entry`]: a machine frozen at its first instruction is run to the jump into the unpacked kernel
//!   ([`bzimage`]), where nothing of the kernel has run yet;
//! - a vmlinux that QEMU loads itself (a PVH boot) is not unpacked and does not slide;
//! - [`mod@running`]: a kernel that runs already is found by its page tables.
//!
//! Whatever they give is believed only after the build ID in guest memory was compared with vmlinux's.

mod bzimage;
mod identity;
mod running;

use std::time::Duration;

use lkdb_base::{BuildId, PhysAddr, Slide};
use lkdb_target::{Stub, Thread};

pub use bzimage::{Boot, Head};
pub use identity::Kernel;

/// Where a kernel lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Runtime minus link address, for link addresses in `[_text, _end)`.
    pub slide: Slide,
    /// Where `_text` lies in guest RAM.
    pub text: PhysAddr,
    /// The build ID (or, lacking one, the banner) in guest memory was vmlinux's. Without either in
    /// vmlinux there is nothing to compare.
    pub verified: bool,
}

/// Why the kernel was not found, or is another one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stub failed.
    #[error(transparent)]
    Stub(#[from] lkdb_target::Error),
    /// vmlinux is no ELF file.
    #[error("vmlinux: {0}")]
    Elf(#[from] lkdb_symbols::Error),
    /// vmlinux lacks something that every kernel has.
    #[error("vmlinux has no {0}: is it a kernel?")]
    NoKernel(&'static str),
    /// The boot file is no bzImage.
    #[error(transparent)]
    Image(#[from] lkdb_image::kernel::ImageError),
    /// A bzImage with impossible numbers in its header.
    #[error("the boot file is no usable bzImage: {0}")]
    BootFile(&'static str),
    /// A breakpoint on the way did not hit.
    #[error(
        "the machine did not come by {place} ({address:#x}) within {} s, so KASLR's slides are unknown: a kernel \
         booted through EFI, or other head code. Boot it without EFI, or add `nokaslr`",
        after.as_secs_f32()
    )]
    NotReached {
        /// What was waited for.
        place: &'static str,
        /// Where.
        address: u64,
        /// How long.
        after: Duration,
    },
    /// The machine stopped for another reason.
    #[error("the machine stopped on its way to the kernel for another reason: {0:?}")]
    OtherStop(lkdb_target::Stop),
    /// The unpacker's code is not the one we know.
    #[error("this kernel's unpacking code differs from what lkdb knows: no {what} at {address:#x}")]
    HeadCode {
        /// What should be there.
        what: &'static str,
        /// Where it was looked for.
        address: u64,
    },
    /// Memory and vmlinux disagree about where pointers point.
    #[error("the pointers in guest memory at {0:#x} are not vmlinux's moved by one distance: other kernel?")]
    NoSlide(u64),
    /// The page tables are not those of a running kernel.
    #[error("CPU 0 does not run a kernel yet (or no longer): {0}")]
    NotRunning(&'static str),
    /// Guest and vmlinux are different builds.
    #[error("vmlinux is another build than the kernel in the guest: build ID {vmlinux} and {guest}")]
    OtherBuild {
        /// vmlinux's build ID, or banner.
        vmlinux: String,
        /// What was found in guest memory.
        guest: String,
    },
}

/// Runs a machine that is frozen at its first instruction to the entry of its kernel, and tells where
/// that lies. The machine stands there afterwards, with no breakpoint left.
///
/// `timeout` is for each of the two stretches of the way (firmware and boot loader; unpacking).
///
/// # Errors
/// [`Error::NotReached`] and [`Error::HeadCode`] where this way is not the kernel's;
/// [`Error::OtherBuild`] when vmlinux is not the kernel that was loaded.
pub fn at_entry(
    stub: &mut Stub,
    boot: &Boot,
    kernel: &Kernel<'_>,
    timeout: Duration,
) -> Result<Entry, Error> {
    // Also drops breakpoints of an earlier client.
    stub.why()?;
    let text = match boot {
        Boot::Compressed(head) => bzimage::run(stub, head, kernel, timeout)?,
        Boot::Direct => bzimage::run_direct(stub, kernel, timeout)?,
    };
    let entry = located(stub, kernel, text)?;
    tracing::debug!("kernel at {}, slide {}", entry.text, entry.slide);
    Ok(entry)
}

/// Tells where the kernel lies that a stopped machine is running.
///
/// # Errors
/// [`Error::NotRunning`] before the kernel has its own page tables; [`Error::OtherBuild`].
pub fn running(stub: &mut Stub, kernel: &Kernel<'_>) -> Result<Entry, Error> {
    let mut failure = Error::NotRunning("nothing of a kernel is mapped");
    for (slide, text) in running::find(stub, kernel)? {
        match identity::verify(stub, kernel, text) {
            Ok(verified) => return Ok(Entry { slide, text, verified }),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// From the physical place of the text to the whole answer, before the kernel has run.
fn located(stub: &mut Stub, kernel: &Kernel<'_>, text: PhysAddr) -> Result<Entry, Error> {
    let verified = identity::verify(stub, kernel, text)?;
    let slide = identity::slide_of_pointers(stub, kernel, text)?;
    Ok(Entry { slide, text, verified })
}

/// The CPU of a stop; the boot CPU where the stub does not say.
fn cpu_of(stop: &lkdb_target::Stop) -> Thread {
    match stop {
        lkdb_target::Stop::Signal { thread: Some(thread), .. } => *thread,
        _ => Thread(1),
    }
}

impl Error {
    fn other_build(vmlinux: Option<&BuildId>, guest: Option<&BuildId>) -> Self {
        let text = |id: Option<&BuildId>| id.map_or_else(|| "unknown".to_owned(), ToString::to_string);
        Self::OtherBuild { vmlinux: text(vmlinux), guest: text(guest) }
    }
}
