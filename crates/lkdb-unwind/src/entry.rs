//! The user's registers at the ends of entry code, where nothing describes where they are.
//!
//! Tables call the first and last instructions of entry code the end of the stack: registers are then on
//! their way between the processor and `struct pt_regs`. What is known there comes from three places: a system call
//! instruction moves some into others; a hardware frame lies complete at the stack pointer or behind one
//! more word; or a register points into `pt_regs` while a copy is made for the way out.

use lkdb_base::arch::{Arch, Mode, SavedAt, SystemCall};
use lkdb_base::{Memory, RuntimeAddr};

use crate::frame::Frame;
use crate::registers::{Held, Kept, Registers};
use crate::row::Row;
use crate::stepper::{Function, World};

/// How many bytes of entry code are looked at.
const ENTRY: u64 = 128;

/// The user's registers, if `frame` is at an end of entry code.
pub(crate) fn user_registers(world: &dyn World, frame: &Frame) -> Option<Registers> {
    let arch = world.arch();
    let function = world.function(frame.pc.lookup());
    if let (Some(facts), Some(function)) = (arch.frames.system_call, &function)
        && facts.names.iter().any(|name| function.name.starts_with(name))
    {
        return Some(system_call(world, frame, facts, function));
    }
    // An outermost function that was called cannot be on its way to the user.
    hardware_frames(arch, world.memory(), &frame.registers)
}

/// Whether registers say that they are the user's: by the mode, and either by flags that can be or by addresses. QEMU
/// 7.2 leaves any flags behind `cmpxchg16b`.
pub(crate) fn of_user(arch: &Arch, registers: &Registers) -> bool {
    let mode = arch.frames.mode.and_then(|mode| Some((mode, registers.get(mode.register)?)));
    mode.is_some_and(|(mode, value)| {
        mode.user.contains(&(value & 0xffff)) && (zeros(&mode, registers) || user_addresses(arch, registers))
    })
}

/// Whether the program counter and the stack pointer are a user's.
fn user_addresses(arch: &Arch, registers: &Registers) -> bool {
    let below = |register| registers.get(register).is_some_and(|value| value < arch.frames.user_end);
    below(arch.frames.program_counter)
        && below(arch.frames.stack_pointer)
        && registers.get(arch.frames.program_counter) != Some(0)
}

/// Whether no flag is set that cannot be. Those of a user need not be the processor's: `execve` makes them up.
fn zeros(mode: &Mode, registers: &Registers) -> bool {
    let (register, mask, value) = mode.flags;
    registers.get(register).is_none_or(|flags| flags & mask & !value == 0)
}

/// Whether the processor's flags can be such, as far as they are known.
pub(crate) fn flags(mode: &Mode, registers: &Registers) -> bool {
    let (register, mask, value) = mode.flags;
    registers.get(register).is_none_or(|flags| flags & mask == value)
}

/// The places in `pt_regs` of what the processor saves.
pub(crate) fn hardware_places(arch: &Arch) -> Vec<SavedAt> {
    let behind = arch.frames.pt_regs.iter().filter(|place| place.offset >= arch.frames.hardware_frame);
    behind.map(|place| SavedAt { offset: place.offset - arch.frames.hardware_frame, ..*place }).collect()
}

/// Looks for a hardware frame of user mode where entry code can have one.
fn hardware_frames(arch: &Arch, memory: &dyn Memory, registers: &Registers) -> Option<Registers> {
    let facts = arch.frames.system_call?;
    let own = arch.frames.pt_regs.iter().find(|place| place.dwarf == facts.leaves_by)?;
    let stack = registers.get(arch.frames.stack_pointer)?;
    let by = registers.get(facts.leaves_by);
    // At the stack pointer, or behind what was pushed last; or not copied yet.
    let pushed = (0..=facts.pushed_last.len()).find_map(|count| {
        let at = stack.wrapping_add(count as u64 * 8);
        hardware_frame(arch, memory, registers, at, facts.pushed_last.get(..count)?)
    });
    pushed.or_else(|| {
        let by = by?;
        let at = by.wrapping_add(arch.frames.hardware_frame - own.offset);
        let mut user = hardware_frame(arch, memory, registers, at, &[])?;
        user.set(facts.leaves_by, word(memory, by)?);
        Some(user)
    })
}

/// The user's registers from a hardware frame at `at`, and below it registers that were pushed after it.
fn hardware_frame(
    arch: &Arch,
    memory: &dyn Memory,
    registers: &Registers,
    at: u64,
    pushed: &[u16],
) -> Option<Registers> {
    if at < arch.frames.user_end || !at.is_multiple_of(8) {
        return None;
    }
    let mut user = registers.clone();
    user.read(memory, RuntimeAddr(at), &hardware_places(arch)).ok()?;
    for (register, below) in pushed.iter().zip(1_u64..) {
        user.set(*register, word(memory, at.wrapping_sub(below * 8))?);
    }
    plausible(arch, &user).then_some(user)
}

fn word(memory: &dyn Memory, address: u64) -> Option<Held> {
    let at = RuntimeAddr(address);
    memory.read_u64(at).ok().map(|value| Held { value, at: Kept::Memory(at) })
}

/// Whether these can be a user's registers, where no table says that they are.
fn plausible(arch: &Arch, registers: &Registers) -> bool {
    let zeros = arch.frames.mode.is_some_and(|mode| zeros(&mode, registers));
    zeros && of_user(arch, registers) && user_addresses(arch, registers)
}

/// In a system call's entry code, before all registers are saved or after they are back.
fn system_call(world: &dyn World, frame: &Frame, facts: &SystemCall, function: &Function<'_>) -> Registers {
    let arch = world.arch();
    let mut user = frame.registers.clone();
    for (register, moved) in facts.moved {
        match frame.registers.held(*moved) {
            Some(held) => user.set(*register, held),
            None => user.forget(*register),
        }
    }
    if let Some(mode) = arch.frames.mode {
        user.forget(mode.register);
    }
    let stack_pointer = if leaves(world, frame, facts, function) {
        leaving(world, frame, facts, &mut user)
    } else {
        entering(world, frame, facts, function)
    };
    match stack_pointer {
        Some(held) => user.set(arch.frames.stack_pointer, held),
        None => user.forget(arch.frames.stack_pointer),
    }
    user
}

/// Whether the registers have been saved already: then some instruction before this one says so.
fn leaves(world: &dyn World, frame: &Frame, facts: &SystemCall, function: &Function<'_>) -> bool {
    const LONGEST: u64 = 1024;
    let pc = frame.pc.address().0;
    let start = beginning(world, facts, function.start).0.max(pc.saturating_sub(LONGEST));
    facts.leaves.iter().any(|name| function.name.starts_with(name))
        || (start..pc).any(|address| matches!(world.rows(RuntimeAddr(address)).orc, Some(Row::Saved { .. })))
}

/// Where the entry code begins: it has symbols for places within it, too.
fn beginning(world: &dyn World, facts: &SystemCall, start: RuntimeAddr) -> RuntimeAddr {
    const MOST: usize = 4;
    let before = |start: &RuntimeAddr| {
        let function = world.function(RuntimeAddr(start.0.wrapping_sub(1)))?;
        let same = facts.names.iter().any(|name| function.name.starts_with(name));
        same.then_some(function.start).filter(|other| other.0 < start.0)
    };
    std::iter::successors(Some(start), before).take(MOST).last().unwrap_or(start)
}

/// The user's stack pointer on the way in: still in its register, or stored near the CPU's own data.
fn entering(world: &dyn World, frame: &Frame, facts: &SystemCall, function: &Function<'_>) -> Option<Held> {
    let pc = frame.pc.address().0;
    let start = beginning(world, facts, function.start);
    let length = usize::try_from(pc.checked_sub(start.0)?.min(ENTRY)).ok()?;
    let mut code = vec![0; length];
    world.memory().read(start, &mut code).ok()?;
    let stored = (0..length).find_map(|at| {
        let store =
            facts.stores.iter().find(|store| store.opcode.begins(code.get(at..).unwrap_or_default()))?;
        let operand = at + store.opcode.mask.len();
        let distance = i32::from_le_bytes(*code.get(operand..)?.first_chunk()?);
        let next = start.0.wrapping_add(operand as u64 + 4);
        Some(if store.relative {
            next.wrapping_add_signed(distance.into())
        } else {
            i64::from(distance).cast_unsigned()
        })
    });
    let Some(offset) = stored else {
        return frame.registers.held(world.arch().frames.stack_pointer);
    };
    let at = RuntimeAddr(frame.registers.get(facts.base)?.wrapping_add(offset));
    let value = world.memory().read_u64(at).ok()?;
    Some(Held { value, at: Kept::Memory(at) })
}

/// The user's stack pointer on the way out, and the register that points into `pt_regs` meanwhile.
fn leaving(world: &dyn World, frame: &Frame, facts: &SystemCall, user: &mut Registers) -> Option<Held> {
    let (frames, memory) = (world.arch().frames, world.memory());
    let place =
        |register| frames.pt_regs.iter().find(|place| place.dwarf == register).map(|place| place.offset);
    if let (Some(by), Some(own)) = (frame.registers.get(facts.leaves_by), place(facts.leaves_by))
        && by >= frames.user_end
    {
        let saved = |register| word(memory, by.wrapping_sub(own).wrapping_add(place(register)?));
        // It points there only if what was moved agrees with what was saved.
        let agrees =
            |(register, _): &(u16, u16)| saved(*register).map(|held| held.value) == user.get(*register);
        if facts.moved.iter().all(agrees) {
            if let Some(held) = word(memory, by) {
                user.set(facts.leaves_by, held);
            }
            return saved(frames.stack_pointer);
        }
    }
    let now = frame.registers.held(frames.stack_pointer)?;
    if now.value < frames.user_end {
        return Some(now);
    }
    // The user's stack pointer is the first word of the stack for leaving; scratch registers follow.
    let top = now.value.checked_next_multiple_of(facts.leaves_on)?.wrapping_sub(8);
    for (register, below) in facts.pushed_last.iter().zip(1_u64..) {
        let at = top.wrapping_sub(below * 8);
        if at < now.value {
            break;
        }
        if let Some(held) = word(memory, at) {
            user.set(*register, held);
        }
    }
    word(memory, top)
}
