//! Names as gdb decodes them, which takes any for GNAT's.

/// Whether a text of gdb's is the other with some names as its `ada_decode` has them.
pub(crate) fn is_ada_of(gdb: &str, text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let (mut gdb, mut rest) = (gdb, text);
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| is_name(c) != is_name(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        let Some(left) = gdb.strip_prefix(word).or_else(|| gdb.strip_prefix(ada_name(word).as_str())) else {
            return false;
        };
        (gdb, rest) = (left, after);
    }
    gdb.is_empty()
}

/// A last part of letters goes into brackets, a number behind a last dot is dropped, two underscores are a dot.
fn ada_name(name: &str) -> String {
    let all = |text: &str, is: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(is);
    let part = name.rsplit_once('.').filter(|(_, part)| all(part, u8::is_ascii_alphabetic));
    let (name, part) = part.map_or((name, None), |(name, part)| (name, Some(part)));
    let counted = name.rsplit_once('.').filter(|(_, count)| all(count, u8::is_ascii_digit));
    let name = counted.map_or(name, |(name, _)| name).replace("__", ".");
    part.map_or_else(|| name.clone(), |part| format!("{name}[{part}]"))
}

#[test]
fn names_that_gdb_takes_for_ada() {
    let taken = [
        ("<args.prlimit64+18>", "<args__prlimit64+18>"),
        ("proc_get_long.constprop + 504 in", "proc_get_long.constprop.0 + 504 in"),
        ("to_flags.part.0.isra + 75 in", "to_flags.part.0.isra.0 + 75 in"),
        ("f[cold] in section .text", "f.cold in section .text"),
        ("f.constprop[cold] in", "f.constprop.0.cold in"),
        ("reader[maxwarn] + 4", "reader.maxwarn + 4"),
        ("<event_enter.msgget> and <__event_exit>", "<event_enter__msgget> and <__event_exit>"),
    ];
    for (gdb, name) in taken {
        assert!(is_ada_of(gdb, name), "{gdb}: {name}");
        assert!(!is_ada_of(gdb, &name.replacen(['a', 'f', 'r'], "x", 1)), "{gdb}: {name}");
    }
    assert!(!is_ada_of("args.one", "args__two") && !is_ada_of("f.part", "f.part.0 + 4"));
}
