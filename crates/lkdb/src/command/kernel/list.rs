//! `lkdb kernel list`.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use lkdb_artifacts::{Cache, KernelSet};
use lkdb_base::size;
use serde::Serialize;

use crate::output::{Context, Render, Status};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    kernel: KernelSet,
    /// Bytes on disk, without the source tree.
    size: u64,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<Row>);

impl Render for Rows {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["RELEASE", "ARCH", "VERSION", "DEBUG", "SOURCE", "HEADERS", "SIZE", "BUILD ID"]);
        for Row { kernel, size } in &self.0 {
            let yes = |there: bool| if there { "yes" } else { "-" }.to_owned();
            let id = kernel.build_id.as_ref().map_or_else(|| "-".into(), ToString::to_string);
            table.add_row([
                kernel.release.clone(),
                kernel.arch.name.to_owned(),
                kernel.version.clone().unwrap_or_else(|| "-".into()),
                yes(kernel.vmlinux.is_some()),
                yes(kernel.source.is_some()),
                yes(kernel.headers.is_some()),
                size::human(*size),
                id.chars().take(12).collect(),
            ]);
        }
        writeln!(out, "{}", table.trim_fmt())
    }
}

pub(crate) fn run(_args: &Args, context: &Context) -> anyhow::Result<Status> {
    let cache = Cache::open()?;
    let rows: Vec<Row> =
        cache.kernels().into_iter().map(|kernel| Row { size: cache.size(&kernel), kernel }).collect();
    if rows.is_empty() && !context.json() {
        context.note("no kernel has been fetched yet: run `lkdb kernel fetch`");
        return Ok(Status::OK);
    }
    context.show(&Rows(rows))?;
    Ok(Status::OK)
}
