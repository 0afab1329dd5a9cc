//! Where breakpoints are now: their places found anew whenever the kernel's place changes.

use lkdb_symbols::{Place, TypeSource as _};

use super::{Access, Breakpoint, Found, Table, What};
use crate::linespec::Purpose;
use crate::{Error, Result, Session};

impl Breakpoint {
    /// Counts a hit; whether it stops.
    pub(crate) fn counts(&mut self) -> bool {
        self.hits += 1;
        let stops = self.ignore == 0;
        self.ignore = self.ignore.saturating_sub(1);
        stops
    }
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
    /// When it means nothing; then there is none.
    pub fn set_breakpoint(&mut self, spec: &str, hardware: bool, temporary: bool) -> Result<u32> {
        let found = self.code_places(spec)?;
        let number = self.breakpoints.add(What::Code { spec: spec.to_owned(), hardware }, temporary);
        self.breakpoints.get_mut(number)?.move_to(found);
        Ok(number)
    }

    /// Sets a watchpoint on what an expression names, and returns its number.
    ///
    /// # Errors
    /// When that is in no memory, or longer than the processor can watch.
    pub fn set_watchpoint(&mut self, expression: &str, access: Access) -> Result<u32> {
        let live = self.live()?;
        let longest = live.arch().longest_watch;
        let value = self.evaluate(expression)?;
        let Place::Memory(address) = value.place else {
            return Err(Error::say(format!("Cannot watch `{expression}': it is in no memory.")));
        };
        let length = self.symbols().size(value.ty)?;
        if length == 0 || length > longest {
            let limit = format!("Cannot watch {length} bytes: a debug register watches up to {longest}.");
            return Err(Error::say(limit));
        }
        if !length.is_power_of_two() || !address.0.is_multiple_of(length) {
            return Err(Error::say(format!("Cannot watch {length} bytes at {address}: not aligned.")));
        }
        let what = What::Data { expression: expression.to_owned(), length, access };
        let number = self.breakpoints.add(what, false);
        let found = Found { address, function: None, file: None, line: None };
        self.breakpoints.get_mut(number)?.move_to(vec![found]);
        Ok(number)
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
        Ok(())
    }

    /// The places in memory that a location specification means, by address.
    fn code_places(&self, spec: &str) -> Result<Vec<Found>> {
        let found = self.places(spec, Purpose::Code)?.into_iter().filter_map(|place| {
            Some(Found {
                address: place.runs_at?,
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
