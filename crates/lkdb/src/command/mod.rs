//! The commands, one file a family: what each takes, and the call into the rooms it makes.

mod attach;
mod boot;
mod busybox;
mod completions;
mod debug;
mod doctor;
mod gdb;
mod initramfs;
mod inspect;
pub(crate) mod internal;
mod kernel;
mod machines;

use crate::output::{Context, Status};

/// Every command.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Start a machine frozen at its first instruction, with a debugging session on it
    Debug(debug::Args),
    /// Debug a machine that runs already: one of lkdb's, or any QEMU with a gdb stub
    Attach(attach::Args),
    /// Start a machine frozen at its first instruction, with gdb on it and everything loaded
    Gdb(gdb::Args),
    /// Look into a vmlinux, image or module: types, lines, instructions; no machine
    Inspect(inspect::Args),
    /// Boot a machine, its console on this terminal; with CMD, run that in the guest and end
    Boot(boot::Args),
    /// List the machines that run
    Ls(machines::LsArgs),
    /// Connect this terminal to a machine's console
    Console(machines::ConsoleArgs),
    /// Run a command in a running machine
    Exec(machines::ExecArgs),
    /// Stop machines
    Stop(machines::StopArgs),
    /// Kernels: fetch, list, describe, configure, build
    #[command(subcommand)]
    Kernel(kernel::Command),
    /// BusyBox: build a static one from source
    #[command(subcommand)]
    Busybox(busybox::Command),
    /// Initramfs archives: build and inspect
    #[command(subcommand)]
    Initramfs(initramfs::Command),
    /// Check what this host has and lacks, and how to mend it
    Doctor(doctor::Args),
    /// Print the completions for a shell
    Completions(completions::Args),
    #[command(hide = true)]
    Supervise(internal::SuperviseArgs),
    #[command(hide = true)]
    Tether(internal::TetherArgs),
    #[command(hide = true)]
    Guard(internal::GuardArgs),
    #[command(hide = true)]
    StubPipe(internal::StubPipeArgs),
}

/// Runs one command.
pub(crate) fn run(command: Command, context: &Context) -> anyhow::Result<Status> {
    match command {
        Command::Debug(args) => debug::run(&args, context),
        Command::Attach(args) => attach::run(&args, context),
        Command::Gdb(args) => gdb::run(&args, context),
        Command::Inspect(args) => inspect::run(&args, context),
        Command::Boot(args) => boot::run(args, context),
        Command::Ls(args) => machines::ls(&args, context),
        Command::Console(args) => machines::console(&args, context),
        Command::Exec(args) => machines::exec(args, context),
        Command::Stop(args) => machines::stop(&args, context),
        Command::Kernel(command) => kernel::run(command, context),
        Command::Busybox(command) => busybox::run(command, context),
        Command::Initramfs(command) => initramfs::run(command, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Completions(args) => completions::run(&args),
        Command::Supervise(args) => internal::supervise(&args),
        Command::Tether(args) => internal::tether(&args),
        Command::Guard(args) => internal::guard(&args),
        Command::StubPipe(args) => internal::stub_pipe(&args, context),
    }
}
