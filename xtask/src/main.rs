//! The project's own tasks: set-up, demo, tests, fuzzing, house rules, licences, benches. Run as `cargo xtask …`.
//!
//! Nothing of the debugger is here: a task runs cargo, the host's tools, and the built `lkdb`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tasks speak to whoever runs them")]

mod bench;
mod demo;
mod fuzz;
mod licenses;
mod metadata;
mod run;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install the packages that the demo and the tests need, or say which
    Setup,
    /// From nothing to a kernel stopped at start_kernel, then a shell in it
    Demo,
    /// Set up, check everything, run every test
    Test(test::Args),
    /// Check the house rules
    Tidy,
    /// Check that every dependency's licence fits this project's
    Licenses,
    /// Run the fuzz targets, each for ten minutes
    Fuzz(fuzz::Args),
    /// Measure against the ways people do it by hand
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let done = match bench::as_qemu() {
        Some(error) => Err(error),
        None => run_task(Cli::parse().task),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_task(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Setup => setup::run(),
        Task::Demo => demo::run(),
        Task::Test(args) => test::run(&args),
        Task::Tidy => tidy::run(),
        Task::Licenses => licenses::run(),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Bench(args) => bench::run(&args),
    }
}
