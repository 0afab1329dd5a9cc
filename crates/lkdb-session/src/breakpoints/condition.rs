//! Whether a breakpoint that was come by stops: its CPU, its condition, its ignore count.

use lkdb_base::RuntimeAddr;
use lkdb_symbols::dwarf::Block;
use lkdb_symbols::{Gone, Located, Place};
use lkdb_target::Thread;
use lkdb_value::expr::{parse, type_of};
use lkdb_value::{Context as _, Error as ValueError, Named as Meaning};

use super::Breakpoint;
use crate::frames::{declared_type, meaning_in};
use crate::overlay::{Over, Overlay};
use crate::{Error, Result, Session};

/// What a breakpoint makes of a CPU that has come by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It lets it pass.
    Passes,
    /// It stops it.
    Stops,
    /// It stops it since its condition has no value: why.
    Failed(String),
}

impl Breakpoint {
    /// Counts a hit; whether it stops.
    fn counts(&mut self) -> bool {
        self.hits += 1;
        let stops = self.ignore == 0;
        self.ignore = self.ignore.saturating_sub(1);
        stops
    }
}

impl Session<'_> {
    /// Sets a breakpoint's condition; none takes it away.
    ///
    /// # Errors
    /// When there is no such breakpoint, or the condition means nothing where it is.
    pub fn set_condition(&mut self, number: u32, condition: Option<String>) -> Result<()> {
        let breakpoint = self.breakpoints().get(number)?;
        if let Some(condition) = &condition {
            let code = breakpoint.watched.is_none();
            let places = breakpoint.locations.iter().filter(|_| code).map(|place| place.address);
            self.check_condition(condition, &places.collect::<Vec<_>>())?;
        }
        self.breakpoints_mut().get_mut(number)?.condition = condition;
        Ok(())
    }

    /// Refuses a condition that means nothing at any of some places; at none, all that can be known is whether it is
    /// an expression.
    pub(super) fn check_condition(&self, condition: &str, places: &[RuntimeAddr]) -> Result<()> {
        let check = |place: Option<Located>| -> Result<()> {
            let context = Over { session: self, overlay: AtPlace(place) };
            type_of(&parse(condition, &context)?, &context)?;
            Ok(())
        };
        let mut first = None;
        for place in places {
            match check(self.symbols().locate(*place)) {
                Ok(()) => return Ok(()),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Refuses a CPU that is not there.
    pub(super) fn check_thread(&self, thread: Option<u64>) -> Result<()> {
        match thread {
            Some(thread) if self.live()?.pc(Thread(thread)).is_none() => {
                Err(Error::say(format!("Unknown thread {thread}.")))
            }
            _ => Ok(()),
        }
    }

    /// What a breakpoint makes of a CPU that has come by: evaluated in that CPU's innermost frame.
    pub(crate) fn judge_hit(&mut self, number: u32, cpu: Thread) -> Result<Verdict> {
        let Ok(breakpoint) = self.breakpoints().get(number) else { return Ok(Verdict::Passes) };
        if breakpoint.thread.is_some_and(|thread| thread != cpu.0) {
            return Ok(Verdict::Passes);
        }
        if let Some(condition) = breakpoint.condition.clone() {
            self.look_at(cpu)?;
            match self.evaluate(&condition).and_then(|value| self.integer_of(&value)) {
                Ok(0) => return Ok(Verdict::Passes),
                Ok(_) => {}
                Err(error) => {
                    self.breakpoints_mut().get_mut(number)?.counts();
                    return Ok(Verdict::Failed(error.to_string()));
                }
            }
        }
        let stops = self.breakpoints_mut().get_mut(number)?.counts();
        Ok(if stops { Verdict::Stops } else { Verdict::Passes })
    }
}

/// A place without a frame: types of its names are known, values are not.
struct AtPlace(Option<Located>);

impl AtPlace {
    /// What a name means in the blocks around the place.
    fn declared(&self, session: &Session<'_>, name: &str) -> Option<Meaning> {
        let place = self.0?;
        let dwarf = session.symbols().object(place.object)?.dwarf()?;
        let scopes = dwarf.scopes_at(place.address).ok()??;
        let outermost = |block: &&Block<'_>| block.inlined.is_some();
        let blocks = scopes.at(place.address);
        let own = blocks.iter().position(outermost).map_or(blocks.len(), |last| last + 1);
        meaning_in(dwarf, blocks.into_iter().take(own), name, |declared| {
            Some(Meaning::Variable(declared_type(dwarf, declared), Place::Gone(Gone::NoFrame)))
        })
    }
}

impl Overlay for AtPlace {
    fn named(&self, session: &Session<'_>, name: &str) -> Result<Meaning, ValueError> {
        self.declared(session, name).map_or_else(|| session.global(name), Ok)
    }
}
