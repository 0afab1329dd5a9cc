//! Where lkdb may answer otherwise than gdb: each class by its name, with its reason.

use super::debuggers::Question;

/// A class of allowed differences.
pub(super) struct Rule {
    /// As the table names it.
    pub(super) name: &'static str,
    /// Why lkdb's answer is right, or as good.
    pub(super) reason: &'static str,
    /// Whether these two answers, gdb's and lkdb's, differ by nothing else.
    pub(super) allows: fn(&Question, &str, &str) -> bool,
}

/// All of them.
pub(super) const RULES: &[Rule] = &[SILENCE, ADA];

const SILENCE: Rule = Rule {
    name: "a listing that is not there",
    reason: "for a place without line information gdb's `list` says nothing at all; lkdb says that there is none",
    allows: |question, gdb, lkdb| {
        question.row == "list" && gdb.is_empty() && lkdb == "No line number information available."
    },
};

const ADA: Rule = Rule {
    name: "C symbols read as Ada's",
    reason: "gdb decodes the symbol table's names as if GNAT had made them: event_enter__umask is shown as \
        event_enter.umask, f.cold as f[cold], f.constprop.0 as f.constprop. lkdb shows the name that nm shows",
    allows: |_, gdb, lkdb| ada(gdb) == ada(lkdb),
};

/// The text with every name in it as gdb's `ada_decode` would have it.
fn ada(text: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let mut decoded = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| is_name(c) != is_name(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        rest = after;
        let starts_as_name = first.is_ascii_alphabetic() || first == '_';
        if starts_as_name { decoded.push_str(&ada_name(word)) } else { decoded.push_str(word) }
    }
    decoded
}

fn ada_name(name: &str) -> String {
    let counted = name.rsplit_once('.');
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = counted.filter(|(_, count)| digits(count)).map_or(name, |(name, _)| name);
    let cold = name.strip_suffix(".cold").map(|name| format!("{name}[cold]"));
    cold.unwrap_or_else(|| name.to_owned()).replace("__", ".")
}

#[test]
fn names_that_gdb_takes_for_ada() {
    assert_eq!(ada("<args__prlimit64+18>"), "<args.prlimit64+18>");
    assert_eq!(ada("proc_get_long.constprop.0 + 504 in"), "proc_get_long.constprop + 504 in");
    assert_eq!(ada("f.cold in section .text"), ada("f[cold] in section .text"));
    assert_ne!(ada("args__one"), ada("args__two"));
}
