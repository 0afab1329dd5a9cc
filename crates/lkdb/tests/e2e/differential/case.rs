//! One difference, and what helps to judge it: both answers, what lkdb says to the draw's other questions,
//! and a gdb that can be asked more.

use std::collections::HashMap;

use super::debuggers::Question;
use super::normal;

/// Asks a gdb that was asked nothing before.
pub(crate) type Fresh<'a> = &'a dyn Fn(&[String]) -> Vec<String>;

/// One question that was answered otherwise.
pub(crate) struct Case<'a> {
    pub(crate) question: &'a Question,
    pub(crate) gdb: &'a str,
    pub(crate) lkdb: &'a str,
    /// The question before it.
    pub(crate) before: &'a str,
    /// lkdb's answers to all questions.
    pub(crate) ours: &'a HashMap<&'a str, &'a str>,
    pub(crate) fresh: Fresh<'a>,
}

impl Case<'_> {
    /// What a new gdb says to these, as it is.
    pub(crate) fn ask(&self, questions: &[String]) -> Vec<String> {
        (self.fresh)(questions)
    }

    /// What a new gdb says to one, made alike as the answers are.
    pub(crate) fn ask_alike(&self, text: &str) -> String {
        let asked = Question::new(self.question.row, text);
        let answers = self.ask(std::slice::from_ref(&asked.text));
        normal::text(&asked, &answers.concat())
    }

    /// What lkdb said to another question of the draw.
    pub(crate) fn other(&self, text: &str) -> Option<&str> {
        self.ours.get(text).copied()
    }

    /// The last word of the question.
    pub(crate) fn name(&self) -> &str {
        let text = self.question.text.trim_end_matches(')');
        text.rsplit([' ', '&', '*', '(']).next().unwrap_or_default()
    }
}
