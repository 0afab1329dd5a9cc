//! From a line to its code: `FILE:LINE`.
//!
//! A file may be named by its end (`fork.c`, `kernel/fork.c`) or from the root, and many units may have it:
//! a header's lines are wherever it was inlined. If no code is at a line, the next line that has some is
//! taken. One address a block: a line whose code is scattered over a function is one place, while each
//! inlined copy is a place of its own.

use std::rc::Rc;

use gimli::{AttributeValue, DebugAbbrev, LittleEndian, SectionId, UnitHeader, constants};
use lkdb_base::LinkAddr;

use super::super::{Dwarf, Error, LineTables, Reader, Sections, UnitId};
use super::{Row, SourceFile, headers};

/// A file of a unit that a pattern names.
#[derive(Debug, Clone)]
pub struct UnitFile {
    /// The unit.
    pub unit: UnitId,
    /// The file as that unit has it.
    pub source: SourceFile,
}

/// The code of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinePlaces {
    /// The line that has the code: the one asked for, or the next with any.
    pub line: u32,
    /// Where its code begins in each block that has some, by address.
    pub addresses: Vec<LinkAddr>,
}

/// What is to be said of a line in one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineSpan {
    /// The file's name as debuggers show it.
    pub file: Rc<str>,
    /// The line asked for.
    pub line: u32,
    /// Where the line's code begins and ends (the same address when the next line with code begins there
    /// and this one has none); none when no line from there on has any.
    pub span: Option<(LinkAddr, LinkAddr)>,
}

impl SourceFile {
    /// Whether a pattern names this file: it is the end of its name or path, from a `/` on.
    #[must_use]
    pub fn is_named(&self, pattern: &str) -> bool {
        let names = |path: &str| {
            path.strip_suffix(pattern).is_some_and(|before| {
                before.is_empty() || (before.ends_with('/') && !pattern.starts_with('/'))
            })
        };
        names(&self.name) || names(&self.path)
    }

    /// The first row of a line, or of the next line that has one: its place in the rows, from `from` on.
    fn row_of(&self, line: u32, from: usize) -> Option<(usize, bool)> {
        let mut best: Option<(usize, u32)> = None;
        if line == 0 {
            return None;
        }
        for (at, row) in self.rows.iter().enumerate().skip(from).filter(|(_, row)| row.statement) {
            if row.line == line {
                return Some((at, true));
            }
            if row.line > line && best.is_none_or(|(_, best)| row.line < best) {
                best = Some((at, row.line));
            }
        }
        best.map(|(at, _)| (at, false))
    }
}

impl<'d> Dwarf<'d> {
    /// Every file that `pattern` names, the last unit first, as gdb has them.
    ///
    /// # Errors
    /// When the line tables cannot be read.
    pub fn files_named(&self, pattern: &str) -> Result<Vec<UnitFile>, Error> {
        let base = pattern.rsplit('/').next().unwrap_or(pattern);
        if base.is_empty() {
            return Ok(Vec::new());
        }
        let tables = headers::with_base_name(self.sections(), base)?;
        let mut found = Vec::new();
        for unit in self.units_with_tables(&tables)?.into_iter().rev() {
            let lines = self.unit(unit)?.lines(self.sections())?;
            // A unit of data alone, or whose code the linker dropped, has only its own file.
            let empty = lines.files.iter().all(|file| file.rows.is_empty());
            let count = if empty { 1 } else { lines.files.len() };
            for source in lines.files.iter().take(count).filter(|file| file.is_named(pattern)) {
                found.push(UnitFile { unit, source: source.clone() });
            }
        }
        Ok(found)
    }

    /// The units whose line tables begin at these offsets.
    fn units_with_tables(&self, tables: &[usize]) -> Result<Vec<UnitId>, Error> {
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let by_table = self.line_tables()?;
        let mut units: Vec<UnitId> =
            tables.iter().filter_map(|table| by_table.get(table)).flatten().copied().collect();
        units.sort_unstable();
        Ok(units)
    }

    /// Every unit by its line table's offset.
    fn line_tables(&self) -> Result<Rc<LineTables>, Error> {
        if let Some(known) = self.tables.borrow().as_ref() {
            return Ok(Rc::clone(known));
        }
        let mut made = LineTables::new();
        let units = self.units()?;
        for id in units.ids() {
            let Some(header) = units.header(id) else { continue };
            let table = line_table_of(self.sections(), header);
            if let Some(offset) = table {
                made.entry(offset).or_default().push(id);
            }
        }
        let made = Rc::new(made);
        self.tables.replace(Some(Rc::clone(&made)));
        Ok(made)
    }

    /// Where the code of a line is; none when neither it nor a later line of these files has any.
    ///
    /// # Errors
    /// When the DIEs of a function with such code are damaged.
    pub fn places(&self, files: &[UnitFile], line: u32) -> Result<Option<LinePlaces>, Error> {
        let mut next: Option<u32> = None;
        let mut addresses = rows_of(files, line, &mut next);
        let mut found = line;
        if addresses.is_empty() {
            let Some(next) = next else { return Ok(None) };
            found = next;
            addresses = rows_of(files, found, &mut None);
        }
        let mut blocks = Vec::new();
        let mut kept = Vec::new();
        for address in addresses {
            let block = self.block_at(address)?;
            if block.is_none() || !blocks.contains(&block) {
                kept.push(address);
            }
            blocks.push(block);
        }
        kept.sort_unstable();
        kept.dedup();
        Ok(Some(LinePlaces { line: found, addresses: kept }))
    }

    /// The innermost block at an address, as something to compare.
    fn block_at(&self, address: LinkAddr) -> Result<Option<super::super::DieRef>, Error> {
        let Some(scopes) = self.scopes_at(address)? else { return Ok(None) };
        Ok(scopes.at(address).first().map(|block| block.die))
    }

    /// What is to be said of a line in each unit that has the file, in the order given.
    ///
    /// # Errors
    /// When a unit with such code is damaged.
    pub fn spans(&self, files: &[UnitFile], line: u32) -> Result<Vec<LineSpan>, Error> {
        let mut found = Vec::new();
        for file in files {
            let span = match best_table(files, file, line) {
                Some((unit, row)) => self.span(unit, row.address, line)?,
                None => None,
            };
            found.push(LineSpan { file: Rc::clone(&file.source.name), line, span });
        }
        Ok(found)
    }

    fn span(&self, unit: UnitId, address: u64, line: u32) -> Result<Option<(LinkAddr, LinkAddr)>, Error> {
        let lines = self.unit(unit)?.lines(self.sections())?;
        let Some(at) = lines.at(address) else { return Ok(None) };
        let end = if at.line == line { at.end } else { at.start };
        Ok(Some((LinkAddr(at.start), LinkAddr(end))))
    }
}

/// Where a unit's line table begins, from its first DIE alone; none where that cannot be read.
fn line_table_of<'d>(sections: &Sections<'d>, header: &UnitHeader<Reader<'d>>) -> Option<usize> {
    let abbrev = DebugAbbrev::new(sections.get(SectionId::DebugAbbrev).ok()?, LittleEndian);
    let abbreviations = header.abbreviations(&abbrev).ok()?;
    let mut entries = header.entries_raw(&abbreviations, None).ok()?;
    let abbreviation = entries.read_abbreviation().ok()??;
    for specification in abbreviation.attributes() {
        let attribute = entries.read_attribute(*specification).ok()?;
        if let AttributeValue::DebugLineRef(offset) = attribute.value() {
            return Some(offset.0);
        }
        if let (constants::DW_AT_stmt_list, AttributeValue::Sdata(at)) =
            (attribute.name(), attribute.raw_value())
        {
            return usize::try_from(at).ok();
        }
    }
    None
}

/// The row to take for a line, and its unit: of the file's own table if that has the line, else of a unit
/// with the same file that has it, else of whichever has the nearest line behind it.
fn best_table(files: &[UnitFile], own: &UnitFile, line: u32) -> Option<(UnitId, Row)> {
    let same = files.iter().filter(|other| other.source.path == own.source.path);
    let mut best: Option<(UnitId, Row)> = None;
    for file in std::iter::once(own).chain(same) {
        let Some((at, exact)) = file.source.row_of(line, 0) else { continue };
        let row = *file.source.rows.get(at)?;
        if exact {
            return Some((file.unit, row));
        }
        if best.is_none_or(|(_, best)| row.line < best.line) {
            best = Some((file.unit, row));
        }
    }
    best
}

/// Every address at which rows of a line begin; `next` becomes the nearest line behind it of those files
/// that do not have it.
fn rows_of(files: &[UnitFile], line: u32, next: &mut Option<u32>) -> Vec<LinkAddr> {
    let mut found = Vec::new();
    for UnitFile { source, .. } in files {
        let mut from = 0;
        while let Some((at, exact)) = source.row_of(line, from) {
            let Some(row) = source.rows.get(at) else { break };
            if !exact {
                if next.is_none_or(|next| row.line < next) {
                    *next = Some(row.line);
                }
                break;
            }
            found.push(LinkAddr(row.address));
            from = at + 1;
        }
    }
    found
}
