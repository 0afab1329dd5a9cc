//! From a type laid out to its text: lines, indents, columns of offsets.

use super::offsets::{INDENT, State};
use super::{Body, Field, Offsets, Specifier, Written};

/// How far members stand right of their struct.
const STEP: usize = 4;

impl Written {
    /// The text; of several lines for a struct that is spelled out.
    pub(super) fn text(&self, offsets: Offsets) -> String {
        let mut out = String::new();
        self.print(0, State::default(), offsets, &mut out);
        out
    }

    fn print(&self, level: usize, state: State, offsets: Offsets, out: &mut String) {
        match &self.specifier {
            Specifier::Plain(text) => out.push_str(text),
            Specifier::Body(body) => body.print(level, state, offsets, out),
        }
        out.push_str(&self.declarator);
    }
}

impl Body {
    fn print(&self, level: usize, mut state: State, offsets: Offsets, out: &mut String) {
        let columns = if offsets == Offsets::No { 0 } else { INDENT };
        out.push_str(&self.head);
        out.push_str("{\n");
        if self.fields.is_empty() {
            let what = if self.declaration { "<incomplete type>" } else { "<no data fields>" };
            spaces(columns + level + STEP, out);
            out.push_str(what);
            out.push('\n');
        }
        // gdb hands what it knew when it entered a struct on to members that are none.
        let mut inner = State::default();
        for field in &self.fields {
            if offsets != Offsets::No {
                state.member(self, field, offsets, out);
            }
            if field.composite {
                inner = state.enter(field);
            }
            spaces(level + STEP, out);
            field.print(level + STEP, inner, offsets, out);
        }
        if offsets != Offsets::No {
            if self.whole {
                state.padding(self, out);
                out.push('\n');
                spaces(INDENT + level + STEP, out);
                out.push_str(&format!("/* total size (bytes): {:4} */\n", self.size));
            }
            // The outermost brace stands two further right, below `struct` and not below `type`.
            spaces(INDENT + if level == 0 { 2 } else { 0 }, out);
        }
        spaces(level, out);
        out.push('}');
    }
}

impl Field {
    fn print(&self, level: usize, state: State, offsets: Offsets, out: &mut String) {
        self.written.print(level, state, offsets, out);
        if let Some(bits) = self.bit_size {
            out.push_str(&format!(" : {bits}"));
        }
        out.push_str(";\n");
    }
}

fn spaces(count: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', count));
}
