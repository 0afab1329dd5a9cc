//! `lkdb initramfs build` and `inspect`.

mod build;
mod inspect;

use crate::output::{Context, Status};

/// What can be done with archives.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make an initramfs: BusyBox, modules, files of yours
    Build(build::Args),
    /// List what is in an initramfs, as `cpio -tv` does, or unpack it
    Inspect(inspect::Args),
}

pub(crate) fn run(command: Command, context: &Context) -> anyhow::Result<Status> {
    match command {
        Command::Build(args) => build::run(args, context),
        Command::Inspect(args) => inspect::run(&args, context),
    }
}
