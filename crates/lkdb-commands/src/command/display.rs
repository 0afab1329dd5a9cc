//! `display`: expressions that are shown at each stop.

use lkdb_session::{Display, Session};
use lkdb_value::format::{Letter, Size, Spec, print};
use serde::Serialize;

use super::print::{Memory, memory_at};
use crate::answer::{Layout, Nothing};
use crate::page::{Page, Style};
use crate::table::{Command, Group, Repeat, Takes};
use crate::{Error, Result, arguments};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new(
        &["display"],
        "[/FMT] [EXPRESSION]",
        "Shows an expression at each stop; without one, all that are shown\nFMT: as for print; with a size, i or s as for x. \
         An expression with locals is shown in their block alone.",
        Group::Data,
        display,
    )
    .takes(Takes::Expression),
    Command::new(
        &["undisplay"],
        "[NUMBER | FROM-TO]…",
        "Ends what display began; without numbers, all of it",
        Group::Data,
        undisplay,
    )
    .repeats(Repeat::Never),
];

pub(crate) const INFO: &[Command] =
    &[Command::new(&["display"], "", "The expressions that are shown at each stop", Group::Status, info)];

/// An expression with what it came to.
#[derive(Debug, Serialize)]
pub(crate) struct Displayed {
    number: u32,
    expression: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    format: String,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Text(String),
    Memory(Memory),
    Error(String),
}

/// What a format asks for, and whether that is memory, to be shown as `x` does it.
fn as_memory(format: &str) -> Result<(Spec, bool)> {
    let (spec, _) = Spec::parse(&format!("/{format}"))?;
    let memory = spec.size.is_some() || matches!(spec.letter, Some(Letter::Instruction | Letter::Text));
    Ok(if memory {
        (Spec { letter: spec.letter.or(Some(Letter::Hex)), ..spec }, true)
    } else {
        // gdb takes a count, and has no use for it.
        (Spec { count: None, ..spec }, false)
    })
}

impl Displayed {
    /// All that is to be shown where the machine stands.
    pub(crate) fn all(session: &Session<'_>) -> Vec<Self> {
        let enabled = session.displays().iter().filter(|one| one.enabled);
        enabled.filter_map(|one| Self::of(session, one)).collect()
    }

    /// Nothing where the expression's block is not.
    fn of(session: &Session<'_>, display: &Display) -> Option<Self> {
        let level = session.frame_of_display(display)?;
        let what = session.within_frame(level, || Self::value(session, display));
        Some(Self {
            number: display.number,
            expression: display.expression.clone(),
            format: display.format.clone(),
            what: what.unwrap_or_else(|error| What::Error(error.to_string())),
        })
    }

    fn value(session: &Session<'_>, display: &Display) -> Result<What> {
        let (spec, memory) = as_memory(&display.format)?;
        if memory {
            let examined = memory_at(session, spec, &display.expression)?;
            return Ok(What::Memory(Memory(examined)));
        }
        let value = session.evaluate(&display.expression)?;
        let text = print(&value, session, &session.settings().print, spec.for_value("display")?)?;
        Ok(What::Text(text))
    }
}

impl Layout for Displayed {
    fn lay_out(&self, page: &mut Page) {
        page.put(Style::Variable, self.number).plain(": ");
        let (spec, memory) = as_memory(&self.format).unwrap_or_default();
        if memory {
            page.plain(format_args!("x/{} {}", short(spec), self.expression));
            let one = spec.count.is_none_or(|count| count == 1) && spec.letter != Some(Letter::Instruction);
            page.plain(if one { "  " } else { "\n" });
        } else {
            let letter = spec.letter.map(|letter| format!("/{} ", letter.letter())).unwrap_or_default();
            page.plain(format_args!("{letter}{} = ", self.expression));
        }
        match &self.what {
            What::Text(text) => drop(page.plain(text).plain("\n")),
            What::Memory(memory) => memory.lay_out(page),
            What::Error(error) => drop(page.put(Style::Warning, format_args!("<error: {error}>\n"))),
        }
    }
}

fn letter(spec: Spec) -> char {
    spec.letter.map_or('x', Letter::letter)
}

/// Strings and instructions have no size.
fn short(spec: Spec) -> String {
    let count = spec.count.filter(|count| *count != 1).map(|count| count.to_string()).unwrap_or_default();
    let sized = !matches!(spec.letter, Some(Letter::Text | Letter::Instruction));
    let size = spec.size.filter(|_| sized).map(|size| size.letter().to_string()).unwrap_or_default();
    format!("{count}{}{size}", letter(spec))
}

/// As `info display` has it: everything.
fn full(spec: Spec) -> String {
    let size = spec.size.unwrap_or(Size::Byte).letter();
    format!("{}{size}{}", spec.count.unwrap_or(1), letter(spec))
}

fn display(session: &mut Session<'_>, rest: &str) -> Result {
    let (format, expression) = arguments::format(rest);
    if rest.is_empty() {
        return Ok(Box::new(Shown { displayed: Displayed::all(session) }));
    }
    let format = format.unwrap_or_default();
    as_memory(format)?;
    if expression.is_empty() {
        return Err(Error::say("Argument required (expression to compute)."));
    }
    let number = session.add_display(expression, format)?;
    let new = session.displays().iter().find(|one| one.number == number);
    let displayed = new.and_then(|new| Displayed::of(session, new)).into_iter().collect();
    Ok(Box::new(Shown { displayed }))
}

/// What is shown now.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Shown {
    displayed: Vec<Displayed>,
}

impl Layout for Shown {
    fn lay_out(&self, page: &mut Page) {
        self.displayed.iter().for_each(|one| one.lay_out(page));
    }
}

/// `undisplay` and `delete display`.
pub(super) fn undisplay(session: &mut Session<'_>, rest: &str) -> Result {
    if rest.is_empty() {
        session.displays_mut().clear();
    }
    for number in chosen(session, rest)? {
        session.displays_mut().delete(number)?;
    }
    Ok(Box::new(Nothing {}))
}

/// `delete display`, `enable display`, `disable display`: what stands behind that word, if it does.
pub(super) fn behind_display(arguments: &str) -> Option<&str> {
    let word = arguments.split_whitespace().next()?;
    let is = word.len() >= 2 && "display".starts_with(word);
    is.then(|| arguments.get(word.len()..).unwrap_or_default().trim())
}

/// `enable display` and `disable display`.
pub(super) fn switch(session: &mut Session<'_>, rest: &str, enabled: bool) -> Result {
    let numbers = match rest {
        "" => session.displays().iter().map(|one| one.number).collect(),
        _ => chosen(session, rest)?,
    };
    for number in numbers {
        session.displays_mut().enable(number, enabled)?;
    }
    Ok(Box::new(Nothing {}))
}

/// Numbers and `FROM-TO`, of which those that are there.
fn chosen(session: &Session<'_>, text: &str) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for word in text.split_whitespace() {
        let bad = |_| Error::say("Arguments must be display numbers.");
        match word.split_once('-') {
            Some((first, last)) => {
                let range = first.parse().map_err(bad)?..=last.parse().map_err(bad)?;
                let all = session.displays().iter().map(|one| one.number);
                found.extend(all.filter(|number| range.contains(number)));
            }
            None => found.push(word.parse().map_err(bad)?),
        }
    }
    Ok(found)
}

fn info(session: &mut Session<'_>, rest: &str) -> Result {
    arguments::none(rest)?;
    let all = session.displays().iter();
    let row = |one: &Display| Row { display: one.clone(), here: session.frame_of_display(one).is_some() };
    Ok(Box::new(List { displays: all.map(row).collect() }))
}

/// `info display`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct List {
    displays: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    display: Display,
    /// It can be shown where the machine stands.
    here: bool,
}

impl Layout for List {
    fn lay_out(&self, page: &mut Page) {
        if self.displays.is_empty() {
            page.plain("There are no auto-display expressions now.\n");
            return;
        }
        page.put(Style::Title, "Auto-display expressions now in effect:\nNum Enb Expression\n");
        for Row { display, here } in &self.displays {
            let enabled = if display.enabled { 'y' } else { 'n' };
            page.plain(format_args!("{}:   {enabled}  ", display.number));
            match as_memory(&display.format) {
                Ok((spec, true)) => drop(page.plain(format_args!("/{} ", full(spec)))),
                Ok((Spec { letter: Some(letter), .. }, _)) => {
                    page.plain(format_args!("/{} ", letter.letter()));
                }
                _ => {}
            }
            page.plain(&display.expression);
            page.plain(if *here { "\n" } else { " (cannot be evaluated in the current context)\n" });
        }
    }
}
