//! `cargo xtask demo`: from a clean checkout to a Linux kernel stopped at start_kernel, then a shell in it.
//!
//! On a terminal it ends in gdb on the frozen kernel, with the commands to try; otherwise the tour is
//! printed and the demo ends by itself.

use std::io::IsTerminal;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::{run, setup};

/// What the tour does once gdb is on the frozen kernel, each command with what it shows.
const TOUR: [(&str, &str); 5] = [
    ("break start_kernel", "A breakpoint in the kernel's C code, before it is even unpacked"),
    ("continue", "From the first instruction to it: unpacking and KASLR on the way"),
    ("list", "Its source"),
    ("backtrace", "The call stack"),
    ("info registers", "The registers"),
];

pub(crate) fn run() -> anyhow::Result<()> {
    setup::run()?;
    let lkdb = run::build_lkdb(run::Profile::Dev)?;
    run::headline("a kernel: image, debug info, modules and source");
    run::run(Command::new(&lkdb).args(["kernel", "fetch"]))?;
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        interactive(&lkdb)
    } else {
        printed(&lkdb)
    }
}

fn interactive(lkdb: &Path) -> anyhow::Result<()> {
    run::headline("the kernel, stopped at start_kernel; `continue` boots it, `quit` ends it");
    run::run(&mut gdb(lkdb, &[]))?;
    run::headline("the same kernel, booted; Ctrl-A X ends it");
    run::run(Command::new(lkdb).arg("boot"))
}

fn printed(lkdb: &Path) -> anyhow::Result<()> {
    run::headline("the kernel, stopped at start_kernel");
    let shown = run::output(&mut gdb(lkdb, &["-batch"]))?;
    print!("{shown}");
    for (what, sign) in
        [("source lines", "start_kernel(void)"), ("a call stack", "#0  start_kernel"), ("registers", "rip ")]
    {
        ensure!(shown.contains(sign), "the tour should have shown {what}");
    }
    run::headline("the same kernel, booted to a BusyBox shell");
    let shell = ["boot", "--", "sh", "-c", "uname -a; busybox | head -n 1"];
    let said = run::output(Command::new(lkdb).args(shell))?;
    print!("{said}");
    let says = said.lines().find(|line| line.starts_with("BusyBox"));
    says.map(drop).context("the shell should have said which BusyBox it is")
}

/// `lkdb gdb` with the tour's commands.
fn gdb(lkdb: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(lkdb);
    command.args(["gdb", "--"]).args(options);
    for (words, about) in TOUR {
        command.arg("-ex").arg(format!("echo \\n## {about}: {words}\\n")).arg("-ex").arg(words);
    }
    command
}
