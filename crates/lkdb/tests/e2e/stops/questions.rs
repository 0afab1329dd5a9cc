//! What both debuggers are asked at a stop.

use std::collections::BTreeSet;

use super::Pair;
use super::known::Stack;
use crate::code::Code;
use crate::differential::debuggers::Question;
use crate::differential::draw::Draw;

/// The innermost frames whose variables are looked at.
const FRAMES: usize = 3;
/// How many locals of a frame are printed.
const PRINTED: usize = 4;

/// A `finish` whose task went on on another CPU meanwhile.
pub(super) const FINISH_ELSEWHERE: &str = "finish, on another CPU";

/// The answers so far, and what is noted beside them.
#[derive(Default)]
pub(super) struct Answers {
    /// Questions with gdb's answers and lkdb's.
    pub(super) asked: Vec<(Question, String, String)>,
    /// What is wrong with lkdb's stacks where gdb can't know them.
    pub(super) complaints: Vec<String>,
    /// Calls of which gdb says that it cannot tell whom they call, and functions of which it says that another of
    /// their name was called.
    pub(super) untold: BTreeSet<String>,
}

impl Answers {
    fn add(&mut self, row: &'static str, text: String, theirs: String, ours: String) {
        self.asked.push((Question::new(row, text), theirs, ours));
    }

    fn ask(&mut self, pair: &mut Pair, row: &'static str, text: &str, about: &str) -> String {
        let (theirs, ours) = pair.both(text);
        self.add(row, format!("{text} {about}"), theirs.clone(), ours);
        theirs
    }

    /// Asks everything at a stop of which gdb and lkdb have said something. Of the stack only what gdb can know is
    /// compared.
    pub(super) fn at_stop(&mut self, pair: &mut Pair, draw: &mut Draw, code: &Code, said: (String, String)) {
        let (theirs, ours) = pair.both("backtrace");
        let pc = number(&pair.gdb.ask("print/x $pc"));
        let patched = !code.is_instruction(pc);
        let (stack, our_stack) = (Stack::of(&theirs, pc, patched, code), Stack::of(&ours, pc, patched, code));
        self.complaints.extend(our_stack.complaint(&ours, code, &mut pair.gdb));
        self.note_calls(pair);
        self.add("stop", format!("continue {}", stack.about(0)), said.0, said.1);
        for level in 0..stack.known.max(our_stack.known) {
            let (theirs, ours) = (stack.row(level).to_owned(), our_stack.row(level).to_owned());
            self.add("backtrace", format!("backtrace #{level} {}", stack.about(level)), theirs, ours);
        }
        self.ask(pair, "info registers", "info registers", "");
        self.look_at_frames(pair, draw, &stack);
        // Out of a frame, to one that gdb finds again.
        if let Some(callers) = stack.followed.checked_sub(1).filter(|callers| *callers > 0) {
            let level = draw.below(callers.min(FRAMES) as u64) as usize;
            self.finish(pair, &stack, level);
        }
    }

    /// Notes what gdb says of call sites when it is asked for more.
    fn note_calls(&mut self, pair: &mut Pair) {
        pair.gdb.ask("set debug entry-values 1");
        pair.gdb.ask("maintenance flush register-cache");
        let said = pair.gdb.ask("backtrace");
        pair.gdb.ask("set debug entry-values 0");
        let calls = said.split("DW_AT_call_target is not specified at ").skip(1);
        self.untold.extend(calls.filter_map(|rest| rest.split(' ').next()).map(ToOwned::to_owned));
        let others = said.split("DW_OP_entry_value resolving expects callee ").skip(1);
        self.untold.extend(others.filter_map(|rest| {
            let (expected, rest) = rest.split_once(' ')?;
            let (_, rest) = rest.split_once("but the called frame is for ")?;
            rest.starts_with(&format!("{expected} ")).then(|| expected.to_owned())
        }));
    }

    fn look_at_frames(&mut self, pair: &mut Pair, draw: &mut Draw, stack: &Stack<'_>) {
        for level in 0..FRAMES.min(stack.followed) {
            let about = stack.about(level);
            if level > 0 {
                self.ask(pair, "up", "up", &about);
            }
            let locals = self.ask(pair, "info locals", "info locals", &about);
            let arguments = self.ask(pair, "info args", "info args", &about);
            self.ask(pair, "info frame", "info frame", &about);
            let all = format!("{locals}\n{arguments}");
            let variables: Vec<(&str, &str)> = all.lines().filter_map(variable).collect();
            for (name, value) in draw.some(&variables, PRINTED) {
                for (row, text) in expressions(name, value) {
                    self.ask(pair, row, &text, &about);
                }
            }
        }
    }

    fn finish(&mut self, pair: &mut Pair, stack: &Stack<'_>, level: usize) {
        let about = format!("{} {}", stack.about(level), stack.about(level + 1));
        let frame = self.ask(pair, "frame", &format!("frame {level}"), &about);
        // For gdb a function's name is what is at the frame's address, which may be behind the function.
        let name = frame.split(" (").next().and_then(|start| start.rsplit(' ').next()).unwrap_or_default();
        let behind = !pair.gdb.ask("info symbol $pc").starts_with(name);
        pair.both("disable");
        pair.lkdb.ask(&format!("enable {}", pair.round));
        let before = pair.cpu();
        let (theirs, ours) = pair.moved("finish");
        let text = if pair.cpu() == before { "finish" } else { FINISH_ELSEWHERE };
        pair.both("enable");
        // Another came first.
        if ours.contains("Run till exit") && !ours.contains("reakpoint ") {
            let about = if behind { format!("{about} [behind its function]") } else { about };
            self.add("finish", format!("{text} {about}"), theirs, ours);
        }
    }
}

/// Of `$1 = 0xffffffff81000000`.
fn number(answer: &str) -> u64 {
    hex(answer.rsplit(' ').next().unwrap_or_default()).unwrap_or_else(|| panic!("no number: {answer}"))
}

fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
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
