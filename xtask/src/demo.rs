//! `cargo xtask demo`: from a clean checkout to a Linux kernel stopped at start_kernel, then a shell in it.
//!
//! On a terminal it ends at lkdb's prompt, the kernel stopped, with the commands to try; otherwise the tour is
//! printed and the demo ends by itself.

use std::io::IsTerminal;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::{run, setup};

/// What the tour does on the frozen kernel, each command with what it shows.
const TOUR: [(&str, &str); 5] = [
    ("break start_kernel", "A breakpoint in the kernel's C code, before it is even unpacked"),
    ("continue", "From the first instruction to it: unpacking and KASLR on the way"),
    ("list", "Its source"),
    ("backtrace", "The call stack"),
    ("info registers rax rbx rcx rdx rsi rdi rbp rsp rip eflags cr3", "The registers"),
];

pub(crate) fn run() -> anyhow::Result<()> {
    setup::run()?;
    let lkdb = run::build_lkdb(run::Profile::Dev)?;
    run::headline("a kernel: image, debug info, modules and source");
    run::run(Command::new(&lkdb).args(["kernel", "fetch"]))?;
    // What an earlier demo may have left.
    stop(&lkdb)?;
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        interactive(&lkdb)
    } else {
        printed(&lkdb)
    }
}

/// The machine's name: the shell is in the one that was debugged.
const MACHINE: &str = "demo";

fn interactive(lkdb: &Path) -> anyhow::Result<()> {
    run::headline("the kernel, stopped at start_kernel; `continue` boots it, `quit` goes on to its shell");
    run::run(&mut session(lkdb, &[]))?;
    run::headline("the same machine, its console; Ctrl-A x ends it");
    let shell = run::run(Command::new(lkdb).args(["console", MACHINE]));
    stop(lkdb)?;
    shell
}

fn printed(lkdb: &Path) -> anyhow::Result<()> {
    run::headline("the kernel, stopped at start_kernel");
    let shown = run::output(&mut session(lkdb, &["-batch"]))?;
    print!("{shown}");
    run::headline("the same machine, booted to a BusyBox shell");
    let shell = ["exec", MACHINE, "--", "sh", "-c", "uname -a; busybox | head -n 1"];
    let said = run::output(Command::new(lkdb).args(shell));
    stop(lkdb)?;
    let said = said?;
    print!("{said}");
    let signs = [("source lines", "init/main.c"), ("a call stack", "#0"), ("registers", "rip")];
    for (what, sign) in signs {
        ensure!(shown.contains(sign), "the tour should have shown {what}");
    }
    let says = said.lines().find(|line| line.starts_with("BusyBox"));
    says.map(drop).context("the shell should have said which BusyBox it is")
}

/// Ends the machine, unless it has ended by itself.
fn stop(lkdb: &Path) -> anyhow::Result<()> {
    let listing = run::output(Command::new(lkdb).args(["ls", "--json"]))?;
    if listing.contains(&format!("\"name\":\"{MACHINE}\"")) {
        run::run(Command::new(lkdb).args(["stop", MACHINE]))?;
    }
    Ok(())
}

/// `lkdb debug` with the tour's commands.
fn session(lkdb: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(lkdb);
    command.args(["debug", "--keep", "--name", MACHINE]).args(options);
    for (words, about) in TOUR {
        command.arg("-ex").arg(format!("echo \\n## {about}: {words}\\n")).arg("-ex").arg(words);
    }
    command
}
