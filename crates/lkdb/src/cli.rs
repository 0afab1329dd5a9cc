//! The command line as a whole: global options and the list of commands.
//!
//! What a command takes is declared beside its code, in `command/`.

use clap::{ArgAction, Parser};

use crate::command::Command;

/// A debugger for the Linux kernel in QEMU.
#[derive(Debug, Parser)]
#[command(name = "lkdb", version, about, max_term_width = 100, propagate_version = true)]
#[command(after_help = "Start with `lkdb doctor`, then `lkdb kernel fetch`, then `lkdb gdb`.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Print data as JSON, one object (or array) on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more on standard error: -v what is done, -vv every packet
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The machine meant (default: the only one running, else `default`)
    #[arg(long, global = true, value_name = "NAME", env = "LKDB_MACHINE")]
    pub(crate) machine: Option<String>,
}
