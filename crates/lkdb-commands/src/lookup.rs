//! Which command a word means: its name, one of its fixed other names, or a beginning that only it has.

use crate::strangers;
use crate::table::{Command, TABLE};
use crate::{Error, Result};

/// A command found, and what it was found behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    /// The command.
    pub(crate) command: &'static Command,
    /// The first on the line: itself, or the one whose sub-command it is.
    pub(crate) root: &'static Command,
    /// What stands behind its name.
    pub(crate) rest: &'a str,
    /// What stands before those arguments: the names as they were typed.
    pub(crate) typed: &'a str,
}

/// Where a command's name ends: gdb's names are made of letters, digits, `-`, `_` and `.`.
pub(crate) fn name_length(text: &str) -> usize {
    // `!` and `|` are whole names, whatever follows.
    if text.starts_with(['!', '|']) {
        return 1;
    }
    text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(text.len())
}

/// The command of a line, sub-commands followed as far as they go.
pub(crate) fn find(line: &str) -> Result<Found<'_>> {
    let line = line.trim();
    let mut table = TABLE;
    let mut prefix = String::new();
    let mut found: Option<Found<'_>> = None;
    let mut rest = line;
    loop {
        let (word, behind) = rest.split_at(name_length(rest));
        let next = match (one(table, &prefix, word), found) {
            (Ok(command), _) => command,
            // A setting's own argument, or an expression: `set x = 1`, `info` alone.
            (Err(error), Some(found)) => {
                let unknown = matches!(error, Error::Undefined { .. });
                return if unknown && takes_the_rest(found.command, word) { Ok(found) } else { Err(error) };
            }
            (Err(error), None) => return Err(error),
        };
        rest = behind.trim_start();
        let typed = line.get(..line.len() - rest.len()).unwrap_or(line).trim_end();
        let root = found.map_or(next, |found| found.root);
        found = Some(Found { command: next, root, rest, typed });
        table = next.commands();
        if table.is_empty() || rest.is_empty() {
            return found.ok_or_else(|| undefined(&prefix, word));
        }
        prefix.push_str(next.name());
        prefix.push(' ');
    }
}

/// Whether a prefix command does something with words that are no sub-command.
fn takes_the_rest(command: &Command, word: &str) -> bool {
    let answers = matches!(command.action, crate::Action::Prefix(_, Some(_)));
    answers && (word.is_empty() || matches!(command.name(), "set" | "print" | "thread"))
}

fn undefined(prefix: &str, name: &str) -> Error {
    Error::Undefined { prefix: prefix.to_owned(), name: name.to_owned() }
}

/// The one command of a table that a word means.
pub(crate) fn one(
    table: &'static [&'static [Command]],
    prefix: &str,
    word: &str,
) -> Result<&'static Command> {
    if word.is_empty() {
        return Err(undefined(prefix, word));
    }
    let all = || table.iter().copied().flatten();
    if let Some(exact) = all().find(|command| command.names.contains(&word)) {
        return Ok(exact);
    }
    if let Some(instead) = strangers::instead(word).filter(|_| prefix.is_empty()) {
        return Err(Error::Stranger { name: word.to_owned(), instead });
    }
    let mut begin: Vec<&'static Command> =
        all().filter(|command| command.names.iter().any(|name| name.starts_with(word))).collect();
    begin.sort_by_key(|command| command.name());
    begin.dedup_by_key(|command| command.name());
    match begin.as_slice() {
        [] => Err(undefined(prefix, word)),
        [only] => Ok(only),
        several => Err(Error::Ambiguous {
            prefix: prefix.to_owned(),
            name: word.to_owned(),
            candidates: several.iter().map(|command| command.name()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(line: &str) -> String {
        match find(line) {
            Ok(found) => format!("{}|{}", found.command.name(), found.rest),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn names_are_found_by_what_is_unique() {
        assert_eq!(name("echo  a b"), "echo|a b");
        assert_eq!(name("ech a"), "echo|a");
        assert_eq!(name("q"), "quit|");
        assert_eq!(name("show lists"), "listsize|");
        assert!(name("r").starts_with("Undefined command: \"r\": the machine is there already: "));
        assert_eq!(name("nonsense 1"), "Undefined command: \"nonsense\".  Try \"help\".");
        assert_eq!(name("show nonsense"), "Undefined show command: \"nonsense\".  Try \"help show\".");
        assert_eq!(name("set di"), "Ambiguous set command \"di\": directories, disassembly-flavor.");
    }
}
