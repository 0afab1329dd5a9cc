//! `lkdb inspect`: a session on files alone. No machine: types, lines, instructions, and memory as it is
//! before anything has run.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use lkdb_artifacts::{Cache, KernelSet};
use lkdb_image::kernel;
use lkdb_map::Files;
use lkdb_session::Session;
use lkdb_symbols::{Elf, Store};

use crate::output::{Context, Status};
use crate::repl::{Repl, Scripts};
use crate::{kernel_choice, kernel_session};

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Commands are gdb's: `help' lists them. With --json each command gives one line, \
    {\"command\": ..., \"data\": ...} or {\"command\": ..., \"error\": ...}.\n\n\
    A command of -ex that fails says so on standard error, and the next one is run; a file of commands ends with its first \
    error. With -batch the exit status is 1 if the last command failed, else 0.")]
pub(crate) struct Args {
    /// A vmlinux, module or boot image; the kernel first, then its modules
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Without FILE: a fetched version, a build tree or an image (default: the newest kernel fetched)
    #[arg(long, value_name = "FILE|VERSION|DIR", conflicts_with = "files")]
    kernel: Option<String>,
    /// Where the kernel's source is
    #[arg(long, value_name = "DIR")]
    source: Vec<PathBuf>,
    #[command(flatten)]
    scripts: Scripts,
    /// End after these commands (also -batch)
    #[arg(long)]
    batch: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<Status> {
    let (files, store) = (Files::new(), Store::new());
    let mut session = kernel_session::empty(&files, &store)?;
    for tree in &args.source {
        let tree = tree.canonicalize().with_context(|| format!("cannot open {}", tree.display()))?;
        session.sources_mut().add_tree(tree);
    }
    if args.files.is_empty() {
        let set = kernel_choice::named(args.kernel.as_deref())?.kernel;
        open_set(&mut session, &set, &files, &store, context)?;
    }
    for file in &args.files {
        open(&mut session, file, &files, &store, context).with_context(|| format!("{}", file.display()))?;
    }
    Repl::new(&mut session, context.json(), args.batch).run(&args.scripts)
}

/// A kernel that lkdb knows: its vmlinux, else what its image has packed.
fn open_set<'d>(
    session: &mut Session<'d>,
    set: &KernelSet,
    files: &'d Files,
    store: &'d Store,
    context: &Context,
) -> anyhow::Result<()> {
    kernel_session::know_sources(session, set);
    match &set.vmlinux {
        Some(vmlinux) => Ok(session.add_file(vmlinux)?),
        None => open(session, &set.image, files, store, context),
    }
}

/// A file, recognised by its content.
fn open<'d>(
    session: &mut Session<'d>,
    file: &Path,
    files: &'d Files,
    store: &'d Store,
    context: &Context,
) -> anyhow::Result<()> {
    let bytes = files.map(file)?;
    if let Ok(elf) = Elf::parse(bytes) {
        find_sources(session, &elf);
        return Ok(session.add_bytes(file, bytes)?);
    }
    let kernel = kernel::unpack(bytes)?;
    if !kernel.is_elf() {
        bail!("this image holds no ELF file: symbols need its vmlinux");
    }
    let id = kernel.build_id();
    if let Some(vmlinux) = id.and_then(|id| Cache::open().ok()?.debug_file(&id)) {
        context.note(format_args!("symbols are from {}, of the same build", vmlinux.display()));
        let elf = Elf::parse(files.map(&vmlinux)?)?;
        find_sources(session, &elf);
        return Ok(session.add_file(&vmlinux)?);
    }
    let unpacked = store.keep(kernel.into_bytes());
    Ok(session.add_bytes(file, unpacked)?)
}

/// Sources of a kernel whose set is in the cache, recognised by its build ID.
fn find_sources(session: &mut Session<'_>, elf: &Elf<'_>) {
    let Some(id) = elf.build_id() else { return };
    let Ok(cache) = Cache::open() else { return };
    if let Some(set) = cache.kernels().iter().find(|set| set.build_id.as_ref() == Some(&id)) {
        kernel_session::know_sources(session, set);
    }
}
