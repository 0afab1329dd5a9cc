//! Facts about 64-bit Arm.

use super::Arch;

/// 64-bit Arm.
pub static AARCH64: Arch = Arch {
    name: "aarch64",
    elf_machine: 183,
    kernel_dir: "arm64",
    debian: "arm64",
    qemu: "qemu-system-aarch64",
    gdb: "aarch64",
    serial: "ttyAMA",
    serial_device: (204, 64),
};
