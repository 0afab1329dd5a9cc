//! The command line's `-ex CMD`, `-x FILE` and `-batch`, in gdb's spelling and in the order given.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

/// What is run before anything is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Script {
    /// One command.
    Command(String),
    /// The commands of a file.
    File(PathBuf),
}

/// `-ex` and `-x`, in the order they were given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scripts(pub(crate) Vec<Script>);

const EX: &str = "eval-command";
const X: &str = "command";

impl FromArgMatches for Scripts {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut all: Vec<(usize, Script)> = Vec::new();
        let at = |id: &str| matches.indices_of(id).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
        if let Some(commands) = matches.get_many::<String>(EX) {
            all.extend(at(EX).into_iter().zip(commands.cloned().map(Script::Command)));
        }
        if let Some(files) = matches.get_many::<PathBuf>(X) {
            all.extend(at(X).into_iter().zip(files.cloned().map(Script::File)));
        }
        all.sort_by_key(|(index, _)| *index);
        Ok(Self(all.into_iter().map(|(_, script)| script).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Scripts {
    fn augment_args(command: Command) -> Command {
        let ex = Arg::new(EX)
            .long(EX)
            .value_name("CMD")
            .action(ArgAction::Append)
            .allow_hyphen_values(true)
            .help("Run this command (also -ex CMD); give it again for the next");
        let x = Arg::new(X)
            .short('x')
            .long(X)
            .value_name("FILE")
            .action(ArgAction::Append)
            .value_parser(clap::value_parser!(PathBuf))
            .help("Run the commands of this file, up to the first that fails");
        command.arg(ex).arg(x)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// gdb's long options with one dash, spelled with two for the commands that take them.
pub(crate) fn normalise(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    const COMMANDS: [&str; 3] = ["inspect", "debug", "attach"];
    const SPELLINGS: [(&str, &str); 3] =
        [("-ex", "--eval-command"), ("-batch", "--batch"), ("-eval-command", "--eval-command")];
    let (mut ours, mut done) = (false, false);
    let spell = |argument: OsString| {
        done |= argument == "--";
        ours |= COMMANDS.iter().any(|name| argument == *name);
        let found = SPELLINGS.iter().find(|(gdb, _)| ours && !done && argument == *gdb);
        found.map_or(argument, |(_, clap)| OsString::from(clap))
    };
    arguments.map(spell).collect()
}

/// The commands of a file with their line numbers: a backslash at a line's end joins the next one.
pub(super) fn lines(text: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let mut whole = line.to_owned();
        while whole.ends_with('\\') {
            let Some((_, next)) = lines.next() else { break };
            whole.pop();
            whole.push_str(next);
        }
        out.push((index + 1, whole));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args as _;

    #[test]
    fn scripts_keep_their_order_in_gdbs_spelling() {
        let line = ["lkdb", "inspect", "-ex", "p 1", "-x", "file", "-ex", "-batch", "-batch"];
        let normal = normalise(line.iter().map(OsString::from));
        assert_eq!(normal.last().unwrap(), "--batch");
        let command = Scripts::augment_args(Command::new("inspect"));
        let matches =
            command.get_matches_from(["inspect", "--eval-command", "p 1", "-x", "f", "--eval-command", "-1"]);
        let scripts = Scripts::from_arg_matches(&matches).unwrap();
        let expected =
            [Script::Command("p 1".into()), Script::File("f".into()), Script::Command("-1".into())];
        assert_eq!(scripts.0, expected);
    }

    #[test]
    fn other_commands_arguments_are_left_alone() {
        for line in [["lkdb", "gdb", "-ex"], ["lkdb", "--", "-ex"]] {
            assert_eq!(normalise(line.iter().map(OsString::from)).last().unwrap(), "-ex");
        }
    }

    #[test]
    fn a_backslash_joins_lines() {
        let joined = lines("echo a\\\nb\n# c\nlist\\");
        assert_eq!(joined, [(1, "echo ab".into()), (3, "# c".into()), (4, "list\\".into())]);
    }
}
