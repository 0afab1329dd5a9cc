//! `lkdb kernel`: getting, listing, describing, configuring and building kernels.

mod build;
mod config;
mod fetch;
mod info;
mod list;
mod rm;

use crate::output::{Context, Status};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Fetch a kernel with debug info and source from the distribution's packages
    Fetch(fetch::Args),
    /// List the kernels that were fetched, newest first
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Remove fetched kernels
    Rm(rm::Args),
    /// Describe a kernel image, vmlinux or module: what it is, what it carries, what it lacks
    Info(info::Args),
    /// Configure a source tree for debugging, and check that every option took
    Config(config::Args),
    /// Build a configured tree, and check that the result can be debugged
    Build(build::Args),
}

pub(crate) fn run(command: Command, context: &Context) -> anyhow::Result<Status> {
    match command {
        Command::Fetch(args) => fetch::run(args, context),
        Command::List(args) => list::run(&args, context),
        Command::Rm(args) => rm::run(&args, context),
        Command::Info(args) => info::run(&args, context),
        Command::Config(args) => config::run(args, context),
        Command::Build(args) => build::run(args, context),
    }
}
