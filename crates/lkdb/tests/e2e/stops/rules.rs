//! Where lkdb may answer otherwise than gdb at a stop: each class by its name, with its reason.

use std::collections::BTreeSet;

use crate::differential::case::Case;
use crate::differential::debuggers::Question;
use crate::differential::rules::{ADA, Rule};

use super::questions::FINISH_ELSEWHERE;

/// All of them.
pub(super) const RULES: &[Rule] =
    &[ADA, SAYS_WHY, ENTRY_VALUES, INLINED, OTHER_CPU, BY_STEPS, BEHIND, UNDESCRIBED];

const ENTRY_VALUES: Rule = Rule {
    name: "values by the call",
    reason: "a call site that names the function as its inlined copies do (bprm_execve, do_user_addr_fault) tells \
        gdb nothing, and it says so with `set debug entry-values 1` (\"DW_AT_call_target is not specified\"): no value \
        at entry, or `<optimized out>`. lkdb sees that both are the same function. So it is where a call site names a \
        weak function (copy_from_kernel_nofault_allowed) and the linker took another of that name (gdb: \"expects \
        callee f but the called frame is for f\")",
    allows: |case| {
        let (question, gdb, lkdb) = (case.question, case.gdb, case.lkdb);
        if !untold(case) {
            return false;
        }
        match question.row {
            "print local" | "print expression" => {
                matches!(gdb, "= <optimized out>" | "value has been optimized out")
                    && !lkdb.contains("No symbol")
            }
            "backtrace" | "up" | "frame" | "finish" | "info frame" | "info args" | "info locals" | "stop" => {
                let lines = gdb.lines().count() == lkdb.lines().count();
                lines && gdb.lines().zip(lkdb.lines()).all(|(gdb, lkdb)| knows_more(lkdb, gdb))
            }
            _ => false,
        }
    },
};

const INLINED: Rule = Rule {
    name: "entry values of inlined functions",
    reason: "what a function was called with gdb evaluates for the functions inlined into it, and for those that they \
        call, with the registers of the function itself, not of its caller. lkdb's value is the one that gdb shows as \
        the function's own, or follows from it",
    allows: |case| {
        let (row, text) = (case.question.row, &case.question.text);
        if !text.contains("[inlined") {
            return false;
        }
        // The function's own, as gdb shows them.
        let own: Vec<&str> =
            text.split("entry ").skip(1).filter_map(|rest| rest.split(['|', ']']).next()).collect();
        let is_own = |value: &str| own.iter().any(|own| value.contains(own));
        match row {
            "print local" | "info locals" | "info args" => {
                let mut lines = case.gdb.lines().zip(case.lkdb.lines()).filter(|(gdb, lkdb)| gdb != lkdb);
                lines.all(|(_, lkdb)| lkdb.split_once("= ").is_some_and(|(_, value)| is_own(value)))
            }
            "print expression" => {
                let (expression, about) = text.split_once(" [").unwrap_or_default();
                let mut words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                words.any(|word| {
                    case.other(&format!("print {word} [{about}"))
                        .is_some_and(|value| is_own(value.trim_start_matches("= ")))
                })
            }
            "backtrace" | "up" | "frame" | "finish" | "stop" | "info frame" => {
                let alike = |(gdb, lkdb): (&str, &str)| match (gdb.split_once('='), lkdb.split_once('=')) {
                    _ if gdb == lkdb => true,
                    (Some((name, _)), Some((same, value))) => name == same && is_own(value),
                    _ => false,
                };
                let line = |(gdb, lkdb): (&str, &str)| {
                    let (gdb, lkdb) = (without_entry_values(gdb), without_entry_values(lkdb));
                    gdb.split(", ").count() == lkdb.split(", ").count()
                        && gdb.split(", ").zip(lkdb.split(", ")).all(alike)
                };
                case.gdb.lines().count() == case.lkdb.lines().count()
                    && case.gdb.lines().zip(case.lkdb.lines()).all(line)
            }
            _ => false,
        }
    },
};

const BY_STEPS: Rule = Rule {
    name: "an inlined function left by steps",
    reason: "gdb leaves an inlined function by single steps, each of which may change what ends the next; here it is \
        shown only the last, at which it may want to step on. It ends at the same place when it is told to stop. \
        Where gdb steps itself, in the stepping tests, both end alike",
    allows: |case| {
        let line = |line: &&str| !line.is_empty() && !line.contains(" received signal SIGINT");
        let rest = |text: &str| text.lines().filter(line).collect::<Vec<_>>().join("\n");
        let finish = case.question.text.starts_with("finish [inlined|");
        finish && case.gdb.contains(" received signal SIGINT") && rest(case.gdb) == rest(case.lkdb)
    },
};

const BEHIND: Rule = Rule {
    name: "a function that ends with a jump",
    reason: "the value that such a function returns gdb looks for by the address behind the jump, which is that of another \
        function (`info symbol` names it), or of none",
    allows: |case| {
        let without = |text: &str| {
            text.lines().filter(|line| !line.starts_with("Value returned ")).collect::<Vec<_>>().join("\n")
        };
        case.question.text.contains("[behind its function]") && without(case.lkdb) == without(case.gdb)
    },
};

const UNDESCRIBED: Rule = Rule {
    name: "locals of a function that is a name alone",
    reason: "of a function that was folded into another of the same code (set_anon_super_fc) the debug info has nothing: \
        both say so to `info args`, and lkdb to `info locals`, too, where gdb lists what the file declares, enumerators \
        of all its headers among it",
    allows: |case| {
        let arguments = case.question.text.replacen("info locals", "info args", 1);
        case.question.row == "info locals"
            && case.lkdb == UNKNOWN
            && case.other(&arguments) == Some(UNKNOWN)
            && case.gdb.lines().count() > 100
    },
};

/// What both say of a place without debug info.
const UNKNOWN: &str = "No symbol table info available.";

const SAYS_WHY: Rule = Rule {
    name: "why memory cannot be read",
    reason: "behind gdb's words lkdb says why: what the page tables have there",
    allows: |case| {
        let more = case.lkdb.strip_prefix(case.gdb).is_some_and(|more| more.starts_with(": "));
        more && case.gdb.starts_with("Cannot access memory at address 0x") && !case.gdb.contains('\n')
    },
};

/// Whether gdb has said that it cannot tell what the frame that a question is about was called with.
fn untold(case: &Case<'_>) -> bool {
    let calls = case.question.text.split("call ").skip(1).filter_map(|rest| rest.split(']').next());
    let asked: Vec<String> = calls.flat_map(|call| call.split(" of ")).map(ToOwned::to_owned).collect();
    case.ask(&asked).iter().any(|said| said == UNTOLD)
}

/// What is said of a call or a function that gdb calls untold.
const UNTOLD: &str = "untold";

/// Whether gdb has said of these calls and functions that it cannot tell what is passed.
pub(super) fn evidence(asked: &[String], untold: &BTreeSet<String>) -> Vec<String> {
    let says = |name: &String| if untold.contains(name) { UNTOLD } else { "" };
    asked.iter().map(|name| says(name).to_owned()).collect()
}

const OTHER_CPU: Rule = Rule {
    name: "a task that goes on on another CPU",
    reason: "gdb's finish waits on the CPU that it was begun on: told of the task's return on another one, it takes \
        that for somebody else's: it lets the machine run on until it is told to stop there, or names a signal. lkdb follows the task",
    allows: |case| {
        let interrupted = |line: &&str| line.contains(" received signal SIG");
        let line = |line: &&str| !line.is_empty() && !line.starts_with("Value returned ");
        let theirs: Vec<&str> = case.gdb.lines().filter(line).collect();
        let ours: Vec<&str> = case.lkdb.lines().filter(line).collect();
        let rest: Vec<&str> = theirs.iter().filter(|line| !interrupted(line)).copied().collect();
        let more = || untold(case) && rest.iter().zip(&ours).all(|(gdb, lkdb)| knows_more(lkdb, gdb));
        let same = rest == ours || rest.len() == ours.len() && more();
        case.question.text.starts_with(FINISH_ELSEWHERE) && rest.len() < theirs.len() && same
    },
};

/// Whether lkdb's line is gdb's, but for values that gdb does not have.
fn knows_more(lkdb: &str, gdb: &str) -> bool {
    let (lkdb, gdb): (Vec<&str>, Vec<&str>) = (lkdb.split(", ").collect(), gdb.split(", ").collect());
    let mut lkdb = lkdb.into_iter().peekable();
    for theirs in gdb {
        let Some(ours) = lkdb.next() else { return false };
        let tail = |text: &str| text.find(')').map_or(String::new(), |at| text[at..].to_owned());
        // `x=1` or `x=<optimized out>` of gdb's as `x=x@entry=1`, `x=1`, or with `x@entry=2` behind it.
        let gone = theirs.split_once("<optimized out>").is_some_and(|(head, tail)| {
            !head.is_empty() && without_entry(ours).starts_with(head) && ours.ends_with(tail)
        });
        let same = theirs == ours || without_entry(ours) == theirs || gone;
        let more = lkdb.peek().filter(|next| is_entry_value(next) && !is_entry_value(theirs)).copied();
        let end = more.map(tail).unwrap_or_default();
        let alike = same || more.is_some() && (theirs == format!("{ours}{end}"));
        if !alike {
            return false;
        }
        if more.is_some() {
            lkdb.next();
        }
    }
    lkdb.next().is_none()
}

/// `x@entry=1`, behind `x=2`.
fn is_entry_value(part: &str) -> bool {
    part.split_once("@entry=").is_some_and(|(name, _)| !name.contains('='))
}

/// `x=x@entry=1` as `x=1`.
fn without_entry(part: &str) -> String {
    let split =
        part.split_once("@entry=").and_then(|(before, value)| Some((before.rsplit_once('=')?, value)));
    split.map_or_else(|| part.to_owned(), |((before, _), value)| format!("{before}={value}"))
}

/// Frames' lines without values at entry.
fn without_entry_values(text: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in text.split(", ") {
        match parts.last_mut().filter(|_| is_entry_value(part)) {
            Some(last) => last.push_str(part.find(')').map_or("", |at| &part[at..])),
            None => parts.push(without_entry(part)),
        }
    }
    parts.join(", ")
}

/// Answers as they are compared: without what hangs on earlier ones, and without the vector registers, which gdb
/// shows among the general ones: kernel code does not use them, and lkdb shows them when they are named.
pub(super) fn tidy(question: &Question, answer: &str) -> String {
    let ours = |line: &&str| {
        let (digits, rest) = line.split_once('\t').unwrap_or_default();
        let source = !rest.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let vector = line.starts_with("xmm") || line.starts_with("mxcsr");
        let noise = match question.row {
            "info registers" => vector,
            _ => line.starts_with("[Switching to") || *line == "Continuing.",
        };
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
    assert!(knows_more("#1 f (x=5, x@entry=4) at a.c:1", "#1 f (x=5) at a.c:1"));
    assert!(knows_more("#1 f (x=5, x@entry=4, y=2) at a.c:1", "#1 f (x=5, y=2) at a.c:1"));
    assert!(knows_more("#1 f (x=x@entry=5) at a.c:1", "#1 f (x=<optimized out>) at a.c:1"));
    assert!(knows_more("x = 5", "x = <optimized out>"));
    assert!(!knows_more("#1 f (x=5) at a.c:1", "#1 f (x=6) at a.c:1"));
    assert!(!knows_more("#1 f (x=5, x@entry=4) at a.c:1", "#1 f (x=5, x@entry=3) at a.c:1"));
    assert!(!knows_more("#1 f (x=5) at a.c:1", "#1 f (x=5, x@entry=3) at a.c:1"));
    assert!(!knows_more("x = <optimized out>", "x = 5"));
    let (one, other) = ("#1 f (x=5, x@entry=4) at a.c:1", "#1 f (x=x@entry=5) at a.c:1");
    assert_eq!(without_entry_values(one), without_entry_values(other));
}
