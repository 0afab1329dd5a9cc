//! Debug registers: how many there are, and who takes them.
//!
//! QEMU's TCG compares every address itself: it takes any number of hardware breakpoints and watchpoints, of any
//! length (`cpu_watchpoint_insert` refuses a length of 0 alone). KVM has the processor's, each for a few
//! aligned bytes; software breakpoints take none.

use lkdb_base::RuntimeAddr;
use lkdb_target::{BreakpointKind, Site};

use super::{Breakpoint, Table};
use crate::{Error, Result, Session};

impl Breakpoint {
    /// What the stub must be told of its enabled places.
    pub(super) fn sites(&self, longest: Option<u64>) -> Vec<Site> {
        let kind = self.kind();
        let places = self.locations.iter().filter(|location| location.enabled);
        let pieces = places.flat_map(|place| match longest {
            Some(longest) => pieces(place.address, place.length, longest),
            None => vec![(place.address, place.length)],
        });
        pieces.map(|(address, length)| Site { address, kind, length }).collect()
    }
}

impl Table {
    /// The enabled breakpoints that take debug registers, and how many each.
    fn users(&self, longest: u64) -> Vec<(u32, u64)> {
        let enabled = self.iter().filter(|one| one.enabled && one.kind() != BreakpointKind::Software);
        let users = enabled.map(|one| (one.number, one.sites(Some(longest)).len() as u64));
        users.filter(|(_, count)| *count > 0).collect()
    }
}

/// Watched bytes as debug registers take them: powers of two, aligned.
fn pieces(address: RuntimeAddr, length: u64, longest: u64) -> Vec<(RuntimeAddr, u64)> {
    let (mut at, mut left) = (address, length);
    let mut found = Vec::new();
    while left > 0 {
        let mut size = longest.max(1);
        while size > left || !at.0.is_multiple_of(size) {
            size /= 2;
        }
        found.push((at, size));
        (at, left) = (at.offset(size), left - size);
    }
    found
}

impl Session<'_> {
    /// How many debug registers there are for breakpoints and watchpoints; none: as many as one likes.
    #[must_use]
    pub fn debug_registers(&self) -> Option<u64> {
        let set = self.settings().hardware_limit;
        set.or_else(|| self.live().ok().filter(|live| live.kvm()).map(|live| live.arch().debug_registers))
    }

    /// How many debug registers the breakpoints take.
    #[must_use]
    pub fn debug_registers_taken(&self) -> u64 {
        let users = self.breakpoints().users(self.longest_watch().unwrap_or(u64::MAX));
        users.iter().map(|(_, count)| count).sum()
    }

    /// How many bytes one debug register watches, where they are limited and some breakpoint wants one.
    pub(crate) fn longest_watch(&self) -> Option<u64> {
        if !self.breakpoints().iter().any(|one| one.kind() != BreakpointKind::Software) {
            return None;
        }
        self.debug_registers()?;
        Some(self.live().ok()?.arch().longest_watch)
    }

    /// Refuses more than there are debug registers for.
    ///
    /// # Errors
    /// With who takes them, and what to do.
    pub(crate) fn check_debug_registers(&self) -> Result<()> {
        let Some(longest) = self.longest_watch() else { return Ok(()) };
        let Some(most) = self.debug_registers() else { return Ok(()) };
        let users = self.breakpoints().users(longest);
        let taken: u64 = users.iter().map(|(_, count)| count).sum();
        if taken <= most {
            return Ok(());
        }
        let each = users.iter().map(|(number, count)| match count {
            1 => format!("{number}"),
            _ => format!("{number} takes {count}"),
        });
        let each: Vec<_> = each.collect();
        Err(Error::say(format!(
            "You may have requested too many hardware breakpoints/watchpoints: {taken} debug registers are wanted \
             and there are {most} (breakpoints {}); delete or disable one, or use `break' for code.",
            each.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watched_bytes_are_cut_as_debug_registers_take_them() {
        let cut = |address, length| {
            let all = pieces(RuntimeAddr(address), length, 8);
            all.into_iter().map(|(at, size)| (at.0, size)).collect::<Vec<_>>()
        };
        assert_eq!(cut(0x1000, 8), [(0x1000, 8)]);
        assert_eq!(cut(0x1000, 16), [(0x1000, 8), (0x1008, 8)]);
        assert_eq!(cut(0x1003, 6), [(0x1003, 1), (0x1004, 4), (0x1008, 1)]);
        assert_eq!(cut(0x1000, 0), []);
    }
}
