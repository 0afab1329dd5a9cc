//! `clear`: breakpoints deleted by their place.

use lkdb_session::Session;
use lkdb_session::breakpoints::{Location, What};
use serde::Serialize;

use crate::answer::Layout;
use crate::page::Page;
use crate::table::{Command, Group, Repeat, Takes};
use crate::{Error, Result};

pub(crate) const COMMANDS: &[Command] = &[Command::new(
    &["clear", "cl"],
    "[PLACE]",
    "Deletes the breakpoints at a place; without one, those of the selected frame's line",
    Group::Breakpoints,
    clear,
)
.repeats(Repeat::Never)
.takes(Takes::Location)];

/// Breakpoints that are gone.
#[derive(Debug, Serialize)]
struct Deleted {
    deleted: Vec<u32>,
}

impl Layout for Deleted {
    fn lay_out(&self, page: &mut Page) {
        page.plain(if self.deleted.len() == 1 { "Deleted breakpoint " } else { "Deleted breakpoints " });
        for number in &self.deleted {
            page.plain(format_args!("{number} "));
        }
        page.plain("\n");
    }
}

fn clear(session: &mut Session<'_>, place: &str) -> Result {
    let deleted = if place.is_empty() {
        let row = session.frame(session.selected_frame()).map_err(|_| no_file())?;
        let line = row.line.as_ref().ok_or_else(no_file)?;
        let (file, line) = (line.file.to_string(), u64::from(line.line));
        at(session, |one| one.line == Some(line) && one.file.as_deref() == Some(file.as_str()))
    } else {
        let addresses = session.code_addresses(place)?;
        at(session, |one| addresses.contains(&one.address))
    };
    if deleted.is_empty() {
        let where_to = if place.is_empty() { "this line" } else { place };
        return Err(Error::say(format!("No breakpoint at {where_to}.")));
    }
    for number in &deleted {
        session.breakpoints_mut().delete(*number).map_err(lkdb_session::Error::from)?;
    }
    Ok(Box::new(Deleted { deleted }))
}

fn no_file() -> Error {
    Error::say("No source file specified.")
}

/// The breakpoints on code with such a place.
fn at(session: &Session<'_>, is_there: impl Fn(&Location) -> bool) -> Vec<u32> {
    let all = session.breakpoints().iter().filter(|one| matches!(one.what, What::Code { .. }));
    all.filter(|one| one.locations.iter().any(&is_there)).map(|one| one.number).collect()
}
