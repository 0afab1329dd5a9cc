//! Facts about 64-bit Arm.

use super::{Arch, DebugRelocation};

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
    program_counter: "pc",
    paging: None,
    reset_vector: None,
    // R_AARCH64_NONE (both numbers), _ABS64, _ABS32, _ABS16, _PREL64, _PREL32, _PREL16.
    debug_relocations: &[
        (0, DebugRelocation::None),
        (256, DebugRelocation::None),
        (257, DebugRelocation::Absolute(8)),
        (258, DebugRelocation::Absolute(4)),
        (259, DebugRelocation::Absolute(2)),
        (260, DebugRelocation::Relative(8)),
        (261, DebugRelocation::Relative(4)),
        (262, DebugRelocation::Relative(2)),
    ],
};
