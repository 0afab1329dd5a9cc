//! The debugger against other debuggers on the same files and the same guest, in one run.

mod contender;
mod files;
mod index;
mod peers;
mod process;
mod stops;
mod stub;

use std::path::Path;

use anyhow::Context as _;
use peers::Peer;

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
    Ok(files & stops)
}
