//! Where functions were inlined: every copy in a unit, for breakpoints on a function that has several.

use std::rc::Rc;

use gimli::{Range, UnitOffset, constants};
use lkdb_base::LinkAddr;

use super::{DieRef, Dwarf, Entry, Error, Sections, Unit, UnitId, UnitTable};

/// A copy of a function in another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlinedCopy {
    /// Its `DW_TAG_inlined_subroutine`.
    pub die: DieRef,
    /// The abstract instance that it is a copy of.
    pub origin: DieRef,
    /// Its first instruction.
    pub entry: LinkAddr,
    /// What it covers, in the compiler's order.
    pub ranges: Rc<[Range]>,
}

/// Every copy in a unit, in the order of its DIEs.
pub(super) fn list<'d>(
    sections: &Sections<'d>,
    units: &UnitTable<'d>,
    unit: &Unit<'d>,
) -> Result<Vec<InlinedCopy>, Error> {
    let wrong = |why| unit.wrong(why);
    let mut found = Vec::new();
    let mut entries = unit.entries(None)?;
    let mut entry = Entry::null();
    while !entries.is_empty() {
        let here: UnitOffset = entries.next_offset();
        let Some(abbreviation) = entries.read_abbreviation().map_err(wrong)? else { continue };
        if abbreviation.tag() != constants::DW_TAG_inlined_subroutine {
            entries.skip_attributes(abbreviation.attributes()).map_err(wrong)?;
            continue;
        }
        entries = unit.entries(Some(here))?;
        entries.read_entry(&mut entry).map_err(wrong)?;
        let called = [constants::DW_AT_call_line, constants::DW_AT_call_file];
        let origin = entry.attr_value(constants::DW_AT_abstract_origin);
        let Some(origin) = origin.and_then(|origin| unit.reference(units, origin)) else { continue };
        let ranges = unit.ranges_of(sections, &entry)?;
        let Some(first) = ranges.first() else { continue };
        if called.into_iter().all(|name| entry.has_attr(name)) {
            let die = DieRef { unit: unit.id, offset: here };
            found.push(InlinedCopy { die, origin, entry: LinkAddr(first.begin), ranges: ranges.into() });
        }
    }
    Ok(found)
}

/// A function's code, or a copy of it in another function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// Its DIE.
    pub die: DieRef,
    /// Its first instruction.
    pub entry: LinkAddr,
    /// It is a copy in another function.
    pub inlined: bool,
}

impl<'d> Dwarf<'d> {
    /// Every place of a unit where the code of a function of this name is: its own and its inlined copies,
    /// in the order of the DIEs, in which gdb lists them.
    ///
    /// # Errors
    /// When the unit's DIEs are damaged.
    pub fn instances_of(&self, unit: UnitId, name: &str) -> Result<Vec<Instance>, Error> {
        let copies = self.inlined_copies_of(unit, name)?;
        let inlined = copies.iter().map(|copy| Instance { die: copy.die, entry: copy.entry, inlined: true });
        let own = self.functions(unit)?.into_iter().filter(|function| function.name == name);
        let own = own.map(|own| Instance { die: own.die, entry: own.entry, inlined: false });
        let mut found: Vec<Instance> = inlined.chain(own).collect();
        found.sort_by_key(|instance| instance.die.offset.0);
        Ok(found)
    }

    /// Every place of a unit where a function was inlined.
    ///
    /// # Errors
    /// When the unit's DIEs are damaged.
    pub fn inlined_copies(&self, unit: UnitId) -> Result<Rc<[InlinedCopy]>, Error> {
        let unit = self.unit(unit)?;
        unit.inlined(self.sections(), self.units()?)
    }

    /// Every place of a unit where a function of this name was inlined.
    ///
    /// # Errors
    /// When the unit's DIEs are damaged.
    pub fn inlined_copies_of(&self, unit: UnitId, name: &str) -> Result<Vec<InlinedCopy>, Error> {
        let copies = self.inlined_copies(unit)?;
        let mut names: Vec<(DieRef, bool)> = Vec::new();
        let mut found = Vec::new();
        for copy in copies.iter() {
            let known = names.iter().find(|(origin, _)| *origin == copy.origin).map(|(_, same)| *same);
            let same = match known {
                Some(same) => same,
                None => {
                    let (unit, entry) = self.entry(copy.origin)?;
                    let same = self.name_of(&unit, &entry)? == Some(name);
                    names.push((copy.origin, same));
                    same
                }
            };
            if same {
                found.push(copy.clone());
            }
        }
        Ok(found)
    }
}
