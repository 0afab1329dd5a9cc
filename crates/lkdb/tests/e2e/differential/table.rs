//! The answers compared: a table with a line for each command, and what differs as a diff.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use super::case::{Case, Fresh};
use super::debuggers::Question;
use super::normal;
use super::rules::Rule;

/// The agreement that every command must reach, in percent.
const GOAL: f64 = 99.5;
/// Rules are for exceptions: the most that one may excuse of a command that was asked [`MANY`] times, in percent.
const EXCUSED: f64 = 15.0;
const MANY: usize = 50;
/// How many differences of a command are shown.
const SHOWN: usize = 3;

#[derive(Debug, Default)]
struct Row {
    asked: usize,
    equal: usize,
    /// By rule.
    allowed: BTreeMap<&'static str, usize>,
}

impl Row {
    fn percent(&self, of: usize) -> f64 {
        100.0 * of as f64 / self.asked.max(1) as f64
    }

    fn allowed(&self) -> usize {
        self.allowed.values().sum()
    }
}

/// Two debuggers' answers side by side.
#[derive(Default)]
pub(crate) struct Table {
    rules: &'static [Rule],
    rows: BTreeMap<&'static str, Row>,
    allowed: BTreeMap<&'static str, Vec<String>>,
    differ: BTreeMap<&'static str, Vec<String>>,
}

impl Table {
    /// Compares all answers.
    pub(crate) fn compare(
        questions: &[Question],
        gdb: &[String],
        lkdb: &[String],
        rules: &'static [Rule],
        fresh: Fresh<'_>,
    ) -> Self {
        let mut table = Self { rules, ..Self::default() };
        let texts = questions.iter().map(|question| question.text.as_str());
        let ours: HashMap<&str, &str> = texts.zip(lkdb.iter().map(String::as_str)).collect();
        let mut before = "";
        for (question, (gdb, lkdb)) in questions.iter().zip(gdb.iter().zip(lkdb)) {
            let (gdb, lkdb) = (&*normal::text(question, gdb), &*normal::text(question, lkdb));
            table.add(&Case { question, gdb, lkdb, before, ours: &ours, fresh });
            before = &question.text;
        }
        table
    }

    fn add(&mut self, case: &Case<'_>) {
        let Case { question, gdb, lkdb, .. } = *case;
        let row = self.rows.entry(question.row).or_default();
        row.asked += 1;
        if gdb == lkdb {
            row.equal += 1;
        } else if let Some(rule) = self.rules.iter().find(|rule| (rule.allows)(case)) {
            *row.allowed.entry(rule.name).or_default() += 1;
            self.allowed.entry(rule.name).or_default().push(diff(question, gdb, lkdb));
        } else {
            self.differ.entry(question.row).or_default().push(diff(question, gdb, lkdb));
        }
    }

    /// The table, a line for each command and each rule that was of use.
    pub(crate) fn shown(&self) -> String {
        let mut text =
            format!("{:<16} {:>6} {:>8} {:>8} {:>9}\n", "command", "asked", "equal %", "allowed", "agree %");
        for (command, row) in &self.rows {
            let (equal, agree) = (row.percent(row.equal), row.percent(row.equal + row.allowed()));
            let _ = writeln!(
                text,
                "{command:<16} {:>6} {equal:>8.2} {:>8} {agree:>9.2}",
                row.asked,
                row.allowed()
            );
        }
        for rule in self.rules {
            if let Some(cases) = self.allowed.get(rule.name) {
                let _ = writeln!(text, "allowed, {} times: {}: {}", cases.len(), rule.name, rule.reason);
            }
        }
        text
    }

    /// Every difference, those of one command together; `many` of each at most.
    pub(crate) fn differences(&self, many: usize) -> String {
        let shown = self.differ.values().flat_map(|cases| cases.iter().take(many));
        shown.cloned().collect::<Vec<_>>().join("\n")
    }

    /// Every allowed difference, with its rule.
    pub(crate) fn allowed(&self) -> String {
        let of = |(rule, cases): (&&str, &Vec<String>)| format!("## {rule}\n{}", cases.join("\n"));
        self.allowed.iter().map(of).collect::<Vec<_>>().join("\n")
    }

    /// Fails where a command agrees too seldom, or rules excuse too much of it.
    pub(crate) fn check(&self) {
        let low = |row: &Row| row.percent(row.equal + row.allowed()) < GOAL;
        let low: Vec<&str> =
            self.rows.iter().filter(|(_, row)| low(row)).map(|(command, _)| *command).collect();
        assert!(
            low.is_empty(),
            "below {GOAL} %: {}; `-` is gdb, `+` is lkdb\n{}",
            low.join(", "),
            self.differences(SHOWN)
        );
        let most = |row: &Row| row.allowed.values().max().copied().unwrap_or_default();
        let excused = |row: &Row| row.asked >= MANY && row.percent(most(row)) > EXCUSED;
        let excused: Vec<&str> =
            self.rows.iter().filter(|(_, row)| excused(row)).map(|(command, _)| *command).collect();
        assert!(excused.is_empty(), "more than {EXCUSED} % is left to one rule: {}", excused.join(", "));
    }
}

/// One question with what gdb says (`-`) and what lkdb says (`+`), from the first line that differs to the last;
/// lines that both have somewhere there are left out.
fn diff(question: &Question, gdb: &str, lkdb: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) = (gdb.lines().collect(), lkdb.lines().collect());
    let same = |(a, b): (&&str, &&str)| a == b;
    let head = left.iter().zip(&right).take_while(|&pair| same(pair)).count();
    let most = left.len().min(right.len()) - head;
    let tail = left.iter().rev().zip(right.iter().rev()).take(most).take_while(|&pair| same(pair)).count();
    let (left, right) = (&left[head..left.len() - tail], &right[head..right.len() - tail]);
    let only = |of: &[&str], other: &[&str]| -> Vec<String> {
        let other: HashSet<&str> = other.iter().copied().collect();
        of.iter().filter(|line| !other.contains(**line)).map(|line| (*line).to_owned()).collect()
    };
    let (mut minus, mut plus) = (only(left, right), only(right, left));
    if minus.is_empty() && plus.is_empty() {
        // They differ in their order, or in how often they say a line.
        minus = left.iter().map(|line| (*line).to_owned()).collect();
        plus = right.iter().map(|line| (*line).to_owned()).collect();
    }
    let mut text = format!("=== {}\n", question.text);
    if let Some(before) = head.checked_sub(1).and_then(|at| gdb.lines().nth(at)) {
        let _ = writeln!(text, "  {before}");
    }
    minus.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
    plus.iter().for_each(|line| text.push_str(&format!("+ {line}\n")));
    text
}
