//! An architecture is a table of facts, chosen at run time; one file an architecture.
//!
//! This struct doubles as the porting guide: fill every field in a new file, add it to [`ALL`].

mod aarch64;
mod frames;
mod x86_64;

use crate::RuntimeAddr;
use crate::paging::Paging;

pub use aarch64::AARCH64;
pub use frames::{
    AcrossCalls, BytePattern, FrameFacts, Mode, Outermost, RegisterFact, Returns, SavedAt, Sleeping, Store,
    SystemCall,
};
pub use x86_64::X86_64;

/// The facts about one architecture that lkdb needs.
#[derive(Debug)]
pub struct Arch {
    /// The name users type: `x86_64`, `aarch64` (as `uname -m`).
    pub name: &'static str,
    /// `e_machine` of its ELF files.
    pub elf_machine: u16,
    /// Its directory under `arch/` in the kernel tree.
    pub kernel_dir: &'static str,
    /// Debian's name for it.
    pub debian: &'static str,
    /// The QEMU system emulator.
    pub qemu: &'static str,
    /// What gdb's `set architecture` calls it.
    pub gdb: &'static str,
    /// Its serial ports as the kernel names them, without the number.
    pub serial: &'static str,
    /// Major device number and minor of port 0 of those serial ports.
    pub serial_device: (u32, u32),
    /// BFD's name for it, as in `elf64-x86-64`.
    pub bfd: &'static str,
    /// Whose instructions these are, for whoever decodes them.
    pub instructions: Instructions,
    /// What the kernel puts before a system call's name in place of `sys_`, since 4.17
    /// (`arch/*/include/asm/syscall_wrapper.h`); older kernels have the plain name.
    pub system_call_prefixes: &'static [&'static str],
    /// The program counter, as target.xml names it.
    pub program_counter: &'static str,
    /// Its page tables; `None`: a stub walks them.
    pub paging: Option<&'static Paging>,
    /// Where a processor executes first after a reset, where that is the same on all machines. A breakpoint
    /// there notices resets.
    pub reset_vector: Option<RuntimeAddr>,
    /// The relocations that occur in debug sections, by the numbers of its ELF psABI.
    pub debug_relocations: &'static [(u32, DebugRelocation)],
    /// Where its functions' bodies begin.
    pub prologue: Prologue,
    /// The registers that debug information numbers, as far as lkdb unwinds them; ordered by number.
    pub registers: &'static [RegisterFact],
    /// Parts of registers that have names of their own.
    pub parts: &'static [RegisterPart],
    /// How many breakpoints and watchpoints its processors can hold: the least that any of them has.
    pub debug_registers: u64,
    /// How many bytes one debug register can watch.
    pub longest_watch: u64,
    /// The registers, as target.xml names them, one of which holds the offset of the CPU's per-CPU variables while
    /// it is in the kernel. On x86 entry code swaps them.
    pub per_cpu_bases: &'static [&'static str],
    /// Where the code of modules may be.
    pub module_area: std::ops::Range<u64>,
    /// Instructions that wait for an interrupt.
    pub halts: &'static [&'static [u8]],
    /// Registers that debug information numbers as well, by number and name: vectors, which no kernel code
    /// that is compiled keeps values in, so that nobody unwinds them.
    pub vector_registers: &'static [(u16, &'static str)],
    /// What its stacks look like.
    pub frames: &'static FrameFacts,
}

/// A part of a register with a name of its own: `eax`, `ah`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterPart {
    /// The name.
    pub name: &'static str,
    /// The whole's, as target.xml has it.
    pub of: &'static str,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// How many bytes it has.
    pub size: usize,
}

/// An instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// x86's, in 64-bit mode.
    X86,
    /// A64.
    A64,
}

/// How a function's prologue is told from its body, for breakpoints (gdb's rules for the architecture).
#[derive(Debug)]
pub struct Prologue {
    /// The second line of a function's code begins its body, whichever compiler wrote the line table.
    pub by_lines: bool,
    /// How many bytes at the start of a function's code set up its frame; 0 when it sets up none.
    pub frame_setup: fn(&[u8]) -> usize,
    /// Whether a function's code begins with saving the frame pointer.
    pub saves_frame: fn(&[u8]) -> bool,
}

/// What a relocation in a debug section does. `S`, `A` and `P` are the psABIs' letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebugRelocation {
    /// Nothing.
    None,
    /// `S + A`, in so many bytes.
    Absolute(u8),
    /// `S + A - P`, in so many bytes.
    Relative(u8),
}

/// Every architecture lkdb knows.
pub static ALL: [&Arch; 2] = [&X86_64, &AARCH64];

impl Arch {
    /// The architecture with this `uname -m` name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Arch> {
        ALL.into_iter().find(|arch| arch.name == name)
    }

    /// The architecture with this ELF `e_machine`.
    #[must_use]
    pub fn by_elf_machine(machine: u16) -> Option<&'static Arch> {
        ALL.into_iter().find(|arch| arch.elf_machine == machine)
    }

    /// The register of a DWARF number.
    #[must_use]
    pub fn register(&self, dwarf: u16) -> Option<&'static RegisterFact> {
        self.registers.iter().find(|register| register.dwarf == dwarf)
    }

    /// The register of a name in gdb's target descriptions.
    #[must_use]
    pub fn register_named(&self, name: &str) -> Option<&'static RegisterFact> {
        self.registers.iter().find(|register| register.name == name)
    }
}

impl PartialEq for Arch {
    fn eq(&self, other: &Self) -> bool {
        self.elf_machine == other.elf_machine
    }
}

impl Eq for Arch {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_own_name_and_number() {
        for arch in ALL {
            assert_eq!(Arch::by_name(arch.name), Some(arch));
            assert_eq!(Arch::by_elf_machine(arch.elf_machine), Some(arch));
        }
        assert_eq!(Arch::by_name("pdp11"), None);
    }
}
