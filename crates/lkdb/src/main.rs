//! The program: reads the command line, calls the rooms, prints. The only crate that prints or exits.
//!
//! Debugger logic, QEMU and file formats live in the other crates; a command here turns options into
//! a call, and the data that comes back into text or JSON.

mod cli;
mod command;
mod exit_status;
mod gdb;
mod guest_command;
mod initramfs;
mod kept;
mod kernel_choice;
mod kernel_config;
mod kernel_session;
mod launch;
mod options;
mod output;
mod progress;
mod repl;
mod terminal;
mod whereabouts;
mod whole_file;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse_from(repl::normalise(std::env::args_os()));
    output::trace_to_stderr(cli.global.verbose);
    let context = output::Context::new(&cli.global);
    match command::run(cli.command, &context) {
        Ok(status) => status.into(),
        Err(error) => {
            context.error(&error);
            ExitCode::from(1)
        }
    }
}
