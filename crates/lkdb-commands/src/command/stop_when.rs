//! What stands behind the place of a breakpoint or the expression of a watchpoint: `thread N`, `if EXPRESSION`.

use super::threads;
use crate::{Error, Result};

/// Arguments taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct When<'a> {
    /// The place or the expression.
    pub(crate) what: &'a str,
    /// The CPU that alone is stopped.
    pub(crate) thread: Option<u64>,
    /// What must be true.
    pub(crate) condition: Option<String>,
}

impl<'a> When<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self> {
        let (before, condition) = match word_at(text, "if") {
            Some(at) => (text.get(..at), text.get(at + "if".len()..).map(str::trim)),
            None => (Some(text), None),
        };
        let before = before.unwrap_or_default().trim();
        if condition == Some("") {
            return Err(Error::say("Argument required (expression to compute)."));
        }
        let condition = condition.map(str::to_owned);
        let Some(at) = word_at(before, "thread") else {
            return Ok(Self { what: before, thread: None, condition });
        };
        let (what, thread) = before.split_at(at);
        let number = thread.get("thread".len()..).unwrap_or_default().trim();
        let thread = threads::number(number).ok_or_else(|| threads::invalid(number))?;
        Ok(Self { what: what.trim(), thread: Some(thread), condition })
    }
}

/// Where a word stands by itself, outside of quotes. `if(x)` is one, too.
fn word_at(text: &str, word: &str) -> Option<usize> {
    let (mut quote, mut before) = (None, ' ');
    for (at, letter) in text.char_indices() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            None => {
                let starts =
                    before.is_whitespace() && text.get(at..).is_some_and(|rest| rest.starts_with(word));
                let behind = text.get(at + word.len()..).and_then(|rest| rest.chars().next());
                if starts && behind.is_none_or(|next| next.is_whitespace() || next == '(') {
                    return Some(at);
                }
            }
        }
        before = letter;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_stand_behind_places() {
        let read = |text| {
            let When { what, thread, condition } = When::read(text).unwrap();
            (what, thread, condition)
        };
        assert_eq!(read("f"), ("f", None, None));
        assert_eq!(read("f if x == 1"), ("f", None, Some("x == 1".into())));
        assert_eq!(read("f if(x)"), ("f", None, Some("(x)".into())));
        assert_eq!(read("f.c:10 thread 2 if x"), ("f.c:10", Some(2), Some("x".into())));
        assert_eq!(read("if x"), ("", None, Some("x".into())));
        assert_eq!(read("*(iffy + 1)"), ("*(iffy + 1)", None, None));
        assert_eq!(read("'a if b.c':f"), ("'a if b.c':f", None, None));
        assert_eq!(read("x.thread"), ("x.thread", None, None));
        assert!(When::read("f if").is_err());
        assert!(When::read("f thread two").is_err());
    }
}
