//! A unit's line program, run into one table a source file.
//!
//! The rows are those that gdb keeps, so that both debuggers mean the same by "the line of an address":
//! a file's table ends (line 0) where the program goes on in another file, rows of one line that differ
//! in their discriminator alone become one, a row that is no statement does not displace a statement at
//! the same address in another file, and code that the linker dropped (address 0) has no rows.

use gimli::{DebugLine, LineInstruction, LineProgramHeader, LittleEndian, SectionId};

use super::super::{Error, Reader, Sections, Unit};
use super::{Lines, Row, SourceFile, join};

/// The files of a table while it is being made.
#[derive(Default)]
struct Files {
    files: Vec<Named>,
    /// DWARF's file numbers, to places in `files`.
    numbers: Vec<Option<usize>>,
}

/// A file and its rows so far.
struct Named {
    name: String,
    path: String,
    rows: Vec<Row>,
}

impl Files {
    /// The place of a file: the one of the same path, or a new one.
    fn enter(&mut self, name: String, path: String) -> usize {
        if let Some(at) = self.files.iter().position(|file| file.path == path) {
            return at;
        }
        self.files.push(Named { name, path, rows: Vec::new() });
        self.files.len() - 1
    }

    fn numbered(&self, number: u64) -> Option<usize> {
        self.numbers.get(usize::try_from(number).ok()?).copied().flatten()
    }

    fn row(&mut self, file: usize, row: Row) {
        if let Some(file) = self.files.get_mut(file) {
            file.rows.push(row);
        }
    }

    /// Ends a file's rows at an address. Rows that begin there are of no length and go; nothing is ended
    /// twice.
    fn end(&mut self, file: Option<usize>, address: u64) {
        let Some(file) = file.and_then(|file| self.files.get_mut(file)) else { return };
        let mut last = None;
        while let Some(row) = file.rows.last() {
            last = Some(row.line);
            if row.address != address {
                break;
            }
            file.rows.pop();
        }
        if last.is_some_and(|line| line != 0) {
            let (line, column) = (0, 0);
            file.rows.push(Row { address, line, column, statement: true, prologue_end: false });
        }
    }
}

/// The state of the machine that a line program drives, at the start of each of its sequences.
struct Machine {
    address: u64,
    op_index: u64,
    file: Option<usize>,
    line: u32,
    column: u16,
    statement: bool,
    prologue_end: bool,
    discriminator: bool,
    /// The current line has had a discriminator at some of its rows.
    discriminated: bool,
    /// What the row before was.
    last_file: Option<usize>,
    last_line: u32,
    last_address: u64,
    /// A statement begins at `last_address`.
    statement_there: bool,
    /// The sequence is of code that is in the file.
    present: bool,
}

impl Machine {
    fn new(statement: bool, file: Option<usize>) -> Self {
        Self {
            address: 0,
            op_index: 0,
            file,
            line: 1,
            column: 0,
            statement,
            prologue_end: false,
            discriminator: false,
            discriminated: false,
            last_file: None,
            last_line: 0,
            last_address: 0,
            statement_there: false,
            present: true,
        }
    }

    fn advance(&mut self, header: &LineProgramHeader<Reader<'_>>, operations: u64) {
        let most = u64::from(header.maximum_operations_per_instruction().max(1));
        let index = self.op_index.wrapping_add(operations);
        let bytes = (index / most).wrapping_mul(u64::from(header.minimum_instruction_length()));
        self.address = self.address.wrapping_add(bytes);
        self.op_index = index % most;
    }

    fn advance_line(&mut self, by: i64) {
        let by = u32::try_from(by.rem_euclid(1 << 32)).unwrap_or(0);
        self.line = self.line.wrapping_add(by);
        if by != 0 {
            self.discriminated = self.discriminator;
        }
    }

    fn set_file(&mut self, file: Option<usize>) {
        if file.is_some() {
            self.last_file = self.file;
            self.discriminated = self.discriminator;
            self.file = file;
        }
    }

    fn row(&mut self, files: &mut Files, end: bool) {
        if let Some(file) = self.file.filter(|_| self.op_index == 0 || end) {
            let changed = self.last_file != Some(file);
            let hidden =
                changed && self.last_address == self.address && !self.statement && self.statement_there;
            let ignored = !end && (hidden || self.line == 0);
            if ((changed && !ignored) || end) && self.present {
                files.end(self.last_file, self.address);
            }
            if !end && !ignored {
                let repeated = !changed && self.line == self.last_line && self.discriminated;
                if !repeated && self.present {
                    files.row(file, self.as_row());
                }
                self.last_file = Some(file);
                self.last_line = self.line;
            }
        }
        if self.last_address != self.address {
            self.statement_there = false;
            self.last_address = self.address;
        }
        self.statement_there |= self.statement;
    }

    fn as_row(&self) -> Row {
        Row {
            address: self.address,
            line: self.line,
            column: self.column,
            statement: self.statement,
            prologue_end: self.prologue_end,
        }
    }

    /// What holds for one row only.
    fn after_row(&mut self) {
        self.discriminator = false;
        self.prologue_end = false;
    }
}

/// Reads the line table of a unit. A damaged program gives the rows up to the damage.
pub(super) fn read<'d>(sections: &Sections<'d>, unit: &Unit<'d>) -> Result<Lines, Error> {
    let mut files = Files::default();
    files.enter(unit.name.to_owned(), join(unit.directory, unit.name));
    if let Some(offset) = unit.line_program {
        let section = DebugLine::new(sections.get(SectionId::DebugLine)?, LittleEndian);
        let whole = Reader::new(unit.directory.as_bytes(), LittleEndian);
        let name = Reader::new(unit.name.as_bytes(), LittleEndian);
        let program = section
            .program(offset, unit.encoding().address_size, Some(whole), Some(name))
            .map_err(|why| unit.wrong(why))?;
        let header = program.header();
        list_files(sections, unit, header, &mut files)?;
        let ranges = unit.ranges(sections)?;
        // A unit without code of its own has no rows either: what it lists was dropped by the linker.
        if let Some(lowest) = ranges.iter().map(|range| range.begin).min() {
            run(header, lowest, &mut files);
        }
    }
    for file in &mut files.files {
        file.rows.sort_by_key(|row| (row.address, row.line != 0));
    }
    let numbers = files.numbers;
    let end = unit.ranges(sections)?.iter().map(|range| range.end).max().unwrap_or(0);
    let done =
        |file: Named| SourceFile { name: file.name.into(), path: file.path.into(), rows: file.rows.into() };
    Ok(Lines { files: files.files.into_iter().map(done).collect(), numbers, end })
}

/// Enters the files of a line table, in their order.
fn list_files<'d>(
    sections: &Sections<'d>,
    unit: &Unit<'d>,
    header: &LineProgramHeader<Reader<'d>>,
    files: &mut Files,
) -> Result<(), Error> {
    if header.version() < 5 {
        files.numbers.push(None);
    }
    let code = !unit.ranges(sections)?.is_empty();
    for entry in header.file_names() {
        let name = unit.string(sections, entry.path_name())?.unwrap_or_default();
        let directory = directory(sections, unit, header, entry.directory_index())?;
        let joined = match directory {
            // Of a unit without code gdb does not read this list, and so knows its file by the unit's name.
            Some(directory) if !code && (directory, name) == (unit.directory, unit.name) => name.to_owned(),
            Some(directory) => join(directory, name),
            None => name.to_owned(),
        };
        let path = join(unit.directory, &joined);
        let at = files.enter(joined, path);
        files.numbers.push(Some(at));
    }
    Ok(())
}

/// A directory of the table. Until version 4 number 0 is where the compiler ran, and not listed.
fn directory<'d>(
    sections: &Sections<'d>,
    unit: &Unit<'d>,
    header: &LineProgramHeader<Reader<'d>>,
    index: u64,
) -> Result<Option<&'d str>, Error> {
    let listed = header.include_directories();
    let at = if header.version() < 5 { index.checked_sub(1) } else { Some(index) };
    let Some(value) = at.and_then(|at| listed.get(usize::try_from(at).ok()?)) else { return Ok(None) };
    unit.string(sections, *value)
}

/// Runs the program, from unit start address `lowest` on.
fn run(header: &LineProgramHeader<Reader<'_>>, lowest: u64, files: &mut Files) {
    let mut instructions = header.instructions();
    loop {
        let mut machine = Machine::new(header.default_is_stmt(), files.numbered(1));
        let mut any = false;
        loop {
            let Ok(Some(instruction)) = instructions.next_instruction(header) else {
                if any {
                    machine.row(files, true);
                }
                return;
            };
            any = true;
            if matches!(instruction, LineInstruction::EndSequence) {
                machine.row(files, true);
                break;
            }
            step(header, &mut machine, instruction, lowest, files);
        }
    }
}

fn step(
    header: &LineProgramHeader<Reader<'_>>,
    machine: &mut Machine,
    instruction: LineInstruction<Reader<'_>>,
    lowest: u64,
    files: &mut Files,
) {
    match instruction {
        LineInstruction::Special(opcode) => {
            let adjusted = opcode.wrapping_sub(header.opcode_base());
            let range = header.line_range().max(1);
            machine.advance(header, u64::from(adjusted / range));
            machine.advance_line(i64::from(header.line_base()) + i64::from(adjusted % range));
            machine.row(files, false);
            machine.after_row();
        }
        LineInstruction::Copy => {
            machine.row(files, false);
            machine.after_row();
        }
        LineInstruction::AdvancePc(operations) => machine.advance(header, operations),
        LineInstruction::AdvanceLine(by) => machine.advance_line(by),
        LineInstruction::SetFile(number) => machine.set_file(files.numbered(number)),
        LineInstruction::SetColumn(column) => {
            machine.column = u16::try_from(column).unwrap_or(u16::MAX);
        }
        LineInstruction::NegateStatement => machine.statement = !machine.statement,
        LineInstruction::ConstAddPc => {
            let range = header.line_range().max(1);
            machine.advance(header, u64::from((255 - header.opcode_base()) / range));
        }
        LineInstruction::FixedAddPc(bytes) => {
            machine.address = machine.address.wrapping_add(u64::from(bytes));
            machine.op_index = 0;
        }
        LineInstruction::SetPrologueEnd => machine.prologue_end = true,
        LineInstruction::SetAddress(address) => {
            if (address == 0 && lowest > 0) || address == u64::MAX {
                machine.present = false;
            }
            machine.address = address;
            machine.op_index = 0;
        }
        LineInstruction::SetDiscriminator(discriminator) => {
            machine.discriminated |= discriminator != 0;
            machine.discriminator = discriminator != 0;
        }
        _ => {}
    }
}
