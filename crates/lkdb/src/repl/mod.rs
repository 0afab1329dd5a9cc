//! The debugger's conversation: lines in, answers out. No debugger logic: each line goes to the table of
//! commands, and what comes back is painted or written as JSON.
//!
//! Errors go to stderr and the conversation goes on; a file of commands ends with its first error, as
//! in gdb.

mod input;
mod paint;
mod scripts;
mod work;

use std::io::{self, IsTerminal as _};
use std::path::Path;

use lkdb_commands::Step;
use lkdb_session::Session;
use signal_hook::consts::SIGINT;

pub(crate) use scripts::{Script, Scripts, normalise};

use crate::output::Status;
use input::{Input, Line};
use paint::Out;

/// Files of commands that run each other, at most.
const NESTED: usize = 64;

/// Whether the conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    /// It ends, with this status.
    End(Status),
}

/// One conversation.
pub(crate) struct Repl<'s, 'd> {
    session: &'s mut Session<'d>,
    out: Out,
    batch: bool,
    failed: bool,
    lost: bool,
    nested: usize,
}

impl<'s, 'd> Repl<'s, 'd> {
    /// `json`: one object a line for each command.
    pub(crate) fn new(session: &'s mut Session<'d>, json: bool, batch: bool) -> Self {
        if !json {
            session.listen(work::bar());
        }
        Self { session, out: Out::new(json), batch, failed: false, lost: false, nested: 0 }
    }

    /// Runs what the command line says, then, unless it says `-batch`, what is typed.
    ///
    /// That the machine was lost is a failure, whatever came after.
    pub(crate) fn run(mut self, scripts: &Scripts) -> anyhow::Result<Status> {
        let status = self.run_all(scripts)?;
        Ok(if self.lost && status == Status::OK { Status::FAILED } else { status })
    }

    fn run_all(&mut self, scripts: &Scripts) -> anyhow::Result<Status> {
        let flag = self.session.interrupt().flag();
        if self.batch {
            // Nobody is there to type the next command: Ctrl-C ends it all.
            signal_hook::flag::register_conditional_shutdown(SIGINT, 130, std::sync::Arc::clone(&flag))?;
        }
        signal_hook::flag::register(SIGINT, flag)?;
        for script in &scripts.0 {
            let next = match script {
                Script::Command(line) => self.line(line),
                Script::File(path) => self.file(path),
            };
            if let Next::End(status) = next {
                return Ok(status);
            }
        }
        if self.batch {
            return Ok(if self.failed { Status::FAILED } else { Status::OK });
        }
        self.converse()
    }

    fn converse(&mut self) -> anyhow::Result<Status> {
        let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let mut input = if terminal { Input::terminal()? } else { Input::Plain };
        let mut last: Option<String> = None;
        loop {
            let line = match input.read(self.session)? {
                Line::Text(line) => line,
                Line::Cancelled => continue,
                Line::End => return Ok(if self.failed && !terminal { Status::FAILED } else { Status::OK }),
            };
            let line = match (line.trim().is_empty(), &last) {
                (true, Some(last)) if terminal => last.clone(),
                (true, _) => continue,
                _ => line,
            };
            if !line.trim_start().starts_with('#') {
                last = lkdb_commands::repetition(&line);
            }
            if let Next::End(status) = self.line(&line) {
                return Ok(status);
            }
        }
    }

    /// One line: its answer or its error is said.
    fn line(&mut self, line: &str) -> Next {
        self.session.interrupt().clear();
        let command = line.trim();
        if command.is_empty() || command.starts_with('#') {
            return Next::GoOn;
        }
        match lkdb_commands::execute(self.session, line) {
            Ok(Step::Answer(answer)) => {
                self.failed = false;
                let interrupt = self.session.interrupt();
                if !self.out.answer(command, answer.as_ref(), interrupt) {
                    return GONE;
                }
                // Said now, not by whatever command asks for it next.
                match self.session.lost_machine() {
                    Some(lost) => self.lost(command, &lost),
                    None => Next::GoOn,
                }
            }
            Ok(Step::Source(path)) => self.file(&path),
            Ok(Step::Quit(status)) => Next::End(Status(status.unwrap_or(0))),
            Err(error) => match self.session.lost_machine() {
                Some(lost) => self.lost(command, &lost),
                None => self.fail(command, &error.to_string()),
            },
        }
    }

    /// The machine went under a command: that is the error, whatever the command made of it.
    fn lost(&mut self, command: &str, sentence: &str) -> Next {
        self.lost = true;
        self.fail(command, sentence)
    }

    /// A file of commands, up to the first that fails.
    fn file(&mut self, path: &Path) -> Next {
        let name = path.display();
        let text = match std::fs::read(path) {
            Ok(_) if self.nested >= NESTED => {
                return self.fail(&format!("source {name}"), "files of commands run each other without end");
            }
            Ok(text) => text,
            Err(error) => {
                let error = lkdb_session::Error::io(path, error);
                return self.fail(&format!("source {name}"), &error.to_string());
            }
        };
        self.nested += 1;
        let mut next = Next::GoOn;
        for (number, line) in scripts::lines(&String::from_utf8_lossy(&text)) {
            self.failed = false;
            next = self.line(&line);
            if next != Next::GoOn {
                break;
            }
            if self.failed {
                self.out.note(&format!("{name}:{number}: the file of commands ends here, with that error"));
                break;
            }
        }
        self.nested -= 1;
        next
    }

    fn fail(&mut self, command: &str, error: &str) -> Next {
        self.failed = true;
        if self.out.error(command, error) { Next::GoOn } else { GONE }
    }
}

/// Whoever read the output went away (`| head`): that is no failure.
const GONE: Next = Next::End(Status::OK);
