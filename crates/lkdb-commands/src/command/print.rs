//! Values: `print`, `output`, `x`, `printf`, `set var`.

use lkdb_base::RuntimeAddr;
use lkdb_session::Session;
use lkdb_session::code::Decoder;
use lkdb_value::format::{Examine, Examined, Letter, Spec, print};
use lkdb_value::{Data, Value, data};
use serde::Serialize;

use crate::answer::{Layout, Nothing, Text};
use crate::page::{Page, Style};
use crate::table::{Command, Group, Repeat, Takes};
use crate::{Error, Result};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new(
        &["print", "p", "inspect", "call"],
        "[OPTIONS --] [/FMT] EXPRESSION",
        "Prints the value of an expression, and keeps it as $1, $2, ...\nFMT: x, d, u, o, t, z, c, a, f, s; OPTIONS as \
         in `set print': -pretty, -elements 5.",
        Group::Data,
        print_value,
    )
    .takes(Takes::Expression),
    Command::new(&["output"], "[/FMT] EXPRESSION", "Prints a value without a number or newline, and does not keep it", Group::Data, output)
        .takes(Takes::Expression),
    Command::new(
        &["x"],
        "[/COUNT FMT SIZE] [ADDRESS]",
        "Shows memory\nFMT: as for print, and s for strings, i for instructions; SIZE: b, h, w, g for 1, 2, 4, 8 bytes. \
         Without ADDRESS it goes on where it ended.",
        Group::Data,
        examine,
    )
    .repeats(Repeat::GoesOn)
    .takes(Takes::Expression),
    Command::new(&["printf"], "\"FORMAT\", EXPRESSION, ...", "Prints values by a format, as in C", Group::Data, super::printf::printf)
        .takes(Takes::Expression),
];

pub(crate) const SET: &[Command] = &[Command::new(
    &["variable", "var"],
    "EXPRESSION",
    "Evaluates an expression that assigns, and prints nothing",
    Group::Data,
    set_variable,
)
.takes(Takes::Expression)];

/// A value that was printed.
#[derive(Debug, Serialize)]
struct Printed {
    /// Its number in the history.
    number: Option<usize>,
    #[serde(rename = "type")]
    ty: String,
    /// As `print` writes it.
    text: String,
    /// As data: numbers, lists and members by name; none for what is not there.
    value: Option<Data>,
    #[serde(skip)]
    end: &'static str,
}

impl Layout for Printed {
    fn lay_out(&self, page: &mut Page) {
        if let Some(number) = self.number {
            page.put(Style::Variable, format_args!("${number}")).plain(" = ");
        }
        page.plain(&self.text).plain(self.end);
    }
}

fn print_value(session: &mut Session<'_>, rest: &str) -> Result {
    let (settings, rest) = session.settings().print.with_options(rest)?;
    let (spec, rest) = Spec::parse(rest)?;
    let letter = spec.for_value("print")?;
    remember_letter(session, spec);
    let value = value_of(session, rest)?;
    let text = print(&value, session, &settings, letter)?;
    let ty = lkdb_value::type_text(session, value.ty);
    let number = remember(session, &value);
    let value = data(&value, session, &settings).ok();
    Ok(Box::new(Printed { number, ty, text, value, end: "\n" }))
}

/// Keeps a value in the history; what is gone is kept as what it was: nothing.
fn remember(session: &Session<'_>, value: &Value) -> Option<usize> {
    let bytes = value.bytes(session).unwrap_or((value.ty, [].into()));
    Some(session.values().remember(bytes))
}

/// An expression's value; the last one without an expression.
fn value_of(session: &Session<'_>, text: &str) -> Result<Value> {
    Ok(session.evaluate(if text.is_empty() { "$" } else { text })?)
}

/// `x` uses the format of the last `print`.
fn remember_letter(session: &Session<'_>, spec: Spec) {
    if let Some(letter) = spec.letter {
        let mut examine = session.values().examine();
        examine.letter = letter;
        session.values().set_examine(examine);
    }
}

fn output(session: &mut Session<'_>, rest: &str) -> Result {
    let (settings, rest) = session.settings().print.with_options(rest)?;
    let (spec, rest) = Spec::parse(rest)?;
    let letter = spec.for_value("output")?;
    if rest.is_empty() {
        return Err(Error::say("Argument required (expression to compute)."));
    }
    let value = value_of(session, rest)?;
    let text = print(&value, session, &settings, letter)?;
    let ty = lkdb_value::type_text(session, value.ty);
    let value = data(&value, session, &settings).ok();
    Ok(Box::new(Printed { number: None, ty, text, value, end: "" }))
}

/// Memory that was looked at.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Memory(pub(super) Examined);

/// What `x` would show of an expression's memory; where `x` is stays as it is.
pub(super) fn memory_at(session: &Session<'_>, spec: Spec, expression: &str) -> Result<Examined> {
    let start = Some(session.address_of(expression)?);
    let mut examine = session.values().examine();
    let examined = examined(session, &mut examine, spec, start)?;
    match (&examined.error, examined.lines.is_empty()) {
        (Some(error), true) => Err(error.clone().into()),
        _ => Ok(examined),
    }
}

fn examined(
    session: &Session<'_>,
    examine: &mut Examine,
    spec: Spec,
    start: Option<RuntimeAddr>,
) -> Result<Examined> {
    let settings = session.settings().print;
    Ok(if spec.letter.unwrap_or(examine.letter) == Letter::Instruction {
        let decoder = Decoder::new(session)?;
        examine.examine(spec, start, session, &settings, &decoder)
    } else {
        examine.examine(spec, start, session, &settings, &NoCode)
    })
}

impl Layout for Memory {
    fn lay_out(&self, page: &mut Page) {
        for (at, line) in self.0.lines.iter().enumerate() {
            if at > 0 {
                page.plain("\n");
            }
            page.plain(line.mark).put(Style::Address, &line.address);
            if let Some(symbol) = &line.symbol {
                page.plain(" <").put(Style::Function, symbol).plain(">");
            }
            page.plain(":");
            for unit in &line.units {
                page.plain("\t").plain(unit);
            }
        }
        // On the line that could not be ended, as in gdb.
        if let Some(error) = &self.0.error {
            page.put(Style::Warning, error);
        }
        page.plain("\n");
    }
}

fn examine(session: &mut Session<'_>, rest: &str) -> Result {
    let alone = rest.is_empty();
    let (mut spec, rest) = Spec::parse(rest)?;
    if alone {
        spec.count = Some(session.values().count());
    }
    session.values().set_count(spec.count.unwrap_or(1));
    let start = if rest.is_empty() { None } else { Some(session.address_of(rest)?) };
    let mut examine = session.values().examine();
    let examined = examined(session, &mut examine, spec, start)?;
    session.values().set_examine(examine);
    if let Some((ty, address)) = examined.last {
        session.remember_examined(ty, address);
    }
    match (&examined.error, examined.lines.is_empty()) {
        (Some(error), true) => Err(error.clone().into()),
        _ => Ok(Box::new(Memory(examined))),
    }
}

/// For formats that are no instructions.
struct NoCode;

impl lkdb_value::format::Disassembler for NoCode {
    fn instruction(&self, _: RuntimeAddr) -> std::result::Result<(String, u64), lkdb_value::Error> {
        Err(lkdb_value::Error::Operation("no instructions here".to_owned()))
    }

    fn is_current(&self, _: RuntimeAddr) -> bool {
        false
    }
}

fn set_variable(session: &mut Session<'_>, rest: &str) -> Result {
    if rest.is_empty() {
        return Err(Error::say("Argument required (expression to compute)."));
    }
    session.evaluate(rest)?;
    Ok(Box::new(Nothing {}))
}

/// `set EXPRESSION`: for what is no setting's name.
pub(crate) fn set_expression(session: &mut Session<'_>, rest: &str) -> Result {
    if rest.is_empty() {
        return Ok(Box::new(Text { text: String::new() }));
    }
    set_variable(session, rest)
}
