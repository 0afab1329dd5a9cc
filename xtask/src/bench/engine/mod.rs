//! The debugger against other debuggers on the same files and the same guest, in one run.

mod contender;
mod files;
mod index;
mod peers;
mod process;
mod reads;
mod steps;
mod stops;
mod stub;
mod witness;

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use peers::Peer;

use crate::run;

pub(crate) use witness::as_qemu;

/// The draw of functions and structures; `LKDB_BENCH_SEED` draws others.
const SEED: u64 = 1;

/// What is measured with.
struct Setting<'a> {
    lkdb: &'a Path,
    image: &'a Path,
    vmlinux: &'a Path,
    peers: &'a [Peer],
    seed: u64,
    rounds: usize,
}

/// Measures everything; whether all goals were met.
pub(super) fn run(lkdb: &Path, image: &Path, vmlinux: &Path, rounds: usize) -> anyhow::Result<bool> {
    let seed = match std::env::var("LKDB_BENCH_SEED") {
        Ok(text) => text.parse().with_context(|| format!("LKDB_BENCH_SEED={text} is no number"))?,
        Err(_) => SEED,
    };
    let peers = peers::all()?;
    let setting = Setting { lkdb, image, vmlinux, peers: &peers, seed, rounds };
    let files = files::run(&setting)?;
    let stops = stops::run(&setting)?;
    let steps = steps::run(&setting)?;
    let reads = reads::run(&setting)?;
    Ok(files & stops & steps & reads)
}

/// A symbol's link address.
fn symbol(vmlinux: &Path, name: &str) -> anyhow::Result<u64> {
    let symbols = run::output(Command::new("nm").arg("--defined-only").arg(vmlinux))?;
    let is_it = |line: &&str| line.split_whitespace().nth(2) == Some(name);
    let line = symbols.lines().find(is_it).with_context(|| format!("no {name} in the symbol table"))?;
    let address = line.split_whitespace().next().unwrap_or_default();
    u64::from_str_radix(address, 16).context("nm's address")
}
