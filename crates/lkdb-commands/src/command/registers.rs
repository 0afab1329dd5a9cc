//! Registers of the selected frame: `info registers`.

use lkdb_session::Session;
use lkdb_symbols::TypeSource as _;
use lkdb_symbols::types::{Encoding, Type};
use lkdb_value::format::{Letter, Settings, print, print_within};
use lkdb_value::{Context, Error as ValueError, Value};
use serde::Serialize;

use crate::answer::Layout;
use crate::page::{Page, Style};
use crate::table::{Command, Group};
use crate::{Error, Result};

pub(crate) const INFO: &[Command] = &[
    Command::new(
        &["registers", "r"],
        "[NAME]…",
        "The registers of the selected frame; without names, all but those of vectors and floating point",
        Group::Status,
        |session, names| registers(session, names, false),
    ),
    Command::new(
        &["all-registers"],
        "[NAME]…",
        "The registers of the selected frame, those of vectors and floating point among them",
        Group::Status,
        |session, names| registers(session, names, true),
    ),
];

/// Registers.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Registers(Vec<Register>);

#[derive(Debug, Serialize)]
struct Register {
    name: String,
    /// In hex; none when it is not known.
    raw: Option<String>,
    /// As its type has it, or why it is not known; none where its type has several ways to see it.
    value: Option<String>,
    /// Its value tells more than its bits.
    #[serde(skip)]
    float: bool,
}

impl Layout for Registers {
    fn lay_out(&self, page: &mut Page) {
        for one in &self.0 {
            page.put(Style::Variable, format_args!("{:<15}", one.name));
            match (&one.raw, &one.value) {
                (Some(raw), Some(value)) if one.float => page.plain(format_args!("{value:<19} (raw {raw})")),
                (Some(raw), Some(value)) => page.plain(format_args!("{raw:<19} {value}")),
                (Some(one), None) | (None, Some(one)) => page.plain(one),
                (None, None) => page,
            };
            page.plain("\n");
        }
    }
}

fn registers(session: &mut Session<'_>, rest: &str, all: bool) -> Result {
    if session.live().is_err() {
        return Err(Error::say("The program has no registers now."));
    }
    let names = match rest {
        "" => session.register_names(all)?,
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
            let value = Some("<not saved>".to_owned());
            return Ok(Register { name: name.to_owned(), raw: None, value, float: false });
        }
        Err(error) => return Err(error.into()),
    };
    let name = name.to_owned();
    let settings = Settings::default();
    let value = Value::literal(ty, bytes.clone());
    let hex = print(&value, session, &settings, Some(Letter::Hex))?;
    Ok(match &*session.symbols().get(ty).map_err(ValueError::from)? {
        Type::Composite(_) | Type::Typedef { .. } => {
            Register { name, raw: Some(hex), value: None, float: false }
        }
        Type::Base(base) if base.encoding == Encoding::Float => {
            let digits: String = bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect();
            let value = Some(print_within(&value, session, &settings)?);
            Register { name, raw: Some(format!("0x{digits}")), value, float: true }
        }
        _ => {
            let value = Some(print_within(&value, session, &settings)?);
            Register { name, raw: Some(hex), value, float: false }
        }
    })
}
