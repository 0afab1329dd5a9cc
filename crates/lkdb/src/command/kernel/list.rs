//! `lkdb kernel list`.

use std::io::{self, Write};
use std::path::PathBuf;

use comfy_table::{Table, presets};
use lkdb_artifacts::{Cache, KernelSet};
use lkdb_base::{BuildId, size};
use serde::Serialize;

use crate::output::{Context, Render, Status};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
#[serde(untagged)]
enum Row {
    Kernel {
        kernel: Box<KernelSet>,
        /// Bytes on disk, without the source tree.
        size: u64,
    },
    /// Got by build ID alone.
    DebugFile { build_id: BuildId, vmlinux: PathBuf, size: u64 },
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<Row>);

impl Render for Rows {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["RELEASE", "ARCH", "VERSION", "DEBUG", "SOURCE", "HEADERS", "SIZE", "BUILD ID"]);
        let none = || "-".to_owned();
        let yes = |there: bool| if there { "yes".to_owned() } else { none() };
        for row in &self.0 {
            table.add_row(match row {
                Row::Kernel { kernel, size } => [
                    kernel.release.clone(),
                    kernel.arch.name.to_owned(),
                    kernel.version.clone().unwrap_or_else(none),
                    yes(kernel.vmlinux.is_some()),
                    yes(kernel.source.is_some()),
                    yes(kernel.headers.is_some()),
                    size::human(*size),
                    kernel
                        .build_id
                        .as_ref()
                        .map_or_else(none, |id| id.to_string().chars().take(12).collect()),
                ],
                Row::DebugFile { build_id, size, .. } => {
                    let text = build_id.to_string();
                    [none(), none(), none(), yes(true), none(), none(), size::human(*size), text]
                }
            });
        }
        writeln!(out, "{}", table.trim_fmt())
    }
}

pub(crate) fn run(_args: &Args, context: &Context) -> anyhow::Result<Status> {
    let cache = Cache::open()?;
    let kernels = cache.kernels().into_iter();
    let kernels = kernels.map(|kernel| Row::Kernel { size: cache.size(&kernel), kernel: Box::new(kernel) });
    let files = cache.debug_files().into_iter();
    let files = files.map(|(build_id, vmlinux, size)| Row::DebugFile { build_id, vmlinux, size });
    let rows: Vec<Row> = kernels.chain(files).collect();
    if rows.is_empty() && !context.json() {
        context.note("no kernel has been fetched yet: run `lkdb kernel fetch`");
        return Ok(Status::OK);
    }
    context.show(&Rows(rows))?;
    Ok(Status::OK)
}
