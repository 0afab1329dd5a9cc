//! Variables as places, for `list` and `info line`: where they were declared.

use std::collections::HashSet;

use lkdb_symbols::names::{Extent, Kinds};
use lkdb_symbols::{Object, UnitId};
use lkdb_value::Named as Meaning;

use super::{File, Place};
use crate::names::Named;
use crate::{Result, Session};

impl<'d> Session<'d> {
    /// Where the variables of a name were declared. None: there is no such name. Enumerators have no lines
    /// of their own: they are known, and no place.
    pub(super) fn variables(&self, name: &str) -> Result<Option<Vec<Place>>> {
        let kinds = Kinds::VARIABLE.or(Kinds::ENUMERATOR);
        let found = self.names().find(self.symbols().objects(), name, kinds, Extent::All);
        if found.is_empty() {
            return Ok(None);
        }
        let mut places: Vec<Place> = Vec::new();
        let mut constants = HashSet::new();
        for named in found.iter() {
            self.interrupt().check()?;
            // A header's constant is in every unit that includes it: one of them tells.
            if let Some(line) = self.line_of_constant(named)?
                && !constants.insert(line)
            {
                continue;
            }
            let Some(place) = self.declaration_place(name, named)? else { continue };
            let same = |other: &Place| other.address == place.address && other.line == place.line;
            if !places.iter().any(|other| same(other) && other.file == place.file) {
                places.push(place);
            }
        }
        Ok(Some(places))
    }

    /// The line of a variable that is a value and nothing in memory.
    fn line_of_constant(&self, named: &Named) -> Result<Option<u64>> {
        let Some(dwarf) = self.symbols().object(named.object).and_then(|object| object.dwarf()) else {
            return Ok(None);
        };
        let (unit, entry) = dwarf.entry(named.die)?;
        match entry.attr_value(gimli::DW_AT_const_value) {
            Some(_) => Ok(dwarf.number_of(&unit, &entry, gimli::DW_AT_decl_line)?),
            None => Ok(None),
        }
    }

    fn declaration_place(&self, name: &str, named: &Named) -> Result<Option<Place>> {
        let Some(object) = self.symbols().object(named.object) else { return Ok(None) };
        let Some(dwarf) = object.dwarf() else { return Ok(None) };
        let (unit, entry) = dwarf.entry(named.die)?;
        let declared = dwarf.declared(&unit, &entry, gimli::DW_AT_decl_file, gimli::DW_AT_decl_line)?;
        let Some(declared) = declared.filter(|declared| declared.line != 0) else { return Ok(None) };
        let runs_at = match self.meaning(name, named)? {
            Some(Meaning::Variable(_, lkdb_symbols::Place::Memory(address))) if address.0 != 0 => {
                Some(address)
            }
            _ => None,
        };
        let address = runs_at.and_then(|address| self.symbols().locate(address)).map(|at| at.address);
        let span = match address {
            Some(address) => Some((address, address)),
            None => self.code_of_line(object, named.die.unit, &declared.file, declared.line)?,
        };
        let directory = Some(unit.directory).filter(|dir| !dir.is_empty()).map(Into::into);
        Ok(Some(Place {
            object: object.id,
            address,
            runs_at,
            function: dwarf.name_of(&unit, &entry)?.map(Into::into),
            file: Some(File { object: object.id, unit: Some(unit.id), name: declared.file, directory }),
            line: declared.line,
            span,
            by_line: true,
        }))
    }

    /// The code of the line of a variable that has no address, as gdb finds some.
    fn code_of_line(
        &self,
        object: &Object<'d>,
        unit: UnitId,
        file: &str,
        line: u32,
    ) -> Result<Option<(lkdb_base::LinkAddr, lkdb_base::LinkAddr)>> {
        let Some(dwarf) = object.dwarf() else { return Ok(None) };
        let mut files = dwarf.files_named(file)?;
        files.retain(|file| file.unit == unit);
        Ok(dwarf.spans(&files, line)?.into_iter().find_map(|span| span.span))
    }
}
