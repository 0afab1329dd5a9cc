//! `lkdb kernel config`.

use std::io::{self, Write};
use std::path::PathBuf;

use lkdb_artifacts::Cache;
use lkdb_artifacts::config::{Base, ConfigOptions, ConfigReport, configure};
use serde::Serialize;

use crate::output::{Context, Render, Status};
use crate::progress::Bars;

/// Configure a kernel source tree for debugging: DWARF, gdb scripts, kallsyms, ORC, initrd, devtmpfs,
/// serial and virtio consoles, 9p, and an embedded configuration.
///
/// The options are merged into the tree's `.config` and run through olddefconfig. `.config` is replaced
/// only when every one of them took; else what prevented it is told, and the exit status is 1.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The source tree, or a build tree made from one
    dir: PathBuf,
    /// Keep configuration and objects in this folder, apart from the source
    #[arg(short = 'O', long = "out", value_name = "OUT")]
    out: Option<PathBuf>,
    /// Start from `tiny` (the smallest that boots), `def` (defconfig), or a file; by default from the
    /// .config there is, else from defconfig
    #[arg(long, value_name = "tiny|def|FILE", value_parser = base)]
    base: Option<Base>,
    /// Debug info without types of variables (DEBUG_INFO_REDUCED): builds quicker, debugs less
    #[arg(long)]
    reduced: bool,
    /// BTF beside DWARF (needs pahole)
    #[arg(long)]
    btf: bool,
    /// Set an option; stands above everything else
    #[arg(long, value_name = "OPT=VAL", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Merge the lines of a file
    #[arg(long, value_name = "FILE")]
    fragment: Vec<PathBuf>,
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants a Result")]
fn base(text: &str) -> Result<Base, String> {
    Ok(match text {
        "tiny" => Base::Tiny,
        "def" => Base::Def,
        file => Base::File(file.into()),
    })
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((option, value)) if !option.is_empty() && !value.is_empty() && !text.contains('\n') => {
            Ok((option.to_owned(), value.to_owned()))
        }
        _ => Err("it must be OPTION=VALUE, for example FTRACE=y or LOG_BUF_SHIFT=18".into()),
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Configured(ConfigReport);

impl Render for Configured {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let ConfigReport { config, written, changed, left_out, failed, notes } = &self.0;
        for (option, reason) in left_out {
            writeln!(out, "left out {option}: {reason}")?;
        }
        for failure in failed {
            let (option, wanted, got) = (&failure.option, &failure.wanted, &failure.got);
            writeln!(out, "{option} is {got} and not {wanted}: {}", failure.because)?;
        }
        for note in notes {
            writeln!(out, "note: {note}")?;
        }
        if *written {
            writeln!(out, "{} is ready ({} options changed)", config.display(), changed.len())
        } else {
            writeln!(out, "{} was left as it was", config.display())
        }
    }
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<Status> {
    let Args { dir, out, base, reduced, btf, set, fragment } = args;
    anyhow::ensure!(
        out.is_some() || !Cache::open()?.shares(&dir),
        "{} is the source that lkdb's fetched kernels share: keep configuration and objects apart with -O DIR",
        dir.display()
    );
    let asked: Vec<String> = set.iter().map(|(option, _)| option.replace("CONFIG_", "")).collect();
    let options = ConfigOptions { dir, out, base, reduced, btf, set, fragments: fragment };
    let report = configure(&options, &mut Bars::new(context)?)?;
    let failed: Vec<String> = report.failed.iter().map(|failure| failure.option.clone()).collect();
    context.show(&Configured(report))?;
    if failed.is_empty() {
        return Ok(Status::OK);
    }
    let hint = failed.iter().find(|option| !asked.contains(option));
    let hint = hint.map_or_else(String::new, |option| format!("; `--set {option}=n` goes without"));
    context.warn(format!("{} did not take{hint}", failed.join(", ")));
    Ok(Status::FAILED)
}
