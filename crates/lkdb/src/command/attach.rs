//! `lkdb attach`: a session on a machine that runs already: one of lkdb's, or a QEMU that somebody else started.
//!
//! Taking a stub stops the guest; letting it go lets the guest run on, with no breakpoint left. The machine is
//! never ended: who started it does that.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use lkdb_artifacts::{Cache, KernelSet};
use lkdb_base::arch::X86_64;
use lkdb_base::{PhysAddr, paging::PhysicalMemory as _};
use lkdb_machine::{guardian, ram};
use lkdb_map::{Files, Ram};
use lkdb_session::Session;
use lkdb_session::entry::Boot;
use lkdb_session::live::{Connection, Kernel};
use lkdb_symbols::Store;
use lkdb_target::{Address, Stub, process_behind};

use super::debug::{self, Lease};
use super::internal::own_program;
use super::machines::{self, seconds};
use crate::output::{Context, Status};
use crate::repl::{Repl, Script, Scripts};
use crate::{kernel_choice, kernel_session};

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The guest stands still while it is looked at; `continue' lets it run until something stops it. \
    `quit', Ctrl-D and `detach' let it run on, with no breakpoint left in it.\n\
    A QEMU that lkdb did not start needs `-gdb unix:FILE,server=on,wait=off', or `-s' (:1234).\n\
    Try: lkdb attach -ex backtrace -batch"
)]
pub(crate) struct Args {
    /// A machine of lkdb's, or where a QEMU's gdb stub listens (default: the only machine running)
    #[arg(value_name = "NAME|SOCKET|HOST:PORT")]
    target: Option<String>,
    /// The kernel's ELF file with debug info, where it is not found by itself
    #[arg(long, value_name = "FILE")]
    vmlinux: Option<PathBuf>,
    /// The kernel that a QEMU not started by lkdb runs, where its command line does not tell
    #[arg(long, value_name = "FILE|VERSION|DIR")]
    kernel: Option<String>,
    #[command(flatten)]
    scripts: Scripts,
    /// End after these commands (also -batch)
    #[arg(long)]
    batch: bool,
    /// How long the machine may take from a reset to its kernel
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    boot_timeout: Duration,
}

/// What a machine runs, as far as it is known before its memory was looked at.
struct Known {
    set: KernelSet,
    /// The way to the kernel after a reset.
    boot: Option<Boot>,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<Status> {
    let (files, store) = (Files::new(), Store::new());
    let address = args.target.as_deref().filter(|text| text.contains([':', '/'])).map(str::parse::<Address>);
    let (session, name) = match address {
        Some(address) => {
            let address = address?;
            (of_stub(args, &address, &files, &store)?, address.to_string())
        }
        None => {
            let machine = machines::find(args.target.as_deref(), context)?;
            let status = machine.status()?;
            let known = known(args, Some(&status.kernel), status.vmlinux.as_deref())?;
            let mut session = kernel_session::on(&files, &store, &known.set)?;
            let where_it_is = (Kernel::Unknown, known.boot);
            session.connect(debug::connect(&machine, &known.set, where_it_is, args.boot_timeout)?)?;
            (session, machine.name().to_owned())
        }
    };
    debugged(session, &name, args, context)
}

/// The session, from the machine standing still to its running on.
fn debugged(mut session: Session<'_>, name: &str, args: &Args, context: &Context) -> anyhow::Result<Status> {
    session.find_kernel()?;
    let mut scripts = args.scripts.clone();
    match session.live()?.kernel() {
        Kernel::Here(_) => {
            context
                .note(format_args!("{name} stands still; `continue` lets it run, `quit` leaves it running"));
            if !context.json() {
                scripts.0.insert(0, Script::Command("frame".to_owned()));
            }
        }
        Kernel::ToCome(_) => {
            context.note(format_args!("{name} stands still before its kernel; `continue` boots it"));
        }
        Kernel::Unknown => context.warn(format_args!(
            "{name} stands still, and no kernel runs on it yet: addresses are those that it was linked for"
        )),
    }
    let status = Repl::new(&mut session, context.json(), args.batch).run(&scripts)?;
    if let Some(lost) = session.lost_machine() {
        context.say(lost);
        return Ok(Status::FAILED);
    }
    if session.live().is_ok() {
        session.detach()?;
        context.note(format_args!("{name} runs on"));
    }
    Ok(status)
}

/// A session on a QEMU that is not ours.
fn of_stub<'d>(
    args: &Args,
    address: &Address,
    files: &'d Files,
    store: &'d Store,
) -> anyhow::Result<Session<'d>> {
    let mut lease = guardian::take(address, &own_program()?)?;
    let socket = lease.take().context("the stub was lent without a connection")?;
    // Only a Unix socket tells who listens.
    let process = match address {
        Address::Unix(_) => process_behind(socket.as_fd()),
        Address::Tcp(..) => None,
    };
    let image = process.and_then(kernel_of);
    let known = known(args, image.as_deref(), None)?;
    let mut session = kernel_session::on(files, store, &known.set)?;
    let mut stub = Stub::new(socket).map_err(|error| match error {
        lkdb_target::Error::Timeout { .. } => anyhow::anyhow!(
            "nothing answers at {address}: another debugger has this stub, or it is no gdb stub"
        ),
        error => error.into(),
    })?;
    // An earlier client's breakpoints are nobody's.
    stub.why()?;
    let ram = process.and_then(|process| mapped(process, &mut stub));
    session.connect(Connection {
        stub,
        ram,
        hold: Box::new(Lease { lease, watch: None }),
        arch: known.set.arch,
        kernel: Kernel::Unknown,
        boot: known.boot,
        boot_within: args.boot_timeout,
    })?;
    Ok(session)
}

/// The kernel that the user named, else the one whose image is known, with the vmlinux that belongs to it.
fn known(args: &Args, image: Option<&Path>, vmlinux: Option<&Path>) -> anyhow::Result<Known> {
    let named = args.kernel.as_deref().map(|name| kernel_choice::named(Some(name))).transpose()?;
    let vmlinux = args.vmlinux.as_deref().or(vmlinux);
    let set = match (named, image) {
        (Some(chosen), _) => Some(chosen.kernel),
        (None, Some(image)) => of_image(image),
        (None, None) => None,
    };
    let boot = set.as_ref().and_then(|set| Boot::of_file(&lkdb_map::map(&set.image).ok()?).ok());
    let set = match (set, vmlinux) {
        (Some(mut set), Some(vmlinux)) if set.vmlinux.as_deref() != Some(vmlinux) => {
            set.set_vmlinux(vmlinux)?;
            set
        }
        (Some(set), _) => set,
        (None, Some(vmlinux)) => KernelSet::from_files(vmlinux, Some(vmlinux), &X86_64)?,
        (None, None) => bail!(
            "what this QEMU runs is not known: name its kernel with --vmlinux FILE, or with --kernel if lkdb \
             fetched it"
        ),
    };
    if set.vmlinux.is_none() {
        bail!(kernel_session::no_vmlinux(&set.image));
    }
    Ok(Known { set, boot })
}

/// A kernel by its image: one in the cache, else the file, with a vmlinux of its build ID if the cache has one.
fn of_image(image: &Path) -> Option<KernelSet> {
    let image = image.canonicalize().ok()?;
    let cache = Cache::open().ok();
    let fetched = cache.as_ref().and_then(|cache| cache.kernels().into_iter().find(|set| set.image == image));
    fetched.or_else(|| {
        let mut set = kernel_choice::named(Some(image.to_str()?)).ok()?.kernel;
        let id = lkdb_image::kernel::unpack(&lkdb_map::map(&image).ok()?).ok()?.build_id();
        if let Some(vmlinux) = id.and_then(|id| cache?.debug_file(&id)) {
            set.set_vmlinux(&vmlinux).ok()?;
        }
        Some(set)
    })
}

/// The `-kernel` of a QEMU's command line.
fn kernel_of(process: u32) -> Option<PathBuf> {
    let line = fs::read(format!("/proc/{process}/cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0);
    words.find(|word| matches!(*word, b"-kernel" | b"--kernel"))?;
    let path = std::str::from_utf8(words.next()?).ok()?;
    Some(fs::read_link(format!("/proc/{process}/cwd")).ok()?.join(path))
}

/// The RAM of a QEMU, mapped, if it is there and shows what the stub shows. Else the stub reads memory.
fn mapped(process: u32, stub: &mut Stub) -> Option<Ram> {
    let monitor = |command: &str| stub.monitor(command).map_err(|error| error.to_string());
    let found = ram::find(process, monitor).and_then(ram::Found::map);
    let said = |error: &ram::Error| tracing::warn!("guest memory is read through the stub: {error}");
    let ram = found.inspect_err(said).ok()?;
    if !shows_the_same(&ram, stub) {
        tracing::warn!("guest memory is read through the stub: process {process} is not its QEMU");
        return None;
    }
    Some(ram)
}

/// The process that listens may be another than QEMU, which passes on what is said.
fn shows_the_same(ram: &Ram, stub: &mut Stub) -> bool {
    const PAGE: usize = 4096;
    let Ok(mut physical) = stub.physical() else { return false };
    ram.pieces().iter().all(|piece| {
        let at = PhysAddr(piece.physical.0 + piece.size / 2 / PAGE as u64 * PAGE as u64);
        let (mut here, mut there) = ([0; PAGE], [0; PAGE]);
        ram.read_physical(at, &mut here).is_ok() && physical.read(at, &mut there).is_ok() && here == there
    })
}
