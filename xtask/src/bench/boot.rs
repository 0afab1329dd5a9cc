//! `lkdb boot` against QEMU started by hand with the same kernel and archive: time to the shell's prompt.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::{Kernel, goal, median};
use crate::run;

/// How long one boot may take.
const LIMIT: Duration = Duration::from_secs(120);
/// The most that lkdb may take longer, by the median of the pairs.
const GOAL: Duration = Duration::from_millis(150);
/// What BusyBox's shell prompts with, in the root directory or at home.
const PROMPTS: [&[u8]; 2] = [b"/ # ", b"~ # "];
/// Ends lkdb and QEMU alike.
const CTRL_A_X: &[u8] = b"\x01x";

/// Measures `pairs` pairs; whether the goal was met.
pub(super) fn run(lkdb: &Path, kernel: &Kernel, pairs: usize) -> anyhow::Result<bool> {
    let dir = tempfile::tempdir().context("cannot make a directory to measure in")?;
    let boot = |more: &[&str]| {
        let mut command = Command::new(lkdb);
        command.arg("boot").arg("--kernel").arg(&kernel.image).arg("--modules").arg(&kernel.modules);
        command.args(more).current_dir(dir.path());
        command
    };
    // The line that lkdb itself would run, with the archive that lkdb made.
    let line = run::output(&mut boot(&["--dry-run"]))?;
    let by_hand = || {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {}", line.trim())]).current_dir(dir.path());
        command
    };
    run::headline(&format!("{pairs} pairs of boots, from the command to the shell's prompt"));
    let (mut ours, mut hand) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        // Alternately first, so that neither always finds what the other left.
        let times = if pair.is_multiple_of(2) {
            let our = time_to_prompt(boot(&[]))?;
            (our, time_to_prompt(by_hand())?)
        } else {
            let hand = time_to_prompt(by_hand())?;
            (time_to_prompt(boot(&[]))?, hand)
        };
        eprintln!("  {:>6.3} s lkdb boot   {:>6.3} s by hand", times.0.as_secs_f64(), times.1.as_secs_f64());
        ours.push(times.0.as_secs_f64());
        hand.push(times.1.as_secs_f64());
    }
    let mut differences: Vec<f64> = ours.iter().zip(&hand).map(|(our, hand)| our - hand).collect();
    let (ours, hand) = (median(&mut ours), median(&mut hand));
    let difference = median(&mut differences);
    println!("  median: lkdb boot {ours:.3} s, by hand {hand:.3} s, of the differences {difference:+.3} s");
    Ok(goal(
        &format!("at most {:.2} s more by the median", GOAL.as_secs_f64()),
        difference <= GOAL.as_secs_f64(),
    ))
}

fn time_to_prompt(mut command: Command) -> anyhow::Result<Duration> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let took = wait_for_prompt(&mut child).map(|()| start.elapsed());
    end(child)?;
    took.with_context(|| format!("{command:?} brought no prompt"))
}

fn wait_for_prompt(child: &mut Child) -> anyhow::Result<()> {
    let mut stdout = child.stdout.take().context("no output")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = stdout.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..length]);
            let prompts = |prompt: &&[u8]| seen.windows(prompt.len()).any(|text| text == *prompt);
            if PROMPTS.iter().any(prompts) {
                let _ = sender.send(());
                // Read on, so that nobody blocks at the end.
                let _ = std::io::copy(&mut stdout, &mut std::io::sink());
                return;
            }
        }
    });
    match receiver.recv_timeout(LIMIT) {
        Ok(()) => Ok(()),
        Err(mpsc::RecvTimeoutError::Timeout) => bail!("not in {} s", LIMIT.as_secs()),
        Err(mpsc::RecvTimeoutError::Disconnected) => bail!("it ended"),
    }
}

/// Ends the machine as a person does, and waits for it.
fn end(mut child: Child) -> anyhow::Result<()> {
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(CTRL_A_X);
        let _ = stdin.flush();
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}
