//! How the caller of a frame is found: rows joined, and what they leave out.

use std::rc::Rc;

use lkdb_base::RuntimeAddr;
use lkdb_base::arch::Arch;

use super::Stepper;
use crate::end::Why;
use crate::evaluate;
use crate::frame::{CodeAddress, Frame, Source};
use crate::registers::{Held, Kept};
use crate::row::{Call, CfaRule, Others, Row, Rows, Rule};

/// How the caller of a frame is found.
pub(super) enum Plan {
    Call { call: Call, source: Source, cfa: u64 },
    Saved { at: u64, full: bool, by: u16 },
    Outermost,
    Guess,
}

impl Stepper<'_> {
    pub(super) fn plan(&self, frame: &Frame) -> Result<Plan, Why> {
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
            (Some(Row::Call(mut orc)), _) => {
                // Nothing of the function has been executed yet.
                let pc = frame.pc.address();
                let starts = self.world.function(pc).is_some_and(|function| function.start == pc);
                if starts && matches!(frame.pc, CodeAddress::Instruction(_)) {
                    orc.others = Others::AsPreserved;
                }
                self.call(frame, orc, Source::Orc)
            }
            (_, Some(Row::Call(cfi))) => self.call(frame, cfi, Source::Cfi),
            _ => Ok(Plan::Guess),
        }
    }

    /// Corrects a plan for assembly that calls within its own function for the effect on the processor (filling
    /// the return stack buffer): its tables do not count what such calls push.
    pub(super) fn within(&self, frame: &Frame, plan: Plan) -> Plan {
        const MOST_CALLS: u64 = 4;
        let Plan::Call { call, source, cfa } = plan else { return plan };
        let frames = self.world.arch().frames;
        let on_stack = matches!(call.cfa, CfaRule::Register(base, _) if base == frames.stack_pointer);
        let interrupted = call.interrupted;
        let valid = |cfa: u64| {
            let at = RuntimeAddr(cfa.wrapping_sub(8));
            let value = self.world.memory().read_u64(at).ok();
            value.is_some_and(|value| {
                self.return_address(Held { value, at: Kept::Memory(at) }, cfa, interrupted).is_ok()
            })
        };
        let innermost = matches!(frame.pc, CodeAddress::Instruction(_));
        if !(frames.call_pushes && on_stack && innermost) || valid(cfa) {
            return Plan::Call { call, source, cfa };
        }
        let own = self.world.function(frame.pc.address()).map(|function| function.start);
        let stack = frame.registers.get(frames.stack_pointer).unwrap_or_default();
        let pushed = (0..MOST_CALLS).take_while(|index| {
            let word = self.world.memory().read_u64(RuntimeAddr(stack.wrapping_add(index * 8))).ok();
            let function = word.and_then(|word| self.world.function(RuntimeAddr(word)));
            own.is_some() && function.map(|function| function.start) == own
        });
        // Where the kernel has patched in one of several variants, tables may be those of another.
        let counted = cfa.wrapping_add(pushed.count() as u64 * 8);
        let others = [counted, cfa.wrapping_sub(8), cfa.wrapping_sub(16)];
        let corrected = others.into_iter().find(|other| *other > stack && valid(*other));
        Plan::Call { call, source, cfa: corrected.unwrap_or(cfa) }
    }

    /// In a thunk the return address is on top of the stack, or below the target that the thunk has put there;
    /// what its tables say differs between kernels, and may be nothing. Thunks change no preserved register.
    pub(super) fn thunk(&self, frame: &Frame) -> Option<Plan> {
        let frames = self.world.arch().frames;
        let stack = frame.registers.get(frames.stack_pointer)?;
        let start = |at: u64| {
            let word = self.world.memory().read_u64(RuntimeAddr(at)).ok().map(RuntimeAddr);
            word.is_some_and(|word| self.world.function(word).is_some_and(|function| function.start == word))
        };
        // A target is where a function begins; so is a return address only behind a call that never returns.
        let order = if start(stack) { [16, 8] } else { [8, 16] };
        order.into_iter().find_map(|offset: u64| {
            let cfa = stack.wrapping_add(offset);
            let at = RuntimeAddr(cfa.wrapping_sub(8));
            let held = Held { value: self.world.memory().read_u64(at).ok()?, at: Kept::Memory(at) };
            let pc = self.return_address(held, cfa, false).ok()?;
            let own = self.in_thunk(pc);
            let call = pushed(self.world.arch(), Others::AsPreserved);
            (!own).then_some(Plan::Call { call, source: Source::Cfi, cfa })
        })
    }

    pub(super) fn in_thunk(&self, pc: CodeAddress) -> bool {
        self.world.function(pc.lookup()).is_some_and(|function| {
            self.world.arch().frames.thunks.iter().any(|name| function.name.starts_with(name))
        })
    }

    pub(super) fn call(&self, frame: &Frame, call: Call, source: Source) -> Result<Plan, Why> {
        let cfa = self.cfa(frame, &call.cfa)?;
        Ok(Plan::Call { call, source, cfa })
    }

    pub(super) fn register(&self, frame: &Frame, register: u16) -> Result<u64, Why> {
        let name = || self.world.arch().register(register).map_or("a register", |fact| fact.name);
        frame.registers.get(register).ok_or_else(|| Why::Register(name()))
    }

    pub(super) fn cfa(&self, frame: &Frame, rule: &CfaRule) -> Result<u64, Why> {
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

    pub(super) fn evaluate(&self, frame: &Frame, bytes: &Rc<[u8]>, cfa: Option<u64>) -> Result<u64, Why> {
        let register = |register| frame.registers.get(register);
        evaluate::number(bytes, cfa, &register, self.world.memory())
            .map_err(|why| Why::Expression(why.into()))
    }
}

/// A row for code that has pushed nothing yet.
pub(super) fn pushed(arch: &Arch, others: Others) -> Call {
    Call {
        cfa: CfaRule::Register(arch.frames.stack_pointer, 8),
        rules: vec![(arch.frames.return_address, Rule::AtCfa(-8))],
        others,
        return_address: arch.frames.return_address,
        interrupted: false,
    }
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
