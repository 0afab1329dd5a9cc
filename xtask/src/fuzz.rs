//! `cargo xtask fuzz`: libFuzzer on what lkdb promises for any input, each target for a while, from its seeds.
//!
//! The compiler is told here what cargo-fuzz would tell it, so that a nightly toolchain and a C++ compiler are
//! enough. What is found lies in `fuzz/artifacts`; what leads further, in `fuzz/corpus`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context as _, ensure};

use crate::run;

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Coverage as libFuzzer wants it, and AddressSanitizer. Optimised code that still asserts.
const FLAGS: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Zsanitizer=address",
    "-Cdebug-assertions",
    "--cfg=fuzzing",
];
/// An input that takes longer, in seconds, is a find; so is one that takes more memory, in MB.
const SLOW: &str = "-timeout=10";
const FAT: &str = "-rss_limit_mb=2048";

/// How long each runs, in seconds.
const LONG: u64 = 600;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which (default: all)
    targets: Vec<String>,
    /// How long each runs
    #[arg(long, value_name = "SECONDS", default_value_t = LONG)]
    seconds: u64,
}

impl Args {
    /// All, as long as by default.
    pub(crate) fn all() -> Self {
        Self { targets: Vec::new(), seconds: LONG }
    }
}

/// Builds them and runs as many at a time as there are processors.
///
/// # Errors
/// After all have run: when one has found something.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let known = targets()?;
    for target in &args.targets {
        ensure!(known.contains(target), "there is no fuzz target {target}, only {}", known.join(", "));
    }
    let programs = build()?;
    let mut waiting = if args.targets.is_empty() { known } else { args.targets.clone() };
    waiting.reverse();
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let (mut running, mut finds): (Vec<(String, Child)>, Vec<String>) = (Vec::new(), Vec::new());
    while !(waiting.is_empty() && running.is_empty()) {
        while running.len() < at_once
            && let Some(target) = waiting.pop()
        {
            run::headline(&format!("fuzzing {target}, {} s", args.seconds));
            running.push((target.clone(), start(&programs, &target, args.seconds)?));
        }
        for (target, child) in &mut running {
            if let Some(status) = child.try_wait()? {
                let log = fs::read_to_string(log(target)).unwrap_or_default();
                println!("  {target}: {}", log.lines().last().unwrap_or("it said nothing"));
                if !status.success() {
                    println!("{log}");
                    finds.push(target.clone());
                }
            }
        }
        running.retain_mut(|(_, child)| matches!(child.try_wait(), Ok(None)));
        thread::sleep(Duration::from_millis(200));
    }
    ensure!(finds.is_empty(), "found something: {}; see fuzz/artifacts", finds.join(", "));
    Ok(())
}

fn folder() -> PathBuf {
    run::root().join("fuzz")
}

fn log(target: &str) -> PathBuf {
    folder().join("artifacts").join(format!("{target}.log"))
}

/// The targets' names, in order.
fn targets() -> anyhow::Result<Vec<String>> {
    let sources = folder().join("fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&sources).with_context(|| format!("cannot read {}", sources.display()))? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// Builds all; the folder they lie in.
fn build() -> anyhow::Result<PathBuf> {
    run::headline("building the fuzz targets");
    let built = crate::metadata::Metadata::of_workspace()?.target_directory.join("fuzz");
    let mut rustc = Command::new("rustup");
    let there =
        rustc.args(["run", "nightly", "rustc", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    let there = there.status().is_ok_and(|status| status.success());
    ensure!(there, "fuzzing takes a nightly compiler: rustup toolchain install nightly");
    let mut cargo = Command::new("rustup");
    cargo.args(["run", "nightly", "cargo", "build", "--quiet", "--release", "--bins", "--target", TARGET]);
    // This task's own cargo has set what names its compiler.
    cargo.env_remove("RUSTC").env_remove("RUSTDOC").env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    cargo.env("RUSTFLAGS", FLAGS.join(" ")).env("CARGO_TARGET_DIR", &built);
    run::run(cargo.current_dir(folder()))?;
    Ok(built.join(TARGET).join("release"))
}

fn start(programs: &Path, target: &str, seconds: u64) -> anyhow::Result<Child> {
    let (corpus, artifacts) = (folder().join("corpus").join(target), folder().join("artifacts"));
    for dir in [&corpus, &artifacts] {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let output = fs::File::create(log(target)).context("cannot write the fuzzer's log")?;
    let mut fuzzer = Command::new(programs.join(target));
    fuzzer.arg(corpus).arg(folder().join("seeds").join(target)).args([SLOW, FAT]);
    fuzzer.arg(format!("-max_total_time={seconds}"));
    fuzzer.arg(format!("-artifact_prefix={}/{target}-", artifacts.display()));
    fuzzer.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    fuzzer.spawn().with_context(|| format!("cannot run the fuzz target {target}"))
}
