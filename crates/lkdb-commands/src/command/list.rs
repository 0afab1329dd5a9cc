//! `list`: source lines.
//!
//! gdb's arithmetic: ten lines around a place, then the next ten; `-` the ten before those shown.

use lkdb_session::linespec::{File, Place, Purpose};
use lkdb_session::{Lines, Session};
use serde::Serialize;

use crate::answer::Layout;
use crate::page::{Page, Style};
use crate::table::{Command, Group, Repeat, Takes};
use crate::{Error, Result};

pub(crate) const COMMANDS: &[Command] = &[Command::new(
    &["list", "l"],
    "[PLACE | FIRST,LAST | FIRST, | ,LAST | + | -]",
    "Lists source lines\nAround PLACE, from FIRST to LAST, or the next (+) or previous (-) ones; without arguments the next \
     ones.\n`set listsize' says how many.",
    Group::Files,
    list,
)
.repeats(Repeat::GoesOn)
.takes(Takes::Location)];

/// Lines of one or more files.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Listed(pub(crate) Vec<Part>);

/// Lines of one file.
#[derive(Debug, Serialize)]
pub(crate) struct Part {
    /// What is said before it.
    #[serde(skip)]
    title: Option<String>,
    file: String,
    /// None when the file is not on this host.
    lines: Option<Vec<Line>>,
    /// The line asked for, of a file that is not there.
    #[serde(skip)]
    first: u32,
    #[serde(skip)]
    said: bool,
    #[serde(skip)]
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    number: u32,
    text: String,
}

impl Part {
    pub(crate) fn of(session: &Session<'_>, title: Option<String>, lines: Lines) -> Self {
        let hint = (lines.lines.is_none() && !lines.said).then(|| session.source_hint()).flatten();
        let file = lines.file.name.to_string();
        let all =
            lines.lines.map(|all| all.into_iter().map(|(number, text)| Line { number, text }).collect());
        Self { title, file, lines: all, first: lines.first, said: lines.said, hint }
    }
}

impl Layout for Listed {
    fn lay_out(&self, page: &mut Page) {
        for part in &self.0 {
            if let Some(title) = &part.title {
                page.plain(title).plain("\n");
            }
            match &part.lines {
                Some(lines) => {
                    for Line { number, text } in lines {
                        page.put(Style::Dim, number).plain("\t").plain(text).plain("\n");
                    }
                }
                None if part.said => {
                    page.plain(part.first).plain("\tin ").put(Style::File, &part.file).plain("\n");
                }
                None => {
                    page.plain(part.first).plain("\t").put(Style::File, &part.file);
                    page.plain(": No such file or directory.\n");
                    if let Some(hint) = &part.hint {
                        page.put(Style::Dim, hint).plain("\n");
                    }
                }
            }
        }
    }
}

/// How many lines.
fn size(session: &Session<'_>) -> u32 {
    let size = session.settings().listsize.and_then(|size| u32::try_from(size).ok());
    size.unwrap_or(u32::MAX >> 2)
}

fn list(session: &mut Session<'_>, rest: &str) -> Result {
    match rest {
        "" | "+" => forward(session),
        "-" => backward(session),
        _ => match split(rest) {
            None => around(session, rest),
            Some((first, last)) => range(session, first, last),
        },
    }
}

/// The comma between two places: not one in brackets or quotes.
fn split(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut quote) = (0_i32, None);
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(letter),
            ('(' | '[', None) => depth += 1,
            (')' | ']', None) => depth -= 1,
            (',', None) if depth == 0 => {
                let (first, last) = text.split_at(at);
                return Some((first.trim(), last.trim_start_matches(',').trim()));
            }
            _ => {}
        }
    }
    None
}

fn show(session: &mut Session<'_>, file: &File, first: u32, last: u32) -> Result {
    let lines = session.lines(file, first, last)?;
    Ok(Box::new(Listed(vec![Part::of(session, None, lines)])))
}

fn forward(session: &mut Session<'_>) -> Result {
    let size = size(session);
    let (file, shown, around) = state(session);
    match (file, shown, around) {
        (Some(file), Some((_, last)), _) => {
            let known = session.text_of(&file).is_some();
            // A file that is not there stays where it is.
            let first = if known { last.saturating_add(1) } else { last };
            show(session, &file, first, first.saturating_add(size - 1))
        }
        (Some(file), None, Some(line)) => show_around(session, &file, line),
        _ => {
            let place = session.first_place()?;
            let Place { file: Some(file), line, .. } = place else { return Err(no_lines()) };
            show_around(session, &file, line)
        }
    }
}

fn state(session: &Session<'_>) -> (Option<File>, Option<(u32, u32)>, Option<u32>) {
    let listing = session.listing();
    (listing.file().cloned(), listing.shown(), listing.around())
}

fn show_around(session: &mut Session<'_>, file: &File, line: u32) -> Result {
    let size = size(session);
    let first = line.saturating_sub(size / 2).max(1);
    show(session, file, first, first.saturating_add(size - 1))
}

fn backward(session: &mut Session<'_>) -> Result {
    let size = size(session);
    let (file, shown, around) = state(session);
    let Some(file) = file else { return forward(session) };
    let first = shown.map(|(first, _)| first).or(around).unwrap_or(1);
    if first <= 1 {
        return Err(Error::say(format!("Already at the start of {}.", file.name)));
    }
    let start = first.saturating_sub(size).max(1);
    show(session, &file, start, first - 1)
}

fn around(session: &mut Session<'_>, text: &str) -> Result {
    let Some(places) = distinct(session, text)? else { return Ok(Box::new(Listed(Vec::new()))) };
    if places.is_empty() {
        return Err(no_lines());
    }
    let several = places.len() > 1;
    let mut parts = Vec::new();
    for (file, place) in &places {
        let title = if text.starts_with('*') {
            place.runs_at.map(|address| address_title(session, place, file, address))
        } else {
            several.then(|| location(file, place))
        };
        let size = size(session);
        let first = place.line.saturating_sub(size / 2).max(1);
        let lines = session.lines(file, first, first.saturating_add(size - 1))?;
        parts.push(Part::of(session, title, lines));
    }
    Ok(Box::new(Listed(parts)))
}

/// The lines that a text means, each once, by file and line. None: it is known and has no place.
fn distinct(session: &Session<'_>, text: &str) -> Result<Option<Vec<(File, Place)>>> {
    let places = session.places(text, Purpose::Lines)?;
    if places.is_empty() {
        return Ok(None);
    }
    let mut places: Vec<(File, Place)> =
        places.into_iter().filter_map(|place| Some((place.file.clone()?, place))).collect();
    let key = |(file, place): &(File, Place)| (std::rc::Rc::clone(&file.name), place.line);
    places.sort_by_key(key);
    places.dedup_by_key(|place| key(place));
    Ok(Some(places))
}

/// One of several places, in gdb's words.
fn location(file: &File, place: &Place) -> String {
    let function = place.function.as_deref().unwrap_or("???");
    format!("file: \"{}\", line number: {}, symbol: \"{function}\"", file.name, place.line)
}

fn address_title(
    session: &Session<'_>,
    place: &Place,
    file: &File,
    address: lkdb_base::RuntimeAddr,
) -> String {
    match session.function_name(address) {
        Some(function) => format!("{address} is in {function} ({}:{}).", file.name, place.line),
        None => format!("{address} is at {}:{}.", file.name, place.line),
    }
}

fn range(session: &mut Session<'_>, first: &str, last: &str) -> Result {
    let size = size(session);
    let (file, start, end) = match (first.is_empty(), last.is_empty()) {
        (true, true) => return Err(Error::say("Argument to `list' is only a comma.")),
        (true, false) => {
            let (file, end) = one(session, "last", last)?;
            (file, end.saturating_sub(size - 1).max(1), end)
        }
        (false, true) => {
            let (file, start) = one(session, "first", first)?;
            (file, start, start.saturating_add(size - 1))
        }
        (false, false) => {
            let (file, start) = one(session, "first", first)?;
            let end = match last.strip_prefix('+').and_then(|count| count.trim().parse::<u32>().ok()) {
                Some(count) => start.saturating_add(count),
                None => end_of_range(session, &file, last)?,
            };
            (file, start, end)
        }
    };
    if start > end {
        return Err(Error::say("Second line must be after the first line."));
    }
    show(session, &file, start, end)
}

/// The one line that a text means.
fn one(session: &Session<'_>, which: &str, text: &str) -> Result<(File, u32)> {
    let places = distinct(session, text)?.unwrap_or_default();
    match places.as_slice() {
        [] => Err(no_lines()),
        [(file, place)] => Ok((file.clone(), place.line)),
        several => {
            let lines: Vec<String> = several.iter().map(|(file, place)| location(file, place)).collect();
            let lines = lines.join("\n");
            Err(Error::say(format!("Specified {which} line '{text}' is ambiguous:\n{lines}")))
        }
    }
}

/// The last line of a range; a bare number is a line of the first place's file.
fn end_of_range(session: &Session<'_>, file: &File, last: &str) -> Result<u32> {
    let bare = last.bytes().all(|byte| byte.is_ascii_digit());
    let last = if bare { format!("\"{}\":{last}", file.name) } else { last.to_owned() };
    let (other, end) = one(session, "last", &last)?;
    if *other.name != *file.name {
        return Err(Error::say("Specified first and last lines are in different files."));
    }
    Ok(end)
}

fn no_lines() -> Error {
    Error::say("No line number information available.")
}
