//! `lkdb kernel build`.

use std::io::{self, Write};
use std::path::PathBuf;

use lkdb_artifacts::build::{BuildOptions, BuildReport, build};
use serde::Serialize;

use crate::output::{Context, Render, Status};
use crate::progress::Bars;

/// Build a configured kernel tree, and check that vmlinux has DWARF and is of the image's build.
///
/// `lkdb boot --kernel DIR` and the like take the tree as it is then.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The source tree, or the folder that `lkdb kernel config -O` made
    dir: PathBuf,
    /// How many jobs at once (default: one for each CPU)
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Built(BuildReport);

impl Render for Built {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let BuildReport { kernel, gdb_scripts, objects, seconds, .. } = &self.0;
        writeln!(out, "{} is built ({objects} objects in {seconds} s)", kernel.release)?;
        writeln!(out, "  image    {}", kernel.image.display())?;
        let modules = ("modules", &kernel.modules);
        for (name, path) in [("vmlinux", &kernel.vmlinux), modules] {
            if let Some(path) = path {
                writeln!(out, "  {name:8} {}", path.display())?;
            }
        }
        if let Some(id) = &kernel.build_id {
            writeln!(out, "  build ID {id}")?;
        }
        if *gdb_scripts {
            writeln!(out, "  gdb      vmlinux-gdb.py is there")?;
        }
        Ok(())
    }
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<Status> {
    let options = BuildOptions { dir: args.dir, jobs: args.jobs };
    let report = build(&options, &mut Bars::new(context)?)?;
    context.show(&Built(report))?;
    Ok(Status::OK)
}
