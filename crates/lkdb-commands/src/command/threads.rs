//! CPUs, which the stub calls threads: `info threads`, `thread`, `thread apply`.

use lkdb_session::Session;
use lkdb_session::live::Cpu;
use serde::Serialize;

use super::frame_line::{FrameLine, SourceLine};
use crate::answer::{Answer, Layout};
use crate::interpreter::{Step, execute};
use crate::page::{Page, Style};
use crate::table::{Command, Group, Repeat, Takes};
use crate::{Error, Result};

pub(crate) const INFO: &[Command] = &[Command::new(
    &["threads"],
    "[NUMBER]…",
    "The CPUs: the task that each runs, and where\nNumbers are gdb's, from 1; CPU#N is QEMU's, from 0. The one with the star is what commands are about.",
    Group::Status,
    info,
)];

pub(crate) const COMMANDS: &[Command] = &[Command::prefix(
    &["thread", "t"],
    "Shows or, with a number, selects the CPU that commands are about\nthread apply LIST COMMAND does something on several.",
    Group::Stack,
    &[&[Command::new(
        &["apply"],
        "all [-ascending] | NUMBER… [-q] [-c | -s] COMMAND",
        "Does a command on CPUs: on all, the last first, or on those of these numbers\n-q: without headings; -c: errors are shown and the next CPU's turn comes; -s: the same, and nothing is said of those CPUs.",
        Group::Stack,
        apply,
    )
    .repeats(Repeat::Never)
    .takes(Takes::Command)]],
    Some(thread),
)];

/// A CPU.
#[derive(Debug, Serialize)]
struct Thread {
    /// The stub's number, from 1.
    id: u64,
    /// QEMU's, from 0.
    cpu: u64,
    selected: bool,
    /// What it runs.
    task: Option<Task>,
    /// Why that cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_task: Option<String>,
    frame: Option<FrameLine>,
}

#[derive(Debug, Serialize)]
struct Task {
    address: String,
    pid: i32,
    comm: String,
}

impl Thread {
    fn of(session: &mut Session<'_>, cpu: Cpu, selected: bool) -> Result<Self> {
        let level = if selected { session.selected_frame() } else { 0 };
        Ok(session.on_cpu(cpu, |session| {
            let (task, no_task) = match session.running_task() {
                Ok(task) => {
                    (Some(Task { address: task.address.to_string(), pid: task.pid, comm: task.comm }), None)
                }
                Err(why) => (None, Some(why.to_string())),
            };
            let row = session.frame(level).ok();
            let frame = row.map(|row| FrameLine::of(session, level, &row));
            Self { id: cpu.0, cpu: cpu.cpu(), selected, task, no_task, frame }
        })?)
    }

    /// gdb's words for a thread with a name, and with what the target says of it.
    fn name(&self) -> String {
        let (id, cpu) = (self.id, self.cpu);
        match (&self.task, &self.no_task) {
            (Some(task), _) => format!("Thread 1.{id} \"{}\" (CPU#{cpu}, pid {})", task.comm, task.pid),
            (None, Some(why)) => format!("Thread 1.{id} (CPU#{cpu}, no task: {why})"),
            (None, None) => format!("Thread 1.{id} (CPU#{cpu})"),
        }
    }
}

/// All CPUs.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Threads(Vec<Thread>);

impl Layout for Threads {
    fn lay_out(&self, page: &mut Page) {
        if self.0.is_empty() {
            page.plain("No threads match.\n");
            return;
        }
        let width = self.0.iter().map(|thread| thread.name().chars().count()).max().unwrap_or_default();
        page.put(Style::Title, format_args!("  {:<4} {:<width$} Frame \n", "Id", "Target Id"));
        for thread in &self.0 {
            let mark = if thread.selected { '*' } else { ' ' };
            page.plain(format_args!("{mark} {:<4} {:<width$} ", thread.id, thread.name()));
            match &thread.frame {
                Some(frame) => frame.describe(page),
                None => drop(page.plain("(no frame)\n")),
            }
        }
    }
}

fn info(session: &mut Session<'_>, rest: &str) -> Result {
    let (wanted, junk) = numbers(rest)?;
    if !junk.is_empty() {
        return Err(invalid(junk));
    }
    let Ok(live) = session.live() else { return Ok(crate::answer::Text::line("No threads.")) };
    let selected = live.selected();
    let cpus: Vec<Cpu> = live.cpus().iter().map(|(cpu, _)| *cpu).collect();
    let wanted = cpus.into_iter().filter(|cpu| wanted.is_empty() || wanted.contains(&cpu.0));
    let threads: Result<Vec<_>> = wanted.map(|cpu| Thread::of(session, cpu, cpu == selected)).collect();
    Ok(Box::new(Threads(threads?)))
}

/// The CPU that commands are about.
#[derive(Debug, Serialize)]
struct Current {
    #[serde(flatten)]
    thread: Thread,
    /// It has just been chosen.
    #[serde(skip)]
    switched: bool,
    source: Option<SourceLine>,
}

impl Layout for Current {
    fn lay_out(&self, page: &mut Page) {
        let verb = if self.switched { "Switching to thread" } else { "Current thread is" };
        page.plain(format_args!("[{verb} {} ({})]\n", self.thread.id, self.thread.name()));
        if self.switched {
            self.thread.frame.iter().for_each(|frame| frame.lay_out(page));
            self.source.iter().for_each(|source| source.lay_out(page));
        }
    }
}

fn thread(session: &mut Session<'_>, rest: &str) -> Result {
    let Ok(live) = session.live() else { return Err(Error::say("No thread selected")) };
    let mut cpu = live.selected();
    let switched = !rest.is_empty();
    if switched {
        cpu = Cpu(number(rest).ok_or_else(|| invalid(rest))?);
        session.select_cpu(cpu)?;
    }
    let thread = Thread::of(session, cpu, true)?;
    let row = session.frame(session.selected_frame()).ok();
    let source = row.filter(|_| switched).and_then(|row| SourceLine::at(session, &row));
    Ok(Box::new(Current { thread, switched, source }))
}

/// gdb's words for what is no thread's number.
pub(super) fn invalid(text: &str) -> Error {
    Error::say(format!("Invalid thread ID: {text}"))
}

/// What a command said on several CPUs.
struct Applied {
    each: Vec<(Thread, Result)>,
    headings: bool,
}

impl Answer for Applied {
    fn text(&self, page: &mut Page) {
        for (thread, answer) in &self.each {
            if self.headings {
                page.put(Style::Title, format_args!("\nThread {} ({}):\n", thread.id, thread.name()));
            }
            match answer {
                Ok(answer) => answer.text(page),
                Err(error) => drop(page.put(Style::Warning, format_args!("{error}\n"))),
            }
        }
    }

    fn json(&self) -> serde_json::Value {
        let each = self.each.iter().map(|(thread, answer)| match answer {
            Ok(answer) => serde_json::json!({ "thread": thread.id, "answer": answer.json() }),
            Err(error) => serde_json::json!({ "thread": thread.id, "error": error.to_string() }),
        });
        each.collect()
    }
}

/// What `thread apply` does with a command's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errors {
    /// The first ends it all.
    End,
    /// They are shown.
    Show,
    /// They are left out.
    Hide,
}

fn apply(session: &mut Session<'_>, rest: &str) -> Result {
    let live = session.live()?;
    let selected = live.selected();
    // gdb's order: the last first.
    let mut cpus: Vec<Cpu> = live.cpus().iter().rev().map(|(cpu, _)| *cpu).collect();
    let behind = match word(rest) {
        ("all", behind) => behind,
        _ => {
            let (numbers, behind) = numbers(rest)?;
            if numbers.is_empty() {
                return Err(if rest.is_empty() {
                    Error::say("Please specify a thread ID list")
                } else {
                    invalid(word(rest).0)
                });
            }
            cpus = numbers.into_iter().map(Cpu).collect();
            behind
        }
    };
    let (mut command, mut headings, mut errors) = (behind, true, Errors::End);
    loop {
        match word(command) {
            ("-ascending", _) => cpus.sort(),
            ("-q", _) => headings = false,
            ("-c", _) => errors = Errors::Show,
            ("-s", _) => errors = Errors::Hide,
            _ => break,
        }
        command = word(command).1;
    }
    if command.is_empty() {
        let all = if word(rest).0 == "all" { " all" } else { "" };
        return Err(Error::say(format!("Please specify a command at the end of 'thread apply{all}'")));
    }
    let mut each = Vec::new();
    for cpu in cpus {
        let thread = Thread::of(session, cpu, cpu == selected)?;
        let answer = session.on_cpu(cpu, |session| answer_to(session, command))?;
        match (answer, errors) {
            (Err(error), Errors::End) => return Err(error),
            (Err(_), Errors::Hide) => {}
            (answer, _) => each.push((thread, answer)),
        }
    }
    Ok(Box::new(Applied { each, headings }))
}

fn answer_to(session: &mut Session<'_>, command: &str) -> Result {
    match execute(session, command)? {
        Step::Answer(answer) => Ok(answer),
        Step::Source(_) | Step::Quit(_) => {
            Err(Error::say(format!("\"{command}\" cannot be done on each CPU")))
        }
    }
}

/// The first word, and what is behind it.
fn word(text: &str) -> (&str, &str) {
    let (word, behind) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, behind.trim_start())
}

/// The number of a CPU; gdb counts machines too: `1.2`.
pub(super) fn number(text: &str) -> Option<u64> {
    text.strip_prefix("1.").unwrap_or(text).parse().ok()
}

/// The numbers and ranges that a text begins with, and what is behind them.
fn numbers(text: &str) -> Result<(Vec<u64>, &str)> {
    /// More CPUs than any machine has.
    const MOST: u64 = 65_536;
    let (mut found, mut rest) = (Vec::new(), text);
    loop {
        let (one, behind) = word(rest);
        let (first, last) = one.split_once('-').unwrap_or((one, one));
        let (Some(first), Some(last)) = (number(first), number(last)) else { return Ok((found, rest)) };
        if last < first || last > MOST {
            return Err(invalid(one));
        }
        found.extend(first..=last);
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_before_the_command() {
        let of = |text| numbers(text).unwrap();
        assert_eq!(of("1 1.2 info registers"), (vec![1, 2], "info registers"));
        assert_eq!(of("1-3 bt 2"), (vec![1, 2, 3], "bt 2"));
        assert_eq!(of("bt"), (vec![], "bt"));
        assert_eq!(of("2"), (vec![2], ""));
        assert!(numbers("3-1 bt").is_err());
        assert!(numbers("1-99999999999 bt").is_err());
    }
}
