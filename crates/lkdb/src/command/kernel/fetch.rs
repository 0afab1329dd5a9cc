//! `lkdb kernel fetch`.

use std::io::{self, Write};

use anyhow::Context as _;
use lkdb_artifacts::debuginfod::{self, BuildIdReport, Servers};
use lkdb_artifacts::{Cache, FetchOptions, FetchReport};
use lkdb_base::{Arch, BuildId};
use serde::Serialize;

use crate::output::{Context, Render, Status};
use crate::progress::Bars;

/// Fetch a kernel: image, debug vmlinux, modules, and source, as a normal user, into lkdb's cache.
///
/// Packages come through apt from the sources this host has, with lists and downloads of lkdb's own:
/// nothing of the system is changed. What is there already is not fetched again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A release (6.1.0-56-cloud-amd64), a version's beginning (6.1), a flavour (cloud, amd64, rt), or
    /// a version and a flavour; by default the flavour made for virtual machines
    #[arg(value_name = "VERSION|FLAVOUR", num_args = 0..=2)]
    wanted: Vec<String>,
    /// Fetch what out-of-tree modules are built against, too
    #[arg(long)]
    headers: bool,
    /// Leave out the debug vmlinux and the modules' debug files
    #[arg(long)]
    no_debug: bool,
    /// Leave out the source tree
    #[arg(long)]
    no_source: bool,
    /// Fetch the package lists first, even when they are less than a day old
    #[arg(long)]
    update: bool,
    /// Fetch a debug file by build ID (hex) from the servers that DEBUGINFOD_URLS names
    #[arg(long, value_name = "HEX", conflicts_with_all = ["wanted", "headers", "no_debug", "no_source", "update"])]
    build_id: Option<BuildId>,
    /// Architecture of the kernel
    #[arg(long, value_name = "ARCH", default_value = std::env::consts::ARCH)]
    arch: String,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Fetched(FetchReport);

impl Render for Fetched {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let FetchReport { kernel, fetched, .. } = &self.0;
        let version = kernel.version.as_deref().unwrap_or("unknown version");
        let state = if fetched.is_empty() { "is there already" } else { "is ready" };
        writeln!(out, "{} ({version}) {state}", kernel.release)?;
        writeln!(out, "  image    {}", kernel.image.display())?;
        let parts = [
            ("vmlinux", &kernel.vmlinux),
            ("modules", &kernel.modules),
            ("source", &kernel.source),
            ("headers", &kernel.headers),
        ];
        for (name, path) in parts {
            if let Some(path) = path {
                writeln!(out, "  {name:8} {}", path.display())?;
            }
        }
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct ById(BuildIdReport);

impl Render for ById {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let BuildIdReport { build_id, vmlinux, executable, kernel } = &self.0;
        match kernel {
            Some(release) => writeln!(out, "{build_id} is {release}, which has its debug file now")?,
            None => writeln!(out, "{build_id} is ready")?,
        }
        writeln!(out, "  debug file {}", vmlinux.display())?;
        if let Some(executable) = executable {
            writeln!(out, "  executable {}", executable.display())?;
        }
        Ok(())
    }
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<Status> {
    let (cache, mut bars) = (Cache::open()?, Bars::new(context)?);
    if let Some(id) = &args.build_id {
        let report = debuginfod::fetch_build_id(&cache, &Servers::from_env()?, id, &mut bars)?;
        context.show(&ById(report))?;
        return Ok(Status::OK);
    }
    let arch = Arch::by_name(&args.arch)
        .with_context(|| format!("lkdb knows no architecture `{}` (x86_64, aarch64)", args.arch))?;
    let options = FetchOptions {
        wanted: args.wanted,
        arch,
        debug: !args.no_debug,
        source: !args.no_source,
        headers: args.headers,
        update: args.update,
    };
    let report = lkdb_artifacts::fetch(&cache, &options, &mut bars)?;
    context.show(&Fetched(report))?;
    Ok(Status::OK)
}
