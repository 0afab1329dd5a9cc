//! Registers of the selected frame: `info registers`.

use lkdb_session::Session;
use lkdb_value::format::{Letter, Settings, print, print_within};
use lkdb_value::{Context, Error as ValueError, Value};
use serde::Serialize;

use crate::answer::Layout;
use crate::page::{Page, Style};
use crate::table::{Command, Group};
use crate::{Error, Result};

pub(crate) const INFO: &[Command] = &[Command::new(
    &["registers", "r"],
    "[NAME]…",
    "The registers of the selected frame; without names, all but those of vectors and floating point",
    Group::Status,
    registers,
)];

/// Registers.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Registers(Vec<Register>);

#[derive(Debug, Serialize)]
struct Register {
    name: String,
    /// In hex; none when it is not known.
    raw: Option<String>,
    /// As its type has it, or why it is not known.
    value: String,
}

impl Layout for Registers {
    fn lay_out(&self, page: &mut Page) {
        for one in &self.0 {
            page.put(Style::Variable, format_args!("{:<15}", one.name));
            if let Some(raw) = &one.raw {
                page.plain(format_args!("{raw:<20}"));
            }
            page.plain(&one.value).plain("\n");
        }
    }
}

fn registers(session: &mut Session<'_>, rest: &str) -> Result {
    if session.live().is_err() {
        return Err(Error::say("The program has no registers now."));
    }
    let names = match rest {
        "" => session.register_names()?,
        _ => rest.split_whitespace().map(|name| name.trim_start_matches('$').to_owned()).collect(),
    };
    let mut found = Vec::new();
    for name in names {
        found.push(register(session, &name)?);
    }
    Ok(Box::new(Registers(found)))
}

fn register(session: &Session<'_>, name: &str) -> Result<Register> {
    let invalid = || Error::say(format!("Invalid register `{name}'"));
    let (ty, bytes) = match session.register_named(name).ok_or_else(invalid)? {
        Ok(value) => value,
        // What nobody saved is no error here.
        Err(ValueError::Gone(_)) => {
            return Ok(Register { name: name.to_owned(), raw: None, value: "<not saved>".to_owned() });
        }
        Err(error) => return Err(error.into()),
    };
    let value = Value::literal(ty, bytes);
    let settings = Settings::default();
    let raw = print(&value, session, &settings, Some(Letter::Hex))?;
    let value = print_within(&value, session, &settings)?;
    Ok(Register { name: name.to_owned(), raw: Some(raw), value })
}
