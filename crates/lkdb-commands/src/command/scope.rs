//! `info scope` and `info address`: what is declared at a place, and where a symbol is.

use lkdb_session::Session;
use lkdb_session::linespec::Purpose;
use lkdb_symbols::{Gone, Place};
use lkdb_value::{Context, Error as ValueError, Named};
use serde::Serialize;

use crate::answer::{Layout, Text};
use crate::page::{Page, Style};
use crate::table::{Command, Group, Takes};
use crate::{Error, Result};

pub(crate) const INFO: &[Command] = &[
    Command::new(
        &["scope"],
        "PLACE",
        "The variables that are declared at a place, and where they are",
        Group::Status,
        scope,
    )
    .takes(Takes::Location),
    Command::new(&["address"], "SYMBOL", "Where a symbol is", Group::Status, address)
        .takes(Takes::Expression),
];

/// What is declared.
#[derive(Debug, Serialize)]
struct Scope {
    place: String,
    symbols: Vec<Symbol>,
}

#[derive(Debug, Serialize)]
struct Symbol {
    name: String,
    location: String,
    size: Option<u64>,
}

impl Layout for Scope {
    fn lay_out(&self, page: &mut Page) {
        page.plain(format_args!("Scope for {}:\n", self.place));
        for symbol in &self.symbols {
            page.plain("Symbol ").put(Style::Variable, &symbol.name).plain(" is ").plain(&symbol.location);
            if let Some(size) = symbol.size {
                page.plain(format_args!(", length {size}"));
            }
            page.plain(".\n");
        }
    }
}

fn scope(session: &mut Session<'_>, rest: &str) -> Result {
    if rest.is_empty() {
        return Err(Error::say("requires an argument (function, line or *addr) to define a scope"));
    }
    let places = session.places(rest, Purpose::Code)?;
    let mut symbols = Vec::new();
    if let Some(address) = places.first().and_then(|place| place.runs_at) {
        for declared in session.declarations_at(address)? {
            symbols.push(Symbol { name: declared.name, location: declared.text, size: declared.size });
        }
    }
    if symbols.is_empty() {
        return Ok(Text::line(format_args!("Scope for {rest} contains no locals or arguments.")));
    }
    Ok(Box::new(Scope { place: rest.to_owned(), symbols }))
}

fn address(session: &mut Session<'_>, rest: &str) -> Result {
    if rest.is_empty() {
        return Err(Error::say("Argument required."));
    }
    let named = session.named(rest).map_err(|error| match error {
        ValueError::NoSymbol(name) => Error::say(format!("No symbol \"{name}\" in current context.")),
        other => other.into(),
    })?;
    let text = match named {
        Named::Function(_, at) => format!("Symbol \"{rest}\" is a function at address {at}."),
        Named::Bare { address, .. } => {
            format!("Symbol \"{rest}\" is at {address} in a file compiled without debugging.")
        }
        Named::Enumerator(..) => format!("Symbol \"{rest}\" is constant."),
        Named::Type(_) => format!("Symbol \"{rest}\" is a typedef."),
        Named::Variable(_, place) => {
            let place = match place {
                Place::Memory(at) => format!("static storage at address {at}"),
                Place::Gone(Gone::OptimizedOut) => "optimized out".to_owned(),
                Place::Gone(Gone::NoSymbol(_)) => "unresolved".to_owned(),
                Place::Literal(_) => "constant".to_owned(),
                _ => "computed at runtime".to_owned(),
            };
            format!("Symbol \"{rest}\" is {place}.")
        }
    };
    Ok(Text::line(text))
}
