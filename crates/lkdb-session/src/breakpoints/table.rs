//! The breakpoints of a session, by number.

use std::collections::{BTreeMap, BTreeSet};

use lkdb_base::RuntimeAddr;
use lkdb_target::Site;

use super::{Breakpoint, What};

/// There is none of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("No breakpoint number {0}.")]
pub struct NoBreakpoint(pub u32);

/// Every breakpoint the user has.
#[derive(Debug, Default)]
pub struct Table {
    breakpoints: BTreeMap<u32, Breakpoint>,
    last: u32,
}

impl Table {
    /// Adds one without places and returns its number.
    pub fn add(&mut self, what: What, temporary: bool) -> u32 {
        self.last += 1;
        let number = self.last;
        let breakpoint = Breakpoint {
            number,
            what,
            temporary,
            enabled: true,
            ignore: 0,
            hits: 0,
            condition: None,
            thread: None,
            locations: Vec::new(),
            watched: None,
        };
        self.breakpoints.insert(number, breakpoint);
        number
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Breakpoint> {
        self.breakpoints.values()
    }

    /// All of them, by number, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Breakpoint> {
        self.breakpoints.values_mut()
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none of this number.
    pub fn get(&self, number: u32) -> Result<&Breakpoint, NoBreakpoint> {
        self.breakpoints.get(&number).ok_or(NoBreakpoint(number))
    }

    /// One of them, to change it.
    ///
    /// # Errors
    /// When there is none of this number.
    pub fn get_mut(&mut self, number: u32) -> Result<&mut Breakpoint, NoBreakpoint> {
        self.breakpoints.get_mut(&number).ok_or(NoBreakpoint(number))
    }

    /// Takes one away.
    ///
    /// # Errors
    /// When there is none of this number.
    pub fn delete(&mut self, number: u32) -> Result<Breakpoint, NoBreakpoint> {
        self.breakpoints.remove(&number).ok_or(NoBreakpoint(number))
    }

    /// Takes all of them away.
    pub fn clear(&mut self) {
        self.breakpoints.clear();
    }

    /// What the stub should be told, so that each enabled place stops the target. `longest`: the bytes that one debug
    /// register watches, where that limits the stub.
    #[must_use]
    pub fn wanted(&self, longest: Option<u64>) -> BTreeSet<Site> {
        let enabled = self.breakpoints.values().filter(|breakpoint| breakpoint.enabled);
        enabled.flat_map(|breakpoint| breakpoint.sites(longest)).collect()
    }

    /// The enabled breakpoints and locations that an instruction at `address` belongs to.
    #[must_use]
    pub fn at(&self, address: RuntimeAddr) -> Vec<(u32, u32)> {
        let code = |one: &&Breakpoint| one.enabled && matches!(one.what, What::Code { .. });
        let breakpoints = self.breakpoints.values().filter(code);
        breakpoints
            .filter_map(|breakpoint| {
                let mut places = breakpoint.locations.iter();
                let place = places.find(|location| location.enabled && location.address == address)?;
                Some((breakpoint.number, place.number))
            })
            .collect()
    }

    /// The enabled watchpoints that watch the byte at `address`.
    #[must_use]
    pub fn watching(&self, address: RuntimeAddr) -> Vec<u32> {
        let data = |one: &&Breakpoint| one.enabled && matches!(one.what, What::Data { .. });
        let watches = |one: &&Breakpoint| {
            one.locations.iter().any(|place| address.0.wrapping_sub(place.address.0) < place.length)
        };
        self.breakpoints.values().filter(data).filter(watches).map(|one| one.number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breakpoints::{Access, Found};

    fn found(address: u64) -> Found {
        Found { address: RuntimeAddr(address), length: 1, function: Some("f".into()), file: None, line: None }
    }

    fn code(table: &mut Table, places: &[u64]) -> u32 {
        let number = table.add(What::Code { spec: "f".into(), hardware: false }, false);
        table.get_mut(number).unwrap().move_to(places.iter().copied().map(found).collect());
        number
    }

    #[test]
    fn two_breakpoints_at_one_place_are_one_site_and_two_hits() {
        let mut table = Table::default();
        let (one, two) = (code(&mut table, &[0x1000, 0x2000]), code(&mut table, &[0x1000]));
        assert_eq!(table.wanted(None).len(), 2);
        assert_eq!(table.at(RuntimeAddr(0x1000)), [(one, 1), (two, 1)]);
        assert_eq!(table.at(RuntimeAddr(0x2000)), [(one, 2)]);
        table.delete(one).unwrap();
        assert_eq!(table.wanted(None).len(), 1);
        assert_eq!(table.delete(one), Err(NoBreakpoint(one)));
        assert_eq!(code(&mut table, &[]), 3, "numbers are not used again");
    }

    #[test]
    fn a_location_disabled_by_the_user_stays_so_when_the_kernel_moves() {
        let mut table = Table::default();
        let number = code(&mut table, &[0x1000, 0x2000]);
        table.get_mut(number).unwrap().locations[1].enabled = false;
        table.get_mut(number).unwrap().move_to(vec![found(0x5000), found(0x6000)]);
        assert_eq!(table.at(RuntimeAddr(0x5000)).len(), 1);
        assert_eq!(table.at(RuntimeAddr(0x6000)).len(), 0);
        assert_eq!(table.wanted(None).len(), 1);
    }

    #[test]
    fn a_watchpoint_covers_its_bytes_and_no_code() {
        let mut table = Table::default();
        let what = What::Data { expression: "x".into(), access: Access::Write };
        let number = table.add(what, false);
        table.get_mut(number).unwrap().move_to(vec![Found { length: 8, ..found(0x1000) }]);
        assert_eq!(table.watching(RuntimeAddr(0x1007)), [number]);
        assert_eq!(table.watching(RuntimeAddr(0x1008)), [0; 0]);
        assert_eq!(table.watching(RuntimeAddr(0xfff)), [0; 0]);
        assert_eq!(table.at(RuntimeAddr(0x1000)), []);
    }
}
