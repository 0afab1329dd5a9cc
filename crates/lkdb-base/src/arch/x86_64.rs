//! Facts about x86-64.

use super::{Arch, DebugRelocation};
use crate::{RuntimeAddr, paging};

/// x86-64.
pub static X86_64: Arch = Arch {
    name: "x86_64",
    elf_machine: 62,
    kernel_dir: "x86",
    debian: "amd64",
    qemu: "qemu-system-x86_64",
    gdb: "i386:x86-64",
    serial: "ttyS",
    serial_device: (4, 64),
    program_counter: "rip",
    paging: Some(&paging::X86_64),
    // Intel's manual, volume 3, "First Instruction Executed".
    reset_vector: Some(RuntimeAddr(0xffff_fff0)),
    // R_X86_64_NONE, _64, _PC32, _32, _32S, _PC64.
    debug_relocations: &[
        (0, DebugRelocation::None),
        (1, DebugRelocation::Absolute(8)),
        (2, DebugRelocation::Relative(4)),
        (10, DebugRelocation::Absolute(4)),
        (11, DebugRelocation::Absolute(4)),
        (24, DebugRelocation::Relative(8)),
    ],
};
