//! The first stop: from nothing to the kernel stopped at `start_kernel`, with its line, locals and stack
//! printed. What a debugger adds to the guest's own time is what counts.
//!
//! Peers are handed a frozen guest without KASLR: they add what they take more than a bare client. lkdb starts its
//! machine itself, archive, KASLR and all; QEMU bears witness to what of that is lkdb's own time.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail, ensure};

use super::contender::{Contender, Index};
use super::peers::{Kind, Peer};
use super::process::Memory;
use super::stub::{Guest, Stub};
use super::witness::{Parts, Witness};
use super::{Setting, contender, symbol};
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
    let address = symbol(setting.vmlinux, "start_kernel")?;
    let witness = Witness::new()?;
    for contender in contenders.iter().filter(|contender| contender.peer.is_none()) {
        // Once in a host's life lkdb finds out whether KVM works there.
        ours(setting, contender, &witness)?;
    }
    let (mut floor, mut parts) = (Vec::new(), Vec::new());
    for round in 0..setting.rounds {
        floor.push(bare(setting.image, address)?.as_secs_f64());
        let start = round % contenders.len();
        let (before, after) = contenders.split_at_mut(start);
        for contender in after.iter_mut().chain(before) {
            let (took, memory) = match contender.peer {
                Some(peer) => theirs(setting, contender, peer),
                None => ours(setting, contender, &witness).map(|(of, memory)| {
                    parts.push((contender.index, of));
                    (of.own(), memory)
                }),
            }
            .with_context(|| format!("{} does not come to its first stop", contender.name))?;
            contender.times.push(took);
            contender.memory.include(memory);
        }
    }
    let floor = median(&mut floor);
    println!("  the guest alone, under a bare client: {floor:.3} s; what each adds to it:");
    for contender in contenders.iter_mut().filter(|contender| contender.peer.is_some()) {
        contender.times.iter_mut().for_each(|time| *time -= floor);
    }
    show_parts(&parts);
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

/// Where lkdb's time went, in the median.
fn show_parts(parts: &[(Index, Parts)]) {
    for (index, how) in [(Index::None, "without an index"), (Index::Kept, "with an index")] {
        let of = |part: fn(&Parts) -> f64| {
            let of_it = parts.iter().filter(|(footing, _)| *footing == index);
            median(&mut of_it.map(|(_, parts)| part(parts)).collect::<Vec<_>>())
        };
        println!(
            "  lkdb {how}: {:.3} s to the launch, {:.3} s at KASLR's stops, {:.3} s from the stop to the last answer; \
             not counted: {:.3} s that QEMU starts, {:.3} s that the guest runs",
            of(|parts| parts.before),
            of(|parts| parts.between),
            of(|parts| parts.after),
            of(|parts| parts.starting),
            of(|parts| parts.guest),
        );
    }
}

/// A peer's first stop on a guest that is ready for it: the seconds in all.
fn theirs(setting: &Setting<'_>, contender: &Contender<'_>, peer: &Peer) -> anyhow::Result<(f64, Memory)> {
    let start = Instant::now();
    let guest = Guest::start(setting.image)?;
    guest.ready()?;
    let (end, memory) = until_done(their_command(setting, contender, peer, &guest.socket()))?;
    Ok((end.0.duration_since(start).as_secs_f64(), memory))
}

/// lkdb's own, with the machine and KASLR.
fn ours(
    setting: &Setting<'_>,
    contender: &Contender<'_>,
    witness: &Witness,
) -> anyhow::Result<(Parts, Memory)> {
    witness.forget();
    let mut command = our_command(setting, &contender.cache);
    command.env("PATH", witness.path()?);
    let start = SystemTime::now();
    let (end, memory) = until_done(command)?;
    Ok((witness.parts(start, end.1)?, memory))
}

fn our_command(setting: &Setting<'_>, cache: &PathBuf) -> Command {
    let mut command = Command::new(setting.lkdb);
    command.env("XDG_CACHE_HOME", cache).args(["debug", "--name", &format!("bench-{}", std::process::id())]);
    command.arg("--kernel").arg(setting.image).arg("--vmlinux").arg(setting.vmlinux).arg("-batch");
    commands(&mut command, "-ex", &["break start_kernel", "continue", "backtrace", "info locals"]);
    command.args(["-ex", &format!("echo {DONE}\\n")]);
    command
}

fn their_command(setting: &Setting<'_>, contender: &Contender<'_>, peer: &Peer, socket: &Path) -> Command {
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

/// A moment, on both clocks.
type Moment = (Instant, SystemTime);

/// Runs it until its last answer is out; when that was, and its memory. What it does to end is not counted.
fn until_done(mut command: Command) -> anyhow::Result<(Moment, Memory)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let said = watch(&mut child);
    // It ends by itself; who does not is ended.
    let until = Instant::now() + Duration::from_secs(20);
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            child.kill()?;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let (end, memory, text) = said?;
    ensure!(text.contains("start_kernel"), "it never came to start_kernel:\n{text}");
    Ok((end, memory))
}

fn watch(child: &mut Child) -> anyhow::Result<(Moment, Memory, String)> {
    let stdout = BufReader::new(child.stdout.take().context("no output")?);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let _ = sender.send(((Instant::now(), SystemTime::now()), line));
        }
    });
    let mut text = String::new();
    loop {
        let Ok((end, line)) = receiver.recv_timeout(LIMIT) else {
            bail!("it ended, or says no more:\n{text}")
        };
        if line.trim() == DONE {
            // The process still has what it needed to answer.
            return Ok((end, Memory::of(child.id()), text));
        }
        text.push_str(&line);
        text.push('\n');
    }
}
