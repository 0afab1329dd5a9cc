//! Our archives against `find | cpio` piped into a compressor: the same tree, time and size.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::{Kernel, goal};
use crate::run;

/// How often each is measured; the fastest counts. What takes longer than [`LONG`] is measured once.
const ROUNDS: usize = 3;
const LONG: Duration = Duration::from_secs(5);

/// Ours, as `--compress` names them, beside what a shell pipes into.
const PAIRS: [(&str, &str, &str); 5] = [
    ("none", "cpio alone", "cat"),
    ("gzip", "gzip -9", "gzip -9"),
    ("gzip", "pigz", "pigz"),
    ("zstd", "zstd -3 -T2", "zstd -3 -T2 -q"),
    ("lz4", "lz4 -9", "lz4 -9 -l -q"),
];

#[derive(Debug, Clone, Copy)]
struct Measured {
    time: Duration,
    bytes: u64,
}

/// Measures both trees; whether the goals were met.
pub(super) fn run(lkdb: &Path, kernel: &Kernel) -> anyhow::Result<bool> {
    let alone = compare("BusyBox alone", lkdb, kernel, false)?;
    let with_modules = compare("BusyBox and the whole module tree", lkdb, kernel, true)?;
    Ok(alone & with_modules)
}

fn compare(title: &str, lkdb: &Path, kernel: &Kernel, modules: bool) -> anyhow::Result<bool> {
    let dir = tempfile::tempdir().context("cannot make a directory to measure in")?;
    let tree = dir.path().join("tree");
    let out = dir.path().join("out");
    // Also brings every file into the page cache, for both sides.
    let plain = dir.path().join("plain");
    ours(lkdb, kernel, modules, "none", &plain)?;
    let mut extract = Command::new(lkdb);
    extract.args(["initramfs", "inspect"]).arg(&plain).arg("--extract").arg(&tree);
    run::output(&mut extract)?;
    run::headline(&format!("archives: {title}, {:.1} MB unpacked", megabytes(fs::metadata(&plain)?.len())));
    println!("  {:<12} {:>8} {:>9}    {:<14} {:>8} {:>9}", "lkdb", "s", "MB", "by hand", "s", "MB");
    let mut met = true;
    for (compress, name, filter) in PAIRS {
        let (mut our, mut hand) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            if !is_long(&our) {
                our.push(ours(lkdb, kernel, modules, compress, &out)?);
            }
            if !is_long(&hand) {
                hand.push(by_hand(&tree, filter, &out)?);
            }
        }
        let (our, hand) = (best(&our)?, best(&hand)?);
        println!("  {:<12} {}    {:<14} {}", compress, row(our), name, row(hand));
        if compress == "zstd" && modules {
            met &= goal("with zstd not slower than the zstd pipe", our.time <= hand.time);
            met &= goal("with zstd not larger than the zstd pipe", our.bytes <= hand.bytes);
        }
    }
    Ok(met)
}

fn ours(lkdb: &Path, kernel: &Kernel, modules: bool, compress: &str, out: &Path) -> anyhow::Result<Measured> {
    let mut command = Command::new(lkdb);
    command.args(["--json", "initramfs", "build", "--compress", compress, "--output"]).arg(out);
    if modules {
        command.arg("--modules").arg(&kernel.modules);
    }
    measure(&mut command, out)
}

fn by_hand(tree: &PathBuf, filter: &str, out: &Path) -> anyhow::Result<Measured> {
    let line = format!("cd \"$0\" && find . -print0 | cpio --null -o -H newc --quiet | {filter} > \"$1\"");
    measure(Command::new("sh").arg("-c").arg(line).arg(tree).arg(out), out)
}

fn measure(command: &mut Command, out: &Path) -> anyhow::Result<Measured> {
    if out.exists() {
        fs::remove_file(out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output().context("cannot run it")?;
    let time = start.elapsed();
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed ({}): {}", output.status, words.trim());
    let bytes =
        fs::metadata(out).with_context(|| format!("{command:?} wrote nothing: {}", words.trim()))?.len();
    Ok(Measured { time, bytes })
}

fn is_long(measured: &[Measured]) -> bool {
    measured.iter().any(|one| one.time > LONG)
}

fn best(measured: &[Measured]) -> anyhow::Result<Measured> {
    measured.iter().copied().min_by_key(|one| one.time).context("nothing was measured")
}

fn row(measured: Measured) -> String {
    format!("{:>8.3} {:>9.2}", measured.time.as_secs_f64(), megabytes(measured.bytes))
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
