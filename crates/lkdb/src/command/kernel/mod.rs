//! `lkdb kernel`.

use crate::output::{Context, Status};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {}

pub(crate) fn run(command: Command, _context: &Context) -> anyhow::Result<Status> {
    match command {}
}
