//! Whether a breakpoint that was come by stops: its CPU, its condition, its ignore count.

use std::rc::Rc;

use lkdb_base::{Memory, RuntimeAddr};
use lkdb_symbols::dwarf::{DeclarationKind, LocationDescription};
use lkdb_symbols::{DwarfRegister, Gone, Located, Place, TypeId, TypeSource};
use lkdb_target::Thread;
use lkdb_value::expr::{parse, type_of};
use lkdb_value::{Bytes, Context, Error as ValueError, Named as Meaning};

use super::Breakpoint;
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
            let context = AtPlace { session: self, place };
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

/// The session as an expression sees it that stands at a place without a frame: types are known, values are not.
struct AtPlace<'s, 'd> {
    session: &'s Session<'d>,
    place: Option<Located>,
}

impl AtPlace<'_, '_> {
    /// What a name means in the blocks around the place.
    fn declared(&self, name: &str) -> Option<Meaning> {
        let place = self.place?;
        let dwarf = self.session.symbols().object(place.object)?.dwarf()?;
        let scopes = dwarf.scopes_at(place.address).ok()??;
        for block in scopes.at(place.address) {
            for declared in block.symbols.iter().filter(|declared| declared.name == name) {
                let ty = || declared.ty.and_then(|ty| dwarf.type_id(ty).ok()).unwrap_or(TypeId::Void);
                match &declared.kind {
                    DeclarationKind::Variable(LocationDescription::Unresolved)
                    | DeclarationKind::Label(_)
                    | DeclarationKind::Tag
                    | DeclarationKind::Function(_) => {}
                    DeclarationKind::Variable(_) | DeclarationKind::Parameter(_) => {
                        return Some(Meaning::Variable(ty(), Place::Gone(Gone::NoFrame)));
                    }
                    DeclarationKind::Typedef => {
                        return Some(Meaning::Type(dwarf.type_id(declared.die).ok()?));
                    }
                    DeclarationKind::Enumerator(value) => {
                        return Some(Meaning::Enumerator(ty(), i128::from(*value)));
                    }
                }
            }
            if block.inlined.is_some() {
                break;
            }
        }
        None
    }
}

impl Context for AtPlace<'_, '_> {
    fn types(&self) -> &dyn TypeSource {
        self.session.symbols()
    }

    fn memory(&self) -> &dyn Memory {
        self.session.memory()
    }

    fn named(&self, name: &str) -> Result<Meaning, ValueError> {
        self.declared(name).map_or_else(|| self.session.global(name), Ok)
    }

    fn scoped(&self, scope: &str, name: &str) -> Result<Meaning, ValueError> {
        self.session.scoped(scope, name)
    }

    fn tagged(&self, kind: &'static str, name: &str) -> Result<TypeId, ValueError> {
        self.session.tagged(kind, name)
    }

    fn type_named(&self, name: &str) -> Result<TypeId, ValueError> {
        Context::type_named(self.session, name)
    }

    fn symbol_at(&self, address: RuntimeAddr) -> Option<String> {
        self.session.symbol_at(address)
    }

    fn register(&self, register: DwarfRegister) -> Result<Rc<[u8]>, Gone> {
        self.session.register(register)
    }

    fn register_named(&self, name: &str) -> Option<Result<Bytes, ValueError>> {
        self.session.register_named(name)
    }

    fn convenience(&self, name: &str) -> Option<Bytes> {
        self.session.convenience(name)
    }
}
