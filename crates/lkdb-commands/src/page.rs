//! Text with meaning: spans that know what they are, so that a terminal can colour them, and a script
//! gets plain text.

use std::fmt;

/// What a span of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// Nothing special.
    Plain,
    /// An address.
    Address,
    /// A function's name.
    Function,
    /// A file's name.
    File,
    /// A variable's, member's or register's name.
    Variable,
    /// A type's name.
    Type,
    /// A heading, or a name that matters most on its line.
    Title,
    /// What is aside: offsets, "optimized out".
    Dim,
    /// What must be seen.
    Warning,
}

/// A span of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What it is.
    pub style: Style,
    /// Its text; may hold newlines.
    pub text: String,
}

/// Text in spans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    spans: Vec<Span>,
}

impl Page {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends text that is something.
    pub fn put(&mut self, style: Style, text: impl fmt::Display) -> &mut Self {
        let text = text.to_string();
        match self.spans.last_mut() {
            Some(last) if last.style == style => last.text.push_str(&text),
            _ => self.spans.push(Span { style, text }),
        }
        self
    }

    /// Appends another page.
    pub fn append(&mut self, other: &Page) -> &mut Self {
        for span in &other.spans {
            self.put(span.style, &span.text);
        }
        self
    }

    /// Appends plain text.
    pub fn plain(&mut self, text: impl fmt::Display) -> &mut Self {
        self.put(Style::Plain, text)
    }

    /// The spans.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spans.iter().try_for_each(|span| f.write_str(&span.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_its_styles_is_its_text() {
        let mut page = Page::new();
        page.put(Style::Function, "start_kernel").plain(" () at ").put(Style::File, "init/main.c");
        page.plain(":").plain(941);
        assert_eq!(page.to_string(), "start_kernel () at init/main.c:941");
        assert_eq!(page.spans().len(), 4);
    }
}
