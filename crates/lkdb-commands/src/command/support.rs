//! The debugger itself: help, echo, files of commands, the working directory, the end.

use std::fmt::Write as _;
use std::path::PathBuf;

use lkdb_session::Session;
use serde::Serialize;

use crate::answer::{Answer, Layout, Text};
use crate::interpreter::Step;
use crate::lookup;
use crate::page::{Page, Style};
use crate::table::{Command, Group, Repeat, TABLE, Takes};
use crate::{Error, Result, arguments};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new(
        &["help", "h"],
        "[COMMAND | GROUP]",
        "What a command does and takes; without one, the groups of commands",
        Group::Support,
        help,
    )
    .repeats(Repeat::Never)
    .takes(Takes::Command),
    Command::new(&["apropos"], "WORD", "The commands whose help has a word in it", Group::Support, apropos)
        .repeats(Repeat::Never),
    Command::new(
        &["echo"],
        "TEXT",
        "Prints a text\nBackslashes as in C: \\n for a newline. No newline is added.",
        Group::Support,
        echo,
    )
    .repeats(Repeat::Never),
    Command::control(
        &["source"],
        "FILE",
        "Runs the commands of a file\nThe first that fails ends it.",
        source,
    )
    .takes(Takes::Path),
    Command::control(
        &["quit", "exit", "q"],
        "[STATUS]",
        "Ends lkdb\nSTATUS is what the process ends with, 0 without it. Ctrl-D does the same.",
        quit,
    ),
    Command::new(&["pwd"], "", "The working directory", Group::Files, pwd),
    Command::new(
        &["cd"],
        "[DIR]",
        "Changes the working directory; without DIR, to the home directory",
        Group::Files,
        cd,
    )
    .takes(Takes::Path),
];

/// A list of commands with their summaries.
#[derive(Debug, Serialize)]
struct List {
    /// The line above.
    title: String,
    /// Names and first lines of help.
    commands: Vec<(String, &'static str)>,
    /// The line below.
    hint: &'static str,
}

impl Layout for List {
    fn lay_out(&self, page: &mut Page) {
        if !self.title.is_empty() {
            page.put(Style::Title, &self.title).plain("\n\n");
        }
        for (name, summary) in &self.commands {
            page.put(Style::Function, name).plain(" -- ").plain(summary).plain("\n");
        }
        if !self.hint.is_empty() {
            page.plain("\n").plain(self.hint).plain("\n");
        }
    }
}

/// The sub-commands of a command.
pub(crate) fn list_of(name: &str, commands: &'static [&'static [Command]]) -> Box<dyn Answer> {
    let mut rows: Vec<_> = commands
        .iter()
        .copied()
        .flatten()
        .map(|command| (format!("{name} {}", command.names.join(", ")), command.summary()))
        .collect();
    rows.sort();
    let hint = "Names may be shortened as long as one command is meant.";
    Box::new(List { title: format!("List of {name} subcommands:"), commands: rows, hint })
}

/// What one command does.
#[derive(Debug, Serialize)]
struct Help {
    names: Vec<String>,
    usage: String,
    help: &'static str,
}

impl Layout for Help {
    fn lay_out(&self, page: &mut Page) {
        page.put(Style::Title, self.names.join(", ")).plain("\n");
        page.plain(self.help).plain("\n");
        page.plain("Usage: ").plain(&self.usage).plain("\n");
    }
}

fn help(_: &mut Session<'_>, rest: &str) -> Result {
    if rest.is_empty() {
        let commands = Group::ALL.iter().map(|(_, name, about)| ((*name).to_owned(), *about)).collect();
        let hint = "\"help GROUP\" lists the commands of a group, \"help COMMAND\" describes one, \"help all\" lists \
                    them all.\nNames may be shortened as long as one command is meant.";
        return Ok(Box::new(List { title: "Groups of commands:".into(), commands, hint }));
    }
    if let Some((group, _, about)) = Group::ALL.iter().find(|(_, name, _)| *name == rest) {
        return Ok(commands_of(Some(*group), format!("{about}:")));
    }
    if rest == "all" {
        return Ok(commands_of(None, "All commands:".into()));
    }
    let found = lookup::find(rest)?;
    let command = found.command;
    if !command.commands().is_empty() {
        if let Some(word) = found.rest.split_whitespace().next() {
            return Err(Error::Undefined { prefix: format!("{} ", command.name()), name: word.into() });
        }
        return Ok(list_of(command.name(), command.commands()));
    }
    let before = found.typed.rsplit_once(' ').map(|(before, _)| format!("{before} ")).unwrap_or_default();
    let usage = format!("{before}{} {}", command.name(), command.usage).trim_end().to_owned();
    let names = command.names.iter().map(|name| format!("{before}{name}")).collect();
    Ok(Box::new(Help { names, usage, help: command.help }))
}

fn commands_of(group: Option<Group>, title: String) -> Box<dyn Answer> {
    let mut rows: Vec<_> = TABLE
        .iter()
        .copied()
        .flatten()
        .filter(|command| group.is_none_or(|group| command.group == group))
        .map(|command| (command.names.join(", "), command.summary()))
        .collect();
    rows.sort();
    Box::new(List { title, commands: rows, hint: "" })
}

fn apropos(_: &mut Session<'_>, rest: &str) -> Result {
    if rest.is_empty() {
        return Err(Error::say("apropos needs a word to look for"));
    }
    let wanted = rest.to_lowercase();
    let mut rows = Vec::new();
    search(TABLE, "", &wanted, &mut rows);
    rows.sort();
    Ok(Box::new(List { title: String::new(), commands: rows, hint: "" }))
}

fn search(
    table: &'static [&'static [Command]],
    prefix: &str,
    wanted: &str,
    rows: &mut Vec<(String, &'static str)>,
) {
    for command in table.iter().copied().flatten() {
        let name = format!("{prefix}{}", command.name());
        if name.contains(wanted) || command.help.to_lowercase().contains(wanted) {
            let mut names = name.clone();
            for other in command.names.iter().skip(1) {
                let _ = write!(names, ", {prefix}{other}");
            }
            rows.push((names, command.summary()));
        }
        search(command.commands(), &format!("{name} "), wanted, rows);
    }
}

fn echo(_: &mut Session<'_>, rest: &str) -> Result {
    Ok(Box::new(Text { text: arguments::unescape(rest) }))
}

fn source(session: &mut Session<'_>, rest: &str) -> Result<Step> {
    match arguments::words(rest)?.as_slice() {
        [file] => Ok(Step::Source(session.path(file))),
        [] => Err(Error::say("source command requires file name of file to source.")),
        _ => Err(Error::say("source takes one file")),
    }
}

fn quit(_: &mut Session<'_>, rest: &str) -> Result<Step> {
    if rest.is_empty() {
        return Ok(Step::Quit(None));
    }
    match rest.parse::<i64>() {
        // A process ends with the low byte of its status.
        Ok(status) => Ok(Step::Quit(Some((status & 0xff) as u8))),
        Err(_) => Err(Error::say(format!("quit takes a status, a number, not {rest}"))),
    }
}

fn pwd(session: &mut Session<'_>, rest: &str) -> Result {
    arguments::none(rest)?;
    Ok(Text::line(format_args!("Working directory {}.", session.sources().working_directory().display())))
}

fn cd(session: &mut Session<'_>, rest: &str) -> Result {
    let words = arguments::words(rest)?;
    let to = words.first().map_or_else(|| PathBuf::from("~"), PathBuf::from);
    session.change_directory(&to)?;
    pwd(session, "")
}
