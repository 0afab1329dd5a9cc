//! Where a breakpoint on a function goes: its entry, or behind its prologue.
//!
//! The rules are gdb's. Where the compiler's locations hold from the first instruction on (GCC with
//! location lists, so nearly all of a kernel) that is the entry itself; else the place that the compiler
//! marks (clang does); else the second line of the function's code, where the frame setup ends.

use std::rc::Rc;

use lkdb_base::{Arch, LinkAddr};

use crate::dwarf::{Block, Declared, Dwarf, Error, Function, LineAt, Lines, Scopes, Unit};
use crate::object::Object;

/// A place for a breakpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The address.
    pub address: LinkAddr,
    /// The line it is shown as; none without line information.
    pub line: Option<Declared>,
}

/// A function under examination: one of the debug info, or one that only a symbol or a line table knows.
struct Subject<'a, 'd> {
    dwarf: &'a Dwarf<'d>,
    arch: &'static Arch,
    unit: Rc<Unit<'d>>,
    lines: Rc<Lines>,
    scopes: Option<Rc<Scopes<'d>>>,
    entry: u64,
    /// The end of the piece that the entry is in.
    end: u64,
    /// The end of the last piece.
    highest: u64,
    code: &'d [u8],
}

impl<'d> Object<'d> {
    /// Where a breakpoint on the function or inlined copy that begins at `address` goes.
    ///
    /// # Errors
    /// When the debug info there is damaged.
    pub fn start(&self, address: LinkAddr) -> Result<Start, Error> {
        let Some(subject) = self.subject(address)? else { return Ok(self.bare(address)) };
        let at = subject.lines.at(address.0);
        let assembly = at.is_some_and(|at| is_assembly(&subject.unit, &subject.lines, at));
        if at.is_some() && (subject.unit.locations_hold_at_entry() || assembly) {
            return Ok(Start { address, line: at.and_then(|at| declared(&subject.lines, at)) });
        }
        Ok(subject.skip(address))
    }

    /// Where a breakpoint on a line's code at `address` goes: there, or behind the prologue that it is in.
    ///
    /// # Errors
    /// When the debug info there is damaged.
    pub fn start_of_line(&self, address: LinkAddr) -> Result<Start, Error> {
        let Some(subject) = self.subject(address)? else { return Ok(self.bare(address)) };
        let at = subject.lines.at(address.0);
        if at.is_some_and(|at| is_assembly(&subject.unit, &subject.lines, at)) {
            return Ok(Start { address, line: at.and_then(|at| declared(&subject.lines, at)) });
        }
        Ok(subject.skip(address))
    }

    /// A function that only the symbol table knows.
    fn bare(&self, address: LinkAddr) -> Start {
        let setup = self
            .elf
            .arch()
            .map_or(0, |arch| self.bytes_at(address).map_or(0, |code| (arch.prologue.frame_setup)(code)));
        Start { address: address.offset(setup as u64), line: None }
    }

    fn subject(&self, address: LinkAddr) -> Result<Option<Subject<'_, 'd>>, Error> {
        let Some(dwarf) = self.dwarf() else { return Ok(None) };
        let Some(unit) = dwarf.unit_at(address)? else { return Ok(None) };
        let Ok(arch) = self.elf.arch() else { return Ok(None) };
        let unit = dwarf.unit(unit)?;
        let lines = unit.lines(dwarf.sections())?;
        let function = dwarf.function_at(address)?;
        let (entry, end, highest) = match &function {
            Some(function) => piece(function),
            None => match self.symbol_at(address) {
                Some((near, section)) => {
                    let start = near.symbol.address.0;
                    let section_end = self.layout.start(&section).0.saturating_add(section.size);
                    let end = if near.symbol.size > 0 { start + near.symbol.size } else { section_end };
                    (start, end, end)
                }
                None => return Ok(None),
            },
        };
        let scopes = function.map(|function| dwarf.scopes(&function)).transpose()?;
        let code = self.bytes_at(LinkAddr(entry)).unwrap_or_default();
        Ok(Some(Subject { dwarf, arch, unit, lines, scopes, entry, end, highest, code }))
    }
}

fn piece(function: &Function<'_>) -> (u64, u64, u64) {
    let end = function.range_at(function.entry).map_or(function.entry.0, |range| range.end);
    (function.entry.0, end, function.highest().0)
}

/// Whether a line is of assembly source: headers are when they are included by such.
fn is_assembly(unit: &Unit<'_>, lines: &Lines, at: LineAt) -> bool {
    let name = lines.files.get(at.file).map_or("", |file| &*file.name);
    [".s", ".S", ".sx"].into_iter().any(|suffix| name.ends_with(suffix))
        || (unit.is_assembly() && !name.ends_with(".c"))
}

fn declared(lines: &Lines, at: LineAt) -> Option<Declared> {
    let file = lines.files.get(at.file)?;
    Some(Declared { file: Rc::clone(&file.name), path: Rc::clone(&file.path), line: at.line })
}

impl<'d> Subject<'_, 'd> {
    /// `address` moved to the end of the function's prologue, if it is before that.
    fn skip(&self, address: LinkAddr) -> Start {
        let here = || self.lines.at(address.0).and_then(|at| declared(&self.lines, at));
        let end = match self.marked() {
            Some(marked) => marked,
            // Nothing is skipped where locations hold anyway.
            None if self.scopes.is_some() && self.unit.locations_hold_at_entry() => self.entry,
            None => self.by_code(),
        };
        if address.0 >= end {
            return Start { address, line: here() };
        }
        let line = self.call_around(end).or_else(|| {
            let at = self.lines.at(end)?;
            declared(&self.lines, at)
        });
        Start { address: LinkAddr(end), line }
    }

    /// Where the compiler says that the prologue ends.
    fn marked(&self) -> Option<u64> {
        let at = self.lines.at(self.entry).filter(|at| !is_assembly(&self.unit, &self.lines, *at))?;
        let rows = &self.lines.files.get(at.file)?.rows;
        let first = rows.partition_point(|row| row.address < self.entry);
        let mut inside = rows.get(first..)?.iter().take_while(|row| row.address <= self.end);
        inside.find(|row| row.prologue_end).map(|row| row.address)
    }

    /// By the architecture's rules, then to the start of a line.
    fn by_code(&self) -> u64 {
        let by_lines = self.arch.prologue.by_lines || self.unit.producer.starts_with("clang ");
        let lines = by_lines.then(|| self.second_line()).flatten();
        let setup = (self.arch.prologue.frame_setup)(self.code) as u64;
        let end = lines.unwrap_or_else(|| self.entry.saturating_add(setup)).max(self.entry);
        match self.lines.at(end) {
            Some(at) if at.start != end && self.entry <= at.end && at.end < self.highest => at.end,
            _ => end,
        }
    }

    /// The second line of the function's code; none where there is only one.
    fn second_line(&self) -> Option<u64> {
        let mut prologue = self.lines.at(self.entry)?;
        if self.starts_twice(prologue) {
            return Some(self.entry);
        }
        if prologue.end >= self.end {
            return None;
        }
        while prologue.end < self.end {
            let Some(next) = self.lines.at(prologue.end) else { break };
            // Earlier lines may be mixed into the prologue; later ones and other files' are the body.
            let body = next.line >= prologue.line || next.file != prologue.file || next.end <= prologue.end;
            if body || self.is_inlined(prologue.end) {
                break;
            }
            prologue = next;
        }
        Some(if prologue.end < self.end { prologue.end } else { prologue.start })
    }

    /// Two rows at the function's start: a prologue of no instructions.
    fn starts_twice(&self, first: LineAt) -> bool {
        let rows = self.lines.files.get(first.file).map_or(&[][..], |file| &file.rows);
        let at = rows.iter().position(|row| row.address == first.start && row.line != 0);
        let next = at.and_then(|at| rows.get(at + 1));
        !is_assembly(&self.unit, &self.lines, first)
            && next.is_some_and(|row| row.line != 0 && row.address == self.entry)
    }

    fn is_inlined(&self, address: u64) -> bool {
        let scopes = self.scopes.as_ref();
        scopes.is_some_and(|scopes| scopes.inlined_at(LinkAddr(address)).next().is_some())
    }

    /// The call of the outermost function inlined at an address.
    fn call_around(&self, address: u64) -> Option<Declared> {
        let scopes = self.scopes.as_ref()?;
        let (block, inlined) = scopes.inlined_at(LinkAddr(address)).last()?;
        self.dwarf.call_place(block, inlined.call_file, inlined.call_line)
    }
}

impl<'d> Dwarf<'d> {
    /// The source of the call in a block that is an inlined function.
    #[must_use]
    pub fn call_place(&self, block: &Block<'d>, file: u64, line: u32) -> Option<Declared> {
        let lines = self.unit(block.die.unit).ok()?.lines(self.sections()).ok()?;
        let file = lines.files.get(lines.file_numbered(file)?)?;
        Some(Declared { file: Rc::clone(&file.name), path: Rc::clone(&file.path), line })
    }
}
