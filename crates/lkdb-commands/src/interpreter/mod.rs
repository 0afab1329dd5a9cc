//! One line of input, from its text to a command's answer. What comes between lines (files of commands,
//! repetition, the prompt) is the front end's affair; what an empty line repeats is said here.

use std::path::PathBuf;

use lkdb_session::Session;

use crate::answer::{Answer, Nothing};
use crate::lookup::{self, Found};
use crate::table::{Action, Repeat};
use crate::{Error, Result};

/// What comes of a line.
pub enum Step {
    /// An answer to be shown.
    Answer(Box<dyn Answer>),
    /// A file of commands to be run now.
    Source(PathBuf),
    /// The end, and the status to end with.
    Quit(Option<u8>),
}

impl From<Nothing> for Step {
    fn from(nothing: Nothing) -> Self {
        Self::Answer(Box::new(nothing))
    }
}

/// Runs one line.
///
/// # Errors
/// What the command could not do, or that there is no such command.
pub fn execute(session: &mut Session<'_>, line: &str) -> Result<Step> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(Nothing {}.into());
    }
    let Found { command, rest, root, .. } = lookup::find(line)?;
    match command.action {
        Action::Run(run) | Action::Prefix(_, Some(run)) => run(session, rest).map(Step::Answer),
        Action::Control(control) => control(session, rest),
        Action::Setting(setting) if root.name() == "show" => Ok(Step::Answer(setting.show(session))),
        Action::Setting(setting) => setting.set(session, rest).map(Step::Answer),
        Action::Prefix(commands, None) => {
            let word = rest.get(..lookup::name_length(rest)).unwrap_or(rest);
            if word.is_empty() {
                return Ok(Step::Answer(crate::command::support::list_of(command.name(), commands)));
            }
            Err(Error::Undefined { prefix: format!("{} ", command.name()), name: word.to_owned() })
        }
    }
}

/// The line that an empty line stands for after `line`; none where nothing is repeated.
#[must_use]
pub fn repetition(line: &str) -> Option<String> {
    let found = lookup::find(line).ok()?;
    match found.command.repeat {
        Repeat::Same => Some(line.to_owned()),
        Repeat::Never => None,
        // `list -` goes backwards each time.
        Repeat::GoesOn if found.rest == "-" => Some(line.to_owned()),
        Repeat::GoesOn => {
            let (format, _) = crate::arguments::format(found.rest);
            Some(format!("{}{}", found.typed, format.map(|format| format!("/{format}")).unwrap_or_default()))
        }
    }
}
