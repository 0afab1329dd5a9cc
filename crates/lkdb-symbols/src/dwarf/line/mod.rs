//! Lines: which line an address belongs to, and where the code of a line is.
//!
//! A unit's line table is kept as one table a source file, each by address. The rules are gdb's: an address
//! belongs to the file whose last row before it is nearest, up to the next row of any file.

mod headers;
mod place;
mod program;

use std::rc::Rc;

use super::{Error, Sections, Unit};
pub use place::{LinePlaces, LineSpan, UnitFile};

/// One row of a file's table: from here on the code is of this line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Where.
    pub address: u64,
    /// The line; 0 where the file's code ends, or goes on in another file.
    pub line: u32,
    /// The column; 0 when not known.
    pub column: u16,
    /// A good place for a breakpoint (`is_stmt`).
    pub statement: bool,
    /// The function's prologue ends here, says the compiler (clang does, GCC does not).
    pub prologue_end: bool,
}

/// One source file of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name as debuggers show it: with the directory that the line table has for it, not the one the
    /// compiler ran in.
    pub name: Rc<str>,
    /// The same from the root.
    pub path: Rc<str>,
    /// Its rows, by address.
    pub rows: Rc<[Row]>,
}

/// The line table of a unit.
#[derive(Debug)]
pub struct Lines {
    /// The files; the unit's own first, then in the table's order.
    pub files: Vec<SourceFile>,
    numbers: Vec<Option<usize>>,
    /// Where the unit's last code ends.
    end: u64,
}

/// The line an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineAt {
    /// The file, as its place in [`Lines::files`].
    pub file: usize,
    /// The line.
    pub line: u32,
    /// The column; 0 when not known.
    pub column: u16,
    /// The line's code here begins with a statement.
    pub statement: bool,
    /// Where the line's code around the address begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}

impl Lines {
    pub(super) fn new<'d>(sections: &Sections<'d>, unit: &Unit<'d>) -> Result<Self, Error> {
        program::read(sections, unit)
    }

    /// The file that DWARF's number means (`DW_AT_decl_file`, `DW_AT_call_file`), as its place in
    /// [`Self::files`].
    #[must_use]
    pub fn file_numbered(&self, number: u64) -> Option<usize> {
        self.numbers.get(usize::try_from(number).ok()?).copied().flatten()
    }

    /// The line that `address` belongs to.
    #[must_use]
    pub fn at(&self, address: u64) -> Option<LineAt> {
        let mut best: Option<(usize, Row)> = None;
        let mut end = 0;
        // The first row behind the address among those with which a file's table begins.
        let mut first_behind: Option<u64> = None;
        for (file, table) in self.files.iter().enumerate() {
            let Some(first) = table.rows.first() else { continue };
            if first.address > address && first_behind.is_none_or(|behind| first.address < behind) {
                first_behind = Some(first.address);
            }
            let next = table.rows.partition_point(|row| row.address <= address);
            let before = next.checked_sub(1).and_then(|at| table.rows.get(at));
            if let Some(row) = before
                && row.line != 0
                && best.is_none_or(|(_, best)| row.address > best.address)
            {
                best = Some((file, statement_among(&table.rows, next - 1).unwrap_or(*row)));
                if end <= row.address {
                    end = 0;
                }
            }
            if let Some((_, best)) = best
                && let Some(row) = table.rows.get(next)
                && row.address > best.address
                && (end == 0 || end > row.address)
            {
                end = row.address;
            }
        }
        let (file, row) = best?;
        let end = match (end, first_behind) {
            (0, None) => self.end,
            (0, Some(behind)) => behind,
            (end, Some(behind)) => end.min(behind),
            (end, None) => end,
        };
        let Row { address: start, line, column, statement, .. } = row;
        Some(LineAt { file, line, column, statement, start, end })
    }
}

/// The row at `at`, or where that is no statement one before it at the same address that is.
fn statement_among(rows: &[Row], at: usize) -> Option<Row> {
    let row = rows.get(at)?;
    if row.statement {
        return Some(*row);
    }
    let before = rows.get(..at)?.iter().rev();
    let mut same = before.take_while(|other| other.address == row.address && other.line != 0);
    Some(*same.find(|other| other.statement).unwrap_or(row))
}

/// A path in a directory. Paths that begin at the root stay as they are.
pub(super) fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') || directory.is_empty() {
        return path.to_owned();
    }
    let slash = if directory.ends_with('/') { "" } else { "/" };
    format!("{directory}{slash}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(address: u64, line: u32, statement: bool) -> Row {
        Row { address, line, column: 0, statement, prologue_end: false }
    }

    fn lines(files: &[&[Row]]) -> Lines {
        let file =
            |rows: &&[Row]| SourceFile { name: "f.c".into(), path: "/f.c".into(), rows: (*rows).into() };
        Lines { files: files.iter().map(file).collect(), numbers: Vec::new(), end: 0x100 }
    }

    #[test]
    fn an_address_belongs_to_the_file_whose_row_before_it_is_nearest() {
        let main = [row(0x10, 1, true), row(0x20, 0, true), row(0x30, 2, true), row(0x40, 0, true)];
        let header = [row(0x20, 7, true), row(0x30, 0, true)];
        let lines = lines(&[&main, &header]);
        let at = |address| lines.at(address).map(|at| (at.file, at.line, at.start, at.end));
        assert_eq!(at(0x18), Some((0, 1, 0x10, 0x20)));
        assert_eq!(at(0x20), Some((1, 7, 0x20, 0x30)));
        assert_eq!(at(0x3f), Some((0, 2, 0x30, 0x40)));
        assert_eq!(at(0xf), None);
        assert_eq!(at(0x40), None, "both files ended");
    }

    #[test]
    fn a_statement_counts_before_what_is_none_at_the_same_address() {
        let rows = [row(0x10, 1, true), row(0x10, 2, false), row(0x18, 3, false)];
        let lines = lines(&[&rows]);
        assert_eq!(lines.at(0x11).map(|at| (at.line, at.statement)), Some((1, true)));
        assert_eq!(lines.at(0x18).map(|at| (at.line, at.end)), Some((3, 0x100)), "to the unit's end");
    }

    #[test]
    fn paths_are_joined_once() {
        assert_eq!(join("/src", "a.c"), "/src/a.c");
        assert_eq!(join("/src/", "a.c"), "/src/a.c");
        assert_eq!(join("/src", "/a.c"), "/a.c");
        assert_eq!(join("", "a.c"), "a.c");
    }
}
