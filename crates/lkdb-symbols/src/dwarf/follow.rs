//! Attributes that a DIE has from another one: a concrete function from its abstract instance, a
//! definition from its declaration (`DW_AT_abstract_origin`, `DW_AT_specification`).

use std::rc::Rc;

use gimli::{DwAt, constants};

use super::{Attribute, DieRef, Dwarf, Entry, Error, Unit};

/// How many such steps are followed: GCC makes two.
const STEPS: usize = 8;

/// An attribute and the unit it is to be read in.
#[derive(Debug, Clone)]
pub struct Found<'d> {
    /// The unit of the DIE that has it.
    pub unit: Rc<Unit<'d>>,
    /// Its value.
    pub value: Attribute<'d>,
}

impl<'d> Dwarf<'d> {
    /// A DIE and its unit.
    ///
    /// # Errors
    /// When either is damaged.
    pub fn entry(&self, die: DieRef) -> Result<(Rc<Unit<'d>>, Entry<'d>), Error> {
        let unit = self.unit(die.unit)?;
        let entry = unit.entry(die.offset)?;
        Ok((unit, entry))
    }

    /// Where a DIE's attributes come from that it does not have itself; none for most.
    ///
    /// # Errors
    /// When the units cannot be listed.
    pub fn origin(&self, unit: &Unit<'d>, entry: &Entry<'d>) -> Result<Option<DieRef>, Error> {
        let value = entry
            .attr_value(constants::DW_AT_specification)
            .or_else(|| entry.attr_value(constants::DW_AT_abstract_origin));
        let Some(value) = value else { return Ok(None) };
        Ok(unit.reference(self.units()?, value))
    }

    /// An attribute of a DIE, or of the one that it has its attributes from.
    ///
    /// # Errors
    /// When a DIE on the way is damaged.
    pub fn attribute(
        &self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
        name: DwAt,
    ) -> Result<Option<Found<'d>>, Error> {
        if let Some(value) = entry.attr_value(name) {
            return Ok(Some(Found { unit: Rc::clone(unit), value }));
        }
        let mut next = self.origin(unit, entry)?;
        for _ in 0..STEPS {
            let Some(die) = next else { break };
            let (unit, entry) = self.entry(die)?;
            if let Some(value) = entry.attr_value(name) {
                return Ok(Some(Found { unit, value }));
            }
            next = self.origin(&unit, &entry)?;
        }
        Ok(None)
    }

    /// The DIE that the attributes come from in the end: for an inlined or cloned function's instance the
    /// function itself. The same for all instances.
    ///
    /// # Errors
    /// When a DIE on the way is damaged.
    pub fn root_origin(&self, die: DieRef) -> Result<DieRef, Error> {
        let mut here = die;
        for _ in 0..STEPS {
            let (unit, entry) = self.entry(here)?;
            match self.origin(&unit, &entry)? {
                Some(next) => here = next,
                None => break,
            }
        }
        Ok(here)
    }

    /// The name of a DIE, its own or from where it has its attributes; with no name, its linkage name.
    ///
    /// # Errors
    /// When a DIE on the way is damaged.
    pub fn name_of(&self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>) -> Result<Option<&'d str>, Error> {
        self.first_name(unit, entry, [constants::DW_AT_name, constants::DW_AT_linkage_name])
    }

    /// The name of a DIE's symbol, which `__asm__("name")` makes another than its own; its own where it has no other.
    ///
    /// # Errors
    /// When a DIE on the way is damaged.
    pub fn linkage_name_of(&self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>) -> Result<Option<&'d str>, Error> {
        self.first_name(unit, entry, [constants::DW_AT_linkage_name, constants::DW_AT_name])
    }

    fn first_name(
        &self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
        names: [DwAt; 2],
    ) -> Result<Option<&'d str>, Error> {
        for name in names {
            if let Some(found) = self.attribute(unit, entry, name)?
                && let Some(text) = found.unit.string(self.sections(), found.value)?
            {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// A small number that an attribute holds (a line, a file, a flag).
    ///
    /// # Errors
    /// When a DIE on the way is damaged.
    pub fn number_of(
        &self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
        name: DwAt,
    ) -> Result<Option<u64>, Error> {
        Ok(self.attribute(unit, entry, name)?.and_then(|found| found.value.udata_value()))
    }

    /// Whether a DIE, or where it has its attributes from, has a flag.
    ///
    /// # Errors
    /// When a DIE on the way is damaged.
    pub fn flag_of(&self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>, name: DwAt) -> Result<bool, Error> {
        let found = self.attribute(unit, entry, name)?;
        Ok(found.is_some_and(|found| matches!(found.value, Attribute::Flag(true))))
    }

    /// The DIE of a DIE's type (`DW_AT_type`); none for `void`.
    ///
    /// # Errors
    /// When a DIE on the way is damaged.
    pub fn type_of(&self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>) -> Result<Option<DieRef>, Error> {
        let Some(found) = self.attribute(unit, entry, constants::DW_AT_type)? else { return Ok(None) };
        Ok(found.unit.reference(self.units()?, found.value))
    }

    /// Where a DIE was declared: the file as its place in the lines' files of the unit given back, and the
    /// line.
    ///
    /// # Errors
    /// When a DIE on the way, or the line table, is damaged.
    pub fn declared(
        &self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
        file: DwAt,
        line: DwAt,
    ) -> Result<Option<Declared>, Error> {
        let Some(line) = self.number_of(unit, entry, line)? else { return Ok(None) };
        let Some(file) = self.attribute(unit, entry, file)? else { return Ok(None) };
        let Some(number) = file.value.udata_value().or(match file.value {
            Attribute::FileIndex(number) => Some(number),
            _ => None,
        }) else {
            return Ok(None);
        };
        let lines = file.unit.lines(self.sections())?;
        let Some(file) = lines.file_numbered(number).and_then(|at| lines.files.get(at)) else {
            return Ok(None);
        };
        let line = u32::try_from(line).unwrap_or(0);
        Ok(Some(Declared { file: Rc::clone(&file.name), path: Rc::clone(&file.path), line }))
    }
}

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The file's name as debuggers show it.
    pub file: Rc<str>,
    /// The same from the root.
    pub path: Rc<str>,
    /// The line.
    pub line: u32,
}
