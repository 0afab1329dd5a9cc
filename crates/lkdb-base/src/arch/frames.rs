//! What call frames, saved registers and the ends of stacks look like: the shape of the facts, which each
//! architecture fills in.

/// A register that debug information numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterFact {
    /// Its DWARF number.
    pub dwarf: u16,
    /// Its name in gdb's target descriptions: `rax`, `x0`.
    pub name: &'static str,
    /// What becomes of it when a function is called.
    pub across: AcrossCalls,
}

/// What a call does to a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcrossCalls {
    /// The callee may change it.
    Lost,
    /// The callee gives it back as it was.
    Preserved,
    /// Code that the kernel's compiler makes never changes it: segments and their bases.
    Constant,
}

/// A register's place in a structure that the kernel saves registers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedAt {
    /// The DWARF number.
    pub dwarf: u16,
    /// Its offset in bytes.
    pub offset: u64,
}

/// How a task that does not run keeps its registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sleeping {
    /// They lie on its stack, at `thread.sp`; else in `thread.cpu_context`.
    pub on_stack: bool,
    /// Which, and where.
    pub registers: &'static [SavedAt],
    /// Its stack pointer is this much above that place; none where it is one of the registers.
    pub stack_pointer: Option<u64>,
}

/// The name a stack's outermost function has, and what that makes the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outermost {
    /// A kernel thread began there (a new process passes through as well).
    Thread,
    /// A processor began there.
    Boot,
}

/// Bytes, as far as `mask` has them, must be those of `value`; of the same length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BytePattern {
    /// Which bits count.
    pub mask: &'static [u8],
    /// What they are.
    pub value: &'static [u8],
}

impl BytePattern {
    /// Whether `bytes` begin so.
    #[must_use]
    pub fn begins(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.mask.len()
            && self.mask.iter().zip(self.value).zip(bytes).all(|((mask, value), byte)| byte & mask == *value)
    }

    /// Whether `bytes` end so.
    #[must_use]
    pub fn ends(&self, bytes: &[u8]) -> bool {
        bytes
            .len()
            .checked_sub(self.mask.len())
            .is_some_and(|at| self.begins(bytes.get(at..).unwrap_or_default()))
    }
}

/// The register of a hardware frame that tells the mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Its DWARF number.
    pub register: u16,
    /// What it can be in user mode.
    pub user: &'static [u64],
    /// What it can be in kernel mode.
    pub kernel: &'static [u64],
    /// The register of the processor's flags, a mask, and what is always so under the mask.
    pub flags: (u16, u64, u64),
}

/// What entry code for system calls does before and after registers lie in `pt_regs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemCall {
    /// Names that its functions begin with.
    pub names: &'static [&'static str],
    /// Of these, those that only leave.
    pub leaves: &'static [&'static str],
    /// Where the processor puts what of the user: `(register, is now in)`.
    pub moved: &'static [(u16, u16)],
    /// The instruction that stores the user's stack pointer near the CPU's own data. 32 bits of distance follow the pattern.
    pub stores: &'static [Store],
    /// The register whose value the stored address counts from.
    pub base: u16,
    /// When leaving, this register points to its own place in `pt_regs` for a while.
    pub leaves_by: u16,
    /// When leaving, these are pushed last, in this order, to be popped again.
    pub pushed_last: &'static [u16],
    /// The stack it leaves on ends at a multiple of this, with the user's stack pointer in the last word.
    pub leaves_on: u64,
}

/// An instruction that stores a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    /// Its first bytes.
    pub opcode: BytePattern,
    /// The distance counts from the next instruction too.
    pub relative: bool,
}

/// Where functions return values that are no floating-point numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returns {
    /// DWARF numbers of the registers that small ones are in, 8 bytes each.
    pub registers: &'static [u16],
    /// The one that has the address of a larger one; none where it need not be kept.
    pub address: Option<u16>,
}

/// The facts about stacks.
#[derive(Debug)]
pub struct FrameFacts {
    /// Where functions return values.
    pub returns: Returns,
    /// The stack pointer's number.
    pub stack_pointer: u16,
    /// The frame pointer's number.
    pub frame_pointer: u16,
    /// The number of the program counter.
    pub program_counter: u16,
    /// The column of the CFI that holds the return address.
    pub return_address: u16,
    /// A call pushes the return address, so it lies just below the frame address; else it is in a register.
    pub call_pushes: bool,
    /// `struct pt_regs`.
    pub pt_regs: &'static [SavedAt],
    /// How long `struct pt_regs` is.
    pub pt_regs_size: u64,
    /// Where in `pt_regs` the part begins that the processor itself saves.
    pub hardware_frame: u64,
    /// What a sleeping task keeps.
    pub sleeping: Sleeping,
    /// No stack is longer, in bytes: 16 KiB, twice that with KASAN, four times that with KASAN's extra.
    pub longest_stack: u64,
    /// No user address is as high.
    pub user_end: u64,
    /// Names that outermost functions begin with.
    pub outermost: &'static [(&'static str, Outermost)],
    /// How a hardware frame tells user from kernel mode; none where it is not a numbered register.
    pub mode: Option<Mode>,
    /// How system calls enter and leave, where that is not by saved registers alone.
    pub system_call: Option<&'static SystemCall>,
    /// What calls look like: return addresses lie behind one.
    pub calls: &'static [BytePattern],
    /// What the kernel patches over calls. Padding between functions may look the same.
    pub patched_calls: &'static [BytePattern],
    /// Names of jump and return thunks, which are not functions of the source, begin with these.
    pub thunks: &'static [&'static str],
    /// What the compiler has each traced function call before its body (`-pg`, `-mfentry`): nobody's next step.
    pub entry_tracers: &'static [&'static str],
    /// What tracers put in a return address's place.
    pub return_hooks: &'static [&'static str],
}
