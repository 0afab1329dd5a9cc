//! `lkdb debug`: a machine frozen at its first instruction, and a session of our own on it.

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lkdb_artifacts::KernelSet;
use lkdb_machine::{Ended, Machine, RunState, StubLease, Watch};
use lkdb_map::{Files, Ram};
use lkdb_session::entry::Boot;
use lkdb_session::live::{Connection, Hold, Kernel};
use lkdb_symbols::Store;
use lkdb_target::Stub;

use super::machines::{self, seconds};
use crate::kernel_session;
use crate::launch::{self, Wish};
use crate::options::MachineOptions;
use crate::output::{Context, Status};
use crate::repl::{Repl, Scripts};

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Commands are gdb's: `help' lists them. `continue' boots the kernel; `lkdb console' in another terminal \
    is its console.\n\
    Try: lkdb debug -ex 'break start_kernel' -ex continue -ex backtrace"
)]
pub(crate) struct Args {
    #[command(flatten)]
    scripts: Scripts,
    /// End after these commands (also -batch)
    #[arg(long)]
    batch: bool,
    /// Leave the machine running when the session ends
    #[arg(long)]
    keep: bool,
    /// How long the machine may take to its kernel
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    boot_timeout: Duration,
    #[command(flatten)]
    machine: MachineOptions,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<Status> {
    let wish = Wish { frozen: true, end_on_reset: false };
    let prepared = launch::prepare(&args.machine, wish, context)?;
    if args.machine.dry_run {
        return launch::show_line(prepared, context);
    }
    let (files, store) = (Files::new(), Store::new());
    let kernel = prepared.kernel.clone();
    // The files are opened while the machine comes up.
    let (session, machine) = thread::scope(|scope| {
        let machine = scope.spawn(|| prepared.start());
        let session = kernel_session::on(&files, &store, &kernel);
        (session, machine.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (machine, _) = machine?;
    let mut watch = machine.watch(true)?;
    let mut session = match session {
        Ok(session) => session,
        Err(error) => {
            machines::stop_watched(&machine, &mut watch)?;
            return Err(error);
        }
    };
    session.connect(connection(&machine, &kernel, args.boot_timeout)?)?;
    context.note(format_args!("{} is frozen at its first instruction; `continue` boots it", kernel.release));
    let status = Repl::new(&mut session, context.json(), args.batch).run(&args.scripts)?;
    if args.keep && session.live().is_ok() {
        session.detach()?;
    }
    if args.keep && machine.status().is_ok() {
        watch.release()?;
        context.note(format_args!("machine `{}` goes on", machine.name()));
        return Ok(status);
    }
    // Else the session has said it.
    let unsaid = session.live().is_ok();
    // The supervisor waits a while for those whom it still has something to tell.
    drop(session);
    let state = machines::stop_watched(&machine, &mut watch)?;
    if let RunState::Ended(ended) = &state
        && !matches!(ended, Ended::GuestShutdown | Ended::Stopped)
    {
        if unsaid {
            context.say(format_args!("machine `{}` had ended by itself: {state}", machine.name()));
        }
        return Ok(Status::FAILED);
    }
    Ok(status)
}

/// What a session needs of a machine of ours.
fn connection(machine: &Machine, kernel: &KernelSet, boot_within: Duration) -> anyhow::Result<Connection> {
    let image: &PathBuf = &kernel.image;
    let boot = Boot::of_file(&lkdb_map::map(image)?).with_context(|| image.display().to_string())?;
    connect(machine, kernel, (Kernel::ToCome(boot), Some(boot)), boot_within)
}

/// What a session needs of a machine of ours whose kernel is there, and gets there after a reset, as `known`.
pub(super) fn connect(
    machine: &Machine,
    set: &KernelSet,
    known: (Kernel, Option<Boot>),
    boot_within: Duration,
) -> anyhow::Result<Connection> {
    let (kernel, boot) = known;
    let mut lease = machine.stub()?;
    let stub = Stub::new(lease.take().context("the stub was lent without a connection")?)?;
    let hold = Box::new(Lease { lease, watch: Some(machine.watch(false)?) });
    Ok(Connection { stub, ram: ram(machine), hold, arch: set.arch, kernel, boot, boot_within })
}

/// The machine's RAM, mapped. Where it cannot be, the stub reads memory, which is slower.
fn ram(machine: &Machine) -> Option<Ram> {
    machine.ram().inspect_err(|error| tracing::warn!("guest memory is read through the stub: {error}")).ok()
}

/// The lease of a stub, as what holds a machine.
pub(super) struct Lease {
    pub(super) lease: StubLease,
    /// Who tells of the machine's end; a QEMU of somebody else's has nobody.
    pub(super) watch: Option<Watch>,
}

impl Hold for Lease {
    fn release(self: Box<Self>) -> io::Result<()> {
        self.lease.end()
    }

    fn end_of_machine(self: Box<Self>) -> Option<String> {
        /// The supervisor tells when it has waited for QEMU.
        const TOLD_WITHIN: Duration = Duration::from_secs(5);
        let mut watch = self.watch?;
        let deadline = Instant::now() + TOLD_WITHIN;
        while let Ok(Some(status)) = watch.next(Some(deadline)) {
            if let RunState::Ended(ended) = status.state {
                return Some(ended.to_string());
            }
        }
        None
    }
}
