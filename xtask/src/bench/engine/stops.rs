//! The first stop: from nothing to the kernel stopped at `start_kernel`, with its line, locals and stack
//! printed. What a debugger adds to the guest's own time is what counts.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::contender::{Contender, Index};
use super::peers::{Kind, Peer};
use super::process::Memory;
use super::stub::{Guest, Stub};
use super::{Setting, contender};
use crate::bench::{goal, median};
use crate::run;

/// What lkdb may add, as a share of what the best peer adds.
const MOST: f64 = 0.1;
/// What lkdb may have of the best peer's anonymous memory.
const MOST_MEMORY: f64 = 1.0 / 8.0;
const LIMIT: Duration = Duration::from_secs(120);
/// What the last command prints.
const DONE: &str = "lkdb-bench-done";

/// Measures all in turn; whether the goals were met.
pub(super) fn run(setting: &Setting<'_>) -> anyhow::Result<bool> {
    run::headline(&format!(
        "first stop at start_kernel with line, locals and stack, {} rounds",
        setting.rounds
    ));
    let caches = tempfile::tempdir().context("cannot make a folder for indexes")?;
    let mut contenders = contender::all(setting, caches.path());
    contender::make_indexes(setting, &mut contenders)?;
    let address = start_kernel(setting.vmlinux)?;
    let mut floor = Vec::new();
    for round in 0..setting.rounds {
        floor.push(bare(setting.image, address)?.as_secs_f64());
        let start = round % contenders.len();
        let (before, after) = contenders.split_at_mut(start);
        for contender in after.iter_mut().chain(before) {
            let (took, memory) = first_stop(setting, contender)
                .with_context(|| format!("{} does not come to its first stop", contender.name))?;
            contender.times.push(took.as_secs_f64());
            contender.memory.include(memory);
        }
    }
    let floor = median(&mut floor);
    println!("  the guest alone, under a bare client: {floor:.3} s; what each adds to it:");
    for contender in &mut contenders {
        contender.times.iter_mut().for_each(|time| *time -= floor);
    }
    let times = contender::show(&mut contenders, &[(Index::None, MOST), (Index::Kept, MOST)]);
    let memory = compare_memory(&contenders);
    Ok(times & memory)
}

fn compare_memory(contenders: &[Contender<'_>]) -> bool {
    let of = |ours: bool| contenders.iter().filter(move |one| one.peer.is_none() == ours);
    let ours = of(true).map(|one| one.memory.anonymous).max().unwrap_or(0) as f64;
    let theirs = of(false).map(|one| one.memory.anonymous).min().unwrap_or(0) as f64;
    let share = ours / theirs;
    goal(
        &format!("anonymous memory: {share:.3} of the best peer's, at most {MOST_MEMORY}"),
        share <= MOST_MEMORY,
    )
}

/// The guest's own time.
fn bare(image: &Path, address: u64) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let guest = Guest::start(image)?;
    guest.ready()?;
    let mut stub = Stub::connect(&guest.socket())?;
    stub.ask("qSupported:swbreak+;hwbreak+")?;
    stub.run_to(address)?;
    Ok(start.elapsed())
}

fn first_stop(setting: &Setting<'_>, contender: &Contender<'_>) -> anyhow::Result<(Duration, Memory)> {
    let start = Instant::now();
    let Some(peer) = contender.peer else {
        return until_done(start, ours(setting, &contender.cache));
    };
    let guest = Guest::start(setting.image)?;
    guest.ready()?;
    let socket = guest.socket();
    until_done(start, theirs(setting, contender, peer, &socket))
}

/// lkdb starts its machine itself, with KASLR on.
fn ours(setting: &Setting<'_>, cache: &PathBuf) -> Command {
    let mut command = Command::new(setting.lkdb);
    command.env("XDG_CACHE_HOME", cache).args(["debug", "--name", &format!("bench-{}", std::process::id())]);
    command.arg("--kernel").arg(setting.image).arg("--vmlinux").arg(setting.vmlinux).arg("-batch");
    commands(&mut command, "-ex", &["break start_kernel", "continue", "backtrace", "info locals"]);
    command.args(["-ex", &format!("echo {DONE}\\n")]);
    command
}

fn theirs(setting: &Setting<'_>, contender: &Contender<'_>, peer: &Peer, socket: &Path) -> Command {
    let mut command = peer.command();
    let socket = socket.display();
    match peer.kind {
        Kind::Gdb => {
            contender.gdb_options(&mut command);
            command.arg(setting.vmlinux).args(["-ex", &format!("target remote {socket}")]);
            commands(&mut command, "-ex", &["hbreak start_kernel", "continue", "backtrace", "info locals"]);
            command.args(["-ex", &format!("echo {DONE}\\n")]);
        }
        Kind::Lldb => {
            command.args(["--no-lldbinit", "--batch"]).arg(setting.vmlinux);
            command.args(["--one-line", &format!("process connect unix-connect://{socket}")]);
            let rest = ["breakpoint set -H --name start_kernel", "continue", "bt", "frame variable"];
            commands(&mut command, "--one-line", &rest);
            command.args(["--one-line", &format!("platform shell -h -- echo {DONE}")]);
        }
    }
    command
}

fn commands(command: &mut Command, option: &str, all: &[&str]) {
    command.args(all.iter().flat_map(|one| [option, one]));
}

/// Runs it until its last answer is out; the time since `start`, and its memory. What it does to end is
/// not counted.
fn until_done(start: Instant, mut command: Command) -> anyhow::Result<(Duration, Memory)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let said = watch(&mut child, start);
    // It ends by itself; who does not is ended.
    let until = Instant::now() + Duration::from_secs(20);
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            child.kill()?;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let (took, memory, text) = said?;
    ensure!(text.contains("start_kernel"), "it never came to start_kernel:\n{text}");
    Ok((took, memory))
}

fn watch(child: &mut Child, start: Instant) -> anyhow::Result<(Duration, Memory, String)> {
    let stdout = BufReader::new(child.stdout.take().context("no output")?);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let _ = sender.send((start.elapsed(), line));
        }
    });
    let mut text = String::new();
    loop {
        let Ok((took, line)) = receiver.recv_timeout(LIMIT) else {
            bail!("it ended, or says no more:\n{text}")
        };
        if line.trim() == DONE {
            // The process still has what it needed to answer.
            return Ok((took, Memory::of(child.id()), text));
        }
        text.push_str(&line);
        text.push('\n');
    }
}

fn start_kernel(vmlinux: &Path) -> anyhow::Result<u64> {
    let symbols = run::output(Command::new("nm").arg("--defined-only").arg(vmlinux))?;
    let line = symbols.lines().find_map(|line| line.strip_suffix(" T start_kernel"));
    u64::from_str_radix(line.context("no start_kernel in the symbol table")?, 16).context("nm's address")
}
