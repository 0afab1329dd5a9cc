//! Reading much of a guest's memory: `dump memory` of its direct map, nowhere. A peer does it through the
//! stub, so it is asked for less.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::peers::Kind;
use super::stub::{Guest, Stub};
use super::{Setting, symbol};
use crate::bench::{goal, median};
use crate::run;

const MEGABYTES: usize = 512;
const THEIR_MEGABYTES: usize = 16;
/// GB/s that lkdb has to reach.
const LEAST: f64 = 3.0;
/// Where the direct map stands.
const STOP: &str = "kernel_init";

/// Measures all; whether the goal was met.
pub(super) fn run(setting: &Setting<'_>) -> anyhow::Result<bool> {
    run::headline(&format!("reading {MEGABYTES} MB of a guest, {} rounds", setting.rounds));
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for round in 0..setting.rounds {
        let mut lkdb = Command::new(setting.lkdb);
        lkdb.args(["debug", "--name", &format!("bench-reads-{}-{round}", std::process::id())]);
        lkdb.arg("--kernel").arg(setting.image).arg("--vmlinux").arg(setting.vmlinux).arg("-batch");
        let dump = dump(MEGABYTES);
        let commands =
            [&format!("break {STOP}"), "continue", "echo 0\\n", &dump, "echo 1\\n", &dump, "echo 2\\n"];
        commands.iter().for_each(|one| {
            lkdb.args(["-ex", one]);
        });
        let times = marks(lkdb, 3)?;
        first.push(times[0].as_secs_f64());
        again.push(times[1].as_secs_f64());
    }
    let rate = |times: &mut Vec<f64>, megabytes: usize| megabytes as f64 * 1.048_576e-3 / median(times);
    for peer in setting.peers.iter().filter(|peer| peer.kind == Kind::Gdb) {
        let guest = Guest::start(setting.image)?;
        guest.ready()?;
        let mut stub = Stub::connect(&guest.socket())?;
        stub.ask("qSupported:swbreak+;hwbreak+")?;
        stub.run_to(symbol(setting.vmlinux, STOP)?)?;
        drop(stub);
        let mut gdb = peer.command();
        gdb.args(["-nx", "-batch"]).arg(setting.vmlinux);
        let connect = format!("target remote {}", guest.socket().display());
        for one in [&connect, "echo 0\\n", &dump(THEIR_MEGABYTES), "echo 1\\n"] {
            gdb.args(["-ex", one]);
        }
        let took = marks(gdb, 2)?[0].as_secs_f64();
        println!("  {}: {:.4} GB/s", peer.name, rate(&mut vec![took], THEIR_MEGABYTES));
    }
    println!("  lkdb: {:.2} GB/s the first time, in pages it has not seen", rate(&mut first, MEGABYTES));
    let again = rate(&mut again, MEGABYTES);
    Ok(goal(&format!("lkdb: {again:.2} GB/s, at least {LEAST}"), again >= LEAST))
}

fn dump(megabytes: usize) -> String {
    format!(
        "dump memory /dev/null page_offset_base+0x1000000 page_offset_base+0x1000000+{megabytes}*0x100000"
    )
}

/// The times between so many lines `0`, `1`, … of a program's output.
fn marks(mut command: Command, count: usize) -> anyhow::Result<Vec<Duration>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let stdout = BufReader::new(child.stdout.take().context("no output")?);
    let mut marks: Vec<Instant> = Vec::new();
    for line in stdout.lines() {
        if line?.trim() == marks.len().to_string() {
            marks.push(Instant::now());
        }
    }
    let errors = String::from_utf8_lossy(&child.wait_with_output()?.stderr).into_owned();
    ensure!(marks.len() == count, "{command:?} answers {} of {count}:\n{errors}", marks.len());
    Ok(marks.windows(2).map(|two| two[1] - two[0]).collect())
}
