//! Functions: which one an address is in, where each begins and what it covers.
//!
//! A function may lie in several pieces (GCC's cold parts), and take its name from an abstract instance.
//! What is inside one is in `scope`; what was inlined where, in `inline`.

use std::rc::Rc;

use gimli::{Range, UnitOffset, constants};
use lkdb_base::LinkAddr;

use super::{DieRef, Dwarf, Entry, Error, LocationDescription, Sections, Unit};

/// A function with code of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function<'d> {
    /// Its `DW_TAG_subprogram`, the one with the addresses.
    pub die: DieRef,
    /// Its name.
    pub name: &'d str,
    /// What it covers, in the compiler's order: the first begins with its entry.
    pub ranges: Rc<[Range]>,
    /// Its first instruction.
    pub entry: LinkAddr,
}

/// A piece of a function's code, in the table of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionRange {
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// The function's DIE.
    pub die: UnitOffset,
}

impl<'d> Function<'d> {
    /// Whether an address is in its code, cold parts included.
    #[must_use]
    pub fn covers(&self, address: LinkAddr) -> bool {
        self.ranges.iter().any(|range| (range.begin..range.end).contains(&address.0))
    }

    /// The piece of its code that an address is in.
    #[must_use]
    pub fn range_at(&self, address: LinkAddr) -> Option<Range> {
        self.ranges.iter().find(|range| (range.begin..range.end).contains(&address.0)).copied()
    }

    /// The address behind the last of its code, as gdb counts: the highest of all pieces.
    #[must_use]
    pub fn highest(&self) -> LinkAddr {
        LinkAddr(self.ranges.iter().map(|range| range.end).max().unwrap_or(self.entry.0))
    }
}

/// The pieces of all functions of a unit, by address.
pub(super) fn list<'d>(sections: &Sections<'d>, unit: &Unit<'d>) -> Result<Vec<FunctionRange>, Error> {
    let mut found = Vec::new();
    let mut scopes = vec![unit.header.root_offset()];
    // Namespaces and types hold functions in Rust; in C there is the unit alone.
    while let Some(scope) = scopes.pop() {
        unit.children(scope, |entry| {
            match entry.tag() {
                constants::DW_TAG_subprogram => {
                    let die = entry.offset();
                    for Range { begin: start, end } in unit.ranges_of(sections, entry)? {
                        found.push(FunctionRange { start, end, die });
                    }
                }
                constants::DW_TAG_namespace => scopes.push(entry.offset()),
                constants::DW_TAG_structure_type
                | constants::DW_TAG_enumeration_type
                | constants::DW_TAG_union_type
                    if !unit.is_c() =>
                {
                    scopes.push(entry.offset());
                }
                _ => {}
            }
            Ok(true)
        })?;
    }
    // Of those that begin together (an assembler's aliases) the last in this order counts. gdb takes the last of
    // the DIEs as well, but the first where it keeps a map of addresses: for units and functions in pieces.
    let root = unit.entry(unit.header.root_offset())?;
    let pieces = root.attr_value(constants::DW_AT_ranges).is_some() || in_pieces(&found);
    found.sort_by_key(|function| {
        let place = function.die.0;
        (function.start, if pieces { usize::MAX - place } else { place })
    });
    Ok(found)
}

/// Whether a function has several ranges; those of one lie together.
fn in_pieces(functions: &[FunctionRange]) -> bool {
    functions.windows(2).any(|pair| matches!(pair, [one, other] if one.die == other.die))
}

impl<'d> Dwarf<'d> {
    /// The function that an address is in.
    ///
    /// # Errors
    /// When the unit's DIEs are damaged.
    pub fn function_at(&self, address: LinkAddr) -> Result<Option<Function<'d>>, Error> {
        let Some(unit) = self.unit_at(address)? else { return Ok(None) };
        let unit = self.unit(unit)?;
        let functions = unit.functions(self.sections())?;
        let behind = functions.partition_point(|function| function.start <= address.0);
        let near = functions.get(..behind).unwrap_or_default().iter().rev().take(8);
        let Some(range) = near.clone().find(|function| address.0 < function.end) else { return Ok(None) };
        self.function(DieRef { unit: unit.id, offset: range.die })
    }

    /// The function whose code a `DW_TAG_subprogram` describes; none for declarations, abstract instances
    /// and code that the linker dropped.
    ///
    /// # Errors
    /// When the DIE or one that it refers to is damaged.
    pub fn function(&self, die: DieRef) -> Result<Option<Function<'d>>, Error> {
        let (unit, entry) = self.entry(die)?;
        self.function_of(&unit, &entry)
    }

    pub(super) fn function_of(
        &self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
    ) -> Result<Option<Function<'d>>, Error> {
        let ranges = unit.ranges_of(self.sections(), entry)?;
        let Some(first) = ranges.first() else { return Ok(None) };
        let Some(name) = self.name_of(unit, entry)? else { return Ok(None) };
        let die = DieRef { unit: unit.id, offset: entry.offset() };
        Ok(Some(Function { die, name, entry: LinkAddr(first.begin), ranges: ranges.into() }))
    }

    /// What a function's frame base is (`DW_AT_frame_base`), which `DW_OP_fbreg` counts from.
    ///
    /// # Errors
    /// When its DIE is damaged.
    pub fn frame_base(&self, function: &Function<'d>) -> Result<LocationDescription<'d>, Error> {
        let (unit, entry) = self.entry(function.die)?;
        match self.attribute(&unit, &entry, constants::DW_AT_frame_base)? {
            Some(found) => found.unit.location(self.sections(), found.value),
            None => Ok(LocationDescription::OptimizedOut),
        }
    }

    /// The function of a name that begins where another of the same code does: one of an assembler's aliases.
    ///
    /// # Errors
    /// When the unit's DIEs are damaged.
    pub fn alias(&self, of: &Function<'d>, name: &str) -> Result<Option<Function<'d>>, Error> {
        let unit = self.unit(of.die.unit)?;
        let functions = unit.functions(self.sections())?;
        let same = functions.iter().filter(|function| function.start == of.entry.0);
        for function in same.take(64) {
            let found = self.function(DieRef { unit: unit.id, offset: function.die })?;
            if let Some(found) = found.filter(|found| found.name == name) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Every function of a unit that has code, by address of its entry.
    ///
    /// # Errors
    /// When the unit's DIEs are damaged.
    pub fn functions(&self, unit: super::UnitId) -> Result<Vec<Function<'d>>, Error> {
        let unit = self.unit(unit)?;
        let ranges = unit.functions(self.sections())?;
        let mut dies: Vec<UnitOffset> = ranges.iter().map(|range| range.die).collect();
        dies.sort_unstable_by_key(|die| die.0);
        dies.dedup();
        let mut found = Vec::new();
        for offset in dies {
            found.extend(self.function(DieRef { unit: unit.id, offset })?);
        }
        found.sort_by_key(|function| function.entry);
        Ok(found)
    }
}
