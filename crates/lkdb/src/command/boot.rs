//! `lkdb boot`.

use crate::output::{Context, Status};

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, _context: &Context) -> anyhow::Result<Status> {
    anyhow::bail!("not there yet")
}
