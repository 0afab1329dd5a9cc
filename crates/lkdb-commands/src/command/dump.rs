//! `dump`: memory and values into files.

use lkdb_session::Session;
use serde::Serialize;

use crate::answer::Layout;
use crate::page::Page;
use crate::table::{Command, Group, Repeat, Takes};
use crate::{Error, Result, arguments};

pub(crate) const COMMANDS: &[Command] = &[Command::prefix(
    &["dump"],
    "Writes memory or a value to a file, as its bytes",
    Group::Data,
    &[SUBJECTS, FORMATS],
    None,
)];

const SUBJECTS: &[Command] = &[
    Command::new(
        &["memory"],
        "FILE START STOP",
        "Writes the memory from START up to, and without, STOP to a file\nThe file is there whole or not at all. START and \
         STOP are expressions without blanks, or in quotes.",
        Group::Data,
        memory,
    )
    .repeats(Repeat::Never)
    .takes(Takes::Path),
    Command::new(&["value"], "FILE EXPRESSION", "Writes the bytes of a value to a file", Group::Data, value)
        .repeats(Repeat::Never)
        .takes(Takes::Path),
];

/// The one format; gdb has others, for programmers of EPROMs.
const FORMATS: &[Command] = &[Command::prefix(
    &["binary"],
    "Writes bytes as they are: what `dump' alone does",
    Group::Data,
    &[SUBJECTS],
    None,
)];

/// What was written; gdb says nothing then.
#[derive(Debug, Serialize)]
struct Dumped {
    file: String,
    bytes: u64,
}

impl Layout for Dumped {
    fn lay_out(&self, _: &mut Page) {}
}

fn memory(session: &mut Session<'_>, rest: &str) -> Result {
    let words = arguments::words(rest)?;
    let [file, start, stop] = words.as_slice() else {
        return Err(Error::say("dump memory takes a file and two addresses: dump memory FILE START STOP"));
    };
    let (start, stop) = (session.address_of(start)?, session.address_of(stop)?);
    let bytes = session.dump_memory(&session.path(file), start, stop)?;
    Ok(Box::new(Dumped { file: file.clone(), bytes }))
}

fn value(session: &mut Session<'_>, rest: &str) -> Result {
    let missing = || Error::say("dump value takes a file and an expression: dump value FILE EXPRESSION");
    let (file, expression) = rest.split_once(char::is_whitespace).ok_or_else(missing)?;
    let (_, bytes) = session.evaluate(expression.trim())?.bytes(session)?;
    let bytes = session.dump_bytes(&session.path(file), &bytes)?;
    Ok(Box::new(Dumped { file: file.to_owned(), bytes }))
}
