//! Scopes: the blocks of a function, innermost first, and what is declared in each.
//!
//! Blocks are what gdb has: a block without declarations is none, an inlined function is a block that
//! names its call, and what an inlined instance does not mention of its function's own declarations is
//! there nevertheless, optimised out.

use std::rc::Rc;

use gimli::Range;
use lkdb_base::LinkAddr;

use super::{Declaration, DieRef, Dwarf, Error, Function, blocks, order};

/// The blocks of a function.
#[derive(Debug)]
pub struct Scopes<'d> {
    /// The function.
    pub function: Function<'d>,
    /// Its blocks, each behind the one it is in; the first is the function's own.
    pub blocks: Vec<Block<'d>>,
}

/// One block.
#[derive(Debug, Clone)]
pub struct Block<'d> {
    /// The block it is in, as its place in [`Scopes::blocks`]; none for the function's own.
    pub parent: Option<usize>,
    /// Its DIE.
    pub die: DieRef,
    /// What it covers, in the compiler's order.
    pub ranges: Rc<[Range]>,
    /// The function that was inlined here; none for plain blocks and for the function itself.
    pub inlined: Option<Inlined<'d>>,
    /// What is declared in it, in the source's order.
    pub symbols: Vec<Declaration<'d>>,
}

/// A function that was inlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inlined<'d> {
    /// Its name.
    pub name: &'d str,
    /// Its abstract instance, which all inlined copies and the function itself share.
    pub origin: DieRef,
    /// The call's file as DWARF numbers it in the unit of [`Block::die`] (`Lines::file_numbered`).
    pub call_file: u64,
    /// The line of the call.
    pub call_line: u32,
    /// Its column; 0 when not known.
    pub call_column: u32,
}

impl<'d> Block<'d> {
    /// Its first instruction.
    #[must_use]
    pub fn entry(&self) -> LinkAddr {
        LinkAddr(self.ranges.first().map_or(0, |range| range.begin))
    }

    /// Its declarations in the order in which gdb lists them: the source's in a function, in other blocks
    /// that of gdb's hash table of names.
    #[must_use]
    pub fn listed(&self) -> Vec<&Declaration<'d>> {
        let mut found: Vec<_> = self.symbols.iter().collect();
        if self.parent.is_some() && self.inlined.is_none() {
            order::by_hash(&mut found);
        }
        found
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn covers(&self, address: LinkAddr) -> bool {
        self.ranges.iter().any(|range| (range.begin..range.end).contains(&address.0))
    }
}

impl<'d> Scopes<'d> {
    /// The blocks that an address is in, innermost first; the last is the function's own.
    #[must_use]
    pub fn at(&self, address: LinkAddr) -> Vec<&Block<'d>> {
        // Blocks come behind those they are in: the last that covers the address is innermost.
        let mut here = self.blocks.iter().rposition(|block| block.covers(address));
        let mut found = Vec::new();
        while let Some(block) = here.and_then(|at| self.blocks.get(at)) {
            found.push(block);
            here = block.parent.filter(|parent| here.is_some_and(|at| *parent < at));
        }
        found
    }

    /// The functions inlined around an address, innermost first.
    pub fn inlined_at(&self, address: LinkAddr) -> impl Iterator<Item = (&Block<'d>, &Inlined<'d>)> {
        let around = self.at(address).into_iter();
        around.filter_map(|block| Some((block, block.inlined.as_ref()?)))
    }
}

impl<'d> Dwarf<'d> {
    /// The blocks of the function that an address is in.
    ///
    /// # Errors
    /// When the function's DIEs are damaged.
    pub fn scopes_at(&self, address: LinkAddr) -> Result<Option<Rc<Scopes<'d>>>, Error> {
        match self.function_at(address)? {
            Some(function) => self.scopes(&function).map(Some),
            None => Ok(None),
        }
    }

    /// The blocks of a function.
    ///
    /// # Errors
    /// When its DIEs are damaged.
    pub fn scopes(&self, function: &Function<'d>) -> Result<Rc<Scopes<'d>>, Error> {
        let unit = self.unit(function.die.unit)?;
        if let Some(kept) = unit.kept_scopes(function.die.offset) {
            return Ok(kept);
        }
        let blocks = blocks::of(self, &unit, function)?;
        let scopes = Rc::new(Scopes { function: function.clone(), blocks });
        unit.keep_scopes(function.die.offset, &scopes);
        Ok(scopes)
    }

    /// The functions inlined at an address, innermost first; the function itself is not one of them.
    ///
    /// # Errors
    /// When the function's DIEs are damaged.
    pub fn inlined_at(&self, address: LinkAddr) -> Result<Vec<Inlined<'d>>, Error> {
        let scopes = self.scopes_at(address)?;
        let found =
            scopes.iter().flat_map(|scopes| scopes.inlined_at(address).map(|(_, inlined)| inlined.clone()));
        Ok(found.collect())
    }
}
