//! Facts about x86-64.

use super::Arch;

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
};
