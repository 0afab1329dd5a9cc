//! From a frame to its caller, until the stack ends.
//!
//! Nothing is passed off as a frame that is none: a return address must be kernel code behind a call, frames
//! must rise on a stack, a stack is left only where its tables say so, and none comes twice.

use std::borrow::Cow;

use lkdb_base::arch::{AcrossCalls, Arch, Outermost};
use lkdb_base::{Memory, RuntimeAddr, Unreadable};

use crate::call::behind_call;
use crate::end::{Broken, End, Why};
use crate::entry;
use crate::frame::{CodeAddress, Found, Frame, Source};
use crate::registers::{Held, Kept, Registers};
use crate::row::{Call, CfaRule, Others, Row, Rows, Rule};

mod plan;

use plan::{Plan, pushed};

/// More frames than a stack of 64 KiB has.
const MOST: usize = 1024;

/// The function an address is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its symbol's name.
    pub name: Cow<'a, str>,
    /// Where it begins.
    pub start: RuntimeAddr,
}

/// Where a stack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackRange {
    /// Its lowest address.
    pub start: RuntimeAddr,
    /// The first address above it.
    pub end: RuntimeAddr,
}

impl StackRange {
    fn holds(&self, address: u64) -> bool {
        (self.start.0..self.end.0).contains(&address)
    }
}

/// What unwinding needs to know of the program. Addresses are runtime addresses.
pub trait World {
    /// The architecture.
    fn arch(&self) -> &'static Arch;

    /// Memory as the kernel sees it.
    fn memory(&self) -> &dyn Memory;

    /// The rows for an instruction.
    fn rows(&self, address: RuntimeAddr) -> Rows;

    /// Whether the kernel, a module or code it made may be executed there.
    fn is_text(&self, address: RuntimeAddr) -> bool;

    /// The function that an address is in, by the symbol table.
    fn function(&self, address: RuntimeAddr) -> Option<Function<'_>>;

    /// Fills `into` with the code that the kernel's or module's file has at an address; false where it has none.
    ///
    /// A return address is believed if a call lies before it in memory or in the file: init code is freed when
    /// it has run but for its frames, and calls are patched over.
    fn code_in_file(&self, address: RuntimeAddr, into: &mut [u8]) -> bool {
        let _ = (address, into);
        false
    }

    /// The stack that an address is on, where that is known.
    fn stack(&self, address: RuntimeAddr) -> Option<StackRange> {
        let _ = address;
        None
    }
}

/// The code as it is in files.
struct Files<'w>(&'w dyn World);

impl Memory for Files<'_> {
    fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable> {
        let found = self.0.code_in_file(address, into);
        if found { Ok(()) } else { Err(Unreadable::new(address, "no file has code there")) }
    }
}

/// Goes up a stack.
pub struct Stepper<'w> {
    world: &'w dyn World,
    state: State,
    seen: Vec<(u64, u64)>,
}

enum State {
    /// This frame is the next to be given.
    At(Box<Frame>),
    /// This one was given; its caller is next.
    Behind(Box<Frame>, Result<Plan, Why>),
    Ended(End),
}

impl<'w> Stepper<'w> {
    /// From the registers of a stopped CPU, whose pc is the instruction to be executed next.
    #[must_use]
    pub fn new(world: &'w dyn World, registers: Registers) -> Self {
        Self::from(world, registers, CodeAddress::Instruction)
    }

    /// From the registers of a task that sleeps: its pc is where it will return to.
    #[must_use]
    pub fn sleeping(world: &'w dyn World, registers: Registers) -> Self {
        // A thread that has never run returns to its start, which nothing called.
        let pc = registers.get(world.arch().frames.program_counter).map(RuntimeAddr);
        let start = pc.is_some_and(|pc| matches!(world.rows(pc).orc, Some(Row::Outermost)));
        Self::from(world, registers, if start { CodeAddress::Instruction } else { CodeAddress::Return })
    }

    fn from(world: &'w dyn World, registers: Registers, kind: fn(RuntimeAddr) -> CodeAddress) -> Self {
        let mut stepper = Self { world, state: State::Ended(End::EndOfStack), seen: Vec::new() };
        let Some(pc) = registers.get(world.arch().frames.program_counter) else {
            let broken = Broken { pc: RuntimeAddr(0), why: Why::Register("pc") };
            stepper.state = State::Ended(End::Broken(broken));
            return stepper;
        };
        stepper.state = State::At(Box::new(stepper.frame(kind(RuntimeAddr(pc)), registers, Found::Start)));
        stepper
    }

    fn frame(&self, pc: CodeAddress, registers: Registers, found: Found) -> Frame {
        let thunk = self.in_thunk(pc);
        Frame { pc, registers, cfa: None, found, thunk }
    }

    /// The next frame, the innermost first; none at the end.
    pub fn next_frame(&mut self) -> Option<Frame> {
        let state = std::mem::replace(&mut self.state, State::Ended(End::EndOfStack));
        let next = match state {
            State::At(frame) => Ok(*frame),
            State::Behind(frame, plan) => self.caller(&frame, plan),
            State::Ended(end) => Err(end),
        };
        match next.and_then(|frame| self.new_one(frame)) {
            Ok((frame, plan)) => {
                self.state = State::Behind(Box::new(frame.clone()), plan);
                Some(frame)
            }
            Err(end) => {
                self.state = State::Ended(end);
                None
            }
        }
    }

    /// How the stack ended, once there is no next frame.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        match &self.state {
            State::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// All frames that are left, and the end.
    pub fn rest(mut self) -> (Vec<Frame>, End) {
        let mut frames = Vec::new();
        while let Some(frame) = self.next_frame() {
            frames.push(frame);
        }
        let end = self.end().cloned().unwrap_or(End::EndOfStack);
        (frames, end)
    }

    /// Plans how the caller of a new frame is found, which gives the frame its address.
    fn new_one(&mut self, mut frame: Frame) -> Result<(Frame, Result<Plan, Why>), End> {
        let frames = self.world.arch().frames;
        let place = (frame.pc.address().0, frame.registers.get(frames.stack_pointer).unwrap_or_default());
        let broken = |why| End::Broken(Broken { pc: frame.pc.address(), why });
        if self.seen.contains(&place) {
            return Err(broken(Why::Repeated(RuntimeAddr(place.1))));
        }
        if self.seen.len() >= MOST {
            return Err(broken(Why::TooMany(MOST)));
        }
        self.seen.push(place);
        let plan = self.plan(&frame).map(|plan| self.within(&frame, plan));
        if let Ok(Plan::Call { cfa, .. }) = &plan {
            frame.cfa = Some(RuntimeAddr(*cfa));
        }
        Ok((frame, plan))
    }

    /// The caller of a frame, or the end.
    fn caller(&self, frame: &Frame, plan: Result<Plan, Why>) -> Result<Frame, End> {
        let broken = |why| End::Broken(Broken { pc: frame.pc.address(), why });
        if entry::of_user(self.world.arch(), &frame.registers) {
            return Err(End::UserRegisters(Box::new(frame.registers.clone())));
        }
        match plan.map_err(broken)? {
            Plan::Outermost => Err(self.outermost(frame)),
            Plan::Call { call, source, cfa } => self.called(frame, &call, source, cfa).map_err(broken),
            Plan::Saved { at, full, by } => match self.interrupted(frame, at, full, by).map_err(broken)? {
                caller if entry::of_user(self.world.arch(), &caller.registers) => {
                    Err(End::UserRegisters(Box::new(caller.registers)))
                }
                caller => Ok(caller),
            },
            Plan::Guess => self.guessed(frame).map_err(broken),
        }
    }

    /// What an outermost function ends.
    fn outermost(&self, frame: &Frame) -> End {
        if let Some(user) = entry::user_registers(self.world, frame) {
            return End::UserRegisters(Box::new(user));
        }
        let Some(function) = self.world.function(frame.pc.lookup()) else { return End::EndOfStack };
        let known =
            self.world.arch().frames.outermost.iter().find(|(name, _)| function.name.starts_with(name));
        match known {
            Some((_, Outermost::Thread)) => End::KernelThread,
            Some((_, Outermost::Boot)) => End::BootEntry,
            None => End::EndOfStack,
        }
    }

    /// Whether a caller's frame may be at `to`.
    fn rises(&self, frame: &Frame, to: u64, switches: bool) -> Result<(), Why> {
        let frames = self.world.arch().frames;
        let from = self.register(frame, frames.stack_pointer)?;
        let (low, high) = (RuntimeAddr(from), RuntimeAddr(to));
        // At the very top of the addresses nothing rises.
        let least = if frames.call_pushes { from.saturating_add(8) } else { from };
        let stack = self.world.stack(low);
        if switches && stack.is_none_or(|stack| !stack.holds(to)) {
            return Ok(());
        }
        if to < least {
            return Err(Why::NotRising { from: low, to: high });
        }
        match stack {
            Some(stack) if to > stack.end.0 => Err(Why::OutsideStack(high)),
            None if to - from > frames.longest_stack => Err(Why::OutsideStack(high)),
            _ => Ok(()),
        }
    }

    fn called(&self, frame: &Frame, call: &Call, source: Source, cfa: u64) -> Result<Frame, Why> {
        let arch = self.world.arch();
        let switches = matches!(call.cfa, CfaRule::AtRegister { .. });
        self.rises(frame, cfa, switches)?;
        let mut registers = Registers::new();
        for fact in arch.registers {
            let rule = call.rule(arch, fact.dwarf);
            if let Some(held) = self.apply(frame, &rule, fact.dwarf, cfa)? {
                registers.set(fact.dwarf, held);
            } else if fact.across == AcrossCalls::Lost && call.others == Others::AsPreserved {
                let own = frame.registers.get(fact.dwarf);
                registers.leave(fact.dwarf, own.or_else(|| frame.registers.left_by_callee(fact.dwarf)));
            }
        }
        let returned = registers.held(call.return_address).ok_or(Why::Register("the return address"))?;
        let pc = self.return_address(returned, cfa, call.interrupted)?;
        registers.set(arch.frames.program_counter, returned);
        Ok(self.frame(pc, registers, Found::Called(source)))
    }

    /// A register of the caller.
    fn apply(&self, frame: &Frame, rule: &Rule, register: u16, cfa: u64) -> Result<Option<Held>, Why> {
        let memory = self.world.memory();
        let word = |address: u64| -> Result<Option<Held>, Why> {
            let at = RuntimeAddr(address);
            Ok(Some(Held { value: memory.read_u64(at)?, at: Kept::Memory(at) }))
        };
        let computed = |value| Ok(Some(Held { value, at: Kept::Computed }));
        match rule {
            Rule::Unknown => Ok(None),
            Rule::SameValue => Ok(frame.registers.held(register)),
            Rule::Register(other) => Ok(frame.registers.held(*other)),
            Rule::AtCfa(offset) => word(cfa.wrapping_add_signed(*offset)),
            Rule::CfaPlus(offset) => computed(cfa.wrapping_add_signed(*offset)),
            Rule::AtRegister(base, offset) => match frame.registers.get(*base) {
                Some(base) => word(base.wrapping_add_signed(*offset)),
                None => Ok(None),
            },
            Rule::AtExpression(bytes) => word(self.evaluate(frame, bytes, Some(cfa))?),
            Rule::Expression(bytes) => computed(self.evaluate(frame, bytes, Some(cfa))?),
        }
    }

    /// Believes a return address, or says why not.
    fn return_address(&self, held: Held, cfa: u64, interrupted: bool) -> Result<CodeAddress, Why> {
        let (arch, value) = (self.world.arch(), RuntimeAddr(held.value));
        let at = match held.at {
            Kept::Memory(at) => at,
            _ => RuntimeAddr(cfa),
        };
        if !self.world.is_text(value) {
            return Err(Why::NotText { value, at });
        }
        let hook = self.world.function(value).filter(|function| {
            function.start == value && arch.frames.return_hooks.contains(&function.name.as_ref())
        });
        if let Some(hook) = hook {
            return Err(Why::ReturnHooked { by: hook.name.into(), at });
        }
        if interrupted {
            return Ok(CodeAddress::Instruction(value));
        }
        // Only where the function before ends in a call that never returns is this another's first address.
        let starts = self.world.function(value).is_some_and(|function| function.start == value);
        if behind_call(arch, self.world.memory(), value, !starts)
            || behind_call(arch, &Files(self.world), value, !starts)
        {
            return Ok(CodeAddress::Return(value));
        }
        // What begins a stack is put there, not called: a thread's start, or for unwinders alone the end of
        // the code that jumped to a processor's first function.
        let outermost = |address| matches!(self.world.rows(address).orc, Some(Row::Outermost));
        if starts && outermost(value) {
            return Ok(CodeAddress::Instruction(value));
        }
        if outermost(CodeAddress::Return(value).lookup()) {
            return Ok(CodeAddress::Return(value));
        }
        Err(Why::NotBehindCall { value, at })
    }

    /// The frame whose registers an interrupt has saved at `at`.
    fn interrupted(&self, frame: &Frame, at: u64, full: bool, by: u16) -> Result<Frame, Why> {
        let found = self.saved(frame, at, full, by);
        if full || found.is_ok() {
            return found;
        }
        // A function that saves the rest of the registers for its caller leaves them on the stack, unknown to the
        // caller's tables for an instruction.
        let stack = self.register(frame, self.world.arch().frames.stack_pointer)?;
        let all = self.saved(frame, stack, true, by);
        all.or(found)
    }

    fn saved(&self, frame: &Frame, at: u64, full: bool, by: u16) -> Result<Frame, Why> {
        let arch = self.world.arch();
        let (frames, memory) = (arch.frames, self.world.memory());
        let mut registers;
        if full {
            registers = constant(arch, &frame.registers);
            registers.read(memory, RuntimeAddr(at), frames.pt_regs)?;
        } else {
            // Entry code saves all others before it changes one, but for what it finds its stack by.
            registers = frame.registers.clone();
            if by != frames.stack_pointer {
                registers.forget(by);
            }
            registers.read(memory, RuntimeAddr(at), &entry::hardware_places(arch))?;
        }
        self.plausible(&registers, at)?;
        let pc = registers.get(frames.program_counter).unwrap_or_default();
        let found = Found::Interrupted { at: RuntimeAddr(at), full };
        Ok(self.frame(CodeAddress::Instruction(RuntimeAddr(pc)), registers, found))
    }

    /// Whether registers saved at `at` can be such.
    fn plausible(&self, registers: &Registers, at: u64) -> Result<(), Why> {
        let frames = self.world.arch().frames;
        let Some(mode) = frames.mode else { return Ok(()) };
        let value = registers.get(mode.register).unwrap_or_default() & 0xffff;
        if entry::of_user(self.world.arch(), registers) {
            return Ok(());
        }
        let pc = registers.get(frames.program_counter).unwrap_or_default();
        if !mode.kernel.contains(&value)
            || !entry::flags(&mode, registers) && !self.world.is_text(RuntimeAddr(pc))
        {
            return Err(Why::SavedRegisters(RuntimeAddr(at)));
        }
        let (here, above) =
            (self.world.stack(RuntimeAddr(at)), registers.get(frames.stack_pointer).unwrap_or_default());
        // Interrupted on the same stack: the frame saved there lies below.
        if here.is_some_and(|stack| stack.holds(above)) && above <= at {
            return Err(Why::NotRising { from: RuntimeAddr(at), to: RuntimeAddr(above) });
        }
        Ok(())
    }

    /// No table speaks of the code: generated code, or a jump to nowhere.
    fn guessed(&self, frame: &Frame) -> Result<Frame, Why> {
        let arch = self.world.arch();
        let frames = arch.frames;
        let stack = self.register(frame, frames.stack_pointer)?;
        // Code that is none was called just now: nothing can have been pushed since.
        if frames.call_pushes && matches!(frame.pc, CodeAddress::Instruction(pc) if !self.world.is_text(pc)) {
            let call = pushed(arch, Others::AsPreserved);
            if let Ok(caller) = self.called(frame, &call, Source::Cfi, stack.wrapping_add(8)) {
                return Ok(Frame { found: Found::Guessed, ..caller });
            }
        }
        let pointer = self.register(frame, frames.frame_pointer).map_err(|_| Why::NoRow)?;
        if pointer < stack || pointer % 8 != 0 || pointer - stack > frames.longest_stack {
            return Err(Why::NoRow);
        }
        let call = Call {
            cfa: CfaRule::Register(frames.frame_pointer, 16),
            rules: vec![
                (frames.frame_pointer, Rule::AtCfa(-16)),
                (frames.return_address, Rule::AtCfa(-8)),
                (frames.stack_pointer, Rule::CfaPlus(0)),
            ],
            others: Others::Unknown,
            return_address: frames.return_address,
            interrupted: false,
        };
        let caller = self.called(frame, &call, Source::Cfi, pointer.wrapping_add(16))?;
        Ok(Frame { found: Found::Guessed, ..caller })
    }
}

/// The registers that no call and no interrupt of the kernel changes.
fn constant(arch: &Arch, registers: &Registers) -> Registers {
    let mut kept = Registers::new();
    for fact in arch.registers.iter().filter(|fact| fact.across == lkdb_base::arch::AcrossCalls::Constant) {
        if let Some(held) = registers.held(fact.dwarf) {
            kept.set(fact.dwarf, held);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
