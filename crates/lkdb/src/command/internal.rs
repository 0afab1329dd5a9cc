//! Commands that lkdb runs itself as: the supervisor, QEMU's tether, and gdb's way to the stub.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use anyhow::Context as _;
use lkdb_machine::{Machine, StateRoot, guardian, supervisor};

use crate::output::{Context, Status};

/// Be the supervisor of the machine in this state directory.
#[derive(Debug, clap::Args)]
pub(crate) struct SuperviseArgs {
    dir: PathBuf,
}

/// Become a program that ends with its parent.
#[derive(Debug, clap::Args)]
pub(crate) struct TetherArgs {
    parent: u32,
    #[arg(last = true, required = true)]
    argv: Vec<OsString>,
}

/// Be the guardian of a gdb stub that is not a machine's of lkdb; the client is standard input.
#[derive(Debug, clap::Args)]
pub(crate) struct GuardArgs {
    address: String,
}

/// Join standard input and output to a machine's gdb stub.
#[derive(Debug, clap::Args)]
pub(crate) struct StubPipeArgs {
    name: String,
}

pub(crate) fn supervise(args: &SuperviseArgs) -> anyhow::Result<Status> {
    let program = own_program()?;
    // Whoever started us has been told the error by now.
    Ok(supervisor::run(&args.dir, &program).map_or(Status::FAILED, |()| Status::OK))
}

pub(crate) fn tether(args: &TetherArgs) -> anyhow::Result<Status> {
    let error = supervisor::tether(args.parent, &args.argv);
    let program = args.argv.first().map(|program| program.to_string_lossy().into_owned());
    Err(error).with_context(|| format!("cannot run {}", program.unwrap_or_default()))
}

pub(crate) fn guard(args: &GuardArgs) -> anyhow::Result<Status> {
    let client = io::stdin().as_fd().try_clone_to_owned()?;
    guardian::run(args.address.parse()?, client)?;
    Ok(Status::OK)
}

pub(crate) fn stub_pipe(args: &StubPipeArgs, _context: &Context) -> anyhow::Result<Status> {
    let machine = Machine::find(&StateRoot::open()?, Some(&args.name))?;
    let mut lease = machine.stub()?;
    let stub: UnixStream = lease.take().context("the stub was lent without a connection")?.into();
    let mut from_stub = stub.try_clone()?;
    let to_gdb = std::thread::spawn(move || copy(&mut from_stub, &mut io::stdout()));
    let mut to_stub = stub.try_clone()?;
    copy(&mut io::stdin(), &mut to_stub);
    // gdb has closed the pipe; what it said last is on its way, since the socket is closed in order.
    let _ = stub.shutdown(Shutdown::Write);
    drop((stub, to_stub));
    lease.end()?;
    let _ = to_gdb.join();
    Ok(Status::OK)
}

/// Copies until either side ends, passing on each piece at once.
fn copy(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let piece = buffer.get(..length).unwrap_or_default();
        if to.write_all(piece).and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}

/// The file this program runs from, to run it again as something else.
pub(crate) fn own_program() -> anyhow::Result<PathBuf> {
    // Not current_exe(): after an upgrade that names a file which is gone.
    let link = PathBuf::from("/proc/self/exe");
    std::fs::canonicalize(&link).or(Ok(link))
}
