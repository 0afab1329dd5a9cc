//! What a command is, and the table of them all.

use lkdb_session::Session;

use crate::Result;
use crate::command;
use crate::command::settings::Setting;

/// A function that answers: the session, and what stands behind the name (`/FMT` included), trimmed.
pub type Run = fn(&mut Session<'_>, &str) -> Result;

/// A function that changes how the front end goes on.
pub type Control = fn(&mut Session<'_>, &str) -> Result<crate::Step>;

/// One command, or sub-command.
#[derive(Debug)]
pub struct Command {
    /// Its name, then gdb's fixed other names for it, which win over longer names that begin so.
    pub names: &'static [&'static str],
    /// What stands behind the name: `[/FMT] EXPRESSION`.
    pub usage: &'static str,
    /// The first line says it all in short; more lines say more.
    pub help: &'static str,
    /// The chapter of the help it stands in.
    pub group: Group,
    /// What it does.
    pub action: Action,
    /// What an empty line does after it.
    pub repeat: Repeat,
    /// What its arguments are, for completion.
    pub takes: Takes,
}

/// What a command does.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// Answers.
    Run(Run),
    /// Changes how the front end goes on.
    Control(Control),
    /// Its first word is a sub-command's name. Alone, or with none that fits, the function answers, if any.
    Prefix(&'static [&'static [Command]], Option<Run>),
    /// Changes or shows a setting, whichever of `set` and `show` it stands behind.
    Setting(Setting),
}

/// A chapter of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Looking at values, memory and types.
    Data,
    /// Files: sources, symbols.
    Files,
    /// What is known: `info` and its like.
    Status,
    /// Breakpoints, watchpoints.
    Breakpoints,
    /// Stepping, going on.
    Running,
    /// Frames.
    Stack,
    /// The debugger itself.
    Support,
}

impl Group {
    /// All, with the name users type behind `help` and what each is about.
    pub(crate) const ALL: [(Group, &'static str, &'static str); 7] = [
        (Group::Breakpoints, "breakpoints", "Where the guest is to stop"),
        (Group::Data, "data", "Values, memory, types and instructions"),
        (Group::Files, "files", "Symbols and source files"),
        (Group::Running, "running", "Going on and stepping"),
        (Group::Stack, "stack", "Frames"),
        (Group::Status, "status", "What lkdb knows of the kernel"),
        (Group::Support, "support", "lkdb itself: settings, scripts, help"),
    ];
}

/// What an empty line does after a command, on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The same again.
    Same,
    /// The same command with its format but no arguments: it goes on where it ended.
    GoesOn,
    /// Nothing.
    Never,
}

/// What a command's arguments are, for completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing that can be completed.
    Nothing,
    /// An expression.
    Expression,
    /// A place in the code.
    Location,
    /// A file of this host.
    Path,
    /// A command.
    Command,
}

impl Command {
    /// A command that answers, repeats itself, and whose arguments are not completed.
    pub(crate) const fn new(
        names: &'static [&'static str],
        usage: &'static str,
        help: &'static str,
        group: Group,
        run: Run,
    ) -> Self {
        let (action, repeat, takes) = (Action::Run(run), Repeat::Same, Takes::Nothing);
        Self { names, usage, help, group, action, repeat, takes }
    }

    /// A command with sub-commands.
    pub(crate) const fn prefix(
        names: &'static [&'static str],
        help: &'static str,
        group: Group,
        commands: &'static [&'static [Command]],
        alone: Option<Run>,
    ) -> Self {
        let (action, repeat, takes) = (Action::Prefix(commands, alone), Repeat::Same, Takes::Nothing);
        Self { names, usage: "SUBCOMMAND", help, group, action, repeat, takes }
    }

    pub(crate) const fn control(
        names: &'static [&'static str],
        usage: &'static str,
        help: &'static str,
        control: Control,
    ) -> Self {
        let (action, repeat, takes) = (Action::Control(control), Repeat::Never, Takes::Nothing);
        Self { names, usage, help, group: Group::Support, action, repeat, takes }
    }

    pub(crate) const fn repeats(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    pub(crate) const fn takes(mut self, takes: Takes) -> Self {
        self.takes = takes;
        self
    }

    /// Its full name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// The first line of its help.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.help.lines().next().unwrap_or_default()
    }

    /// Its sub-commands.
    #[must_use]
    pub fn commands(&self) -> &'static [&'static [Command]] {
        match self.action {
            Action::Prefix(commands, _) => commands,
            _ => &[],
        }
    }
}

/// Every command, a family at a time.
pub(crate) static TABLE: &[&[Command]] = &[
    command::breakpoints::COMMANDS,
    command::clear::COMMANDS,
    command::running::COMMANDS,
    command::stack::COMMANDS,
    command::threads::COMMANDS,
    command::support::COMMANDS,
    command::monitor::COMMANDS,
    command::settings::COMMANDS,
    command::info::COMMANDS,
    command::list::COMMANDS,
    command::code::COMMANDS,
    command::print::COMMANDS,
    command::display::COMMANDS,
    command::dump::COMMANDS,
    command::types::COMMANDS,
    command::files::COMMANDS,
];
