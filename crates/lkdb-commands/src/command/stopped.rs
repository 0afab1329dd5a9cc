//! What a stop looks like: why the guest stands, which CPU it is, where that is.

use lkdb_session::Session;
use lkdb_session::breakpoints::{Breakpoint, Touched};
use lkdb_session::live::{Cpu, Stop};
use lkdb_session::stepping::Stepped;
use lkdb_value::format::print;
use lkdb_value::{Bytes, Value};
use serde::Serialize;

use super::display::Displayed;
use super::frame_line::{FrameLine, SourceLine};
use crate::answer::Layout;
use crate::page::{Page, Style};

/// Why and where the guest stands.
#[derive(Debug, Serialize)]
pub(crate) struct Stopped {
    stop: Stop,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    watched: Vec<Watched>,
    frame: Option<FrameLine>,
    source: Option<SourceLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    displayed: Vec<Displayed>,
    /// Only the source line is shown: a step within one frame.
    #[serde(skip)]
    line_alone: bool,
    /// The CPU, where there are several.
    #[serde(skip)]
    thread: Option<Cpu>,
    /// Commands were about another CPU before.
    #[serde(skip)]
    switched: bool,
}

/// A watchpoint that was touched.
#[derive(Debug, Serialize)]
struct Watched {
    number: u32,
    kind: &'static str,
    expression: String,
    changed: bool,
    old: String,
    new: String,
}

impl Watched {
    fn of(session: &Session<'_>, touched: &Touched) -> Self {
        let breakpoint = session.breakpoints().get(touched.number).ok();
        let text = |value: &Option<Bytes>| {
            let Some((ty, bytes)) = value else { return "<unreadable>".to_owned() };
            let value = Value::literal(*ty, bytes.clone());
            print(&value, session, &session.settings().print, None)
                .unwrap_or_else(|error| format!("<error: {error}>"))
        };
        Self {
            number: touched.number,
            kind: breakpoint.map_or("Hardware watchpoint", super::breakpoints::kind),
            expression: breakpoint.map(Breakpoint::text).unwrap_or_default().to_owned(),
            changed: touched.changed,
            old: text(&touched.old),
            new: text(&touched.new),
        }
    }
}

impl Stopped {
    pub(crate) fn of(session: &Session<'_>, stop: Stop) -> Self {
        let row = stop.cpu().and_then(|_| session.frame(0).ok());
        let source = row.as_ref().and_then(|row| SourceLine::at(session, row));
        let frame = row.map(|row| FrameLine::of(session, 0, &row));
        let watched = match &stop {
            Stop::Watchpoint { touched, .. } => touched.iter().map(|one| Watched::of(session, one)).collect(),
            _ => Vec::new(),
        };
        let several = session.live().is_ok_and(|live| live.cpus().len() > 1);
        let thread = stop.cpu().filter(|_| several);
        let displayed = if stop.cpu().is_some() { Displayed::all(session) } else { Vec::new() };
        Self { stop, watched, frame, source, displayed, line_alone: false, thread, switched: false }
    }

    /// After a step.
    pub(crate) fn stepped(session: &Session<'_>, stepped: Stepped) -> Self {
        let mut stopped = Self::of(session, stepped.stop);
        if stepped.in_frame {
            let row = session.frame(0).ok();
            stopped.source = stopped.source.zip(row).map(|(source, row)| source.alone(&row));
            stopped.line_alone = stopped.source.is_some();
        }
        stopped
    }

    /// Commands were about this CPU before.
    pub(crate) fn since(mut self, before: Cpu) -> Self {
        self.switched = self.thread.is_some_and(|thread| thread != before);
        self
    }

    /// How gdb begins to tell of a hit.
    fn hit(&self) -> String {
        self.thread.map_or_else(String::new, |thread| format!("Thread {} hit ", thread.0))
    }

    fn put_watched(&self, page: &mut Page) {
        for one in &self.watched {
            page.plain(format_args!("\n{}{} {}: {}\n\n", self.hit(), one.kind, one.number, one.expression));
            if one.changed {
                page.plain(format_args!("Old value = {}\nNew value = {}\n", one.old, one.new));
            } else {
                page.plain(format_args!("Value = {}\n", one.new));
            }
        }
    }

    fn why(&self, page: &mut Page) {
        match &self.stop {
            Stop::Breakpoint { numbers, several, deleted, failed, .. } => {
                errors(page, failed);
                let text = |(number, location): &(u32, u32)| match several.contains(number) {
                    true => format!("{number}.{location}"),
                    false => number.to_string(),
                };
                let numbers: Vec<_> = numbers.iter().map(text).collect();
                let kind = if !deleted.is_empty() { "Temporary breakpoint" } else { "Breakpoint" };
                page.plain(format_args!("\n{}{kind} {}, ", self.hit(), numbers.join(" and ")));
            }
            Stop::Watchpoint { failed, .. } => {
                errors(page, failed);
                self.put_watched(page);
            }
            Stop::ScopeEnded { numbers, .. } => {
                for number in numbers {
                    page.plain(format_args!(
                        "\nWatchpoint {number} deleted because the program has left the block\n\
                         in which its expression is valid.\n"
                    ));
                }
            }
            Stop::Interrupted { .. } => drop(page.plain("\nThe guest was interrupted.\n")),
            Stop::Reset => drop(page.plain("\nThe machine has reset.\n")),
            Stop::Gone { why: Some(why) } => drop(page.plain(format_args!("The machine is gone: {why}.\n"))),
            Stop::Gone { why: None } => drop(page.plain("The machine is gone.\n")),
            Stop::Done { .. } => {}
        }
    }
}

/// Conditions that have no value.
fn errors(page: &mut Page, failed: &[(u32, String)]) {
    for (number, why) in failed {
        let text = format!("Error in testing condition for breakpoint {number}:\n{why}\n");
        page.put(Style::Warning, text);
    }
}

impl Layout for Stopped {
    fn lay_out(&self, page: &mut Page) {
        if let Some(thread) = self.thread.filter(|_| self.switched) {
            page.plain(format_args!("[Switching to Thread 1.{}]\n", thread.0));
        }
        self.why(page);
        if let Some(frame) = self.frame.as_ref().filter(|_| !self.line_alone) {
            frame.describe(page);
        }
        if let Some(source) = &self.source {
            source.lay_out(page);
        }
        self.displayed.iter().for_each(|one| one.lay_out(page));
    }
}
