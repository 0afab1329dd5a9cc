//! `cargo xtask bench`: lkdb against the ways people do it by hand, side by side in one run.
//!
//! Hosts are noisy: what is compared is measured alternately, and the best (or the median) is shown.

mod archives;
mod boot;
mod engine;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::{run, setup};

pub(crate) use engine::as_qemu;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure (default: all)
    #[arg(value_enum)]
    what: Vec<What>,
    /// The kernel image (default: the newest kernel that lkdb has fetched)
    #[arg(long, value_name = "FILE", requires = "modules")]
    kernel: Option<PathBuf>,
    /// Its modules, lib/modules/RELEASE
    #[arg(long, value_name = "DIR", requires = "kernel")]
    modules: Option<PathBuf>,
    /// Measure this program, rather than build one
    #[arg(long, value_name = "FILE")]
    lkdb: Option<PathBuf>,
    /// The debug file to ask about (default: that of the kernel)
    #[arg(long, value_name = "FILE")]
    vmlinux: Option<PathBuf>,
    /// Rounds of the debuggers, each of which asks everyone
    #[arg(long, value_name = "N", default_value_t = 11)]
    rounds: usize,
    /// Pairs of boots
    #[arg(long, value_name = "N", default_value_t = 20)]
    pairs: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Our archives against find | cpio | a compressor
    Archives,
    /// `lkdb boot` against QEMU started by hand, to the shell's prompt
    Boot,
    /// The debugger against gdb, old and new, lldb, and bare clients of the stub
    Engine,
}

/// The kernel that is measured with.
#[derive(Debug)]
struct Kernel {
    image: PathBuf,
    modules: PathBuf,
    vmlinux: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    setup::run()?;
    let lkdb = match &args.lkdb {
        // Boots are measured in another directory.
        Some(lkdb) => lkdb.canonicalize().with_context(|| format!("cannot open {}", lkdb.display()))?,
        None => run::build_lkdb(run::Profile::Release)?,
    };
    let kernel = match (&args.kernel, &args.modules) {
        (Some(image), Some(modules)) => {
            Kernel { image: image.clone(), modules: modules.clone(), vmlinux: None }
        }
        _ => fetched(&lkdb)?,
    };
    let wants = |what| args.what.is_empty() || args.what.contains(&what);
    let mut met = true;
    if wants(What::Archives) {
        met &= archives::run(&lkdb, &kernel)?;
    }
    if wants(What::Boot) {
        met &= boot::run(&lkdb, &kernel, args.pairs)?;
    }
    if wants(What::Engine) {
        let vmlinux = args.vmlinux.as_ref().or(kernel.vmlinux.as_ref());
        let vmlinux = vmlinux.context("this kernel has no vmlinux: name one by --vmlinux")?;
        met &= engine::run(&lkdb, &kernel.image, vmlinux, args.rounds)?;
    }
    anyhow::ensure!(met, "not every goal was met, see above");
    Ok(())
}

/// The newest kernel in lkdb's cache, fetched if there is none.
fn fetched(lkdb: &Path) -> anyhow::Result<Kernel> {
    run::run(Command::new(lkdb).args(["kernel", "fetch"]))?;
    let json = run::output(Command::new(lkdb).args(["--json", "kernel", "list"]))?;
    let kernels: Vec<serde_json::Value> =
        serde_json::from_str(&json).context("cannot read what `lkdb --json kernel list` wrote")?;
    let of = |kernel: &serde_json::Value| {
        let path = |key: &str| kernel.get("kernel")?.get(key)?.as_str().map(PathBuf::from);
        Some(Kernel { image: path("image")?, modules: path("modules")?, vmlinux: path("vmlinux") })
    };
    kernels.iter().find_map(of).context("no fetched kernel has an image and modules")
}

/// Says whether a goal was met.
fn goal(text: &str, met: bool) -> bool {
    println!("  {} {text}", if met { "met:    " } else { "MISSED: " });
    met
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values {
        [] => f64::NAN,
        _ if values.len().is_multiple_of(2) => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median(&mut []).is_nan());
    }
}
