//! What is where: `info line`, `info symbol`, `info source`.

use lkdb_base::RuntimeAddr;
use lkdb_session::Session;
use lkdb_session::linespec::{Place, Purpose};
use serde::Serialize;

use crate::answer::Layout;
use crate::data::Hex;
use crate::page::{Page, Style};
use crate::table::{Command, Group, Repeat, Takes};
use crate::{Error, Result, arguments};

pub(crate) const INFO: &[Command] = &[
    Command::new(
        &["line"],
        "PLACE",
        "Where the code of a source line begins and ends\nPLACE: LINE, FILE:LINE, FUNC, FILE:FUNC, *ADDRESS.",
        Group::Status,
        info_line,
    )
    .repeats(Repeat::GoesOn)
    .takes(Takes::Location),
    Command::new(
        &["symbol"],
        "ADDRESS",
        "The symbol and section that an address is in",
        Group::Status,
        info_symbol,
    )
    .takes(Takes::Expression),
    Command::new(&["source"], "", "The source file that is listed", Group::Status, info_source),
];

/// A line and its code.
#[derive(Debug, Serialize)]
struct LineOf {
    file: Option<String>,
    line: u32,
    /// Where its code begins.
    start: Option<Hex>,
    /// Where it ends.
    end: Option<Hex>,
    #[serde(skip)]
    text: Page,
}

/// The lines of an answer.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct LinesOf(Vec<LineOf>);

impl Layout for LinesOf {
    fn lay_out(&self, page: &mut Page) {
        for line in &self.0 {
            page.append(&line.text);
        }
    }
}

fn info_line(session: &mut Session<'_>, rest: &str) -> Result {
    let places = if rest.is_empty() {
        let (file, line) = match session.next_line() {
            Some(next) => next,
            None => (session.listed_file()?, session.listing().line().unwrap_or(1)),
        };
        session.places(&format!("\"{}\":{line}", file.name), Purpose::Lines)?
    } else {
        session.places(rest, Purpose::Lines)?
    };
    let lines: Vec<LineOf> = places.iter().map(|place| line_of(session, place)).collect();
    let started = places.iter().rev().find_map(|place| Some((place.span?.0, place.object)));
    if let Some((address, object)) = started
        && let Some(address) = session.symbols().object(object).and_then(|object| object.runtime(address))
    {
        // `x/i` shows this line's code.
        session.examine_from(address);
    }
    if let Some(Place { file: Some(file), line, .. }) = places.last() {
        session.set_next_line(file.clone(), line.saturating_add(1));
    }
    Ok(Box::new(LinesOf(lines)))
}

fn line_of(session: &Session<'_>, place: &Place) -> LineOf {
    let runs = |address| session.symbols().object(place.object).and_then(|object| object.runtime(address));
    let span = place.span.and_then(|(start, end)| runs(start).zip(runs(end)));
    let mut text = Page::new();
    let name = place.file.as_ref().map(|file| file.name.to_string());
    match (&name, span) {
        (None, _) => {
            text.plain("No line number information available");
            match place.runs_at {
                Some(address) if address.0 != 0 => {
                    text.plain(" for address ");
                    put_address(session, &mut text, address);
                }
                _ => {
                    text.plain(".");
                }
            }
            text.plain("\n");
        }
        (Some(name), None) => {
            let line = place.line;
            text.plain(format_args!("Line number {line} is out of range for \"{name}\".\n"));
        }
        (Some(name), Some((start, end))) => {
            text.plain(format_args!("Line {} of \"", place.line)).put(Style::File, name).plain("\"");
            if start == end {
                text.plain(" is at address ");
                put_address(session, &mut text, start);
                text.plain(" but contains no code.\n");
            } else {
                text.plain(" starts at address ");
                put_address(session, &mut text, start);
                text.plain(" and ends at ");
                put_address(session, &mut text, end);
                text.plain(".\n");
            }
        }
    }
    let (start, end) = (span.map(|span| Hex(span.0.0)), span.map(|span| Hex(span.1.0)));
    LineOf { file: name, line: place.line, start, end, text }
}

/// `0xffffffff8304ee41 <start_kernel>`.
pub(crate) fn put_address(session: &Session<'_>, page: &mut Page, address: RuntimeAddr) {
    page.put(Style::Address, address);
    if let Some(symbol) = session.symbol_text(address) {
        page.plain(" <").put(Style::Function, symbol).plain(">");
    }
}

/// The symbol at an address.
#[derive(Debug, Serialize)]
struct SymbolAt {
    symbol: String,
    offset: u64,
    section: String,
    /// The file, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl Layout for SymbolAt {
    fn lay_out(&self, page: &mut Page) {
        page.put(Style::Function, &self.symbol);
        if self.offset != 0 {
            page.plain(format_args!(" + {}", self.offset));
        }
        page.plain(" in section ").plain(&self.section);
        if let Some(file) = &self.file {
            page.plain(" of ").put(Style::File, file);
        }
        page.plain("\n");
    }
}

fn info_symbol(session: &mut Session<'_>, rest: &str) -> Result {
    if rest.is_empty() {
        return Err(Error::say("Argument required (address)."));
    }
    let address = session.address_of(rest)?;
    let several = session.symbols().objects().count() > 1;
    let found = session.symbols().locate(address).and_then(|located| {
        let object = session.symbols().object(located.object)?;
        let (near, section) = object.symbol_at(located.address)?;
        let path = session.path_of(object.id).map(|path| path.display().to_string());
        Some(SymbolAt {
            symbol: near.symbol.name.to_owned(),
            offset: near.offset,
            section: section.name.to_owned(),
            file: path.filter(|_| several),
        })
    });
    match found {
        Some(found) => Ok(Box::new(found)),
        None => Ok(crate::Text::line(format_args!("No symbol matches {rest}."))),
    }
}

/// The file that is listed.
#[derive(Debug, Serialize)]
struct Source {
    file: String,
    directory: Option<String>,
    /// Where it is on this host.
    path: Option<String>,
    /// How many lines it has.
    lines: Option<u64>,
    language: Option<&'static str>,
    producer: Option<String>,
    dwarf: Option<u16>,
}

impl Layout for Source {
    fn lay_out(&self, page: &mut Page) {
        page.plain("Current source file is ").put(Style::File, &self.file).plain("\n");
        if let Some(directory) = &self.directory {
            page.plain("Compilation directory is ").put(Style::File, directory).plain("\n");
        }
        if let Some(path) = &self.path {
            page.plain("Located in ").put(Style::File, path).plain("\n");
        }
        if let Some(lines) = self.lines {
            let plural = if lines == 1 { "" } else { "s" };
            page.plain(format_args!("Contains {lines} line{plural}.\n"));
        }
        if let Some(language) = self.language {
            page.plain(format_args!("Source language is {language}.\n"));
        }
        if let Some(producer) = &self.producer {
            page.plain("Producer is ").plain(producer).plain(".\n");
        }
        if let Some(version) = self.dwarf {
            page.plain(format_args!("Compiled with DWARF {version} debugging format.\n"));
        }
        page.plain("Does not include preprocessor macro info.\n");
    }
}

fn info_source(session: &mut Session<'_>, rest: &str) -> Result {
    arguments::none(rest)?;
    let file = session.listing().file().cloned();
    let Some(file) = file else {
        return Ok(crate::Text::line("No current source file."));
    };
    let unit = session.unit_of(&file);
    let path = session.find_source(&file).map(|path| path.display().to_string());
    Ok(Box::new(Source {
        file: file.name.to_string(),
        directory: file.directory.as_deref().map(str::to_owned),
        path,
        lines: session.text_of(&file).map(|text| text.lines()),
        language: unit.as_ref().map(|unit| unit.language),
        dwarf: unit.as_ref().map(|unit| unit.version),
        producer: unit.map(|unit| unit.producer).filter(|producer| !producer.is_empty()),
    }))
}
