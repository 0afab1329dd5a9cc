//! What users see as frames: a physical frame, and before it the functions that are inlined around its address.

use std::ops::Range;
use std::rc::Rc;

use lkdb_base::{LinkAddr, RuntimeAddr};
use lkdb_symbols::dwarf::{Block, DieRef, Dwarf, Inlined};
use lkdb_symbols::{Located, Object, Symbols};
use lkdb_unwind::Frame;

/// One row of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The physical frame it belongs to, as its place in [`super::Stack::frames`].
    pub physical: usize,
    /// The address it is at.
    pub pc: RuntimeAddr,
    /// The same for lookups: within the call, for a caller.
    pub place: Option<Located>,
    /// The function's name; none where no symbol is.
    pub function: Option<String>,
    /// The module that it is of, where no file of that one's is known.
    pub module: Option<String>,
    /// It has debug info, so its parameters are known.
    pub described: bool,
    /// The inlined call that this row is; none for a function's own row.
    pub inlined: Option<Inline>,
    /// The source line: of the instruction, or of the inlined call that stands in the row before.
    pub line: Option<Line>,
    /// The address is not where the line's code begins, so it is shown.
    pub within_line: bool,
}

/// An inlined call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inline {
    /// The DIE of the inlined copy.
    pub die: DieRef,
}

/// A source line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file as DWARF names it, which users see: `init/main.c`.
    pub file: Rc<str>,
    /// The same from the root.
    pub path: Rc<str>,
    /// The line.
    pub line: u32,
    /// Its code there begins with a statement, says the compiler.
    pub statement: bool,
}

/// Appends the rows of one physical frame. The `hide` innermost inlined calls are left out.
pub(super) fn append(
    rows: &mut Vec<Row>,
    symbols: &Symbols<'_>,
    frame: &Frame,
    physical: usize,
    hide: usize,
) {
    let pc = frame.pc.address();
    let place = symbols.locate(frame.pc.lookup());
    let bare = Row {
        physical,
        pc,
        place,
        function: None,
        module: None,
        described: false,
        inlined: None,
        line: None,
        within_line: true,
    };
    let Some((place, object)) = place.and_then(|place| Some((place, symbols.object(place.object)?))) else {
        rows.push(bare);
        return;
    };
    described(rows, object, place, &bare, hide);
}

fn described(rows: &mut Vec<Row>, object: &Object<'_>, place: Located, bare: &Row, hide: usize) {
    let symbol = || {
        let (nearest, section) = object.symbol_at(place.address)?;
        section.executable.then(|| nearest.symbol.name.to_owned())
    };
    let dwarf = object.dwarf();
    let here = dwarf.and_then(|dwarf| line_at(dwarf, place.address));
    // gdb takes an address for a line's only where a statement begins.
    let starts = |(line, range): &(Line, Range<LinkAddr>)| {
        line.statement && object.runtime(range.start) == Some(bare.pc)
    };
    let mut within_line = !here.as_ref().is_some_and(starts);
    let mut line = here.map(|(line, _)| line);
    let scopes = dwarf.and_then(|dwarf| dwarf.scopes_at(place.address).ok().flatten());
    if let (Some(scopes), Some(dwarf)) = (&scopes, dwarf) {
        for (index, (block, inlined)) in scopes.inlined_at(place.address).enumerate() {
            let call = line_of_call(dwarf, block, inlined);
            if index >= hide {
                rows.push(Row {
                    function: Some(inlined.name.to_owned()),
                    described: true,
                    inlined: Some(Inline { die: block.die }),
                    line: line.take(),
                    within_line,
                    ..bare.clone()
                });
            }
            // What is inlined stands at a call, entered or not.
            within_line = false;
            line = call;
        }
    }
    let function = scopes.as_ref().map(|scopes| scopes.function.name.to_owned());
    let described = function.is_some();
    rows.push(Row { function: function.or_else(symbol), described, line, within_line, ..bare.clone() });
}

/// The line of an address, and the piece of its code around that.
pub(crate) fn line_at(dwarf: &Dwarf<'_>, address: LinkAddr) -> Option<(Line, Range<LinkAddr>)> {
    let unit = dwarf.unit(dwarf.unit_at(address).ok()??).ok()?;
    let lines = unit.lines(dwarf.sections()).ok()?;
    let at = lines.at(address.0)?;
    let file = lines.files.get(at.file)?;
    let line = Line {
        file: Rc::clone(&file.name),
        path: Rc::clone(&file.path),
        line: at.line,
        statement: at.statement,
    };
    Some((line, LinkAddr(at.start)..LinkAddr(at.end)))
}

/// Where an inlined function is called.
fn line_of_call(dwarf: &Dwarf<'_>, block: &Block<'_>, inlined: &Inlined<'_>) -> Option<Line> {
    let unit = dwarf.unit(block.die.unit).ok()?;
    let lines = unit.lines(dwarf.sections()).ok()?;
    let file = lines.files.get(lines.file_numbered(inlined.call_file)?)?;
    let (name, path) = (Rc::clone(&file.name), Rc::clone(&file.path));
    Some(Line { file: name, path, line: inlined.call_line, statement: true })
}
