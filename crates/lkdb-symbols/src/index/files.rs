//! A unit's files and which of them have lines: `.debug_line` of DWARF 2 to 5, headers and programs, read by
//! hand. Addresses and line numbers are not followed.

use crate::names::Raw;
use crate::names::cursor::Cursor;
use crate::names::form::{self, Encoding};
use crate::names::unit;

/// The files of a unit's line table, in its numbering.
#[derive(Debug, Default)]
pub(super) struct Files<'d> {
    directories: Vec<&'d [u8]>,
    files: Vec<(&'d [u8], usize)>,
    version: u16,
    /// By file number: lines are there.
    pub(super) lined: Vec<bool>,
}

/// Directories and files of one unit beyond this are damage.
const MOST_FILES: u64 = 1 << 20;

struct Program {
    opcode_base: u8,
    lengths: [u8; 256],
    start: usize,
    end: usize,
}

impl<'d> Files<'d> {
    /// Reads the table at an offset. What is damaged ends it: the files in front of that are known.
    pub(super) fn read(&mut self, raw: &Raw<'d>, offset: u64, base: Option<u64>) {
        self.directories.clear();
        self.files.clear();
        self.lined.clear();
        let program = usize::try_from(offset).ok().and_then(|at| self.header(raw, at, base));
        self.lined.resize(self.files.len(), false);
        if let Some(program) = program {
            let _ = self.rows(raw.line, &program);
        }
    }

    /// Directory and name of a file; no directory where the name stands alone. Up to version 4 that is so in the
    /// directory of the compilation; in version 5 only for the unit's own file, called `own`.
    pub(super) fn get(&self, number: u32, own: &[u8]) -> Option<(&'d [u8], &'d [u8])> {
        let (name, directory) = *self.files.get(number as usize)?;
        let alone = directory == 0 && (self.version < 5 || name == own);
        if alone || name.first() == Some(&b'/') {
            return Some((b"", name));
        }
        Some((self.directories.get(directory).copied().unwrap_or_default(), name))
    }

    fn header(&mut self, raw: &Raw<'d>, offset: usize, base: Option<u64>) -> Option<Program> {
        let length = Cursor::new(raw.line, offset).u32().filter(|length| *length < 0xffff_fff0)?;
        let end = offset.checked_add(4)?.checked_add(length as usize)?;
        let section = raw.line.get(..end)?;
        let mut cursor = Cursor::new(section, offset + 4);
        self.version = cursor.u16().filter(|version| (2..=5).contains(version))?;
        let address_size = if self.version == 5 {
            let size = cursor.u8()?;
            cursor.u8()?;
            size
        } else {
            8
        };
        let header = cursor.u32()? as usize;
        let start = cursor.at().checked_add(header)?;
        // Shortest instruction; from 4 on operations an instruction; is_stmt; line base and range.
        cursor.skip(if self.version >= 4 { 5 } else { 4 })?;
        let opcode_base = cursor.u8()?;
        let mut lengths = [0; 256];
        for length in lengths.iter_mut().take(usize::from(opcode_base)).skip(1) {
            *length = cursor.u8()?;
        }
        if self.version == 5 {
            self.tables(raw, &mut cursor, Encoding { version: 5, address_size }, base)?;
        } else {
            self.old_tables(&mut cursor)?;
        }
        Some(Program { opcode_base, lengths, start, end })
    }

    /// Versions 2 to 4: lists of strings that an empty one ends. Numbers begin at 1.
    fn old_tables(&mut self, cursor: &mut Cursor<'d>) -> Option<()> {
        self.directories.push(b"");
        loop {
            match cursor.string()? {
                b"" => break,
                directory => self.directories.push(directory),
            }
        }
        self.files.push((b"", 0));
        loop {
            let name = cursor.string()?;
            if name.is_empty() {
                return Some(());
            }
            let directory = cursor.uleb()?;
            cursor.uleb()?;
            cursor.uleb()?;
            self.files.push((name, usize::try_from(directory).ok()?));
        }
    }

    /// Version 5: entries as their formats say. Numbers begin at 0.
    fn tables(
        &mut self,
        raw: &Raw<'d>,
        cursor: &mut Cursor<'d>,
        encoding: Encoding,
        base: Option<u64>,
    ) -> Option<()> {
        let mut formats = Vec::new();
        for files in [false, true] {
            formats.clear();
            for _ in 0..cursor.u8()? {
                formats.push((cursor.uleb()?, u16::try_from(cursor.uleb()?).ok()?));
            }
            let count = cursor.uleb()?;
            if count > MOST_FILES {
                return None;
            }
            // An entry without bytes could be repeated for ever.
            for _ in 0..count {
                let begin = cursor.at();
                let (mut name, mut directory) = (&b""[..], 0);
                for (content, form) in &formats {
                    let at = *cursor;
                    form::skip(*form, encoding, cursor)?;
                    let mut value = at;
                    match content {
                        1 => {
                            let number = form::number(*form, encoding, &mut value)?;
                            name = inline(*form, at)
                                .or_else(|| unit::string(raw, base, *form, number))
                                .unwrap_or_default();
                        }
                        2 => directory = form::number(*form, encoding, &mut value)?,
                        _ => {}
                    }
                }
                if cursor.at() == begin {
                    return None;
                }
                if files {
                    self.files.push((name, usize::try_from(directory).ok()?));
                } else {
                    self.directories.push(name);
                }
            }
        }
        Some(())
    }

    /// Runs the program as far as the file register goes.
    fn rows(&mut self, section: &[u8], program: &Program) -> Option<()> {
        let section = section.get(..program.end)?;
        let mut cursor = Cursor::new(section, program.start);
        let mut file = 1usize;
        while cursor.left() > 0 {
            let opcode = cursor.u8()?;
            if opcode >= program.opcode_base {
                self.row(file);
                continue;
            }
            match opcode {
                0 => {
                    let length = usize::try_from(cursor.uleb()?).ok()?;
                    let mut inner = cursor;
                    cursor.skip(length)?;
                    // DW_LNE_end_sequence: the registers are as at the start again.
                    if length > 0 && inner.u8()? == 1 {
                        file = 1;
                    }
                }
                1 => self.row(file),
                4 => file = usize::try_from(cursor.uleb()?).ok()?,
                // DW_LNS_fixed_advance_pc, whose operand is no LEB128 number.
                9 => cursor.skip(2)?,
                _ => {
                    for _ in 0..program.lengths.get(usize::from(opcode)).copied()? {
                        cursor.uleb()?;
                    }
                }
            }
        }
        Some(())
    }

    #[inline(always)]
    fn row(&mut self, file: usize) {
        if let Some(lined) = self.lined.get_mut(file) {
            *lined = true;
        }
    }
}

/// A string that lies in the table itself.
fn inline(form: u16, mut at: Cursor<'_>) -> Option<&[u8]> {
    (form == form::STRING).then(|| at.string()).flatten()
}
