//! What both debuggers are asked at a stop.

use super::Pair;
use crate::differential::debuggers::Question;
use crate::differential::draw::Draw;

/// The innermost frames whose variables are looked at.
const FRAMES: usize = 3;
/// How many locals of a frame are printed.
const PRINTED: usize = 4;

/// Asks everything; appends questions with gdb's answers and lkdb's.
pub(super) fn at_stop(pair: &mut Pair, draw: &mut Draw, asked: &mut Vec<(Question, String, String)>) {
    let mut ask = |pair: &mut Pair, row: &'static str, text: &str| {
        let (theirs, ours) = (pair.gdb.ask(text), pair.lkdb.ask(text));
        asked.push((Question::new(row, text), theirs.clone(), ours));
        theirs
    };
    ask(pair, "backtrace", "backtrace");
    ask(pair, "info registers", "info registers");
    let mut rows = 0;
    for level in 0..FRAMES {
        if level > 0 {
            let frame = ask(pair, "up", "up");
            if frame.contains("Initial frame") || !describes(&frame) {
                break;
            }
        }
        rows += 1;
        let locals = ask(pair, "info locals", "info locals");
        let arguments = ask(pair, "info args", "info args");
        ask(pair, "info frame", "info frame");
        let all = format!("{locals}\n{arguments}");
        let variables: Vec<(&str, &str)> = all.lines().filter_map(variable).collect();
        for (name, value) in draw.some(&variables, PRINTED) {
            for (row, text) in expressions(name, value) {
                ask(pair, row, &text);
            }
        }
    }
    // Out of one of these frames.
    let level = draw.below(rows);
    ask(pair, "frame", &format!("frame {level}"));
    pair.both("disable");
    pair.lkdb.ask(&format!("enable {}", pair.round));
    let (theirs, ours) = pair.moved("finish");
    pair.both("enable");
    // Another came first.
    if ours.contains("Run till exit") && !ours.contains("reakpoint ") {
        asked.push((Question::new("finish", "finish"), theirs, ours));
    }
    pair.same_cpu();
}

/// Whether a frame is one of C code, which gdb sees rightly.
fn describes(frame: &str) -> bool {
    frame.contains(".c:") || frame.contains(".h:")
}

/// A variable that is listed on a line of its own.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(" = ")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(plain)).then_some((name, value))
}

/// The variable and something reckoned with it.
fn expressions(name: &str, value: &str) -> Vec<(&'static str, String)> {
    let mut all = vec![("print local", format!("print {name}"))];
    let mut more = |text: String| all.push(("print expression", text));
    if value.starts_with('<') {
        more(format!("print {name} + 1"));
    } else if value.starts_with('(') && !value.contains("(*)") {
        more(format!("print *{name}"));
        more(format!("print {name} + 1"));
        more(format!("print !{name}"));
    } else if value.starts_with('{') {
        more(format!("print &{name}"));
        more(format!("print sizeof({name})"));
    } else {
        more(format!("print/x {name} * 2 + 1"));
        more(format!("print (char){name}"));
    }
    all.push(("whatis local", format!("whatis {name}")));
    all
}
