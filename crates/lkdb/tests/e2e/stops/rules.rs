//! Where lkdb may answer otherwise than gdb at a stop: each class by its name, with its reason.

use crate::differential::debuggers::Question;
use crate::differential::rules::{ADA, Rule};

/// All of them.
pub(super) const RULES: &[Rule] = &[ADA, ENTRY_CODE, ENTRY_VALUES, VECTORS, INTO_ENTRY_CODE];

const ENTRY_CODE: Rule = Rule {
    name: "frames behind entry code",
    reason: "gdb has no tables for entry code: it guesses a caller and goes on with whatever lies on the stack \
        (fixed_percpu_data, ??), or ends; lkdb follows interrupts to what they interrupted and ends at the user",
    allows: |case| {
        case.question.row == "backtrace" && known(case.gdb, case.lkdb) == known(case.lkdb, case.gdb)
    },
};

const ENTRY_VALUES: Rule = Rule {
    name: "values by the call",
    reason: "a call site that names the function as its inlined copies do (bprm_execve, do_user_addr_fault) tells \
        gdb nothing: no value at entry, or `<optimized out>`; lkdb sees that both are the same function. For \
        inlined functions gdb computes values at entry with a stack pointer that is off by a word",
    allows: |case| {
        let (question, gdb, lkdb) = (case.question, case.gdb, case.lkdb);
        let (gdb, lkdb) = (known(gdb, lkdb), known(lkdb, gdb));
        match question.row {
            "print local" | "print expression" => {
                let gone = matches!(&*gdb, "<optimized out>" | "value has been optimized out");
                gone && !lkdb.contains("No symbol")
            }
            "backtrace" | "up" | "frame" | "finish" | "info frame" | "info args" | "info locals" | "stop" => {
                let lines = gdb.lines().count() == lkdb.lines().count();
                lines && gdb.lines().zip(lkdb.lines()).all(|(gdb, lkdb)| knows_more(lkdb, gdb))
            }
            _ => false,
        }
    },
};

const VECTORS: Rule = Rule {
    name: "vector registers",
    reason: "gdb shows the vector registers among the general ones; the kernel's code does not use them, and lkdb \
        shows them when they are named",
    allows: |case| {
        let (question, gdb, lkdb) = (case.question, case.gdb, case.lkdb);
        let vector = |line: &&str| line.starts_with("xmm") || line.starts_with("mxcsr");
        let general: Vec<&str> = gdb.lines().filter(|line| !vector(line)).collect();
        question.row == "info registers" && general.join("\n").trim() == lkdb.trim()
    },
};

const INTO_ENTRY_CODE: Rule = Rule {
    name: "a return into entry code",
    reason: "gdb guesses entry code's frame otherwise than its caller's, so it does not see that it has arrived",
    allows: |case| {
        let (question, gdb, lkdb) = (case.question, case.gdb, case.lkdb);
        let words = ["Run till exit", " () at ", "/entry"];
        question.row == "finish"
            && gdb.contains("received signal")
            && words.iter().all(|word| lkdb.contains(word))
    },
};

/// A stack up to its first row of entry code, which is assembly; or to where the other one's debugger gave up, on
/// the stack of an interrupt.
fn known(stack: &str, other: &str) -> String {
    let entry = |line: &str| line.starts_with('#') && line.contains(" () at ") && assembly(line);
    let stops = |line: &str| line.starts_with("Backtrace stopped: ");
    let end = stack.lines().position(|line| entry(line) || stops(line));
    let rows = end.map_or(usize::MAX, |end| end + 1 - usize::from(stack.lines().nth(end).is_some_and(stops)));
    let others = other.lines().position(stops).unwrap_or(usize::MAX);
    stack.lines().take(rows.min(others)).collect::<Vec<_>>().join("\n")
}

fn assembly(line: &str) -> bool {
    let code = ["entry_SYSCALL_64", "asm_", "ret_from_fork", "secondary_startup_64"];
    let name = line.split(" () at ").next().unwrap_or_default();
    let name = name.rsplit(' ').next().unwrap_or_default();
    code.iter().any(|start| name.starts_with(start))
}

/// Whether lkdb's line is gdb's, but for values that gdb does not have.
fn knows_more(lkdb: &str, gdb: &str) -> bool {
    let (lkdb, gdb) = (plain(lkdb), plain(gdb));
    let (lkdb, gdb): (Vec<&str>, Vec<&str>) = (lkdb.split(", ").collect(), gdb.split(", ").collect());
    let gone = |gdb: &str, lkdb: &str| {
        let head = gdb.split("<optimized out>").next().unwrap_or_default();
        let tail = gdb.split("<optimized out>").nth(1);
        tail.is_some_and(|tail| !head.is_empty() && lkdb.starts_with(head) && lkdb.ends_with(tail))
    };
    lkdb.len() == gdb.len() && gdb.iter().zip(&lkdb).all(|(gdb, lkdb)| gdb == lkdb || gone(gdb, lkdb))
}

/// A frame's line without values at entry.
fn plain(line: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in line.split(", ") {
        match part.split_once("@entry=") {
            None => parts.push(part.to_owned()),
            // `x=x@entry=1`, or `x@entry=1` behind `x=2`.
            Some((before, value)) => match before.rsplit_once('=') {
                Some((name, _)) => parts.push(format!("{name}={value}")),
                None => {
                    let end = value.find(')').map_or("", |at| &value[at..]);
                    if let Some(last) = parts.last_mut() {
                        last.push_str(end);
                    }
                }
            },
        }
    }
    parts.join(", ")
}

/// Answers as they are compared: without what hangs on earlier ones.
pub(super) fn tidy(question: &Question, answer: &str) -> String {
    let ours = |line: &&str| {
        let (digits, rest) = line.split_once('\t').unwrap_or_default();
        let source = !rest.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let noise = line.starts_with("[Switching to") || *line == "Continuing.";
        !(noise || source && matches!(question.row, "up" | "frame" | "finish" | "stop"))
    };
    let lines = answer.lines().filter(ours).map(|line| {
        let line = match line.split_once(" hit ") {
            Some((thread, rest)) if thread.starts_with("Thread ") => rest.to_owned(),
            _ => line.to_owned(),
        };
        match line.strip_prefix("Value returned is $").and_then(|rest| rest.split_once(' ')) {
            Some((_, value)) => format!("Value returned {value}"),
            None => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[test]
fn more_is_known_but_nothing_else() {
    assert!(knows_more("#1 f (x=x@entry=5, y=2) at a.c:1", "#1 f (x=5, y=<optimized out>) at a.c:1"));
    assert!(knows_more("#1 f (x=x@entry=5) at a.c:1", "#1 f (x=5, x@entry=4) at a.c:1"));
    assert!(knows_more("x = 5", "x = <optimized out>"));
    assert!(!knows_more("#1 f (x=5) at a.c:1", "#1 f (x=6) at a.c:1"));
    assert!(!knows_more("x = <optimized out>", "x = 5"));
}
