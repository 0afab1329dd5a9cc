//! `lkdb kernel rm`.

use std::io::{self, Write};

use lkdb_artifacts::Cache;
use lkdb_base::size;
use serde::Serialize;

use crate::output::{Context, Render, Status};
use crate::progress::Bars;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Releases, or build IDs in full, as `lkdb kernel list` shows them
    #[arg(value_name = "RELEASE", required_unless_present = "all")]
    releases: Vec<String>,
    /// Every kernel that was fetched
    #[arg(long, conflicts_with = "releases")]
    all: bool,
}

#[derive(Serialize)]
struct Removed {
    removed: Vec<String>,
    /// Bytes.
    freed: u64,
}

impl Render for Removed {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.removed.as_slice() {
            [] => writeln!(out, "there was no kernel to remove"),
            releases => writeln!(out, "removed {} ({} freed)", releases.join(", "), size::human(self.freed)),
        }
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<Status> {
    let cache = Cache::open()?;
    let mut bars = Bars::new(context)?;
    let releases = if args.all { cache.removable() } else { args.releases.clone() };
    let mut freed = 0;
    for release in &releases {
        freed += cache.remove(release, &mut bars)?;
    }
    context.show(&Removed { removed: releases, freed })?;
    Ok(Status::OK)
}
