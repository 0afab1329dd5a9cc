//! Where lines come from: a terminal, with history and completion, or a pipe.

use std::fs;
use std::io::{self, BufRead as _};
use std::path::PathBuf;

use lkdb_session::Session;
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{FileHistory, History as _};
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

const PROMPT: &str = "(lkdb) ";
/// Lines of history that are kept.
const REMEMBERED: usize = 1000;

/// What was typed.
pub(super) enum Line {
    Text(String),
    /// Ctrl-C: the line is thrown away.
    Cancelled,
    /// Ctrl-D, or the pipe's end.
    End,
}

/// Where lines come from.
pub(super) enum Input {
    Terminal(Terminal),
    Plain,
}

/// A terminal's history, and the file it is kept in.
pub(super) struct Terminal {
    config: Config,
    history: FileHistory,
    file: Option<PathBuf>,
}

impl Input {
    pub(super) fn terminal() -> anyhow::Result<Self> {
        let config = Config::builder()
            .max_history_size(REMEMBERED)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .build();
        let mut history = FileHistory::with_config(&config);
        let file = history_file();
        if let Some(file) = &file {
            // None yet, or not readable: then there is no history.
            let _ = history.load(file);
        }
        Ok(Self::Terminal(Terminal { config, history, file }))
    }

    /// The next line. The session is asked what a half-typed word can become.
    pub(super) fn read(&mut self, session: &Session<'_>) -> anyhow::Result<Line> {
        match self {
            Self::Terminal(terminal) => terminal.read(session),
            Self::Plain => plain(),
        }
    }
}

fn plain() -> anyhow::Result<Line> {
    let mut bytes = Vec::new();
    if io::stdin().lock().read_until(b'\n', &mut bytes)? == 0 {
        return Ok(Line::End);
    }
    Ok(Line::Text(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned()))
}

impl Terminal {
    fn read(&mut self, session: &Session<'_>) -> anyhow::Result<Line> {
        // The editor borrows the session for completion, so it lives for one line; the history stays.
        let history = std::mem::replace(&mut self.history, FileHistory::new());
        let mut editor = Editor::<Words<'_, '_>, FileHistory>::with_history(self.config.clone(), history)?;
        editor.set_helper(Some(Words { session }));
        let typed = editor.readline(PROMPT);
        if let Ok(line) = &typed
            && !line.trim().is_empty()
        {
            let _ = editor.add_history_entry(line.as_str());
        }
        self.history = std::mem::replace(editor.history_mut(), FileHistory::new());
        match typed {
            Ok(line) => {
                self.keep();
                Ok(Line::Text(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Cancelled),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(error.into()),
        }
    }

    /// Saves the history. That it cannot be saved stops nobody's work.
    fn keep(&mut self) {
        let Some(file) = &self.file else { return };
        if let Some(directory) = file.parent() {
            let _ = fs::create_dir_all(directory);
        }
        if let Err(error) = self.history.save(file) {
            tracing::debug!("no history in {}: {error}", file.display());
            self.file = None;
        }
    }
}

fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("lkdb/history"))
}

/// What words can become.
struct Words<'s, 'd> {
    session: &'s Session<'d>,
}

impl Completer for Words<'_, '_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..at).unwrap_or(line);
        let found = lkdb_commands::complete(self.session, before);
        if found.path {
            return FilenameCompleter::new().complete_path(line, at);
        }
        let pairs = found.words.into_iter().map(|word| Pair { display: word.clone(), replacement: word });
        Ok((found.start, pairs.collect()))
    }
}

impl Hinter for Words<'_, '_> {
    type Hint = String;
}

impl Highlighter for Words<'_, '_> {}
impl Validator for Words<'_, '_> {}
impl Helper for Words<'_, '_> {}
