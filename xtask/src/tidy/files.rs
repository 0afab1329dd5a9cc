//! What may stand in a file.

use std::path::Path;

use super::crates::PURE;
use super::source::Source;

/// The one crate that maps memory, which Rust cannot check: see its own words on why it is sound.
const MAPS_MEMORY: &str = "crates/lkdb-map/src/";
/// A file that is longer is several things.
const FILE_LINES: usize = 900;
/// A function that is longer cannot be seen at once.
const FUNCTION_LINES: usize = 100;
/// Modules of std through which a pure crate would reach out for itself.
const IO_MODULES: [&str; 5] = ["env", "fs", "net", "os", "process"];
/// What prints: only the program speaks, so that libraries serve every front end.
const PRINTS: [&str; 4] = ["print!", "println!", "eprint!", "eprintln!"];
/// What stands for work that is not done.
const UNFINISHED: [&str; 3] = ["dbg!", "todo!", "unimplemented!"];
/// Notes to oneself belong into the tracker. In two parts, or this file would break the rule.
const NOTES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
/// Registries are the user's affair (mirrors, offline copies): tools find them by their own settings.
const REGISTRIES: [&str; 4] = [
    concat!("deb.", "debian.org"),
    concat!("security.", "debian.org"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
];

/// Complaints about one file of the repository at `root`.
pub(super) fn check(path: &str, text: &str, root: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    if path != "Cargo.lock" {
        complaints.extend(places(path, text, root));
    }
    if path.ends_with(".rs") {
        complaints.extend(rust(path, text));
    } else if path.ends_with("Cargo.toml") && text.contains("target_arch") {
        complaints.push(format!("{path}: architecture is a table chosen at run time, not target_arch"));
    }
    complaints
}

/// Names of this machine's places and of registries.
fn places(path: &str, text: &str, root: &Path) -> Vec<String> {
    let root = root.to_string_lossy();
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = format!("{path}:{}", index + 1);
        if root.len() > 1 && line.contains(&*root) {
            complaints.push(format!("{at}: a path of this machine, {root}"));
        }
        for host in REGISTRIES.iter().filter(|host| line.contains(**host)) {
            complaints.push(format!("{at}: {host} is named; tools find registries by the user's settings"));
        }
        for note in NOTES.iter().filter(|note| line.contains(**note)) {
            complaints.push(format!("{at}: {note}: do it, or put it into the tracker"));
        }
    }
    complaints
}

fn rust(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//!") {
        complaints.push(format!("{path}: it must open with `//!`: what lives in it and what does not"));
    }
    if is_test(path) {
        return complaints;
    }
    let source = Source::new(text);
    let mut forbid = |words: &str, lines: Vec<usize>, why: &str| {
        complaints.extend(lines.iter().map(|line| format!("{path}:{line}: {words}: {why}")));
    };
    forbid("target_arch", source.find("target_arch"), "architecture is a table chosen at run time");
    if !path.starts_with(MAPS_MEMORY) {
        forbid("unsafe", source.find("unsafe"), &format!("only {MAPS_MEMORY} may"));
    }
    if !may_print(path) {
        for words in PRINTS {
            forbid(words, source.find(words), "only the program prints");
        }
    }
    for words in UNFINISHED {
        forbid(words, source.find(words), "unfinished");
    }
    if crate_of(path).is_some_and(|name| PURE.contains(&name)) {
        for module in IO_MODULES {
            forbid(
                &format!("std::{module}"),
                source.find_std(module),
                "this crate works on bytes it is handed",
            );
        }
    }
    if source.lines() >= FILE_LINES {
        complaints.push(format!("{path}: {} lines without tests, {FILE_LINES} is too long", source.lines()));
    }
    for function in source.functions().iter().filter(|function| function.lines >= FUNCTION_LINES) {
        complaints
            .push(format!("{path}:{}: {} is {} lines long", function.line, function.name, function.lines));
    }
    complaints
}

/// `crates/NAME/src/…`.
fn crate_of(path: &str) -> Option<&str> {
    let (name, rest) = path.strip_prefix("crates/")?.split_once('/')?;
    rest.starts_with("src/").then_some(name)
}

/// Build scripts speak to cargo by printing.
fn may_print(path: &str) -> bool {
    path.starts_with("xtask/") || path.ends_with("/build.rs") || crate_of(path) == Some("lkdb")
}

/// Files that are all tests.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.contains("/tests/")
        || path.contains("/benches/")
        || path.starts_with("fuzz/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> String {
        check(path, &format!("//! What.\n{text}\n"), Path::new("/home/someone/lkdb")).join("\n")
    }

    fn fails(path: &str, text: &str, because: &str) {
        let complaints = complaints(path, text);
        assert!(complaints.contains(because), "{path}: {text:?} gave {complaints:?}");
    }

    const LIBRARY: &str = "crates/lkdb-machine/src/x.rs";
    const PURE_FILE: &str = "crates/lkdb-symbols/src/x.rs";

    #[test]
    fn good_files_pass() {
        let good = "use std::io;\nfn a() { let unsafe_ = \"println!\"; } // unsafe\n#[cfg(test)]\nmod tests { use std::fs; }";
        assert_eq!(complaints(PURE_FILE, good), "");
        assert_eq!(complaints("crates/lkdb/src/main.rs", "fn a() { println!(); std::fs::read(); }"), "");
        assert_eq!(complaints("crates/lkdb-map/src/file.rs", "fn a() { unsafe {} }"), "");
        assert_eq!(complaints("crates/lkdb-machine/build.rs", "fn main() { println!(); }"), "");
        assert_eq!(complaints("crates/lkdb-symbols/tests/it/main.rs", "use std::fs;"), "");
    }

    #[test]
    fn each_rule_can_fail() {
        fails(LIBRARY, "fn a() { unsafe {} }", "x.rs:2: unsafe");
        fails(LIBRARY, "fn a() { eprintln!(\"{}\", 1); }", "x.rs:2: eprintln!");
        fails(LIBRARY, "fn a() { todo!() }", "todo!: unfinished");
        fails(LIBRARY, "#[cfg(target_arch = \"x86_64\")]\nfn a() {}", "x.rs:2: target_arch");
        fails(PURE_FILE, "use std::fs::File;", "std::fs: this crate works on bytes");
        fails(PURE_FILE, "use std::{io, net};", "std::net");
        fails(PURE_FILE, "fn a() { std::env::var(\"A\"); }", "std::env");
        fails(LIBRARY, &format!("// {}: more", NOTES[0]), "tracker");
        fails("README.md", &format!("see {}", REGISTRIES[0]), "is named");
        fails(".ci/run", "cd /home/someone/lkdb", "a path of this machine");
        fails("crates/a/Cargo.toml", "[target.'cfg(target_arch = \"x86\")'.dependencies]", "target_arch");
        fails(LIBRARY, &"\n".repeat(FILE_LINES), "lines without tests");
        fails(LIBRARY, &format!("fn long() {{{}}}", "\n".repeat(FUNCTION_LINES)), "long is 101 lines");
        assert!(check(LIBRARY, "fn a() {}\n", Path::new("/")).join("").contains("must open with"));
    }
}
