//! `lkdb initramfs build`.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use lkdb_base::Arch;
use lkdb_image::archive::Packing;

use crate::initramfs::{self, Add, Built, InitramfsOptions, KernelFacts};
use crate::output::{Context, Render, Status};

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The archive to make; `-` for standard output
    #[arg(short, long, value_name = "FILE", default_value = "initramfs.img")]
    output: PathBuf,
    /// The kernel image it is for: its modules are found, and what it cannot unpack is refused
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// An initramfs of yours instead of lkdb's root: all the rest is put behind it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["busybox", "console", "hostname"])]
    base: Option<PathBuf>,
    /// A static BusyBox (default: the host's)
    #[arg(long, value_name = "FILE")]
    busybox: Option<PathBuf>,
    /// The kernel's modules: lib/modules/RELEASE or a build tree. Without --load all of them go in
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// Add a file or directory (default GUEST: its name, at the root)
    #[arg(long, value_name = "HOST[:GUEST]")]
    add: Vec<OsString>,
    /// Lay a directory over the root
    #[arg(long, value_name = "DIR")]
    overlay: Vec<PathBuf>,
    /// Load a module at boot, with all it depends on: a name, or a file; quoted, with parameters
    #[arg(long, value_name = "MODULE")]
    load: Vec<String>,
    /// Put all modules in, even with --load
    #[arg(long)]
    all_modules: bool,
    /// How to compress (default: none, which brings the shell soonest)
    #[arg(long, value_enum, value_name = "HOW")]
    compress: Option<Compress>,
    /// The terminal of the shell, as /dev names it (default: the first serial port)
    #[arg(long, value_name = "TTY")]
    console: Option<String>,
    /// The guest's name
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
}

/// How an archive can be compressed, as the command line spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compress {
    None,
    Gzip,
    Zstd,
    Lz4,
    Xz,
}

impl From<Compress> for Packing {
    fn from(compress: Compress) -> Self {
        match compress {
            Compress::None => Self::None,
            Compress::Gzip => Self::Gzip,
            Compress::Zstd => Self::Zstd,
            Compress::Lz4 => Self::Lz4,
            Compress::Xz => Self::Xz,
        }
    }
}

pub(super) fn run(args: Args, context: &Context) -> anyhow::Result<Status> {
    let output = args.output.clone();
    let options = options(args)?;
    let plan = initramfs::plan(&options)?;
    for note in &plan.notes {
        context.note(note);
    }
    let bar = context.progress("initramfs", None);
    if output == Path::new("-") {
        let out = io::stdout().lock();
        if out.is_terminal() {
            bail!("an archive is not for a terminal: send it elsewhere, or name a file with -o");
        }
        plan.stream(out)?.flush().context("cannot write to standard output")?;
        bar.finish_and_clear();
        return Ok(Status::OK);
    }
    let built = plan.write(&output)?;
    bar.finish_and_clear();
    context.show(&built)?;
    Ok(Status::OK)
}

fn options(args: Args) -> anyhow::Result<InitramfsOptions<'static>> {
    let facts = args.kernel.as_deref().map(KernelFacts::of_image).transpose()?;
    let host = || {
        Arch::by_name(std::env::consts::ARCH).context("lkdb knows x86_64 and aarch64 only: name a --kernel")
    };
    let arch = match &facts {
        Some(facts) => facts.arch,
        None => host()?,
    };
    let (release, config) = facts.map(|facts| (facts.release, facts.config)).unwrap_or_default();
    let beside =
        args.kernel.as_deref().and_then(|kernel| initramfs::kernel::modules_of(kernel, release.as_deref()));
    let plain = InitramfsOptions::new(arch);
    Ok(InitramfsOptions {
        all_modules: args.all_modules || args.modules.is_some() && args.load.is_empty(),
        modules: args.modules.or(beside),
        console: args.console.unwrap_or_else(|| plain.console.clone()),
        hostname: args.hostname.unwrap_or_else(|| plain.hostname.clone()),
        base: args.base,
        busybox: args.busybox,
        release,
        config,
        load: args.load,
        add: args.add.iter().map(|text| Add::parse(text)).collect::<anyhow::Result<_>>()?,
        overlay: args.overlay,
        compress: args.compress.map(Packing::from),
        ..plain
    })
}

impl Render for Built {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let compression = match self.compression {
            Packing::None => "not compressed".to_owned(),
            packing => packing.to_string(),
        };
        writeln!(
            out,
            "{}: {:.1} MB, {compression}, {} files",
            self.path.display(),
            self.size as f64 / 1e6,
            self.entries
        )?;
        if let Some(version) = &self.busybox {
            writeln!(out, "  BusyBox {version}")?;
        }
        let verb = if self.busybox.is_some() { "loads" } else { "holds" };
        for module in &self.loads {
            writeln!(out, "  {verb} {module}")?;
        }
        Ok(())
    }
}
