//! Facts about x86-64.

use super::frames::{
    AcrossCalls, BytePattern, FrameFacts, Mode, Outermost, RegisterFact, Returns, SavedAt, Sleeping, Store,
    SystemCall,
};
use super::{Arch, DebugRelocation, Instructions, Prologue, RegisterPart};
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
    bfd: "x86-64",
    instructions: Instructions::X86,
    system_call_prefixes: &["__x64_sys_", "__se_sys_", "SyS_"],
    program_counter: "rip",
    paging: Some(&paging::X86_64),
    // Intel's manual, volume 3, "First Instruction Executed".
    reset_vector: Some(RuntimeAddr(0xffff_fff0)),
    // R_X86_64_NONE, _64, _PC32, _32, _32S, _PC64.
    prologue: Prologue { by_lines: false, frame_setup, saves_frame },
    vector_registers: &[
        (17, "xmm0"),
        (18, "xmm1"),
        (19, "xmm2"),
        (20, "xmm3"),
        (21, "xmm4"),
        (22, "xmm5"),
        (23, "xmm6"),
        (24, "xmm7"),
        (25, "xmm8"),
        (26, "xmm9"),
        (27, "xmm10"),
        (28, "xmm11"),
        (29, "xmm12"),
        (30, "xmm13"),
        (31, "xmm14"),
        (32, "xmm15"),
        (33, "st0"),
        (34, "st1"),
        (35, "st2"),
        (36, "st3"),
        (37, "st4"),
        (38, "st5"),
        (39, "st6"),
        (40, "st7"),
    ],
    debug_relocations: &[
        (0, DebugRelocation::None),
        (1, DebugRelocation::Absolute(8)),
        (2, DebugRelocation::Relative(4)),
        (10, DebugRelocation::Absolute(4)),
        (11, DebugRelocation::Absolute(4)),
        (24, DebugRelocation::Relative(8)),
    ],
    registers: &REGISTERS,
    // hlt
    halts: &[&[0xf4]],
    parts: &PARTS,
    debug_registers: 4,
    longest_watch: 8,
    per_cpu_bases: &["gs_base", "k_gs_base"],
    // MODULES_VADDR without KASLR, and the fixmap behind MODULES_END (Documentation/x86/x86_64/mm.rst).
    module_area: 0xffff_ffff_a000_0000..0xffff_ffff_ff00_0000,
    frames: &FRAMES,
};

const fn kept(dwarf: u16, name: &'static str) -> RegisterFact {
    RegisterFact { dwarf, name, across: AcrossCalls::Preserved }
}

const fn lost(dwarf: u16, name: &'static str) -> RegisterFact {
    RegisterFact { dwarf, name, across: AcrossCalls::Lost }
}

const fn constant(dwarf: u16, name: &'static str) -> RegisterFact {
    RegisterFact { dwarf, name, across: AcrossCalls::Constant }
}

/// System V ABI, AMD64 supplement 1.0, figure 3.36; which are preserved: figure 3.4.
static REGISTERS: [RegisterFact; 26] = [
    lost(0, "rax"),
    lost(1, "rdx"),
    lost(2, "rcx"),
    kept(3, "rbx"),
    lost(4, "rsi"),
    lost(5, "rdi"),
    kept(6, "rbp"),
    kept(7, "rsp"),
    lost(8, "r8"),
    lost(9, "r9"),
    lost(10, "r10"),
    lost(11, "r11"),
    kept(12, "r12"),
    kept(13, "r13"),
    kept(14, "r14"),
    kept(15, "r15"),
    lost(16, "rip"),
    lost(49, "eflags"),
    constant(50, "es"),
    constant(51, "cs"),
    constant(52, "ss"),
    constant(53, "ds"),
    constant(54, "fs"),
    constant(55, "gs"),
    constant(58, "fs_base"),
    constant(59, "gs_base"),
];

const fn at(dwarf: u16, offset: u64) -> SavedAt {
    SavedAt { dwarf, offset }
}

static FRAMES: FrameFacts = FrameFacts {
    // System V ABI, AMD64 supplement 1.0, section 3.2.3: rax, rdx.
    returns: Returns { registers: &[0, 1], address: Some(0) },
    stack_pointer: 7,
    frame_pointer: 6,
    program_counter: 16,
    return_address: 16,
    call_pushes: true,
    // `struct pt_regs`, arch/x86/include/asm/ptrace.h; the fields with a meaning for user space are ABI.
    pt_regs: &[
        at(15, 0),
        at(14, 8),
        at(13, 16),
        at(12, 24),
        at(6, 32),
        at(3, 40),
        at(11, 48),
        at(10, 56),
        at(9, 64),
        at(8, 72),
        at(0, 80),
        at(2, 88),
        at(1, 96),
        at(4, 104),
        at(5, 112),
        at(16, 128),
        at(51, 136),
        at(49, 144),
        at(7, 152),
        at(52, 160),
    ],
    pt_regs_size: 168,
    hardware_frame: 128,
    // `struct inactive_task_frame`, arch/x86/include/asm/switch_to.h, since Linux 4.9.
    sleeping: Sleeping {
        on_stack: true,
        registers: &[at(15, 0), at(14, 8), at(13, 16), at(12, 24), at(3, 32), at(6, 40), at(16, 48)],
        stack_pointer: Some(56),
    },
    longest_stack: 64 << 10,
    user_end: 1 << 56,
    outermost: &[
        ("ret_from_fork", Outermost::Thread),
        ("startup_64", Outermost::Boot),
        ("secondary_startup_64", Outermost::Boot),
        ("common_startup_64", Outermost::Boot),
        ("start_cpu0", Outermost::Boot),
        ("soft_restart_cpu", Outermost::Boot),
    ],
    // `__USER_CS`, `__USER32_CS` and `__KERNEL_CS`, arch/x86/include/asm/segment.h.
    // Reserved bits of rflags: Intel SDM, volume 1, figure 3-8.
    mode: Some(Mode {
        register: 51,
        user: &[0x33, 0x23],
        kernel: &[0x10],
        flags: (49, 0xffff_ffff_ffc0_802a, 0x2),
    }),
    system_call: Some(&SYSTEM_CALL),
    calls: &CALLS,
    // The 5-byte nop, over calls to tracers and disabled static calls.
    patched_calls: &[exactly(&[0x0f, 0x1f, 0x44, 0x00, 0x00])],
    entry_tracers: &["__fentry__", "mcount"],
    thunks: &[
        "__x86_return_thunk",
        "__x86_indirect_thunk_",
        "__x86_indirect_call_thunk_",
        "__x86_indirect_jump_thunk_",
        "__x86_indirect_its_thunk_",
        "its_return_thunk",
        "retbleed_return_thunk",
        "srso_return_thunk",
        "srso_alias_return_thunk",
        "srso_safe_ret",
        "srso_alias_safe_ret",
        "call_depth_return_thunk",
        "zen_untrain_ret",
    ],
    return_hooks: &["return_to_handler", "arch_rethook_trampoline", "__kretprobe_trampoline"],
};

/// The `syscall` instruction leaves rip in rcx and rflags in r11, and rsp as it was; `sysret` the other way
/// (Intel SDM, volume 2B). `entry_SYSCALL_64` stores rsp in the CPU's `cpu_tss_rw` (since Linux 4.20;
/// arch/x86/entry/entry_64.S).
static SYSTEM_CALL: SystemCall = SystemCall {
    names: &["entry_SYSCALL_", "entry_SYSRET", "syscall_return_via_sysret"],
    leaves: &["entry_SYSRET", "syscall_return_via_sysret"],
    moved: &[(16, 2), (49, 11)],
    stores: &[
        // mov %rsp, %gs:ADDRESS
        Store { opcode: exactly(&[0x65, 0x48, 0x89, 0x24, 0x25]), relative: false },
        // mov %rsp, %gs:DISTANCE(%rip)
        Store { opcode: exactly(&[0x65, 0x48, 0x89, 0x25]), relative: true },
    ],
    base: 59,
    leaves_by: 5,
    // rdi always; rax too where the page table changes on the way (SWITCH_TO_USER_CR3).
    pushed_last: &[5, 0],
    // `struct entry_stack_page`, arch/x86/include/asm/processor.h.
    leaves_on: 4096,
};

const fn exactly(value: &'static [u8]) -> BytePattern {
    let all: &[u8] = &[0xff; 8];
    BytePattern { mask: all.split_at(value.len()).0, value }
}

const fn like(mask: &'static [u8], value: &'static [u8]) -> BytePattern {
    BytePattern { mask, value }
}

/// Calls (Intel SDM, volume 2A: CALL, table 2-2).
static CALLS: [BytePattern; 10] = [
    like(&[0xff, 0, 0, 0, 0], &[0xe8, 0, 0, 0, 0]),
    // call *%reg
    like(&[0xff, 0xf8], &[0xff, 0xd0]),
    // call *(%reg)
    like(&[0xff, 0xf8], &[0xff, 0x10]),
    like(&[0xff, 0xff, 0], &[0xff, 0x14, 0]),
    like(&[0xff, 0xff, 0, 0, 0, 0], &[0xff, 0x15, 0, 0, 0, 0]),
    like(&[0xff, 0xff, 7, 0, 0, 0, 0], &[0xff, 0x14, 5, 0, 0, 0, 0]),
    // call *8-bit(%reg)
    like(&[0xff, 0xf8, 0], &[0xff, 0x50, 0]),
    like(&[0xff, 0xff, 0, 0], &[0xff, 0x54, 0, 0]),
    // call *32-bit(%reg)
    like(&[0xff, 0xf8, 0, 0, 0, 0], &[0xff, 0x90, 0, 0, 0, 0]),
    like(&[0xff, 0xff, 0, 0, 0, 0, 0], &[0xff, 0x94, 0, 0, 0, 0, 0]),
];

/// `endbr64`, if there; `push %rbp`.
fn saves_frame(code: &[u8]) -> bool {
    code.strip_prefix(&[0xf3, 0x0f, 0x1e, 0xfa]).unwrap_or(code).starts_with(&[0x55])
}

/// `endbr64`, if there; `push %rbp`; `mov %rsp,%rbp` in either encoding.
fn frame_setup(code: &[u8]) -> usize {
    let body = code.strip_prefix(&[0xf3, 0x0f, 0x1e, 0xfa]).unwrap_or(code);
    let moved = |rest: &&[u8]| rest.starts_with(&[0x48, 0x89, 0xe5]) || rest.starts_with(&[0x48, 0x8b, 0xec]);
    match body.strip_prefix(&[0x55]).filter(moved) {
        Some(_) => code.len() - body.len() + 4,
        None => 0,
    }
}

const fn part(name: &'static str, of: &'static str, offset: usize, size: usize) -> RegisterPart {
    RegisterPart { name, of, offset, size }
}

/// Intel SDM, volume 1, table 3-2. `sp` is not among them: it means the stack pointer.
static PARTS: [RegisterPart; 51] = [
    part("eax", "rax", 0, 4),
    part("ax", "rax", 0, 2),
    part("al", "rax", 0, 1),
    part("ah", "rax", 1, 1),
    part("ebx", "rbx", 0, 4),
    part("bx", "rbx", 0, 2),
    part("bl", "rbx", 0, 1),
    part("bh", "rbx", 1, 1),
    part("ecx", "rcx", 0, 4),
    part("cx", "rcx", 0, 2),
    part("cl", "rcx", 0, 1),
    part("ch", "rcx", 1, 1),
    part("edx", "rdx", 0, 4),
    part("dx", "rdx", 0, 2),
    part("dl", "rdx", 0, 1),
    part("dh", "rdx", 1, 1),
    part("esi", "rsi", 0, 4),
    part("si", "rsi", 0, 2),
    part("sil", "rsi", 0, 1),
    part("edi", "rdi", 0, 4),
    part("di", "rdi", 0, 2),
    part("dil", "rdi", 0, 1),
    part("ebp", "rbp", 0, 4),
    part("bp", "rbp", 0, 2),
    part("bpl", "rbp", 0, 1),
    part("esp", "rsp", 0, 4),
    part("spl", "rsp", 0, 1),
    part("r8d", "r8", 0, 4),
    part("r8w", "r8", 0, 2),
    part("r8l", "r8", 0, 1),
    part("r9d", "r9", 0, 4),
    part("r9w", "r9", 0, 2),
    part("r9l", "r9", 0, 1),
    part("r10d", "r10", 0, 4),
    part("r10w", "r10", 0, 2),
    part("r10l", "r10", 0, 1),
    part("r11d", "r11", 0, 4),
    part("r11w", "r11", 0, 2),
    part("r11l", "r11", 0, 1),
    part("r12d", "r12", 0, 4),
    part("r12w", "r12", 0, 2),
    part("r12l", "r12", 0, 1),
    part("r13d", "r13", 0, 4),
    part("r13w", "r13", 0, 2),
    part("r13l", "r13", 0, 1),
    part("r14d", "r14", 0, 4),
    part("r14w", "r14", 0, 2),
    part("r14l", "r14", 0, 1),
    part("r15d", "r15", 0, 4),
    part("r15w", "r15", 0, 2),
    part("r15l", "r15", 0, 1),
];
