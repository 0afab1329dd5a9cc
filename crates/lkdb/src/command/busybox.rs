//! `lkdb busybox`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use lkdb_artifacts::Cache;
use lkdb_artifacts::busybox::{self, BusyboxOptions, BusyboxReport, Output};
use lkdb_base::{Arch, size};
use serde::Serialize;

use crate::output::{Context, Render, Status};
use crate::progress::Bars;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Build a static BusyBox, without /usr, from a source tree or archive
    Build(BuildArgs),
    /// Fetch BusyBox's source through the distribution's package tools
    Fetch(FetchArgs),
}

/// Build a static BusyBox: the default configuration, static, without /usr, and without what the kernel
/// headers of this host break. The work is done in a copy; the source stays as it is.
#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    /// A source tree, an archive of one, or a Debian source package (.dsc); by default the
    /// distribution's, fetched through apt
    source: Option<PathBuf>,
    /// Put the program there; by default into lkdb's cache
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Put the whole tree there, with a link for each applet
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    install: Option<PathBuf>,
    /// How many jobs at once (default: one for each CPU)
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FetchArgs {}

#[derive(Serialize)]
#[serde(transparent)]
struct Built(BusyboxReport);

impl Render for Built {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let BusyboxReport { path, version, size, switched_off, seconds, .. } = &self.0;
        for (option, why) in switched_off {
            writeln!(out, "left out {option}: {why}")?;
        }
        let size = size::human(*size);
        writeln!(out, "BusyBox {version} is built ({size}, static, in {seconds} s)\n  {}", path.display())
    }
}

#[derive(Serialize)]
struct Fetched {
    source: PathBuf,
}

impl Render for Fetched {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.source.display())
    }
}

pub(crate) fn run(command: Command, context: &Context) -> anyhow::Result<Status> {
    let (cache, mut bars) = (Cache::open()?, Bars::new(context)?);
    match command {
        Command::Fetch(FetchArgs {}) => {
            context.show(&Fetched { source: fetch(&cache, &mut bars)? })?;
        }
        Command::Build(args) => {
            let source = match args.source {
                Some(source) => source,
                None => fetch(&cache, &mut bars)?,
            };
            let output = match (args.output, args.install) {
                (Some(file), _) => Output::File(file),
                (None, Some(dir)) => Output::Install(dir),
                (None, None) => Output::Cache,
            };
            let options = BusyboxOptions { source, output, jobs: args.jobs };
            context.show(&Built(busybox::build(&cache, &options, &mut bars)?))?;
        }
    }
    Ok(Status::OK)
}

fn fetch(cache: &Cache, bars: &mut Bars) -> anyhow::Result<PathBuf> {
    let host =
        Arch::by_name(std::env::consts::ARCH).context("lkdb does not know this host's architecture")?;
    Ok(busybox::fetch_source(cache, host, bars)?)
}
