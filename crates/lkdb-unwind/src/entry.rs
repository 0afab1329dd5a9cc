//! The user's registers at the ends of entry code, where nothing describes where they are.
//!
//! Tables call the first and last instructions of entry code the end of the stack: registers are then on
//! their way between the processor and `struct pt_regs`. What is known there comes from three places: a system call
//! instruction moves some into others; a hardware frame lies complete at the stack pointer or behind one
//! more word; or a register points into `pt_regs` while a copy is made for the way out.

use lkdb_base::arch::{Arch, SavedAt, SystemCall};
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

/// Whether registers say that they are the user's.
pub(crate) fn of_user(arch: &Arch, registers: &Registers) -> bool {
    let mode = arch.frames.mode.and_then(|mode| Some((mode, registers.get(mode.register)?)));
    mode.is_some_and(|(mode, value)| mode.user.contains(&(value & 0xffff)))
}

/// The places in `pt_regs` of what the processor saves.
pub(crate) fn hardware_places(arch: &Arch) -> Vec<SavedAt> {
    let behind = arch.frames.pt_regs.iter().filter(|place| place.offset >= arch.frames.hardware_frame);
    behind.map(|place| SavedAt { offset: place.offset - arch.frames.hardware_frame, ..*place }).collect()
}

/// Looks for a hardware frame of user mode where entry code can have one.
fn hardware_frames(arch: &Arch, memory: &dyn Memory, registers: &Registers) -> Option<Registers> {
    let facts = arch.frames.system_call?;
    let places = hardware_places(arch);
    let own = arch.frames.pt_regs.iter().find(|place| place.dwarf == facts.leaves_by)?;
    let stack = registers.get(arch.frames.stack_pointer)?;
    let by = registers.get(facts.leaves_by);
    // At the stack pointer; behind the one register saved last; or not copied yet.
    let candidates = [
        (Some(stack), None),
        (Some(stack.wrapping_add(8)), Some(stack)),
        (by.map(|by| by.wrapping_add(arch.frames.hardware_frame - own.offset)), by),
    ];
    candidates.into_iter().find_map(|(at, saved)| {
        let at = at.filter(|at| *at >= arch.frames.user_end && *at % 8 == 0)?;
        let mut user = registers.clone();
        user.read(memory, RuntimeAddr(at), &places).ok()?;
        if let Some(saved) = saved {
            let value = memory.read_u64(RuntimeAddr(saved)).ok()?;
            user.set(facts.leaves_by, Held { value, at: Kept::Memory(RuntimeAddr(saved)) });
        }
        plausible(arch, &user).then_some(user)
    })
}

/// Whether these can be a user's registers.
fn plausible(arch: &Arch, registers: &Registers) -> bool {
    let below = |register| registers.get(register).is_some_and(|value| value < arch.frames.user_end);
    of_user(arch, registers)
        && below(arch.frames.program_counter)
        && below(arch.frames.stack_pointer)
        && registers.get(arch.frames.program_counter) != Some(0)
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
    let start = function.start.0.max(pc.saturating_sub(LONGEST));
    facts.leaves.iter().any(|name| function.name.starts_with(name))
        || (start..pc).any(|address| matches!(world.rows(RuntimeAddr(address)).orc, Some(Row::Saved { .. })))
}

/// The user's stack pointer on the way in: still in its register, or stored near the CPU's own data.
fn entering(world: &dyn World, frame: &Frame, facts: &SystemCall, function: &Function<'_>) -> Option<Held> {
    let pc = frame.pc.address().0;
    let length = usize::try_from(pc.checked_sub(function.start.0)?.min(ENTRY)).ok()?;
    let mut code = vec![0; length];
    world.memory().read(function.start, &mut code).ok()?;
    let stored = (0..length).find_map(|at| {
        let store =
            facts.stores.iter().find(|store| store.opcode.begins(code.get(at..).unwrap_or_default()))?;
        let operand = at + store.opcode.mask.len();
        let distance = i32::from_le_bytes(*code.get(operand..)?.first_chunk()?);
        let next = function.start.0.wrapping_add(operand as u64 + 4);
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
    let word = |address: u64| {
        let at = RuntimeAddr(address);
        memory.read_u64(at).ok().map(|value| Held { value, at: Kept::Memory(at) })
    };
    if let (Some(by), Some(own)) = (frame.registers.get(facts.leaves_by), place(facts.leaves_by))
        && by >= frames.user_end
    {
        let saved = |register| word(by.wrapping_sub(own).wrapping_add(place(register)?));
        // It points there only if what was moved agrees with what was saved.
        let agrees =
            |(register, _): &(u16, u16)| saved(*register).map(|held| held.value) == user.get(*register);
        if facts.moved.iter().all(agrees) {
            if let Some(held) = word(by) {
                user.set(facts.leaves_by, held);
            }
            return saved(frames.stack_pointer);
        }
    }
    let now = frame.registers.held(frames.stack_pointer)?;
    if now.value < frames.user_end { Some(now) } else { word(now.value) }
}
