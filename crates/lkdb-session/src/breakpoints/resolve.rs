//! Where breakpoints are now: their places found anew whenever the kernel's place changes.

use lkdb_base::RuntimeAddr;

use super::{Found, Table, What};
use crate::linespec::Purpose;
use crate::{Error, Result, Session};

/// What a user wants of a breakpoint beside its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// Deleted at its first stop.
    pub temporary: bool,
    /// An expression that must be true.
    pub condition: Option<String>,
    /// The CPU, counted from 1, that alone is stopped.
    pub thread: Option<u64>,
}

impl Session<'_> {
    /// The breakpoints.
    #[must_use]
    pub fn breakpoints(&self) -> &Table {
        &self.breakpoints
    }

    /// The breakpoints, to be changed. What the stub holds follows at the next move.
    pub fn breakpoints_mut(&mut self) -> &mut Table {
        &mut self.breakpoints
    }

    /// Sets a breakpoint at whatever `spec` means, and returns its number.
    ///
    /// # Errors
    /// When that means nothing, or its condition does, or there are not so many debug registers; then there is none.
    pub fn set_breakpoint(&mut self, what: What, wish: Wish) -> Result<u32> {
        let What::Code { spec, .. } = &what else { return Err(Error::say("This is no place in the code.")) };
        let found = self.code_places(spec)?;
        self.check_thread(wish.thread)?;
        if let Some(condition) = &wish.condition {
            let places: Vec<_> = found.iter().map(|found| found.address).collect();
            self.check_condition(condition, &places)?;
        }
        let number = self.breakpoints.add(what, wish.temporary);
        let breakpoint = self.breakpoints.get_mut(number)?;
        (breakpoint.condition, breakpoint.thread) = (wish.condition, wish.thread);
        breakpoint.move_to(found);
        self.keep_if_affordable(number)?;
        Ok(number)
    }

    /// Deletes a breakpoint that was just set if there are not so many debug registers.
    pub(super) fn keep_if_affordable(&mut self, number: u32) -> Result<()> {
        self.check_debug_registers().inspect_err(|_| drop(self.breakpoints.delete(number)))
    }

    /// Makes a breakpoint stop the target again, or keeps it from that.
    ///
    /// # Errors
    /// When there is none, or there are not so many debug registers.
    pub fn enable_breakpoint(&mut self, number: u32, enabled: bool) -> Result<()> {
        let before = std::mem::replace(&mut self.breakpoints.get_mut(number)?.enabled, enabled);
        if let Err(error) = self.check_debug_registers() {
            self.breakpoints.get_mut(number)?.enabled = before;
            return Err(error);
        }
        Ok(())
    }

    /// Where a location specification's code is in memory.
    ///
    /// # Errors
    /// When it means nothing.
    pub fn code_addresses(&self, spec: &str) -> Result<Vec<RuntimeAddr>> {
        Ok(self.code_places(spec)?.into_iter().map(|found| found.address).collect())
    }

    /// Finds every breakpoint's places anew. One that means nothing now keeps no place, and waits.
    pub(crate) fn resolve_breakpoints(&mut self) -> Result<()> {
        let specs: Vec<(u32, String)> = self
            .breakpoints
            .iter()
            .filter(|one| matches!(one.what, What::Code { .. }))
            .map(|one| (one.number, one.text().to_owned()))
            .collect();
        for (number, spec) in specs {
            let found = self.code_places(&spec).unwrap_or_default();
            self.breakpoints.get_mut(number)?.move_to(found);
        }
        self.resolve_watchpoints();
        Ok(())
    }

    /// The places in memory that a location specification means, by address.
    fn code_places(&self, spec: &str) -> Result<Vec<Found>> {
        let found = self.places(spec, Purpose::Code)?.into_iter().filter_map(|place| {
            Some(Found {
                address: place.runs_at?,
                length: 1,
                function: place.function.map(|name| name.to_string()),
                file: place.file.map(|file| file.name.to_string()),
                line: Some(u64::from(place.line)).filter(|line| *line > 0),
            })
        });
        let mut found: Vec<Found> = found.collect();
        found.sort_by_key(|found| found.address);
        Ok(found)
    }
}
