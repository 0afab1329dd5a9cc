//! Where lines come from: a terminal, with history and completion, or a pipe.

use std::fs;
use std::io::{self, BufRead as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use lkdb_commands::Completions;
use lkdb_session::Session;
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
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

/// The line editor. It has a thread of its own: it lives as long as the session, since it holds what was typed ahead,
/// and yet the session, which completes words, is in other hands while commands run.
pub(super) struct Terminal {
    wishes: Sender<Wish>,
    said: Receiver<Said>,
}

/// What is wanted of the editor.
enum Wish {
    Line,
    /// What the half-typed word can become, that was asked about.
    Words(Completions),
}

/// What the editor says.
enum Said {
    /// The text before the cursor, to be completed.
    HalfTyped(String),
    Typed(rustyline::Result<String>),
}

impl Input {
    pub(super) fn terminal() -> anyhow::Result<Self> {
        let (wishes, wished) = channel();
        let (saying, said) = channel();
        let editor = Editing::new(Words { wished, saying })?;
        thread::spawn(move || editor.serve());
        Ok(Self::Terminal(Terminal { wishes, said }))
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
        self.wishes.send(Wish::Line)?;
        loop {
            match self.said.recv()? {
                Said::HalfTyped(text) => {
                    self.wishes.send(Wish::Words(lkdb_commands::complete(session, &text)))?;
                }
                Said::Typed(Ok(line)) => return Ok(Line::Text(line)),
                Said::Typed(Err(ReadlineError::Interrupted)) => return Ok(Line::Cancelled),
                Said::Typed(Err(ReadlineError::Eof)) => return Ok(Line::End),
                Said::Typed(Err(error)) => return Err(error.into()),
            }
        }
    }
}

/// The editor's side.
struct Editing {
    editor: Editor<Words, FileHistory>,
    /// Where the history is kept.
    file: Option<PathBuf>,
}

impl Editing {
    fn new(words: Words) -> rustyline::Result<Self> {
        let config = Config::builder()
            .max_history_size(REMEMBERED)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(words));
        let file = history_file();
        if let Some(file) = &file {
            // None yet, or not readable: then there is no history.
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, file })
    }

    /// Reads a line whenever one is wanted, until nobody is there to want one.
    fn serve(mut self) {
        while self.editor.helper().is_some_and(Words::wants_line) {
            let typed = self.editor.readline(PROMPT);
            if let Ok(line) = &typed
                && !line.trim().is_empty()
            {
                let _ = self.editor.add_history_entry(line.as_str());
                self.keep();
            }
            if self.editor.helper().is_none_or(|words| words.saying.send(Said::Typed(typed)).is_err()) {
                return;
            }
        }
    }

    /// Saves the history. That it cannot be saved stops nobody's work.
    fn keep(&mut self) {
        let Some(file) = &self.file else { return };
        if let Some(directory) = file.parent() {
            let _ = fs::create_dir_all(directory);
        }
        if let Err(error) = self.editor.save_history(file) {
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

/// What words can become, as the session's side says.
struct Words {
    wished: Receiver<Wish>,
    saying: Sender<Said>,
}

impl Words {
    fn wants_line(&self) -> bool {
        matches!(self.wished.recv(), Ok(Wish::Line))
    }
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..at).unwrap_or(line).to_owned();
        let asked = self.saying.send(Said::HalfTyped(before));
        let Some(Wish::Words(found)) = asked.ok().and_then(|()| self.wished.recv().ok()) else {
            return Ok((at, Vec::new()));
        };
        if found.path {
            return FilenameCompleter::new().complete_path(line, at);
        }
        let pairs = found.words.into_iter().map(|word| Pair { display: word.clone(), replacement: word });
        Ok((found.start, pairs.collect()))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}
