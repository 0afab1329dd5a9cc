//! Answers on standard output: painted on a terminal, plain elsewhere, or one JSON object a line.

use std::io::{self, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style as Ansi};
use lkdb_commands::{Answer, Page, Style};
use lkdb_session::Interrupt;
use serde_json::json;

/// Where answers and errors go.
pub(super) struct Out {
    json: bool,
    colours: bool,
}

impl Out {
    pub(super) fn new(json: bool) -> Self {
        let choice = anstream::AutoStream::choice(&io::stdout());
        let colours = io::stdout().is_terminal() && choice != anstream::ColorChoice::Never;
        Self { json, colours }
    }

    /// Shows an answer; false when nobody reads any more. Ctrl-C cuts a long one short.
    pub(super) fn answer(&self, command: &str, answer: &dyn Answer, interrupt: &Interrupt) -> bool {
        if self.json {
            return self.object(&json!({ "command": command, "data": answer.json() }));
        }
        let mut page = Page::new();
        answer.text(&mut page);
        if page.spans().is_empty() {
            return true;
        }
        let shown = self.page(&page, interrupt);
        if interrupt.is_set() {
            let _ = writeln!(io::stderr(), "Quit");
        }
        shown.is_ok()
    }

    fn page(&self, page: &Page, interrupt: &Interrupt) -> io::Result<()> {
        const PIECE: usize = 1 << 14;
        let mut out = io::BufWriter::with_capacity(PIECE, io::stdout().lock());
        for span in page.spans() {
            let paint = if self.colours { style(span.style) } else { Ansi::new() };
            write!(out, "{paint}")?;
            let mut rest = span.text.as_str();
            while !rest.is_empty() && !interrupt.is_set() {
                let end = (PIECE.min(rest.len())..=rest.len()).find(|at| rest.is_char_boundary(*at));
                let (now, later) = rest.split_at(end.unwrap_or(rest.len()));
                out.write_all(now.as_bytes())?;
                rest = later;
            }
            write!(out, "{paint:#}")?;
        }
        out.flush()
    }

    /// Says an error; false when nobody reads any more.
    pub(super) fn error(&self, command: &str, error: &str) -> bool {
        if self.json {
            return self.object(&json!({ "command": command, "error": error }));
        }
        let _ = writeln!(io::stderr(), "{error}");
        true
    }

    /// Says something beside the answers, as text only.
    pub(super) fn note(&self, text: &str) {
        if !self.json {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    fn object(&self, object: &serde_json::Value) -> bool {
        let mut out = io::stdout().lock();
        writeln!(out, "{object}").and_then(|()| out.flush()).is_ok()
    }
}

fn style(style: Style) -> Ansi {
    let colour = |colour: AnsiColor| Ansi::new().fg_color(Some(colour.into()));
    match style {
        Style::Plain => Ansi::new(),
        Style::Address => colour(AnsiColor::Blue),
        Style::Function => colour(AnsiColor::Yellow),
        Style::File => colour(AnsiColor::Green),
        Style::Variable => colour(AnsiColor::Cyan),
        Style::Type => colour(AnsiColor::Magenta),
        Style::Title => Ansi::new().bold(),
        Style::Dim => Ansi::new().dimmed(),
        Style::Warning => colour(AnsiColor::Red),
    }
}
