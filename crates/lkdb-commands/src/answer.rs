//! What a command returns: data that can lay itself out as text, and be JSON.

use serde::Serialize;

use crate::page::Page;

/// Data with a layout as text, in gdb's words where gdb has them.
pub trait Layout: Serialize {
    /// Puts it on a page, with a newline at its end (nothing for nothing to say).
    fn lay_out(&self, page: &mut Page);
}

/// A command's result, whatever its type.
pub trait Answer {
    /// As text.
    fn text(&self, page: &mut Page);
    /// As one JSON value.
    fn json(&self) -> serde_json::Value;
}

impl<T: Layout> Answer for T {
    fn text(&self, page: &mut Page) {
        self.lay_out(page);
    }

    fn json(&self) -> serde_json::Value {
        // Numbers above 2^53 are written as strings by the types that hold addresses; what cannot be
        // JSON (a map with keys that are no strings) is a mistake in such a type, and is said.
        serde_json::to_value(self).unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }))
    }
}

/// Nothing to say: the command did what it should.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Nothing {}

impl Layout for Nothing {
    fn lay_out(&self, _: &mut Page) {}
}

/// Words that are no data: `echo`, `help`.
#[derive(Debug, Clone, Serialize)]
pub struct Text {
    /// As it is to be printed, with its newline where it has one.
    pub text: String,
}

impl Text {
    /// A boxed answer of one line; the newline is added.
    #[must_use]
    pub fn line(text: impl std::fmt::Display) -> Box<dyn Answer> {
        Box::new(Self { text: format!("{text}\n") })
    }
}

impl Layout for Text {
    fn lay_out(&self, page: &mut Page) {
        page.plain(&self.text);
    }
}
