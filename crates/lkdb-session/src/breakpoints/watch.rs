//! Watchpoints: an expression's value, compared whenever something that it is read from was touched.
//!
//! What is watched is all the memory that evaluating the expression reads, so `watch p->x` follows `p`, too. An
//! expression with locals holds as long as their frame: the watchpoint ends with it.

use std::cell::{Cell, RefCell};

use lkdb_base::{Memory, RuntimeAddr, Unreadable};
use lkdb_symbols::{Place, TypeId, TypeSource as _};
use lkdb_target::{Site, Thread};
use lkdb_value::expr::{evaluate, parse};
use lkdb_value::{Bytes, Context as _, Error as ValueError, Named as Meaning, Value};

use super::condition::Verdict;
use super::{Access, Found, What, Wish};
use crate::frames::{FrameId, ends_with_frame};
use crate::live::Stop;
use crate::overlay::{Over, Overlay};
use crate::run::Landing;
use crate::stepping::Return;
use crate::{Error, Result, Session};

/// What a watchpoint compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The expression.
    text: String,
    /// `-location`: where it led when the watchpoint was set.
    fixed: Option<(TypeId, RuntimeAddr)>,
    /// The frame that its locals are of.
    scope: Option<Scope>,
    /// The value last seen; none where it could not be read.
    value: Option<Bytes>,
    /// Where that lay, if in one piece of memory.
    place: Option<(TypeId, RuntimeAddr)>,
}

/// A frame, and where its end is noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    frame: FrameId,
    back: Option<Return>,
}

/// A watchpoint that stops the target.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Touched {
    /// Its number.
    pub number: u32,
    /// Whether the value has changed; a read leaves it.
    pub changed: bool,
    /// The value before; none where it could not be read.
    #[serde(skip)]
    pub old: Option<Bytes>,
    /// The value now.
    #[serde(skip)]
    pub new: Option<Bytes>,
}

/// What evaluating an expression gave, and what it took.
struct Seen {
    value: Option<Bytes>,
    place: Option<(TypeId, RuntimeAddr)>,
    reads: Vec<(RuntimeAddr, u64)>,
    of_frame: bool,
    of_registers: bool,
}

impl Session<'_> {
    /// Sets a watchpoint on an expression's value and returns its number. `location`: on the memory that the
    /// expression leads to now, whatever becomes of what it goes through.
    ///
    /// # Errors
    /// When it has none, is in no memory, or there are not so many debug registers; then there is no watchpoint.
    pub fn set_watchpoint(
        &mut self,
        expression: &str,
        access: Access,
        location: bool,
        wish: Wish,
    ) -> Result<u32> {
        self.live()?;
        self.check_thread(wish.thread)?;
        let mut seen = self.see(expression)?;
        let mut fixed = None;
        if location {
            let in_memory = "Attempt to take address of value not located in memory.";
            let place = seen.place.ok_or_else(|| Error::say(in_memory))?;
            fixed = Some(place);
            (seen.reads, seen.of_frame, seen.of_registers) = (self.bytes_of(place)?, false, false);
        }
        if seen.of_registers {
            return Err(Error::say(format!(
                "Cannot watch `{expression}': some of it is in a register here, and only memory can be watched; \
                 `watch -l' watches what it leads to in memory."
            )));
        }
        if seen.reads.is_empty() {
            return Err(Error::say(format!("Cannot watch constant value `{expression}'.")));
        }
        let scope = if seen.of_frame { self.scope_of_frame()? } else { None };
        let typed = if location { format!("-location {expression}") } else { expression.to_owned() };
        let number = self.breakpoints.add(What::Data { expression: typed, access }, wish.temporary);
        let breakpoint = self.breakpoints.get_mut(number)?;
        (breakpoint.condition, breakpoint.thread) = (wish.condition, wish.thread);
        let text = expression.to_owned();
        breakpoint.watched = Some(Watched { text, fixed, scope, value: seen.value, place: seen.place });
        breakpoint.move_to(places(seen.reads));
        self.keep_if_affordable(number)?;
        Ok(number)
    }

    /// The selected frame, and where it returns to.
    fn scope_of_frame(&self) -> Result<Option<Scope>> {
        let level = self.selected_frame();
        let Some(frame) = self.frame_id(level) else { return Ok(None) };
        let row = self.frame(level)?;
        let stack = self.stack(level + 1)?;
        Ok(Some(Scope { frame, back: Return::of(self, &stack, row.physical)? }))
    }

    fn bytes_of(&self, (ty, address): (TypeId, RuntimeAddr)) -> Result<Vec<(RuntimeAddr, u64)>> {
        Ok(vec![(address, self.symbols().size(ty)?)])
    }

    /// Evaluates an expression and notes what it takes. Memory that cannot be read is no error: it may come.
    fn see(&self, text: &str) -> Result<Seen> {
        let over = Lens::over(self);
        let value = evaluate(&parse(text, &over)?, &over);
        let place = |value: &Value| value.address().map(|address| (value.ty, address));
        let place = value.as_ref().ok().and_then(place);
        let bytes = match value.and_then(|value| value.bytes(&over)) {
            Ok(bytes) => Some(bytes),
            Err(ValueError::Memory(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let lens = over.overlay;
        let (of_frame, of_registers) = (lens.frame.get(), lens.registers.get());
        Ok(Seen { value: bytes, place, reads: lens.reads.into_inner(), of_frame, of_registers })
    }

    /// What a watchpoint's value is now. In its frame, where the selected CPU is in that; else, and for a fixed
    /// place, what lies in memory there.
    fn see_watched(&self, watched: &Watched) -> Result<Seen> {
        /// Frames between a local's own and whoever was given its address, at most.
        const DEPTH: usize = 64;
        let level = match (&watched.fixed, &watched.scope) {
            (Some(_), _) => None,
            (None, None) => Some(0),
            (None, Some(scope)) => {
                let depth = self.stack(DEPTH).map_or(0, |stack| stack.rows.len().min(DEPTH));
                (0..depth).find(|level| self.frame_id(*level).as_ref() == Some(&scope.frame))
            }
        };
        if let Some(level) = level {
            return self.within_frame(level, || self.see(&watched.text));
        }
        let place = watched.fixed.or(watched.place).ok_or_else(|| Error::say("There is no such frame."))?;
        let value = Value::in_memory(place.0, place.1).bytes(self).ok();
        let reads = self.bytes_of(place)?;
        Ok(Seen { value, place: Some(place), reads, of_frame: false, of_registers: false })
    }

    /// The numbers of the enabled watchpoints, and which touches they are about.
    fn watchpoints(&self) -> Vec<(u32, Access)> {
        let enabled = self.breakpoints().iter().filter(|one| one.enabled);
        let access = enabled.filter_map(|one| match one.what {
            What::Data { access, .. } => Some((one.number, access)),
            What::Code { .. } => None,
        });
        access.collect()
    }

    /// Takes over what a watchpoint's value is now, and where; gives what it was.
    fn update(&mut self, number: u32, seen: Seen) -> Result<Option<Bytes>> {
        let breakpoint = self.breakpoints.get_mut(number)?;
        let Some(watched) = &mut breakpoint.watched else { return Ok(None) };
        let old = std::mem::replace(&mut watched.value, seen.value);
        watched.place = seen.place;
        let same = breakpoint
            .locations
            .iter()
            .map(|place| (place.address, place.length))
            .eq(seen.reads.iter().copied());
        if !same {
            breakpoint.move_to(places(seen.reads));
        }
        Ok(old)
    }

    /// Sees every watchpoint's value before the target is moved: the user may have written.
    pub(crate) fn refresh_watchpoints(&mut self) -> Result<()> {
        for (number, _) in self.watchpoints() {
            let Some(watched) = self.breakpoints().get(number)?.watched.clone() else { continue };
            if let Ok(seen) = self.see_watched(&watched) {
                self.update(number, seen)?;
            }
        }
        Ok(())
    }

    /// The kernel lies elsewhere now: what is watched does, too.
    pub(super) fn resolve_watchpoints(&mut self) {
        for (number, _) in self.watchpoints() {
            let Some(mut watched) = self.breakpoints().get(number).ok().and_then(|one| one.watched.clone())
            else {
                continue;
            };
            if watched.scope.is_some() {
                continue;
            }
            if watched.fixed.is_some() {
                watched.fixed = self.see(&watched.text).ok().and_then(|seen| seen.place).or(watched.fixed);
            }
            let seen = self.see_watched(&watched);
            if let Ok(breakpoint) = self.breakpoints.get_mut(number) {
                breakpoint.watched = Some(watched);
            }
            if let Ok(seen) = seen {
                let _ = self.update(number, seen);
            }
        }
    }

    /// Deletes the watchpoints on locals: the kernel whose they were is gone.
    pub(crate) fn drop_locals_watched(&mut self) {
        let scoped = |one: &super::Breakpoint| one.watched.as_ref().is_some_and(|one| one.scope.is_some());
        let numbers: Vec<u32> =
            self.breakpoints.iter().filter(|one| scoped(one)).map(|one| one.number).collect();
        for number in numbers {
            let _ = self.breakpoints.delete(number);
        }
    }

    /// Breakpoints that notice the end of watched locals.
    pub(crate) fn scope_ends(&self) -> impl Iterator<Item = Site> {
        self.scopes().into_iter().map(|(_, back)| Site::code(back.pc))
    }

    fn scopes(&self) -> Vec<(u32, Return)> {
        let back = |one: &super::Breakpoint| Some((one.number, one.watched.as_ref()?.scope.as_ref()?.back?));
        self.breakpoints().iter().filter(|one| one.enabled).filter_map(back).collect()
    }

    /// The watchpoints whose frame has just returned, which are deleted; and on which CPU.
    pub(crate) fn ended_scopes(&mut self, landing: &Landing) -> Result<Option<Stop>> {
        let (mut numbers, mut on) = (Vec::new(), None);
        for (number, back) in self.scopes() {
            if let Some(cpu) = back.at(self, landing)? {
                on = Some(cpu);
                numbers.push(number);
                self.breakpoints.delete(number)?;
            }
        }
        Ok(on.map(|cpu| Stop::ScopeEnded { cpu: cpu.cpu(), numbers }))
    }

    /// The watchpoints that stop the target after something was touched at `address`. All are looked at: the stub
    /// tells of one touch, and there may have been more.
    pub(crate) fn touched(&mut self, cpu: Thread, address: RuntimeAddr) -> Result<Option<Stop>> {
        let (mut touched, mut failed) = (Vec::new(), Vec::new());
        let hit = self.breakpoints().watching(address);
        for (number, access) in self.watchpoints() {
            self.look_at(cpu)?;
            let Some(watched) = self.breakpoints().get(number)?.watched.clone() else { continue };
            let Ok(seen) = self.see_watched(&watched) else { continue };
            let new = seen.value.clone();
            let old = self.update(number, seen)?;
            let (changed, hit) = (old != new, hit.contains(&number));
            let counts = match access {
                Access::Write => changed,
                // As gdb: a write is none, though some processors report it.
                Access::Read => hit && !changed,
                Access::ReadWrite => hit || changed,
            };
            if !counts {
                continue;
            }
            match self.judge_hit(number, cpu)? {
                Verdict::Passes => continue,
                Verdict::Stops => {}
                Verdict::Failed(why) => failed.push((number, why)),
            }
            touched.push(Touched { number, changed, old, new });
        }
        let stop = Stop::Watchpoint { cpu: cpu.cpu(), touched: touched.clone(), address: address.0, failed };
        Ok((!touched.is_empty()).then_some(stop))
    }
}

fn places(reads: Vec<(RuntimeAddr, u64)>) -> Vec<Found> {
    let found = |(address, length)| Found { address, length, function: None, file: None, line: None };
    reads.into_iter().filter(|(_, length)| *length > 0).map(found).collect()
}

/// Notes what an expression reads.
struct Lens<'s, 'd> {
    session: &'s Session<'d>,
    reads: RefCell<Vec<(RuntimeAddr, u64)>>,
    /// Locals were read.
    frame: Cell<bool>,
    /// Registers were read.
    registers: Cell<bool>,
}

impl<'s, 'd> Lens<'s, 'd> {
    fn over(session: &'s Session<'d>) -> Over<'s, 'd, Self> {
        let (reads, frame, registers) = (RefCell::default(), Cell::new(false), Cell::new(false));
        Over { session, overlay: Self { session, reads, frame, registers } }
    }

    /// Whether a name is a variable of the selected frame that ends with it.
    fn is_local(&self, name: &str) -> bool {
        let blocks = || {
            let row = self.session.frame(self.session.selected_frame()).ok()?;
            self.session.blocks_of(&row).ok()
        };
        let blocks = blocks().unwrap_or_default();
        blocks.iter().find_map(|block| ends_with_frame(block, name)).unwrap_or_default()
    }
}

impl Memory for Lens<'_, '_> {
    fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable> {
        let read = (address, into.len() as u64);
        if !self.reads.borrow().contains(&read) {
            self.reads.borrow_mut().push(read);
        }
        self.session.memory().read(address, into)
    }
}

impl Overlay for Lens<'_, '_> {
    fn named(&self, session: &Session<'_>, name: &str) -> Result<Meaning, ValueError> {
        if self.is_local(name) {
            self.frame.set(true);
        }
        let meaning = session.named(name)?;
        if let Meaning::Variable(_, Place::Gone(gone)) = &meaning {
            return Err(ValueError::Gone(gone.clone()));
        }
        Ok(meaning)
    }

    fn memory(&self) -> Option<&dyn Memory> {
        Some(self)
    }

    fn reads_register(&self) {
        self.registers.set(true);
    }
}
