//! Facts about 64-bit Arm.

use super::frames::{
    AcrossCalls, BytePattern, FrameFacts, Outermost, RegisterFact, Returns, SavedAt, Sleeping,
};
use super::{Arch, DebugRelocation, Instructions, Prologue, RegisterPart};

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
    bfd: "littleaarch64",
    instructions: Instructions::A64,
    system_call_prefixes: &["__arm64_sys_", "__se_sys_", "SyS_"],
    program_counter: "pc",
    paging: None,
    reset_vector: None,
    // R_AARCH64_NONE (both numbers), _ABS64, _ABS32, _ABS16, _PREL64, _PREL32, _PREL16.
    prologue: Prologue { by_lines: true, frame_setup: |_| 0, saves_frame: |_| false },
    vector_registers: &[
        (64, "v0"),
        (65, "v1"),
        (66, "v2"),
        (67, "v3"),
        (68, "v4"),
        (69, "v5"),
        (70, "v6"),
        (71, "v7"),
        (72, "v8"),
        (73, "v9"),
        (74, "v10"),
        (75, "v11"),
        (76, "v12"),
        (77, "v13"),
        (78, "v14"),
        (79, "v15"),
        (80, "v16"),
        (81, "v17"),
        (82, "v18"),
        (83, "v19"),
        (84, "v20"),
        (85, "v21"),
        (86, "v22"),
        (87, "v23"),
        (88, "v24"),
        (89, "v25"),
        (90, "v26"),
        (91, "v27"),
        (92, "v28"),
        (93, "v29"),
        (94, "v30"),
        (95, "v31"),
    ],
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
    registers: &REGISTERS,
    // wfi
    halts: &[&[0x7f, 0x20, 0x03, 0xd5]],
    parts: &PARTS,
    debug_registers: 4,
    longest_watch: 8,
    per_cpu_bases: &["TPIDR_EL1"],
    // It hangs on the size of addresses.
    module_area: 0xffff_0000_0000_0000..u64::MAX,
    frames: &FRAMES,
};

const NAMES: [&str; 33] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
    "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30",
    "sp", "pc",
];

/// DWARF for the Arm 64-bit Architecture, section 4.1; x19 to x29 and sp are preserved (AAPCS64, 6.1.1).
static REGISTERS: [RegisterFact; 33] = {
    let mut registers = [RegisterFact { dwarf: 0, name: "x0", across: AcrossCalls::Lost }; 33];
    let mut number = 0;
    while number < 33 {
        let preserved = (number >= 19 && number <= 29) || number == 31;
        let across = if preserved { AcrossCalls::Preserved } else { AcrossCalls::Lost };
        registers[number] = RegisterFact { dwarf: number as u16, name: NAMES[number], across };
        number += 1;
    }
    registers
};

/// `struct user_pt_regs`, which begins `struct pt_regs` (arch/arm64/include/asm/ptrace.h): x0 to x30, sp, pc.
static PT_REGS: [SavedAt; 33] = {
    let mut saved = [SavedAt { dwarf: 0, offset: 0 }; 33];
    let mut number = 0;
    while number < 33 {
        saved[number] = SavedAt { dwarf: number as u16, offset: number as u64 * 8 };
        number += 1;
    }
    saved
};

const fn at(dwarf: u16, offset: u64) -> SavedAt {
    SavedAt { dwarf, offset }
}

static FRAMES: FrameFacts = FrameFacts {
    // AAPCS64, section 6.9: x0, x1; x8 with an address need not be kept.
    returns: Returns { registers: &[0, 1], address: None },
    stack_pointer: 31,
    frame_pointer: 29,
    program_counter: 32,
    return_address: 30,
    call_pushes: false,
    pt_regs: &PT_REGS,
    // What user space sees of it; the kernel's own fields behind that differ between versions.
    pt_regs_size: 272,
    hardware_frame: 248,
    // `struct cpu_context`, arch/arm64/include/asm/processor.h.
    sleeping: Sleeping {
        on_stack: false,
        registers: &[
            at(19, 0),
            at(20, 8),
            at(21, 16),
            at(22, 24),
            at(23, 32),
            at(24, 40),
            at(25, 48),
            at(26, 56),
            at(27, 64),
            at(28, 72),
            at(29, 80),
            at(31, 88),
            at(32, 96),
        ],
        stack_pointer: None,
    },
    longest_stack: 64 << 10,
    user_end: 1 << 52,
    outermost: &[
        ("ret_from_fork", Outermost::Thread),
        ("__primary_switched", Outermost::Boot),
        ("__secondary_switched", Outermost::Boot),
        ("primary_entry", Outermost::Boot),
        ("secondary_entry", Outermost::Boot),
    ],
    mode: None,
    system_call: None,
    calls: &CALLS,
    // nop
    patched_calls: &[BytePattern { mask: &[0xff; 4], value: &[0x1f, 0x20, 0x03, 0xd5] }],
    thunks: &[],
    entry_tracers: &["_mcount"],
    return_hooks: &["return_to_handler", "arch_rethook_trampoline", "__kretprobe_trampoline"],
};

/// `bl`, `blr` with its authenticating forms (Arm ARM, C4.1.66 and C6.2).
static CALLS: [BytePattern; 2] = [
    BytePattern { mask: &[0, 0, 0, 0xfc], value: &[0, 0, 0, 0x94] },
    BytePattern { mask: &[0, 0, 0xfe, 0xfe], value: &[0, 0, 0x3e, 0xd6] },
];

const fn part(name: &'static str, of: &'static str) -> RegisterPart {
    RegisterPart { name, of, offset: 0, size: 4 }
}

/// The low halves (Arm ARM, B1.2.1).
static PARTS: [RegisterPart; 31] = [
    part("w0", "x0"),
    part("w1", "x1"),
    part("w2", "x2"),
    part("w3", "x3"),
    part("w4", "x4"),
    part("w5", "x5"),
    part("w6", "x6"),
    part("w7", "x7"),
    part("w8", "x8"),
    part("w9", "x9"),
    part("w10", "x10"),
    part("w11", "x11"),
    part("w12", "x12"),
    part("w13", "x13"),
    part("w14", "x14"),
    part("w15", "x15"),
    part("w16", "x16"),
    part("w17", "x17"),
    part("w18", "x18"),
    part("w19", "x19"),
    part("w20", "x20"),
    part("w21", "x21"),
    part("w22", "x22"),
    part("w23", "x23"),
    part("w24", "x24"),
    part("w25", "x25"),
    part("w26", "x26"),
    part("w27", "x27"),
    part("w28", "x28"),
    part("w29", "x29"),
    part("w30", "x30"),
];
