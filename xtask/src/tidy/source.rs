//! Rust source with what is no code taken away, and its lines told apart: tests or not.
//!
//! A scanner, no parser: it knows comments, texts, characters and braces, which is enough for rules about
//! words and lengths.

/// A file of Rust.
#[derive(Debug)]
pub(super) struct Source {
    /// The text with comments and the insides of texts blanked; lines stay where they are.
    code: String,
    /// For each line, whether it belongs to an item under `#[cfg(test)]`.
    in_tests: Vec<bool>,
}

/// A function's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// The line it starts on, from 1.
    pub(super) line: usize,
    pub(super) lines: usize,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        let code = blank(text);
        let mut in_tests = vec![false; code.lines().count()];
        let marks = code.match_indices("#[cfg(test)]").chain(code.match_indices("#[cfg(all(test"));
        for (start, _) in marks {
            let first = line_of(&code, start);
            let last = line_of(&code, end_of_item(&code, start));
            in_tests.iter_mut().take(last).skip(first - 1).for_each(|line| *line = true);
        }
        Self { code, in_tests }
    }

    /// Lines that are not tests.
    pub(super) fn lines(&self) -> usize {
        self.in_tests.iter().filter(|line| !**line).count()
    }

    /// The lines, from 1, outside tests on which `words` stands: whole words, its signs as they are.
    pub(super) fn find(&self, words: &str) -> Vec<usize> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let whole = |line: &str, at: usize| {
            let (before, after) = (&line[..at], &line[at + words.len()..]);
            let cuts = |edge: Option<char>, inner: Option<char>| {
                !(edge.is_some_and(is_word) && inner.is_some_and(is_word))
            };
            cuts(before.chars().next_back(), words.chars().next())
                && cuts(after.chars().next(), words.chars().next_back())
        };
        let lines = self.code.lines().zip(&self.in_tests).enumerate();
        lines
            .filter(|(_, (line, test))| !**test && line.match_indices(words).any(|(at, _)| whole(line, at)))
            .map(|(index, _)| index + 1)
            .collect()
    }

    /// The lines on which a module of std is named, by its path or in a `use std::{…}`.
    pub(super) fn find_std(&self, module: &str) -> Vec<usize> {
        let mut lines = self.find(&format!("std::{module}"));
        for (start, opening) in self.code.match_indices("std::{") {
            let inside = start + opening.len();
            let Some(length) = closing(&self.code[inside..]) else { continue };
            let mut depth = 0;
            let starts_item = |part: &&str| part.trim().split("::").next() == Some(module);
            let parts = self.code[inside..inside + length].split(|c: char| {
                depth += match c {
                    '{' => 1,
                    '}' => -1,
                    _ => 0,
                };
                c == ',' && depth == 0
            });
            let line = line_of(&self.code, start);
            let is_test = self.in_tests.get(line - 1).copied().unwrap_or(false);
            if !is_test && parts.collect::<Vec<_>>().iter().any(starts_item) {
                lines.push(line);
            }
        }
        lines
    }

    /// Every function outside tests that has a body.
    pub(super) fn functions(&self) -> Vec<Function> {
        let starts = self.code.match_indices("fn ").filter(|(at, _)| {
            !self.code[..*at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
        });
        let function = |(start, _): (usize, &str)| {
            let line = line_of(&self.code, start);
            let name: String =
                self.code[start + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let end = end_of_item(&self.code, start);
            let has_body = self.code[..end].ends_with('}');
            let counts =
                !name.is_empty() && has_body && !self.in_tests.get(line - 1).copied().unwrap_or(false);
            counts.then(|| Function { name, line, lines: line_of(&self.code, end) - line + 1 })
        };
        starts.filter_map(function).collect()
    }
}

/// The line of a byte, from 1.
fn line_of(code: &str, at: usize) -> usize {
    code.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// Where the item that starts here ends: after its closing brace, or its semicolon.
fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[start..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return start + at + 1,
            '{' if depth == 0 => {
                let inside = start + at + 1;
                return closing(&code[inside..]).map_or(code.len(), |length| inside + length + 1);
            }
            _ => {}
        }
    }
    code.len()
}

/// How far the brace that closes is from just behind the one that opened.
fn closing(code: &str) -> Option<usize> {
    let mut depth = 1;
    code.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

/// Blanks comments, and what stands in texts and characters.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            'r' | 'b' | 'c' if !ends_in_word(&code) => raw_text(rest).unwrap_or(0),
            '\'' => character(rest).unwrap_or(0),
            _ => 0,
        };
        if length == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            let (gone, left) = rest.split_at(length);
            code.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = left;
        }
    }
    code
}

fn ends_in_word(code: &str) -> bool {
    code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let here = &text[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `r"…"`, `br#"…"#` and so on.
fn raw_text(text: &str) -> Option<usize> {
    let after = text.trim_start_matches(['b', 'c']);
    let hashes_on = after.strip_prefix('r')?;
    let opening = hashes_on.trim_start_matches('#');
    let hashes = "#".repeat(hashes_on.len() - opening.len());
    let inside = opening.strip_prefix('"')?;
    let end = format!("\"{hashes}");
    let start = text.len() - inside.len();
    Some(inside.find(&end).map_or(text.len(), |at| start + at + end.len()))
}

/// A character; `None` for a lifetime or a label.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        chars.next()?;
        return chars.find(|(_, c)| *c == '\'').map(|(at, _)| at + 1);
    }
    let (at, second) = chars.next()?;
    (second == '\'').then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_texts_and_characters_are_blanked() {
        let code = blank(
            "let a = \"x // {\"; // unsafe {\nlet b = 'x'; /* { /* } */ */ let c: &'a str = r#\"\"{\"#;\n",
        );
        assert_eq!(code.lines().count(), 2);
        assert!(!code.contains('{') && !code.contains("unsafe") && !code.contains("x"), "{code}");
        assert!(code.contains("let c: &'a str"), "{code}");
        assert!(!blank(r"let q = '\''; let s = '\u{7b}'; b'{'").contains('{'));
    }

    #[test]
    fn tests_are_told_from_the_rest() {
        let source = Source::new("fn a() {\n}\n#[cfg(test)]\nmod tests {\n    unsafe {}\n}\nfn b() {}\n");
        assert_eq!(source.lines(), 3);
        assert_eq!(source.find("unsafe"), [0usize; 0]);
        let names: Vec<String> = source.functions().into_iter().map(|function| function.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(Source::new("#[cfg(test)]\nmod tests;\nfn a() {}\n").lines(), 1);
    }

    #[test]
    fn words_are_found_whole() {
        let source = Source::new("unsafe_code\nunsafe fn\nprintln!(1)\neprintln!(1)\n");
        assert_eq!(source.find("unsafe"), [2]);
        assert_eq!(source.find("println!"), [3]);
    }

    #[test]
    fn modules_of_std_are_found_in_groups_too() {
        let source =
            Source::new("use std::{io, fs::{self, File}};\nuse std::collections::{fs};\nstd::fs::read();\n");
        assert_eq!(source.find_std("fs"), [3, 1]);
        assert_eq!(source.find_std("net"), [0usize; 0]);
    }

    #[test]
    fn functions_have_their_lengths() {
        let source = Source::new(
            "trait T {\n    fn none(&self);\n    fn three(\n        a: [u8; 2],\n    ) { if a { } }\n}\n",
        );
        assert_eq!(source.functions(), [Function { name: "three".into(), line: 3, lines: 3 }]);
    }
}
