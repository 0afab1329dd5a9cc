//! `set` and `show`: the settings that exist, each named once for both.
//!
//! What a setting does is said where it is read; here are its name, its kind, and gdb's sentence about it.

use std::fmt;

use lkdb_session::{Session, Settings};
use serde::Serialize;

use crate::answer::{Answer, Layout, Nothing, Text};
use crate::page::Page;
use crate::table::{Action, Command, Group, Repeat, Takes};
use crate::{Error, Result, arguments};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// gdb's sentence about its value, `{}` for that.
    sentence: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// `on` or `off`; without an argument `on`.
    Flag(fn(&mut Settings) -> &mut bool),
    /// A number, or `unlimited` (0 too).
    Limit(fn(&mut Settings) -> &mut Option<u64>),
    /// One of some words.
    Choice(&'static [&'static str], fn(&mut Settings) -> &mut &'static str),
    /// What reads its arguments for itself.
    Own(fn(&mut Session<'_>, &str) -> Result, fn(&Session<'_>) -> String),
    /// Taken for gdb's scripts, with no effect: that is how it always is.
    Fixed(&'static str),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag(_) => "flag",
            Self::Limit(_) => "limit",
            Self::Choice(..) => "choice",
            Self::Own(..) => "own",
            Self::Fixed(_) => "fixed",
        })
    }
}

const fn setting(
    names: &'static [&'static str],
    usage: &'static str,
    help: &'static str,
    sentence: &'static str,
    kind: Kind,
) -> Command {
    let (takes, repeat) = (Takes::Nothing, Repeat::Never);
    let action = Action::Setting(Setting { sentence, kind });
    Command { names, usage, help, group: Group::Support, action, repeat, takes }
}

const ON_OFF: &str = "[on|off]";
const LIMIT: &str = "N|unlimited";

const PRINT: &[Command] = &[
    setting(
        &["address", "addr"],
        ON_OFF,
        "Whether addresses are printed",
        "Printing of addresses is {}.",
        Kind::Flag(|all| &mut all.print.address),
    ),
    setting(
        &["array"],
        ON_OFF,
        "Whether each array element gets a line",
        "Pretty formatting of arrays is {}.",
        Kind::Flag(|all| &mut all.print.array),
    ),
    setting(
        &["array-indexes"],
        ON_OFF,
        "Whether array elements are printed with their indexes",
        "Printing of array indexes is {}.",
        Kind::Flag(|all| &mut all.print.array_indexes),
    ),
    setting(
        &["elements"],
        LIMIT,
        "How many elements of an array or letters of a string are printed",
        "Limit on string chars or array elements to print is {}.",
        Kind::Limit(|all| &mut all.print.elements),
    ),
    setting(
        &["max-depth"],
        LIMIT,
        "How deep structures within structures are printed",
        "Maximum print depth is {}.",
        Kind::Limit(|all| &mut all.print.max_depth),
    ),
    setting(
        &["null-stop"],
        ON_OFF,
        "Whether char arrays end at their first NUL",
        "Printing of char arrays to stop at first null char is {}.",
        Kind::Flag(|all| &mut all.print.null_stop),
    ),
    setting(
        &["pretty"],
        ON_OFF,
        "Whether structures are printed a member a line",
        "Pretty formatting of structures is {}.",
        Kind::Flag(|all| &mut all.print.pretty),
    ),
    setting(
        &["repeats"],
        LIMIT,
        "From how many equal elements on they are printed once, with their number",
        "Threshold for repeated print elements is {}.",
        Kind::Limit(|all| &mut all.print.repeats),
    ),
    setting(
        &["symbol"],
        ON_OFF,
        "Whether pointers are printed with the symbol they point to",
        "Printing of symbols when printing pointers is {}.",
        Kind::Flag(|all| &mut all.print.symbol),
    ),
    setting(
        &["union"],
        ON_OFF,
        "Whether unions within structures are printed",
        "Printing of unions interior to structures is {}.",
        Kind::Flag(|all| &mut all.print.unions),
    ),
];

/// Those that `set` and `show` share.
const SETTINGS: &[Command] = &[
    setting(
        &["confirm"],
        ON_OFF,
        "Whether lkdb asks before it throws something away",
        "Whether to confirm potentially dangerous operations is {}.",
        Kind::Flag(|all| &mut all.confirm),
    ),
    setting(
        &["directories"],
        "[DIR:...]",
        "Where source files are looked for\n$cdir is the directory a unit was compiled in, $cwd the working directory.",
        "Source directories searched: {}",
        Kind::Own(set_directories, |session| session.sources().directories()),
    ),
    setting(
        &["disassembly-flavor"],
        "att|intel",
        "Whose assembly language instructions are printed in",
        "The disassembly flavor is \"{}\".",
        Kind::Choice(&["att", "intel"], |all| &mut all.disassembly_flavor),
    ),
    setting(
        &["height"],
        LIMIT,
        "Lines of a page; lkdb never stops for one",
        "Number of lines lkdb thinks are in a page is {}.",
        Kind::Fixed("unlimited"),
    ),
    setting(
        &["language"],
        "c",
        "The language of expressions",
        "The current source language is \"{}\".",
        Kind::Fixed("c"),
    ),
    setting(
        &["listsize"],
        LIMIT,
        "How many source lines `list' lists",
        "Number of source lines lkdb will list by default is {}.",
        Kind::Limit(|all| &mut all.listsize),
    ),
    setting(
        &["pagination"],
        ON_OFF,
        "Whether output stops at each page; lkdb never does",
        "State of pagination is {}.",
        Kind::Fixed("off"),
    ),
    setting(
        &["substitute-path"],
        "FROM TO",
        "A rule: source files whose path begins with FROM are looked for under TO",
        "List of all source path substitution rules:{}",
        Kind::Own(set_substitute_path, substitutions),
    ),
    setting(
        &["width"],
        LIMIT,
        "Letters in a line; lkdb breaks none",
        "Number of characters lkdb thinks are in a line is {}.",
        Kind::Fixed("unlimited"),
    ),
];

const PRINT_PREFIX: &[Command] =
    &[Command::prefix(&["print", "p", "pr"], "How values are printed", Group::Support, &[PRINT], None)];

const REMOTE: &[Command] = &[setting(
    &["hardware-breakpoint-limit", "hardware-watchpoint-limit"],
    LIMIT,
    "How many debug registers there are\nHardware breakpoints and watchpoints share them. Unlimited: as many as the machine has.",
    "The maximum number of target hardware breakpoints and watchpoints is {}.",
    Kind::Limit(|all| &mut all.hardware_limit),
)];

const REMOTE_PREFIX: &[Command] =
    &[Command::prefix(&["remote"], "What the machine's gdb stub can do", Group::Support, &[REMOTE], None)];

const SHOW_ONLY: &[Command] = &[Command::new(&["version"], "", "lkdb's version", Group::Support, version)];

pub(crate) const COMMANDS: &[Command] = &[
    Command::prefix(
        &["set"],
        "Changes a setting; `set var EXPR' evaluates an assignment",
        Group::Data,
        &[SETTINGS, PRINT_PREFIX, REMOTE_PREFIX, super::print::SET],
        Some(super::print::set_expression),
    )
    .repeats(Repeat::Never),
    Command::prefix(
        &["show"],
        "Shows a setting",
        Group::Status,
        &[SETTINGS, PRINT_PREFIX, REMOTE_PREFIX, SHOW_ONLY],
        Some(show_all),
    ),
    Command::new(
        &["directory", "dir"],
        "[DIR:...]",
        "Puts directories in front of those where source files are looked for\nWithout one, goes back to $cdir:$cwd.",
        Group::Files,
        directory,
    )
    .takes(Takes::Path),
    Command::prefix(
        &["unset"],
        "Takes back what `set' did",
        Group::Support,
        &[UNSET],
        None,
    ),
];

const UNSET: &[Command] = &[Command::new(
    &["substitute-path"],
    "[FROM]",
    "Forgets a rule, or all of them",
    Group::Support,
    unset_substitute_path,
)];

impl Setting {
    /// `set NAME VALUE`.
    pub(crate) fn set(self, session: &mut Session<'_>, value: &str) -> Result {
        match self.kind {
            Kind::Flag(place) => *place(session.settings_mut()) = flag(value)?,
            Kind::Limit(place) => *place(session.settings_mut()) = limit(value)?,
            Kind::Choice(choices, place) => *place(session.settings_mut()) = choice(value, choices)?,
            Kind::Own(set, _) => return set(session, value),
            Kind::Fixed(_) => {}
        }
        Ok(Box::new(Nothing {}))
    }

    /// `show NAME`.
    pub(crate) fn show(self, session: &mut Session<'_>) -> Box<dyn Answer> {
        let value = match self.kind {
            Kind::Flag(place) => if *place(session.settings_mut()) { "on" } else { "off" }.to_owned(),
            Kind::Limit(place) => place(session.settings_mut())
                .map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string()),
            Kind::Choice(_, place) => (*place(session.settings_mut())).to_owned(),
            Kind::Own(_, show) => show(session),
            Kind::Fixed(value) => value.to_owned(),
        };
        Box::new(Shown { text: self.sentence.replace("{}", &value), value })
    }
}

/// A setting's value.
#[derive(Debug, Serialize)]
struct Shown {
    value: String,
    text: String,
}

impl Layout for Shown {
    fn lay_out(&self, page: &mut Page) {
        page.plain(&self.text).plain("\n");
    }
}

fn flag(value: &str) -> Result<bool> {
    match value {
        "" | "on" | "1" | "yes" | "y" | "enable" => Ok(true),
        "of" | "off" | "0" | "no" | "n" | "disable" => Ok(false),
        _ => Err(Error::say("\"on\" or \"off\" expected.")),
    }
}

fn limit(value: &str) -> Result<Option<u64>> {
    let begins_unlimited = !value.is_empty() && "unlimited".starts_with(value);
    match value.parse::<i64>() {
        _ if value.is_empty() => {
            Err(Error::say("Argument required (integer to set it to, or \"unlimited\")."))
        }
        _ if begins_unlimited => Ok(None),
        Ok(0 | -1) => Ok(None),
        Ok(number) => match u64::try_from(number) {
            Ok(number) if number <= i32::MAX as u64 => Ok(Some(number)),
            _ => Err(Error::say(format!("integer {number} out of range"))),
        },
        Err(_) => Err(Error::say(format!("No symbol \"{value}\" in current context."))),
    }
}

fn choice(value: &str, choices: &'static [&'static str]) -> Result<&'static str> {
    if value.is_empty() {
        return Err(Error::say(format!("Requires an argument. Valid arguments are {}.", choices.join(", "))));
    }
    let mut fitting = choices.iter().filter(|choice| choice.starts_with(value));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(Error::say(format!("Ambiguous item \"{value}\"."))),
        _ => Err(Error::say(format!("Undefined item: \"{value}\"."))),
    }
}

fn set_directories(session: &mut Session<'_>, value: &str) -> Result {
    session.sources_mut().set_directories(value);
    Ok(Box::new(Nothing {}))
}

fn directory(session: &mut Session<'_>, value: &str) -> Result {
    match arguments::words(value)?.as_slice() {
        [] => session.sources_mut().set_directories(""),
        words => {
            for word in words.iter().rev() {
                session.add_directories(word);
            }
        }
    }
    let shown = session.sources().directories();
    Ok(Text::line(format_args!("Source directories searched: {shown}")))
}

fn set_substitute_path(session: &mut Session<'_>, value: &str) -> Result {
    match arguments::words(value)?.as_slice() {
        [from, to] if !from.is_empty() => session.sources_mut().substitute(from, to),
        [from, _] if from.is_empty() => {
            return Err(Error::say("First argument must be at least one character long"));
        }
        words if words.len() > 2 => return Err(Error::say("Incorrect usage, too many arguments in command")),
        _ => return Err(Error::say("Incorrect usage, too few arguments in command")),
    }
    Ok(Box::new(Nothing {}))
}

fn unset_substitute_path(session: &mut Session<'_>, value: &str) -> Result {
    let words = arguments::words(value)?;
    let from = words.first().map(String::as_str);
    if session.sources_mut().forget_substitution(from) {
        return Ok(Box::new(Nothing {}));
    }
    let from = from.unwrap_or_default();
    Err(Error::say(format!("No substitution rule defined for `{from}'")))
}

fn substitutions(session: &Session<'_>) -> String {
    let rules = session.sources().substitutions();
    rules.iter().map(|(from, to)| format!("\n  `{from}' -> `{to}'.")).collect()
}

fn show_all(session: &mut Session<'_>, rest: &str) -> Result {
    arguments::none(rest)?;
    let mut text = String::new();
    for command in SETTINGS.iter().chain(PRINT) {
        let Action::Setting(setting) = command.action else { continue };
        let mut page = Page::new();
        setting.show(session).text(&mut page);
        text.push_str(&format!("{}:  {page}", command.name()));
    }
    Ok(Box::new(Text { text }))
}

fn version(_: &mut Session<'_>, _: &str) -> Result {
    Ok(Text::line(format_args!("lkdb {}", env!("CARGO_PKG_VERSION"))))
}
