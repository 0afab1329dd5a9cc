//! `lkdb kernel info`: what a kernel image, vmlinux or module is, what it carries, and what a debugger
//! misses in it. How that is written as text is in `render`.

mod render;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lkdb_artifacts::KernelSet;
use lkdb_base::Arch;
use lkdb_image::config::Config;
use lkdb_image::kernel::{self, Contents, Finding, Format, Info};
use serde::Serialize;

use crate::output::{Context, Status};
use crate::{kernel_choice, kernel_config};

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A bzImage, arm64 Image, EFI zboot image, vmlinux or module, compressed or not; or a fetched
    /// version or a kernel build tree (default: the newest kernel fetched)
    #[arg(value_name = "FILE|VERSION|DIR")]
    kernel: Option<String>,
    /// The kernel's configuration (default: the one it carries, else the file beside it)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<Status> {
    let report = match args.kernel.as_deref() {
        Some(file) if Path::new(file).exists() && !Path::new(file).is_dir() => {
            Report::of_file(Path::new(file), args.config.as_deref())?
        }
        name => Report::of_set(&kernel_choice::named(name)?.kernel, args.config.as_deref())?,
    };
    context.show(&report)?;
    Ok(Status::OK)
}

/// What is shown.
#[derive(Debug, Serialize)]
struct Report {
    file: PathBuf,
    #[serde(flatten)]
    info: Info,
    /// The vmlinux that belongs to it, where a fetched version or a build tree has one.
    vmlinux: Option<Vmlinux>,
    config: Option<ConfigSource>,
    /// The gdb scripts that the build left beside a vmlinux.
    gdb_scripts: Option<PathBuf>,
    /// Options that are not as a debugger wants them.
    findings: Vec<Finding>,
}

/// The vmlinux of an image, of the same build.
#[derive(Debug, Serialize)]
struct Vmlinux {
    file: PathBuf,
    size: u64,
    contents: Contents,
}

/// Where the configuration was found.
#[derive(Debug, Serialize)]
struct ConfigSource {
    /// `None`: in the image itself.
    file: Option<PathBuf>,
    options: usize,
}

impl Report {
    /// Of one file. The configuration is the one named, else the one it carries, else what lies
    /// beside it; a module has none.
    fn of_file(file: &Path, config: Option<&Path>) -> anyhow::Result<Self> {
        let bytes = lkdb_map::map(file)?;
        let mut info = kernel::describe(&bytes).with_context(|| file.display().to_string())?;
        let found: Option<(Config, Option<PathBuf>)> = match (config, info.config.take()) {
            (Some(path), _) => Some((kernel_config::read(path)?, Some(path.to_owned()))),
            (None, Some(config)) => Some((config, None)),
            (None, None) if info.format == Format::Module => None,
            (None, None) => kernel_config::beside(file, info.release.as_deref())
                .map(|(config, path)| (config, Some(path))),
        };
        let findings = match (&found, Arch::by_name(info.arch)) {
            (Some((config, _)), Some(arch)) => kernel::advise(config, arch),
            _ => Vec::new(),
        };
        Ok(Self {
            file: file.to_owned(),
            vmlinux: None,
            gdb_scripts: scripts_beside(file),
            config: found.map(|(config, file)| ConfigSource { file, options: config.len() }),
            info,
            findings,
        })
    }

    /// Of an image and what belongs to it. A vmlinux of another build is an error.
    fn of_set(set: &KernelSet, config: Option<&Path>) -> anyhow::Result<Self> {
        let mut report = Self::of_file(&set.image, config.or(set.config.as_deref()))?;
        if let Some(vmlinux) = &set.vmlinux {
            let bytes = lkdb_map::map(vmlinux)?;
            kernel::check_pair(&lkdb_map::map(&set.image)?, &bytes)
                .with_context(|| format!("{} and {}", set.image.display(), vmlinux.display()))?;
            let contents = kernel::unpack(&bytes)?.contents();
            report.vmlinux = Some(Vmlinux { file: vmlinux.clone(), size: bytes.len() as u64, contents });
            report.gdb_scripts = scripts_beside(vmlinux);
        }
        Ok(report)
    }
}

/// What `make scripts_gdb` leaves, which loads the lx-* commands.
fn scripts_beside(vmlinux: &Path) -> Option<PathBuf> {
    Some(vmlinux.with_file_name("vmlinux-gdb.py")).filter(|path| path.exists())
}
