//! Asking a debugger: one process answers a whole list of questions, and its text is cut at markers that
//! it echoes between them.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// What is asked, and the line of the table that it counts for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) row: &'static str,
    pub(crate) text: String,
}

impl Question {
    pub(crate) fn new(row: &'static str, text: impl Into<String>) -> Self {
        Self { row, text: text.into() }
    }
}

/// gdb on a file, with its index kept in `cache`: the first run writes it, later ones start in a second.
fn gdb(file: &Path, cache: &Path) -> Command {
    let mut command = Command::new("gdb");
    // A batch has no colours, and its text is not folded to a terminal's width.
    command.args(["-nx", "-q", "-batch", "-iex", "set index-cache enabled on", "-iex"]);
    command.arg(format!("set index-cache directory {}", cache.display())).arg(file);
    // Bytes that are no ASCII are octal, whatever the host's characters are.
    command.env_remove("DEBUGINFOD_URLS").env("LC_ALL", "C");
    command
}

/// The same as [`ask`], but gdb's answers to the same questions about the same file are kept in `cache`.
pub(super) fn ask_gdb(file: &Path, before: &[String], questions: &[String], cache: &Path) -> Vec<String> {
    let version = Command::new("gdb").arg("--version").output().expect("gdb runs").stdout;
    let written = fs::metadata(file).and_then(|about| about.modified()).unwrap();
    let mut hasher = DefaultHasher::new();
    (version, file, written, before, questions).hash(&mut hasher);
    let kept = cache.join(format!("answers-{:016x}.json", hasher.finish()));
    if let Some(answers) = fs::read(&kept).ok().and_then(|json| serde_json::from_slice(&json).ok()) {
        return answers;
    }
    let scratch = tempfile::tempdir_in(cache).unwrap();
    let answers = ask(gdb(file, cache), before, questions, scratch.path());
    let whole = scratch.path().join("answers");
    fs::write(&whole, serde_json::to_vec(&answers).unwrap()).unwrap();
    fs::rename(&whole, &kept).unwrap();
    answers
}

/// Runs a debugger over `before` and then the questions; gives the text of each answer.
///
/// Answers and errors go to one file, as they come. A debugger that ends early fails the test with the
/// question that it did not survive.
pub(super) fn ask(
    mut debugger: Command,
    before: &[String],
    questions: &[String],
    scratch: &Path,
) -> Vec<String> {
    let said = scratch.join("said");
    let out = OpenOptions::new().create(true).truncate(true).write(true).open(&said).unwrap();
    drop(out);
    let append = || -> File { OpenOptions::new().append(true).open(&said).unwrap() };
    for command in before {
        debugger.args(["-ex", command]);
    }
    for (number, question) in questions.iter().enumerate() {
        debugger.args(["-ex", &format!("echo \\n{}\\n", marker(number))]).args(["-ex", question]);
    }
    debugger.args(["-ex", &format!("echo \\n{}\\n", marker(questions.len()))]);
    debugger.stdin(Stdio::null()).stdout(append()).stderr(append());
    let status = debugger.status().unwrap_or_else(|error| panic!("{:?}: {error}", debugger.get_program()));
    let text = String::from_utf8_lossy(&fs::read(&said).unwrap()).into_owned();
    let answers = cut(&text, questions.len());
    if answers.len() < questions.len() {
        let last = answers.len().checked_sub(1).map_or("(its start)", |at| &questions[at]);
        let tail: Vec<&str> = text.lines().rev().take(20).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        panic!("{:?} ended ({status}) at `{last}`:\n{}", debugger.get_program(), tail.join("\n"));
    }
    answers
}

fn marker(number: usize) -> String {
    format!("@@@@ {number} @@@@")
}

/// The texts between the markers, as many as there are.
fn cut(text: &str, many: usize) -> Vec<String> {
    let mut answers = Vec::new();
    let mut rest = text;
    for number in 0..many {
        // Not with the newlines around: an error that comes between stays a part of the answer.
        let start = marker(number);
        let Some(at) = rest.find(&start) else { break };
        rest = &rest[at + start.len()..];
        let Some(length) = rest.find(&marker(number + 1)) else { break };
        answers.push(rest[..length].trim_matches('\n').to_owned());
        rest = &rest[length..];
    }
    answers
}

#[test]
fn answers_are_what_stands_between_markers() {
    let text = "noise\n\n@@@@ 0 @@@@\none\ntwo\n\n@@@@ 1 @@@@\n\n@@@@ 2 @@@@\n";
    assert_eq!(cut(text, 2), ["one\ntwo", ""]);
    assert_eq!(cut(text, 3).len(), 2);
}
