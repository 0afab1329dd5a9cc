//! From a frame to its caller, until the stack ends.
//!
//! Nothing is passed off as a frame that is none: a return address must be kernel code behind a call, frames
//! must rise on a stack, a stack is left only where its tables say so, and none comes twice.

use std::borrow::Cow;
use std::rc::Rc;

use lkdb_base::arch::{Arch, Outermost};
use lkdb_base::{Memory, RuntimeAddr, Unreadable};

use crate::call::behind_call;
use crate::end::{Broken, End, Why};
use crate::entry;
use crate::evaluate;
use crate::frame::{CodeAddress, Found, Frame, Source};
use crate::registers::{Held, Kept, Registers};
use crate::row::{Call, CfaRule, Others, Row, Rows, Rule};

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

/// How the caller of a frame is found.
enum Plan {
    Call { call: Call, source: Source, cfa: u64 },
    Saved { at: u64, full: bool, by: u16 },
    Outermost,
    Guess,
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
        let plan = self.plan(&frame);
        if let Ok(Plan::Call { cfa, .. }) = &plan {
            frame.cfa = Some(RuntimeAddr(*cfa));
        }
        Ok((frame, plan))
    }

    fn plan(&self, frame: &Frame) -> Result<Plan, Why> {
        // ORC and CFI each know more about something: where the frame is, and where registers are.
        if frame.thunk
            && let Some(plan) = self.thunk(frame)
        {
            return Ok(plan);
        }
        let Rows { orc, cfi } = self.world.rows(frame.pc.lookup());
        match (orc, cfi) {
            (Some(Row::Outermost), _) | (None | Some(Row::Undefined), Some(Row::Outermost)) => {
                Ok(Plan::Outermost)
            }
            (Some(Row::Saved { at, full }), _) => {
                let by = match &at {
                    CfaRule::Register(register, _) | CfaRule::AtRegister { register, .. } => *register,
                    CfaRule::Expression(_) => self.world.arch().frames.stack_pointer,
                };
                Ok(Plan::Saved { at: self.cfa(frame, &at)?, full, by })
            }
            (Some(Row::Call(orc)), Some(Row::Call(cfi))) => match self.cfa(frame, &orc.cfa) {
                Ok(cfa) => Ok(Plan::Call { call: joined(&orc, cfi), source: Source::Both, cfa }),
                Err(why) => self.call(frame, cfi, Source::Cfi).map_err(|_| why),
            },
            (Some(Row::Call(orc)), _) => self.call(frame, orc, Source::Orc),
            (_, Some(Row::Call(cfi))) => self.call(frame, cfi, Source::Cfi),
            _ => Ok(Plan::Guess),
        }
    }

    /// In a thunk the return address is on top of the stack, or below the target that the thunk has put there;
    /// what its tables say differs between kernels, and may be nothing. Thunks change no preserved register.
    fn thunk(&self, frame: &Frame) -> Option<Plan> {
        let frames = self.world.arch().frames;
        let stack = frame.registers.get(frames.stack_pointer)?;
        [8, 16].into_iter().find_map(|offset: u64| {
            let cfa = stack.wrapping_add(offset);
            let at = RuntimeAddr(cfa.wrapping_sub(8));
            let held = Held { value: self.world.memory().read_u64(at).ok()?, at: Kept::Memory(at) };
            let pc = self.return_address(held, cfa, false).ok()?;
            let own = self.in_thunk(pc);
            let call = pushed(self.world.arch(), Others::AsPreserved);
            (!own).then_some(Plan::Call { call, source: Source::Cfi, cfa })
        })
    }

    fn in_thunk(&self, pc: CodeAddress) -> bool {
        self.world.function(pc.lookup()).is_some_and(|function| {
            self.world.arch().frames.thunks.iter().any(|name| function.name.starts_with(name))
        })
    }

    fn call(&self, frame: &Frame, call: Call, source: Source) -> Result<Plan, Why> {
        let cfa = self.cfa(frame, &call.cfa)?;
        Ok(Plan::Call { call, source, cfa })
    }

    fn register(&self, frame: &Frame, register: u16) -> Result<u64, Why> {
        let name = || self.world.arch().register(register).map_or("a register", |fact| fact.name);
        frame.registers.get(register).ok_or_else(|| Why::Register(name()))
    }

    fn cfa(&self, frame: &Frame, rule: &CfaRule) -> Result<u64, Why> {
        let cfa = match rule {
            CfaRule::Register(register, offset) => {
                self.register(frame, *register)?.wrapping_add_signed(*offset)
            }
            CfaRule::AtRegister { register, before, after } => {
                let at = self.register(frame, *register)?.wrapping_add_signed(*before);
                self.world.memory().read_u64(RuntimeAddr(at))?.wrapping_add_signed(*after)
            }
            CfaRule::Expression(bytes) => self.evaluate(frame, bytes, None)?,
        };
        if cfa % 8 != 0 { Err(Why::Misaligned(RuntimeAddr(cfa))) } else { Ok(cfa) }
    }

    fn evaluate(&self, frame: &Frame, bytes: &Rc<[u8]>, cfa: Option<u64>) -> Result<u64, Why> {
        let register = |register| frame.registers.get(register);
        evaluate::number(bytes, cfa, &register, self.world.memory())
            .map_err(|why| Why::Expression(why.into()))
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
        let least = if frames.call_pushes { from.wrapping_add(8) } else { from };
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
        if behind_call(arch, self.world.memory(), value) || behind_call(arch, &Files(self.world), value) {
            return Ok(CodeAddress::Return(value));
        }
        // What begins a stack is put there, not called: a thread's start, or for unwinders alone the end of
        // the code that jumped to a processor's first function.
        let outermost = |address| matches!(self.world.rows(address).orc, Some(Row::Outermost));
        let starts = self.world.function(value).is_some_and(|function| function.start == value);
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
        let saved = |register| registers.get(register).unwrap_or_default();
        if let Some(mode) = frames.mode {
            let value = saved(mode.register) & 0xffff;
            if !mode.user.contains(&value) && !mode.kernel.contains(&value) {
                return Err(Why::SavedRegisters(RuntimeAddr(at)));
            }
            if mode.kernel.contains(&value) {
                let (here, above) = (self.world.stack(RuntimeAddr(at)), saved(frames.stack_pointer));
                // Interrupted on the same stack: the frame saved there lies below.
                if here.is_some_and(|stack| stack.holds(above)) && above <= at {
                    return Err(Why::NotRising { from: RuntimeAddr(at), to: RuntimeAddr(above) });
                }
            }
        }
        let pc = CodeAddress::Instruction(RuntimeAddr(saved(frames.program_counter)));
        Ok(self.frame(pc, registers, Found::Interrupted { at: RuntimeAddr(at), full }))
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

/// A row for code that has pushed nothing yet.
fn pushed(arch: &Arch, others: Others) -> Call {
    Call {
        cfa: CfaRule::Register(arch.frames.stack_pointer, 8),
        rules: vec![(arch.frames.return_address, Rule::AtCfa(-8))],
        others,
        return_address: arch.frames.return_address,
        interrupted: false,
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

/// ORC's frame address with CFI's registers; what ORC says itself of a register it knows better, since it
/// sees what assembly in a function's body does.
fn joined(orc: &Call, mut cfi: Call) -> Call {
    cfi.rules.retain(|(register, _)| !orc.rules.iter().any(|(known, _)| known == register));
    cfi.rules.extend(orc.rules.iter().cloned());
    cfi.cfa = orc.cfa.clone();
    cfi.interrupted |= orc.interrupted;
    cfi
}

#[cfg(test)]
mod tests;
