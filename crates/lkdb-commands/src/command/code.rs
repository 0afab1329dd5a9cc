//! `disassemble`: instructions of a function or range, with the source lines around them if wanted.

use lkdb_base::RuntimeAddr;
use lkdb_session::Session;
use lkdb_session::code::{Code, Decoder};
use serde::Serialize;

use super::mixed;
use crate::answer::Layout;
use crate::data::Hex;
use crate::page::{Page, Style};
use crate::table::{Command, Group, Takes};
use crate::{Error, Result};

pub(crate) const COMMANDS: &[Command] = &[Command::new(
    &["disassemble", "disas"],
    "[/m | /r | /s] [FUNC | ADDRESS | START,END | START,+LENGTH]",
    "Shows instructions\n/s: with their source lines, in the order of the code; /m: in the order of the source; /r: with \
     their bytes.",
    Group::Data,
    disassemble,
)
.takes(Takes::Expression)];

/// The modifiers of `disassemble`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Modifiers {
    pub(crate) bytes: bool,
    pub(crate) source: bool,
    pub(crate) by_source: bool,
}

/// One run of code.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) start: Hex,
    pub(crate) end: Hex,
    pub(crate) code: Vec<Row>,
}

/// One instruction.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) address: Hex,
    /// The function or symbol it is in.
    pub(crate) symbol: Option<String>,
    /// How far from that.
    pub(crate) offset: i64,
    pub(crate) bytes: String,
    pub(crate) text: String,
    #[serde(skip)]
    pub(crate) current: bool,
}

impl Row {
    /// How many bytes it has.
    pub(crate) fn length(&self) -> u64 {
        self.bytes.split(' ').count() as u64
    }
}

/// What is shown.
#[derive(Debug, Serialize)]
struct Disassembly {
    /// The function, when one was named.
    function: Option<String>,
    runs: Vec<Run>,
    #[serde(skip)]
    text: Page,
}

impl Layout for Disassembly {
    fn lay_out(&self, page: &mut Page) {
        page.append(&self.text);
    }
}

fn disassemble(session: &mut Session<'_>, rest: &str) -> Result {
    let (modifiers, rest) = modifiers(rest)?;
    let what = match rest {
        "" => match session.selected_pc() {
            Some(address) => What::function(session, address)?,
            None => return Err(Error::say("No frame selected.")),
        },
        _ => match split(rest) {
            Some((start, end)) => {
                let start = session.address_of(start)?;
                let end = match end.strip_prefix('+') {
                    Some(length) => start.offset(session.address_of(length)?.0),
                    None => session.address_of(end)?,
                };
                if start >= end {
                    return Err(Error::say("Second address must be after the first."));
                }
                What { function: None, ranges: vec![(start, end)] }
            }
            None => What::function(session, session.address_of(rest)?)?,
        },
    };
    what.shown(session, modifiers)
}

/// What is to be shown.
struct What {
    function: Option<(String, RuntimeAddr)>,
    ranges: Vec<(RuntimeAddr, RuntimeAddr)>,
}

impl What {
    /// The function or symbol around an address.
    fn function(session: &Session<'_>, address: RuntimeAddr) -> Result<Self> {
        let found = session.code_around(address);
        let Some((name, entry, ranges)) = found else {
            return Err(Error::say("No function contains specified address."));
        };
        Ok(Self { function: Some((name, entry)), ranges })
    }

    fn shown(self, session: &Session<'_>, modifiers: Modifiers) -> Result {
        let decoder = Decoder::new(session)?;
        let mut runs = Vec::new();
        let mut text = Page::new();
        self.heading(&mut text);
        for (start, end) in &self.ranges {
            if self.ranges.len() > 1 {
                text.plain(format_args!("Address range {start} to {end}:\n"));
            }
            let code = decoder.range(*start, *end)?;
            let rows: Vec<Row> = code.iter().map(|code| self.row(session, code)).collect();
            let behind = |from, to| {
                let code = decoder.range(from, to)?;
                Ok(code.iter().map(|code| self.row(session, code)).collect())
            };
            let entry = self.function.as_ref().map(|(_, entry)| *entry);
            mixed::lay_out(session, &mut text, &rows, modifiers, entry, &behind)?;
            runs.push(Run { start: Hex(start.0), end: Hex(end.0), code: rows });
        }
        text.plain("End of assembler dump.\n");
        let function = self.function.map(|(name, _)| name);
        Ok(Box::new(Disassembly { function, runs, text }))
    }

    fn heading(&self, text: &mut Page) {
        text.plain("Dump of assembler code ");
        match (&self.function, self.ranges.first()) {
            (Some((name, _)), _) => {
                text.plain("for function ").put(Style::Function, name).plain(":\n");
            }
            (None, Some((start, end))) => {
                text.plain(format_args!("from {start} to {end}:\n"));
            }
            (None, None) => {}
        }
    }

    fn row(&self, session: &Session<'_>, code: &Code) -> Row {
        let (symbol, offset) = match session.symbol_and_offset(code.address) {
            Some((symbol, offset)) => (Some(symbol), offset),
            None => (None, 0),
        };
        let bytes: Vec<String> = code.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Row {
            address: Hex(code.address.0),
            symbol,
            offset,
            bytes: bytes.join(" "),
            text: code.text.clone(),
            current: session.selected_pc() == Some(code.address),
        }
    }
}

fn modifiers(text: &str) -> Result<(Modifiers, &str)> {
    let mut modifiers = Modifiers::default();
    let mut rest = text;
    while let Some(behind) = rest.strip_prefix('/') {
        let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
        let (letters, after) = behind.split_at(end);
        if letters.is_empty() {
            return Err(Error::say("Missing modifier."));
        }
        for letter in letters.chars() {
            match letter {
                'm' => modifiers.by_source = true,
                'r' => modifiers.bytes = true,
                's' => modifiers.source = true,
                _ => return Err(Error::say("Invalid disassembly modifier.")),
            }
        }
        rest = after.trim_start();
    }
    if modifiers.by_source && modifiers.source {
        return Err(Error::say("Cannot specify both /m and /s."));
    }
    Ok((modifiers, rest))
}

/// The comma between two addresses, not one within brackets.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_i32;
    let at = text.char_indices().find(|(_, letter)| {
        depth += match letter {
            '(' | '[' => 1,
            ')' | ']' => -1,
            _ => 0,
        };
        *letter == ',' && depth == 0
    })?;
    let (start, end) = text.split_at(at.0);
    Some((start.trim(), end.trim_start_matches(',').trim()))
}
