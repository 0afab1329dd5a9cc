//! `lkdb gdb`: a machine frozen at its kernel's first instruction, and gdb on it with everything loaded.

use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use lkdb_artifacts::{Cache, KernelSet};
use lkdb_machine::{Ended, Machine, RunState};
use lkdb_session::entry::{self, Boot, Entry, Kernel};
use lkdb_symbols::Elf;
use lkdb_target::Stub;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::internal::own_program;
use super::machines::{self, seconds};
use crate::gdb::find::{self, Gdb};
use crate::gdb::script::{self, Setup};
use crate::kernel_session;
use crate::launch::{self, Wish};
use crate::options::MachineOptions;
use crate::output::{Context, Status};

#[derive(Debug, clap::Args)]
#[command(after_help = "gdb is taken from $LKDB_GDB, else `gdb` or `gdb-multiarch` on PATH; 7.4 or newer.\n\
    gdb does not know that a task may go on at another CPU: a `next` or `finish` can get lost that way. With \
    --smp 1 it cannot.\n\
    Try: lkdb gdb -- -ex 'break start_kernel' -ex continue -ex backtrace")]
pub(crate) struct Args {
    /// Leave the machine running when gdb ends
    #[arg(long)]
    keep: bool,
    /// Show the guest's console among gdb's output (default: when gdb is interactive)
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    console: ConsoleWhen,
    /// How long the machine may take to its kernel
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    boot_timeout: Duration,
    #[command(flatten)]
    machine: MachineOptions,
    /// Arguments for gdb, after lkdb's own
    #[arg(last = true, value_name = "GDB ARGS")]
    gdb_args: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ConsoleWhen {
    /// When gdb is interactive
    Auto,
    /// Always
    Always,
    /// Never; `lkdb console` shows it elsewhere
    Never,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<Status> {
    let gdb = find::find()?;
    let wish = Wish { frozen: true, end_on_reset: false };
    let prepared = launch::prepare(&args.machine, wish, context)?;
    if args.machine.dry_run {
        return launch::show_line(prepared, context);
    }
    let vmlinux = prepared
        .kernel
        .vmlinux
        .clone()
        .with_context(|| kernel_session::no_vmlinux(&prepared.kernel.image))?;
    let vmlinux_bytes = lkdb_map::map(&vmlinux)?;
    let elf = Elf::parse(&vmlinux_bytes).with_context(|| vmlinux.display().to_string())?;
    let known = Kernel::new(elf).with_context(|| vmlinux.display().to_string())?;
    let (machine, kernel) = prepared.start()?;
    let mut watch = machine.watch(true)?;
    let entry = run_to_kernel(&machine, &kernel.image, &known, args.boot_timeout)?;
    context.note(format!(
        "{} is at its first instruction, KASLR moved it by {}; `continue` boots it, `lkdb console` is its console",
        kernel.release, entry.slide
    ));
    let script = write_script(args, &gdb, &machine, &kernel, &vmlinux, &elf, (&known, entry))?;
    if shows_console(args) {
        show_console(&machine)?;
    }
    let status = run_gdb(&gdb, &script, args)?;
    if args.keep {
        watch.release()?;
        context.note(format!("machine `{}` goes on", machine.name()));
        return Ok(status);
    }
    if let RunState::Ended(ended) = machines::stop_watched(&machine, &mut watch)? {
        context.say(format!("machine `{}` had ended before gdb did: {ended}", machine.name()));
        let asked = matches!(ended, Ended::GuestShutdown | Ended::Stopped);
        return Ok(if asked || status != Status::OK { status } else { Status::FAILED });
    }
    Ok(status)
}

/// Lets the frozen machine run to its kernel's first instruction, and leaves it there for gdb.
fn run_to_kernel(
    machine: &Machine,
    image: &Path,
    kernel: &Kernel<'_>,
    timeout: Duration,
) -> anyhow::Result<Entry> {
    let boot = Boot::of_file(&lkdb_map::map(image)?).with_context(|| image.display().to_string())?;
    let mut lease = machine.stub()?;
    let mut stub = Stub::new(lease.take().context("the stub was lent without a connection")?)?;
    let entry = entry::at_entry(&mut stub, &boot, kernel, timeout)
        .with_context(|| format!("cannot get {} to its kernel", image.display()))?;
    drop(stub);
    lease.end_keeping_stopped()?;
    Ok(entry)
}

fn write_script(
    args: &Args,
    gdb: &Gdb,
    machine: &Machine,
    kernel: &KernelSet,
    vmlinux: &Path,
    elf: &Elf<'_>,
    (known, entry): (&Kernel<'_>, Entry),
) -> anyhow::Result<PathBuf> {
    let program = own_program()?;
    let remote = format!(
        "| {} stub-pipe {}",
        shell_words::quote(&program.to_string_lossy()),
        shell_words::quote(machine.name())
    );
    let sources: Vec<_> = kernel.source_from.iter().map(PathBuf::from).zip(kernel.source.clone()).collect();
    let module_files: Vec<PathBuf> = args
        .machine
        .load
        .iter()
        .chain(&args.machine.add)
        .map(|text| PathBuf::from(text.split([':', ' ']).next().unwrap_or(text)))
        .filter(|path| path.extension().is_some_and(|extension| extension == "ko"))
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    let module_dirs: Vec<PathBuf> = kernel.debug_modules.iter().chain(&kernel.modules).cloned().collect();
    let index_cache = Cache::open()?.root().join("gdb-index");
    let setup = Setup {
        vmlinux,
        elf,
        sliding: known.text()..known.end(),
        slide: entry.slide,
        arch: kernel.arch,
        remote: &remote,
        sources: &sources,
        module_files: &module_files,
        module_dirs: &module_dirs,
        index_cache: Some(&index_cache),
        running: false,
    };
    script::write_script(&setup, gdb, machine.dir().path())
}

fn shows_console(args: &Args) -> bool {
    match args.console {
        ConsoleWhen::Always => true,
        ConsoleWhen::Never => false,
        ConsoleWhen::Auto => {
            let batch = args.gdb_args.iter().any(|arg| matches!(arg.as_str(), "-batch" | "--batch"));
            !batch && io::stdin().is_terminal() && io::stdout().is_terminal()
        }
    }
}

/// Copies the guest's console to this terminal for as long as the machine lives.
fn show_console(machine: &Machine) -> anyhow::Result<()> {
    let (mut console, early) = machine.console(true, false)?;
    thread::spawn(move || {
        let mut out = io::stdout();
        let mut buffer = vec![0; 64 << 10];
        let mut shown = out.write_all(&early);
        while let (Ok(()), Ok(length @ 1..)) = (&shown, console.read(&mut buffer)) {
            let text = without_queries(buffer.get(..length).unwrap_or_default());
            shown = out.write_all(&text).and_then(|()| out.flush());
        }
    });
    Ok(())
}

/// Console output without what asks the terminal for an answer: that would be typed into gdb.
///
/// BusyBox's shell asks for the cursor's place (`ESC [ 6 n`) in one write at each prompt.
fn without_queries(output: &[u8]) -> Vec<u8> {
    const CURSOR_QUERY: &[u8] = b"\x1b[6n";
    let mut rest = output;
    let mut text = Vec::with_capacity(output.len());
    while let Some(at) = rest.windows(CURSOR_QUERY.len()).position(|window| window == CURSOR_QUERY) {
        let (before, query) = rest.split_at(at);
        text.extend_from_slice(before);
        rest = query.get(CURSOR_QUERY.len()..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    text
}

fn run_gdb(gdb: &Gdb, script: &Path, args: &Args) -> anyhow::Result<Status> {
    // Ctrl-C is for gdb, which has the same terminal; here it is only taken note of.
    signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)))?;
    let mut child = Command::new(&gdb.program)
        .arg("-q")
        .arg("-x")
        .arg(script)
        .args(&args.gdb_args)
        .spawn()
        .with_context(|| format!("cannot run {}", gdb.program.display()))?;
    pass_on_signals(&child)?;
    let status = child.wait().context("cannot wait for gdb")?;
    Ok(Status(exit_code(status)))
}

/// Whoever ends us means gdb as well.
fn pass_on_signals(child: &Child) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGTERM])?;
    let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) else {
        bail!("gdb has no process ID")
    };
    thread::spawn(move || {
        for _ in signals.forever() {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    });
    Ok(())
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_the_console_makes_the_terminal_type_into_gdb() {
        assert_eq!(without_queries(b"/ # \x1b[6nls\x1b[6n"), b"/ # ls");
        assert_eq!(without_queries(b"\x1b[1mbold\x1b[m"), b"\x1b[1mbold\x1b[m");
    }
}
