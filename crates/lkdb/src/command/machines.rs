//! `lkdb ls`, `console`, `exec`, `stop`.

use crate::output::{Context, Status};

#[derive(Debug, clap::Args)]
pub(crate) struct LsArgs {}
#[derive(Debug, clap::Args)]
pub(crate) struct ConsoleArgs {}
#[derive(Debug, clap::Args)]
pub(crate) struct ExecArgs {}
#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {}

pub(crate) fn ls(_args: LsArgs, _context: &Context) -> anyhow::Result<Status> {
    anyhow::bail!("not there yet")
}
pub(crate) fn console(_args: ConsoleArgs, _context: &Context) -> anyhow::Result<Status> {
    anyhow::bail!("not there yet")
}
pub(crate) fn exec(_args: ExecArgs, _context: &Context) -> anyhow::Result<Status> {
    anyhow::bail!("not there yet")
}
pub(crate) fn stop(_args: StopArgs, _context: &Context) -> anyhow::Result<Status> {
    anyhow::bail!("not there yet")
}
