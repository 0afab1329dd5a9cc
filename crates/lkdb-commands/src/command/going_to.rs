//! Going to a place: `until`, `advance`, `jump`.

use lkdb_session::Session;
use lkdb_session::stepping::{How, Step};
use serde::Serialize;

use super::running::repeated;
use super::stopped::Stopped;
use crate::answer::Layout;
use crate::data::Hex;
use crate::page::{Page, Style};
use crate::table::{Command, Group, Takes};
use crate::{Error, Result};

pub(crate) const UNTIL: Command = Command::new(
    &["until", "u"],
    "[PLACE]",
    "Goes on to a later source line of this function, out of loops; or to a place in this frame\nIt ends at the latest when the frame returns.",
    Group::Running,
    until,
)
.takes(Takes::Location);

pub(crate) const ADVANCE: Command = Command::new(
    &["advance"],
    "PLACE",
    "Goes on to a place, in this function or in those that it calls\nIt ends at the latest when the selected frame returns.",
    Group::Running,
    advance,
)
.takes(Takes::Location);

pub(crate) const JUMP: Command = Command::new(
    &["jump", "j"],
    "PLACE",
    "Goes on at another place; stack and registers stay as they are\nA place in another function leaves the stack in disorder.",
    Group::Running,
    jump,
)
.takes(Takes::Location);

fn until(session: &mut Session<'_>, arguments: &str) -> Result {
    if arguments.is_empty() {
        return repeated(session, "", Step::Line(How::Onward));
    }
    run_to(session, arguments, true)
}

fn advance(session: &mut Session<'_>, arguments: &str) -> Result {
    if arguments.is_empty() {
        return Err(Error::say("Argument required (a location)."));
    }
    run_to(session, arguments, false)
}

fn run_to(session: &mut Session<'_>, place: &str, same_frame: bool) -> Result {
    let cpu = session.live()?.selected();
    let stop = session.run_to(place, same_frame)?;
    Ok(Box::new(Stopped::of(session, stop).since(cpu)))
}

fn jump(session: &mut Session<'_>, arguments: &str) -> Result {
    let cpu = session.live()?.selected();
    if arguments.is_empty() {
        return Err(Error::say("Argument required (starting address)."));
    }
    let places = session.code_addresses(arguments)?;
    let [to] = places.as_slice() else { return Err(Error::say("Unreasonable jump request")) };
    let stop = session.jump(*to)?;
    Ok(Box::new(Jumped { to: Hex(to.0), stopped: Stopped::of(session, stop).since(cpu) }))
}

/// Where the guest went on, and where it stopped.
#[derive(Debug, Serialize)]
struct Jumped {
    to: Hex,
    #[serde(flatten)]
    stopped: Stopped,
}

impl Layout for Jumped {
    fn lay_out(&self, page: &mut Page) {
        page.plain("Continuing at ").put(Style::Address, format_args!("{:#x}", self.to.0)).plain(".\n");
        self.stopped.lay_out(page);
    }
}
