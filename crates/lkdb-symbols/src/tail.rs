//! Tail calls: functions that ended in a jump to another one, which then returned to their caller. Between a call
//! and the function that it led to they are missing on the stack, and call sites tell which they were.
//!
//! By gdb's rules: only what every way from the call to the function has in common is told, and one jump whose
//! target is not known makes all of it unknown.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use gimli::constants;
use lkdb_base::LinkAddr;

use crate::dwarf::{CallSite, DieRef, Dwarf, Error};
use crate::object::Object;

/// How many jumps are looked at for one call: hostile graphs have more ways than can be gone.
const MOST: usize = 4096;

/// What is known of functions' jumps, by the functions' entries.
#[derive(Debug, Default)]
pub(crate) struct Tails {
    jumps: HashMap<LinkAddr, Option<Rc<[Jump]>>>,
    returns: HashMap<LinkAddr, bool>,
}

/// A tail call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Jump {
    /// The address behind the jump.
    behind: LinkAddr,
    /// The function it goes to, where that is known.
    to: Option<Target>,
}

/// A function that is called or jumped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    entry: LinkAddr,
    /// Its code is in one piece. Of others gdb takes each piece for a function, and knows no jumps of those.
    whole: bool,
}

/// The jumps that all ways from a call to a function have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chain {
    /// One of the ways.
    jumps: Vec<LinkAddr>,
    /// How many of its first jumps they share, and how many of its last.
    first: usize,
    last: usize,
}

impl Chain {
    fn of(way: &[LinkAddr]) -> Self {
        Self { jumps: way.to_vec(), first: way.len(), last: way.len() }
    }

    /// What this one and another way share; none where that is nothing.
    fn meet(mut self, way: &[LinkAddr]) -> Option<Self> {
        let same = |(a, b): &(&LinkAddr, &LinkAddr)| a == b;
        let first = self.jumps.iter().zip(way).take_while(same).count();
        let last = self.jumps.iter().rev().zip(way.iter().rev()).take_while(same).count();
        self.first = self.first.min(first);
        self.last = self.last.min(last);
        (self.first + self.last > 0).then_some(self)
    }

    /// The jumps that are certain, the last first.
    fn certain(self) -> Vec<LinkAddr> {
        let count = self.jumps.len();
        if self.last == count {
            return self.jumps.into_iter().rev().collect();
        }
        let (last, first) =
            (self.jumps.iter().rev().take(self.last), self.jumps.iter().take(self.first).rev());
        last.chain(first).copied().collect()
    }
}

impl<'d> Object<'d> {
    /// The addresses behind the jumps by which a call, named by its return address, came to the function around
    /// `callee`; innermost first. Empty where it was called, and where nobody can tell.
    ///
    /// # Errors
    /// When the debug info is damaged.
    pub fn jumps_between(&self, call: LinkAddr, callee: LinkAddr) -> Result<Vec<LinkAddr>, Error> {
        let Some(dwarf) = self.dwarf() else { return Ok(Vec::new()) };
        let Some(callee) = dwarf.function_at(callee)? else { return Ok(Vec::new()) };
        let Some(site) = dwarf.call_site(call)? else { return Ok(Vec::new()) };
        let Some(target) = self.target(dwarf, &site)? else { return Ok(Vec::new()) };
        if target.entry == callee.entry || !target.whole {
            return Ok(Vec::new());
        }
        let chain = self.ways(target.entry, callee.entry)?;
        Ok(chain.map(Chain::certain).unwrap_or_default())
    }

    /// All ways of jumps from one function to another, as far as they share something.
    fn ways(&self, from: LinkAddr, to: LinkAddr) -> Result<Option<Chain>, Error> {
        let mut found: Option<Chain> = None;
        let mut way: Vec<LinkAddr> = Vec::new();
        // For each jump of the way, and the start: what is still to be tried there.
        let Some(first) = self.jumps_of(from)? else { return Ok(None) };
        let mut tries: Vec<(Rc<[Jump]>, usize)> = vec![(first, 0)];
        for _ in 0..MOST {
            let Some((jumps, next)) = tries.last_mut() else { return Ok(found) };
            let Some(jump) = jumps.get(*next).copied() else {
                tries.pop();
                way.pop();
                continue;
            };
            *next += 1;
            if way.contains(&jump.behind) {
                continue;
            }
            let Some(target) = jump.to else { return Ok(None) };
            way.push(jump.behind);
            if target.entry == to {
                found = match found {
                    None => Some(Chain::of(&way)),
                    Some(chain) => match chain.meet(&way) {
                        Some(chain) => Some(chain),
                        None => return Ok(None),
                    },
                };
                way.pop();
                continue;
            }
            if !target.whole {
                return Ok(None);
            }
            let Some(jumps) = self.jumps_of(target.entry)? else { return Ok(None) };
            tries.push((jumps, 0));
        }
        Ok(None)
    }

    /// Whether the function at `entry` may have come to itself by jumps alone: then what its call passed is not
    /// what it was entered with. A jump to nobody knows where may.
    ///
    /// # Errors
    /// When the debug info is damaged.
    pub fn may_come_back(&self, entry: LinkAddr) -> Result<bool, Error> {
        if let Some(known) = self.tails().borrow().returns.get(&entry) {
            return Ok(*known);
        }
        let answer = self.comes_back(entry)?;
        self.tails().borrow_mut().returns.insert(entry, answer);
        Ok(answer)
    }

    fn comes_back(&self, entry: LinkAddr) -> Result<bool, Error> {
        let mut seen = HashSet::from([entry]);
        let mut open = vec![entry];
        while let Some(function) = open.pop() {
            let Some(jumps) = self.jumps_of(function)? else { return Ok(true) };
            for jump in jumps.iter() {
                match jump.to {
                    Some(to) if to.entry != entry && to.whole => {
                        if seen.insert(to.entry) {
                            open.push(to.entry);
                        }
                    }
                    _ => return Ok(true),
                }
            }
            if seen.len() > MOST {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The jumps of the function that begins at an address; none where no debug info describes one.
    fn jumps_of(&self, entry: LinkAddr) -> Result<Option<Rc<[Jump]>>, Error> {
        if let Some(known) = self.tails().borrow().jumps.get(&entry) {
            return Ok(known.clone());
        }
        let mut found = None;
        if let Some(dwarf) = self.dwarf()
            && let Some(function) = dwarf.function_at(entry)?.filter(|function| function.entry == entry)
        {
            let mut jumps = Vec::new();
            let listed = self.lists_jumps(dwarf, function.die)?;
            for site in dwarf.call_sites(&function)?.into_iter().filter(|site| listed && site.tail) {
                jumps.push(Jump { behind: site.returns_to, to: self.target(dwarf, &site)? });
            }
            found = Some(jumps.into());
        }
        self.tails().borrow_mut().jumps.insert(entry, found.clone());
        Ok(found)
    }

    /// Whether the compiler says that it lists all of a function's jumps: of others gdb takes none for one, since
    /// jumps that assembly makes are missing.
    fn lists_jumps(&self, dwarf: &Dwarf<'d>, function: DieRef) -> Result<bool, Error> {
        let (unit, entry) = dwarf.entry(function)?;
        let flags = [
            constants::DW_AT_call_all_calls,
            constants::DW_AT_call_all_tail_calls,
            constants::DW_AT_GNU_all_call_sites,
            constants::DW_AT_GNU_all_tail_call_sites,
        ];
        for flag in flags {
            if dwarf.flag_of(&unit, &entry, flag)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where a call goes, if that is fixed.
    fn target(&self, dwarf: &Dwarf<'d>, site: &CallSite<'d>) -> Result<Option<Target>, Error> {
        let Some(callee) = site.callee else { return Ok(None) };
        if let Some(function) = dwarf.function(callee)? {
            return Ok(Some(Target { entry: function.entry, whole: function.ranges.len() < 2 }));
        }
        // A declaration: the code is where the name's symbol is. What inlined copies share may have several
        // codes, of which gdb takes none.
        let (unit, entry) = dwarf.entry(callee)?;
        if !dwarf.flag_of(&unit, &entry, constants::DW_AT_declaration)? {
            return Ok(None);
        }
        let Some(name) = dwarf.linkage_name_of(&unit, &entry)? else { return Ok(None) };
        Ok(self.symbols_named(name).first().map(|symbol| Target { entry: symbol.address, whole: true }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(numbers: &[u64]) -> Vec<LinkAddr> {
        numbers.iter().copied().map(LinkAddr).collect()
    }

    #[test]
    fn only_what_all_ways_share_is_certain() {
        let one = Chain::of(&at(&[1, 2, 3]));
        assert_eq!(one.clone().certain(), at(&[3, 2, 1]), "the last jump first");
        let two = one.clone().meet(&at(&[1, 7, 3])).unwrap();
        assert_eq!(two.certain(), at(&[3, 1]));
        assert_eq!(one.clone().meet(&at(&[1, 2])).unwrap().certain(), at(&[2, 1]));
        assert_eq!(one.meet(&at(&[4, 5])), None);
    }
}
