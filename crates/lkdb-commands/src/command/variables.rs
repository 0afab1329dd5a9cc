//! Variables of frames: `info locals`, `info args`, and the arguments in a frame's line.

use lkdb_base::Unreadable;
use lkdb_session::Session;
use lkdb_session::frames::{Variable, is_scalar, why_gone};
use lkdb_value::format::{Settings, print_within};
use lkdb_value::{Value, type_text};
use serde::Serialize;

use crate::answer::Layout;
use crate::page::{Page, Style};
use crate::table::{Command, Group};
use crate::{Error, Result};

pub(crate) const INFO: &[Command] = &[
    Command::new(
        &["locals"],
        "",
        "The local variables of the selected frame",
        Group::Stack,
        |session, rest| {
            crate::arguments::none(rest)?;
            let level = selected(session)?;
            Ok(Box::new(Variables::locals(session, level)?))
        },
    ),
    Command::new(&["args"], "", "The arguments of the selected frame", Group::Stack, |session, rest| {
        crate::arguments::none(rest)?;
        let level = selected(session)?;
        Ok(Box::new(Variables::parameters(session, level)?))
    }),
];

fn selected(session: &Session<'_>) -> Result<usize> {
    let level = session.selected_frame();
    match session.live().is_ok() {
        true => Ok(level),
        false => Err(Error::say("No frame selected.")),
    }
}

/// Variables with their values.
#[derive(Debug, Serialize)]
pub(crate) struct Variables {
    /// None without debug info.
    variables: Option<Vec<Shown>>,
    /// What they are.
    #[serde(skip)]
    kind: &'static str,
}

/// A variable.
#[derive(Debug, Clone, Serialize)]
struct Shown {
    name: String,
    #[serde(rename = "type")]
    ty: String,
    value: String,
    /// Why it is gone, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Shown {
    fn of(session: &Session<'_>, variable: &Variable, settings: &Settings) -> Self {
        let value = print_within(&variable.value, session, settings).unwrap_or_else(|error| {
            format!("<error reading variable {} ({})>", variable.name, brief(&error))
        });
        Self {
            name: variable.name.clone(),
            ty: type_text(session, variable.value.ty),
            value,
            why: why_gone(&variable.value.place),
        }
    }
}

/// An error's words where it stands among values: without the reasons.
fn brief(error: &lkdb_value::Error) -> String {
    match error {
        lkdb_value::Error::Memory(memory) => Unreadable::new(memory.address, "").to_string(),
        _ => error.to_string(),
    }
}

impl Variables {
    pub(crate) fn locals(session: &Session<'_>, level: usize) -> Result<Self> {
        let all = session.locals(level)?;
        Ok(Self::of(session, level, all, "locals"))
    }

    fn parameters(session: &Session<'_>, level: usize) -> Result<Self> {
        let all = session.parameters(level)?;
        Ok(Self::of(session, level, all, "arguments"))
    }

    fn of(session: &Session<'_>, level: usize, all: Option<Vec<Variable>>, kind: &'static str) -> Self {
        let settings = session.settings().print;
        let show = |one: &Variable| Shown::of(session, one, &settings);
        let shown = session.within_frame(level, || all.map(|all| all.iter().map(show).collect()));
        Self { variables: shown, kind }
    }

    /// Each on a line that begins with so many spaces.
    pub(crate) fn indented(&self, page: &mut Page, spaces: usize) {
        let Some(variables) = &self.variables else {
            page.plain("No symbol table info available.\n");
            return;
        };
        if variables.is_empty() {
            page.plain(format_args!("No {}.\n", self.kind));
        }
        for one in variables {
            page.plain(" ".repeat(spaces)).put(Style::Variable, &one.name);
            page.plain(" = ").plain(&one.value).plain("\n");
        }
    }
}

impl Layout for Variables {
    fn lay_out(&self, page: &mut Page) {
        self.indented(page, 0);
    }
}

/// An argument in a frame's line: gdb's `print frame-arguments scalars` and `print entry-values default`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Argument {
    name: String,
    value: String,
    /// What it was at the function's entry, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_entry: Option<String>,
    /// It is still what it was at the entry.
    #[serde(skip)]
    unchanged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Argument {
    /// Those of a frame; none without debug info.
    pub(crate) fn all(session: &Session<'_>, level: usize) -> Option<Vec<Self>> {
        let all = session.parameters(level).ok()??;
        Some(session.within_frame(level, || all.iter().map(|one| Self::of(session, one)).collect()))
    }

    fn of(session: &Session<'_>, variable: &Variable) -> Self {
        let bytes = |value: &Value| value.bytes(session).ok().map(|(_, bytes)| bytes);
        let now = bytes(&variable.value);
        let unchanged = now.is_some() && now == variable.at_entry.as_ref().and_then(bytes);
        let text = |value: &Value| {
            if !is_scalar(session, value.ty).unwrap_or(true) {
                return "...".to_owned();
            }
            // Members and array elements never stand here, so that layout settings do not matter.
            let settings = Settings { pretty: false, array: false, ..session.settings().print };
            print_within(value, session, &settings)
                .unwrap_or_else(|error| format!("<error reading variable: {}>", brief(&error)))
        };
        Self {
            name: variable.name.clone(),
            value: text(&variable.value),
            at_entry: variable.at_entry.as_ref().map(text),
            unchanged,
            why: why_gone(&variable.value.place),
        }
    }

    pub(crate) fn put(&self, page: &mut Page) {
        page.put(Style::Variable, &self.name).plain("=");
        if self.unchanged {
            page.put(Style::Variable, &self.name).plain("@entry=");
        }
        page.plain(&self.value);
        if let Some(entry) = self.at_entry.as_ref().filter(|_| !self.unchanged) {
            page.plain(", ").put(Style::Variable, &self.name).plain("@entry=").plain(entry);
        }
    }
}
