//! Addresses by name, and the code around an address.

use lkdb_base::{LinkAddr, RuntimeAddr};
use lkdb_symbols::dwarf::{Describer, Length};
use lkdb_symbols::{Object, TypeSource as _};
use lkdb_value::Context as _;

use crate::linespec::File;
use crate::linespec::resolve::{file_of, line_at};
use crate::{Result, Session};

/// A function's name, its entry, and the ranges of its code.
pub type CodeAround = (String, RuntimeAddr, Vec<(RuntimeAddr, RuntimeAddr)>);

/// What made a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// `DW_AT_producer`: the compiler and its options; empty when it does not say.
    pub producer: String,
    /// The version of DWARF.
    pub version: u16,
    /// As gdb calls it: `c` or `asm`.
    pub language: &'static str,
}

impl<'d> Session<'d> {
    /// `start_kernel+5`: the symbol of an address.
    #[must_use]
    pub fn symbol_text(&self, address: RuntimeAddr) -> Option<String> {
        self.symbol_at(address)
    }

    /// The symbol of an address, and how far it is from there.
    #[must_use]
    pub fn symbol_and_offset(&self, address: RuntimeAddr) -> Option<(String, i64)> {
        let located = self.symbols().locate(address)?;
        let symbolic = self.symbols().object(located.object)?.symbolic(located.address)?;
        Some((symbolic.name.to_owned(), symbolic.offset))
    }

    /// The function that an address is in; no mere symbol.
    #[must_use]
    pub fn function_name(&self, address: RuntimeAddr) -> Option<String> {
        let located = self.symbols().locate(address)?;
        let object = self.symbols().object(located.object)?;
        let function = object.dwarf()?.function_at(located.address).ok()??;
        Some(function.name.to_owned())
    }

    /// The function or symbol around an address, with the ranges of its code.
    #[must_use]
    pub fn code_around(&self, address: RuntimeAddr) -> Option<CodeAround> {
        let located = self.symbols().locate(address)?;
        let object = self.symbols().object(located.object)?;
        let runs = |range: (u64, u64)| {
            let start = object.runtime(LinkAddr(range.0))?;
            Some((start, RuntimeAddr(start.0.wrapping_add(range.1.wrapping_sub(range.0)))))
        };
        let function = object.dwarf().and_then(|dwarf| dwarf.function_at(located.address).ok().flatten());
        if let Some(function) = function {
            let ranges = function.ranges.iter().filter_map(|range| runs((range.begin, range.end)));
            return Some((function.name.to_owned(), object.runtime(function.entry)?, ranges.collect()));
        }
        let (near, section) = object.symbol_at(located.address)?;
        let start = near.symbol.address.0;
        let end = match near.symbol.size {
            0 => self.next_symbol(object, near.symbol.address, &section),
            size => start.saturating_add(size),
        };
        Some((near.symbol.name.to_owned(), object.runtime(near.symbol.address)?, vec![runs((start, end))?]))
    }

    /// Where the next symbol of a section begins, or the section ends.
    fn next_symbol(&self, object: &Object<'d>, after: LinkAddr, section: &lkdb_symbols::Section<'_>) -> u64 {
        let end = object.layout.start(section).0.saturating_add(section.size);
        let all = object.minimal_symbols().map(|symbols| symbols.all()).unwrap_or_default();
        let behind = all.partition_point(|symbol| symbol.address <= after);
        let mut next = all.get(behind..).unwrap_or_default().iter();
        next.find(|symbol| symbol.section == Some(section.index))
            .map_or(end, |symbol| symbol.address.0.min(end))
    }

    /// What made the unit of a file.
    #[must_use]
    pub fn unit_of(&self, file: &File) -> Option<Made> {
        let dwarf = self.symbols().object(file.object)?.dwarf()?;
        let unit = dwarf.unit(file.unit?).ok()?;
        let language = if unit.is_assembly() { "asm" } else { "c" };
        Some(Made { producer: unit.producer.to_owned(), version: unit.encoding().version, language })
    }

    /// Makes `x` go on at an address.
    pub fn examine_from(&self, address: RuntimeAddr) {
        let examine = self.values().examine();
        self.values().set_examine(lkdb_value::format::Examine { next: Some(address), ..examine });
    }

    /// The declarations that a place's blocks make, innermost first, each with its block's entry, in gdb's words
    /// of where they are: `info scope`.
    ///
    /// # Errors
    /// When the debug info is damaged.
    pub fn declarations_at(&self, address: RuntimeAddr) -> Result<Vec<Declared>> {
        let Some(located) = self.symbols().locate(address) else { return Ok(Vec::new()) };
        let Some(object) = self.symbols().object(located.object) else { return Ok(Vec::new()) };
        let (Some(dwarf), Ok(arch)) = (object.dwarf(), object.elf.arch()) else { return Ok(Vec::new()) };
        let Some(scopes) = dwarf.scopes_at(located.address)? else { return Ok(Vec::new()) };
        let runs_at = |address: LinkAddr| object.runtime(address).unwrap_or(RuntimeAddr(address.0));
        let symbol = |name: &str| object.runtime(object.symbols_named(name).first()?.address);
        let describer = Describer { dwarf, arch, runs_at: &runs_at, symbol: &symbol };
        let mut all = Vec::new();
        for block in scopes.at(located.address) {
            for declared in block.listed() {
                let described = describer
                    .in_scope(declared, block.entry())
                    .map_err(|error| crate::Error::say(error.to_string()))?;
                let size = match described.length {
                    Length::Unsaid => None,
                    Length::Bytes(length) => Some(length),
                    Length::OfType => {
                        let ty = declared.ty.and_then(|ty| dwarf.type_id(ty).ok());
                        ty.and_then(|ty| self.symbols().size(ty).ok())
                    }
                };
                all.push(Declared { name: declared.name.to_owned(), text: described.text, size });
            }
            // Up to the function: an inlined one is as good as any.
            if block.inlined.is_some() {
                break;
            }
        }
        Ok(all)
    }
}

/// A declaration and where it is.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Where it is, in gdb's words.
    pub text: String,
    /// Its size in bytes, where gdb says it.
    pub size: Option<u64>,
}

/// A line as the line table has it for an address.
#[derive(Debug, Clone)]
pub struct LineOf {
    /// The file.
    pub file: File,
    /// The line.
    pub line: u32,
    /// Where its code around the address ends.
    pub end: RuntimeAddr,
}

/// A row of a file's line table: where code of a line begins. Line 0: code of no line, or of another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineRow {
    /// Where.
    pub address: RuntimeAddr,
    /// The line.
    pub line: u32,
    /// It begins a statement.
    pub statement: bool,
}

impl Session<'_> {
    /// The line that an address belongs to.
    #[must_use]
    pub fn line_of(&self, address: RuntimeAddr) -> Option<LineOf> {
        let located = self.symbols().locate(address)?;
        let object = self.symbols().object(located.object)?;
        let (lines, unit, at) = line_at(object, located.address)?;
        let file = file_of(object.id, &lines, &unit, at.file)?;
        let end = address.offset(at.end.wrapping_sub(located.address.0));
        Some(LineOf { file, line: at.line, end })
    }

    /// The rows of the file that the code at `start` is of, from there to `end`, and one behind.
    #[must_use]
    pub fn rows(&self, start: RuntimeAddr, end: RuntimeAddr) -> Vec<LineRow> {
        let rows = || {
            let located = self.symbols().locate(start)?;
            let object = self.symbols().object(located.object)?;
            let (lines, _, at) = line_at(object, located.address)?;
            let rows = &lines.files.get(at.file)?.rows;
            let last = located.address.0.saturating_add(end.0.wrapping_sub(start.0));
            let first = rows.partition_point(|row| row.address < located.address.0);
            let behind = rows.partition_point(|row| row.address < last);
            let inside = rows.get(first..rows.len().min(behind + 1))?;
            let made = inside.iter().map(|row| LineRow {
                address: start.offset(row.address.wrapping_sub(located.address.0)),
                line: row.line,
                statement: row.statement,
            });
            Some(made.collect())
        };
        rows().unwrap_or_default()
    }
}
