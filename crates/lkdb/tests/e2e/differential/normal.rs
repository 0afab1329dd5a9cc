//! What is made alike before texts are compared: what hangs on earlier answers or on the machine, never
//! on what was asked.

use super::debuggers::Question;

/// Where lkdb says how to get sources that are not there, which gdb does not.
const HINT: &str = "Sources: `lkdb kernel fetch' gets ";

/// An answer without the number of the value history, and without blanks at the ends of its lines.
pub(super) fn text(question: &Question, answer: &str) -> String {
    let lines = answer.lines().map(|line| history(line.trim_end()).to_owned());
    let mut lines: Vec<String> = lines.filter(|line| !line.starts_with(HINT)).collect();
    if question.row == "x/i" || question.row.starts_with("disassemble") {
        lines = lines.iter().map(|line| instruction(line)).collect();
    }
    if question.row == "info line" {
        // Several places: gdb's order is that in which it happened to read the units.
        lines.sort();
    }
    lines.join("\n").trim_end().to_owned()
}

/// `$12 = 5` without its number: one failed `print` would shift all that follow.
fn history(line: &str) -> &str {
    let Some((number, value)) = line.strip_prefix('$').and_then(|rest| rest.split_once(' ')) else {
        return line;
    };
    if number.bytes().all(|byte| byte.is_ascii_digit()) { value } else { line }
}

/// An instruction's line with one blank between its words.
fn instruction(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
