//! The registers of a frame: values, or not known; and where each was found.
//!
//! What a register is called, and which survive a call, is in the architecture's table.

use lkdb_base::arch::{Arch, SavedAt};
use lkdb_base::{Memory, RuntimeAddr, Unreadable};

/// How many DWARF numbers are kept. Vector registers have higher ones: kernel code does not use them.
const COUNT: usize = 64;

/// Where a frame's register is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In the CPU's register of this DWARF number: nothing has changed it since.
    Cpu(u16),
    /// On a stack: to change it is to change this memory.
    Memory(RuntimeAddr),
    /// Nowhere; its value was computed.
    Computed,
}

/// A known register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its value.
    pub value: u64,
    /// Where it is.
    pub at: Kept,
}

/// Registers by DWARF number, each known or not.
#[derive(Clone, PartialEq, Eq)]
pub struct Registers {
    slots: [Option<Held>; COUNT],
    left: [Option<u64>; COUNT],
}

impl Default for Registers {
    fn default() -> Self {
        Self { slots: [None; COUNT], left: [None; COUNT] }
    }
}

impl std::fmt::Debug for Registers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.slots.iter().enumerate().filter_map(|(number, held)| Some((number, (*held)?)));
        f.debug_map()
            .entries(known.map(|(number, held)| (number, (format!("{:#x}", held.value), held.at))))
            .finish()
    }
}

impl Registers {
    /// None known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of a stopped CPU: asks `value` for each by its name in gdb's target descriptions.
    pub fn of_cpu(arch: &Arch, mut value: impl FnMut(&'static str) -> Option<u64>) -> Self {
        let mut registers = Self::new();
        for fact in arch.registers {
            if let Some(value) = value(fact.name) {
                registers.set(fact.dwarf, Held { value, at: Kept::Cpu(fact.dwarf) });
            }
        }
        registers
    }

    /// Those of a task that does not run, from its `thread.sp` (where registers lie on its stack), or from the
    /// address of its `thread.cpu_context`.
    ///
    /// # Errors
    /// When that memory cannot be read.
    pub fn of_sleeping(arch: &Arch, memory: &dyn Memory, at: RuntimeAddr) -> Result<Self, Unreadable> {
        let sleeping = &arch.frames.sleeping;
        let mut registers = Self::new();
        registers.read(memory, at, sleeping.registers)?;
        if let Some(above) = sleeping.stack_pointer {
            let value = at.0.wrapping_add(above);
            registers.set(arch.frames.stack_pointer, Held { value, at: Kept::Computed });
        }
        Ok(registers)
    }

    /// Sets those of a structure in memory, in one read.
    pub(crate) fn read(
        &mut self,
        memory: &dyn Memory,
        at: RuntimeAddr,
        places: &[SavedAt],
    ) -> Result<(), Unreadable> {
        let first = places.iter().map(|place| place.offset).min().unwrap_or_default();
        let end = places.iter().map(|place| place.offset + 8).max().unwrap_or_default();
        let mut bytes = vec![0; usize::try_from(end - first).unwrap_or_default()];
        memory.read(at.offset(first), &mut bytes)?;
        for place in places {
            let from = usize::try_from(place.offset - first).unwrap_or_default();
            let Some(word) = bytes.get(from..).and_then(|bytes| bytes.first_chunk()) else { continue };
            let held = Held { value: u64::from_le_bytes(*word), at: Kept::Memory(at.offset(place.offset)) };
            self.set(place.dwarf, held);
        }
        Ok(())
    }

    /// What is known of one.
    #[must_use]
    pub fn held(&self, dwarf: u16) -> Option<Held> {
        self.slots.get(usize::from(dwarf)).copied().flatten()
    }

    /// Its value, if known.
    #[must_use]
    pub fn get(&self, dwarf: u16) -> Option<u64> {
        self.held(dwarf).map(|held| held.value)
    }

    /// What one held that callees may change, as the callee has left it so far: still the frame's own where its compiler
    /// knew that this callee does not change it (GCC's `-fipa-ra`).
    #[must_use]
    pub fn left_by_callee(&self, dwarf: u16) -> Option<u64> {
        self.left.get(usize::from(dwarf)).copied().flatten()
    }

    /// Sets that.
    pub(crate) fn leave(&mut self, dwarf: u16, value: Option<u64>) {
        if let Some(slot) = self.left.get_mut(usize::from(dwarf)) {
            *slot = value;
        }
    }

    /// Makes one known. Numbers that are not kept are left out.
    pub fn set(&mut self, dwarf: u16, held: Held) {
        if let Some(slot) = self.slots.get_mut(usize::from(dwarf)) {
            *slot = Some(held);
        }
    }

    /// Makes one unknown.
    pub fn forget(&mut self, dwarf: u16) {
        if let Some(slot) = self.slots.get_mut(usize::from(dwarf)) {
            *slot = None;
        }
    }
}
