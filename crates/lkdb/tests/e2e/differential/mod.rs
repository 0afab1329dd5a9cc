//! lkdb against gdb: the same questions to both, about names, types and addresses drawn by a seed, and the
//! share of equal texts for each command.
//!
//! `LKDB_DIFFERENTIAL_SEED` draws others, `LKDB_DIFFERENTIAL_DRAWS` more of them, `LKDB_DIFFERENTIAL_FILE` asks about
//! another vmlinux. What differs is a failure unless [`rules`] names its class and the reason.

pub(crate) mod ada;
pub(crate) mod case;
pub(crate) mod debuggers;
pub(crate) mod draw;
mod names;
mod normal;
mod producers;
mod questions;
pub(crate) mod rules;
pub(crate) mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::fixture::{Lkdb, kernel_file};
use debuggers::{ask, ask_gdb};
use draw::{Draw, number};
use names::Names;
use questions::Scouting;
use table::Table;
use tempfile::NamedTempFile;

/// How long the made-up sources are; some lines that are asked for lie behind that.
const LINES: usize = 32_000;

/// The lines of the table that are compared: [`questions`] asks for each.
const COMMANDS: &[&str] = &[
    "disassemble",
    "disassemble /s",
    "info address",
    "info functions",
    "info line",
    "info scope",
    "info source",
    "info symbol",
    "info types",
    "info variables",
    "list",
    "print",
    "print/FMT",
    "ptype",
    "ptype/o",
    "whatis",
    "x",
    "x/i",
];

/// Compares on a file; prints the table, and fails where it is not good enough.
pub(crate) fn compare(file: &Path, lkdb: &dyn Fn() -> Command, draws: u64, commands: &[&str]) {
    let seed = number("LKDB_DIFFERENTIAL_SEED", 1);
    let draws = number("LKDB_DIFFERENTIAL_DRAWS", draws) as usize;
    println!("{}: LKDB_DIFFERENTIAL_SEED={seed} LKDB_DIFFERENTIAL_DRAWS={draws}", file.display());
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("differential");
    fs::create_dir_all(&cache).unwrap();
    // The first answer makes gdb write its index.
    ask_gdb(file, &[], &["info line 1".to_owned()], &cache);
    let names = Names::of(file, &cache);
    let mut draw = Draw::new(seed);
    let scouting = Scouting::draw(&names, &mut draw, draws);
    let found = scouting.found(&ask_gdb(file, &[], &scouting.questions, &cache));
    let mut questions = questions::draw(&names, &found, &mut draw, draws);
    questions.retain(|question| commands.contains(&question.row));
    let texts: Vec<String> = questions.iter().map(|question| question.text.clone()).collect();
    let sources = cache.join("sources");
    let before = [format!("directory {}", sources.display())];
    // Both say which files they miss; then they are asked with all of them there.
    let shows_source = |row: &str| row == "list" || row == "disassemble /s";
    let listing = questions.iter().filter(|question| shows_source(question.row));
    let listing: Vec<String> = listing.map(|question| question.text.clone()).collect();
    let scratch = tempfile::tempdir().unwrap();
    let mut missing = ask_gdb(file, &[], &listing, &cache);
    missing.extend(ask(lkdb(), &[], &listing, scratch.path()));
    let missing = missing.iter().flat_map(|answer| answer.lines()).filter_map(missing_file);
    make_sources(&sources, missing.collect());
    let theirs = ask_gdb(file, &before, &texts, &cache);
    let ours = ask(lkdb(), &before, &texts, scratch.path());
    let fresh = |asked: &[String]| ask_gdb(file, &before, asked, &cache);
    let table = Table::compare(&questions, &theirs, &ours, rules::RULES, &fresh);
    println!("{}", table.shown());
    let stem = file.file_stem().unwrap().to_string_lossy();
    // In their order: some answers hang on the question before.
    fs::write(cache.join(format!("{stem}.questions")), texts.join("\n")).unwrap();
    let report = cache.join(format!("{stem}.differences"));
    fs::write(&report, format!("{}\n# allowed\n{}", table.differences(usize::MAX), table.allowed())).unwrap();
    println!("all differences are in {}", report.display());
    table.check();
}

/// Of `913\tinit/main.c: No such file or directory.`
fn missing_file(line: &str) -> Option<&str> {
    let (number, rest) = line.split_once('\t')?;
    number.parse::<u64>().ok()?;
    rest.strip_suffix(": No such file or directory.")
}

/// Files with the kernel's names: `list` needs some text, not the real one. There are a few texts, so that
/// a file that is taken for another shows, and each is on disk once.
fn make_sources(root: &Path, files: BTreeSet<&str>) {
    const TEXTS: usize = 8;
    fs::create_dir_all(root).unwrap();
    let texts: Vec<NamedTempFile> = (0..TEXTS).map(|text| made_up(root, text)).collect();
    for file in files {
        let path = root.join(file.trim_start_matches('/'));
        if file.contains("..") || path.exists() {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Another test may have been quicker.
        let _ = fs::hard_link(texts[file.len() % TEXTS].path(), path);
    }
}

fn made_up(root: &Path, text: usize) -> NamedTempFile {
    let file = NamedTempFile::new_in(root).unwrap();
    let lines: String = (1..=LINES).map(|line| format!("\tline {line} of text {text};\n")).collect();
    fs::write(file.path(), lines).unwrap();
    // Older than any kernel: gdb warns of sources that are newer.
    file.as_file().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    file
}

/// lkdb on a file, with a cache of its own: no sources that it fetched, and no index until it builds one.
fn inspect(lkdb: &Lkdb, file: &Path) -> Command {
    let mut command = lkdb.command(&["inspect", file.to_str().unwrap(), "-batch"]);
    command.env("XDG_CACHE_HOME", lkdb.scratch());
    command
}

#[test]
fn a_vmlinux_is_answered_as_gdb_does() {
    let other = std::env::var_os("LKDB_DIFFERENTIAL_FILE").map(PathBuf::from);
    let vmlinux = other.unwrap_or_else(|| kernel_file("vmlinux"));
    let lkdb = Lkdb::new();
    compare(&vmlinux, &|| inspect(&lkdb, &vmlinux), 30, COMMANDS);
}

#[test]
#[ignore = "slow: three modules more"]
fn modules_are_answered_as_gdb_does() {
    let mut all = Vec::new();
    walk(&kernel_file("debug_modules").join("kernel"), &mut all);
    let seed = number("LKDB_DIFFERENTIAL_SEED", 1);
    for module in Draw::new(seed).some(&all, 3) {
        let lkdb = Lkdb::new();
        compare(module, &|| inspect(&lkdb, module), 12, COMMANDS);
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    // The seed means the same modules wherever they lie.
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "ko") {
            found.push(path);
        }
    }
}
