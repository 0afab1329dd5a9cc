//! What a half-typed line can become.

use lkdb_session::Session;

use crate::lookup;
use crate::table::{Command, TABLE, Takes};

/// What can stand at the end of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completions {
    /// Where in the line the word starts that is replaced, in bytes.
    pub start: usize,
    /// What can replace it, by name.
    pub words: Vec<String>,
    /// The word is a file of this host: the front end knows those.
    pub path: bool,
}

/// How a line that ends at the cursor can go on.
#[must_use]
pub fn complete(session: &Session<'_>, line: &str) -> Completions {
    let skipped = line.len() - line.trim_start().len();
    let mut table: &'static [&'static [Command]] = TABLE;
    let mut start = skipped;
    loop {
        let rest = line.get(start..).unwrap_or_default();
        let end = lookup::name_length(rest);
        if end == rest.len() {
            return Completions { start, words: names(table, rest), path: false };
        }
        let word = rest.get(..end).unwrap_or_default();
        let Ok(command) = lookup::one(table, "", word) else { return nothing(line) };
        let behind = rest.get(end..).unwrap_or_default();
        start += end + (behind.len() - behind.trim_start().len());
        table = command.commands();
        if table.is_empty() {
            return argument(session, command, line, start);
        }
    }
}

fn nothing(line: &str) -> Completions {
    Completions { start: line.len(), words: Vec::new(), path: false }
}

fn names(table: &'static [&'static [Command]], begin: &str) -> Vec<String> {
    let all = table.iter().copied().flatten().flat_map(|command| command.names);
    let mut words: Vec<String> =
        all.filter(|name| name.starts_with(begin)).map(|name| (*name).to_owned()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn argument(session: &Session<'_>, command: &Command, line: &str, start: usize) -> Completions {
    let text = line.get(start..).unwrap_or_default();
    match command.takes {
        Takes::Nothing => nothing(line),
        Takes::Command => {
            let inner = complete(session, text);
            Completions { start: start + inner.start, ..inner }
        }
        Takes::Path => Completions { start, words: Vec::new(), path: true },
        Takes::Expression | Takes::Location => {
            let word = text.rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '$')));
            let start = start + word.map_or(0, |at| at + 1);
            let begin = line.get(start..).unwrap_or_default();
            Completions { start, words: session.names_beginning(begin), path: false }
        }
    }
}
