//! `lkdb completions`: what a shell needs to complete lkdb's commands and options.

use std::io::Write;

use anyhow::Context as _;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::output::Status;

#[derive(Debug, clap::Args)]
#[command(after_help = "bash: lkdb completions bash > ~/.local/share/bash-completion/completions/lkdb\n\
    zsh: lkdb completions zsh > a directory of $fpath, as _lkdb\n\
    fish: lkdb completions fish > ~/.config/fish/completions/lkdb.fish")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lkdb", &mut script);
    std::io::stdout().write_all(&script).context("cannot write to standard output")?;
    Ok(Status::OK)
}
