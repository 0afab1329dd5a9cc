//! `lkdb debug` and `lkdb attach`: machines in hand, interrupted, let go, reset, lost.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use crate::fixture::{Lkdb, Running, eventually, kernel_file, kill};

/// Asserts that `text` holds these, each behind the one before it.
fn in_order(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let at = rest.find(word).unwrap_or_else(|| panic!("no `{word}` there in:\n{text}"));
        rest = &rest[at + word.len()..];
    }
}

/// A machine that runs on its own, its shell up.
fn running(name: &str) -> Lkdb {
    let lkdb = Lkdb::new();
    lkdb.ok(&["boot", "-d", "--name", name]);
    assert_eq!(lkdb.ok(&["exec", name, "--", "uname", "-s"]), "Linux\n");
    lkdb
}

/// The guest runs, and nothing of a debugger's is left that stops it.
fn goes_on(lkdb: &Lkdb, name: &str) {
    eventually("nobody has the stub", || lkdb.machine(name)["debugger"].is_null());
    for _ in 0..3 {
        assert_eq!(lkdb.ok(&["exec", name, "--timeout", "60", "--", "uname", "-s"]), "Linux\n");
    }
}

#[test]
fn debug_stops_at_the_kernels_start_with_its_stack() {
    let lkdb = Lkdb::new();
    let commands = ["-ex", "break start_kernel", "-ex", "continue", "-ex", "backtrace", "-batch"];
    let text = lkdb.ok(&[&["debug"], &commands[..]].concat());
    in_order(
        &text,
        &["Breakpoint 1, ", "start_kernel () at ", "init/main.c:", "#0 ", "start_kernel ()", "#1 "],
    );
    let outermost = text.lines().rev().find(|line| line.starts_with('#')).unwrap();
    assert!(outermost.contains("secondary_startup_64"), "{text}");
    assert!(!text.contains("Backtrace stopped"), "{text}");
    assert!(lkdb.machines().is_empty(), "it ends with its session");
}

#[test]
fn an_interrupt_stops_the_guest_and_not_the_session() {
    let lkdb = Lkdb::new();
    let mut session = lkdb.start(&["debug", "--name", "busy"]);
    session.type_in("continue\n");
    eventually("the guest is up", || lkdb.run(&["exec", "busy", "--", "true"]).status == 0);
    session.kill("INT");
    session.wait_for("The guest was interrupted.");
    session.type_in("print 6 * 7\nbacktrace 1\n");
    session.wait_for("= 42");
    session.wait_for("#0");
    let (status, said) = session.end();
    assert_eq!(status, 0, "{said}");
    assert!(lkdb.machines().is_empty());
}

#[test]
fn a_machine_attached_to_stands_still_and_goes_on_afterwards() {
    let lkdb = running("mine");
    let text = lkdb.ok(&["attach", "-ex", "print init_uts_ns.name.sysname", "-batch"]);
    in_order(&text, &["#0 ", "$1 = ", "\"Linux\""]);
    goes_on(&lkdb, "mine");
    // With a breakpoint that many come by, let go by `detach`, by the end of input and by `quit`.
    for end in ["detach", "", "quit"] {
        let mut session = lkdb.start(&["attach", "mine"]);
        session.type_in("break __schedule\ncontinue\nprint 6 * 7\n");
        session.wait_for("Breakpoint 1, ");
        session.wait_for("= 42");
        lkdb.refused(&["attach", "mine"], &["has the debug stub", "end it first"]);
        session.type_in(&format!("{end}\n"));
        let (status, said) = session.end();
        assert_eq!(status, 0, "{said}");
        goes_on(&lkdb, "mine");
    }
}

#[test]
fn a_killed_session_leaves_nothing_in_the_guest() {
    let lkdb = running("orphan");
    for stopped in [true, false] {
        let mut session = lkdb.start(&["attach", "orphan"]);
        session.type_in("break __schedule\ncontinue\n");
        session.wait_for("Breakpoint 1, ");
        if !stopped {
            session.type_in("ignore 1 100000000\ncontinue\n");
            eventually("it runs", || lkdb.machine("orphan")["state"] == "running");
        }
        session.kill("KILL");
        drop(session);
        goes_on(&lkdb, "orphan");
    }
}

#[test]
fn a_second_hit_of_one_moment_waits_its_turn_and_is_judged_then() {
    let lkdb = running("twice");
    let mut session = lkdb.start(&["attach", "twice"]);
    // Where nobody goes by himself.
    session.type_in("break *panic\n");
    session.wait_for("Breakpoint 1 at");
    for cpu in ["1", "2"] {
        session.type_in(&format!("thread {cpu}\nprint $cpu{cpu} = $pc\nset var $pc = panic\n"));
        session.wait_for("[Switching to thread");
    }
    session.type_in("continue\n");
    session.wait_for("Breakpoint 1, ");
    session
        .type_in("ignore 1 1\nset var $pc = $cpu1\nstepi\nthread 2\nset var $pc = $cpu2\ninfo breakpoints\n");
    session.wait_for("already hit 2 times");
    session.type_in("quit\n");
    let (status, said) = session.end();
    assert_eq!((status, said.matches("Breakpoint 1, ").count()), (0, 1), "{said}");
    goes_on(&lkdb, "twice");
}

#[test]
fn breakpoints_outlive_a_reboot() {
    let lkdb = running("again");
    let mut session = lkdb.start(&["attach", "again"]);
    session.type_in("break start_kernel\ncontinue\n");
    session.wait_for("Breakpoint 1 at");
    for _ in 0..2 {
        eventually("it runs", || lkdb.machine("again")["state"] == "running");
        let reboot = lkdb.start(&["exec", "again", "--", "reboot", "-f"]);
        session.wait_for("Breakpoint 1, ");
        session.wait_for("start_kernel () at");
        drop(reboot);
        session.type_in("continue\n");
        eventually("it is up again", || lkdb.run(&["exec", "again", "--", "true"]).status == 0);
    }
    session.kill("INT");
    session.wait_for("The guest was interrupted.");
    assert_eq!(session.end().0, 0);
    goes_on(&lkdb, "again");
}

#[test]
fn a_reset_by_the_monitor_is_a_reboot() {
    let lkdb = Lkdb::new();
    let commands =
        ["break start_kernel", "continue", "monitor info status", "monitor system_reset", "continue"];
    let mut arguments = vec!["debug", "-batch"];
    arguments.extend(commands.iter().flat_map(|command| ["-ex", *command]));
    let stop = ["Breakpoint 1, ", "start_kernel () at "];
    in_order(&lkdb.ok(&arguments), &[&stop[..], &["VM status: paused"], &stop].concat());
    let done = lkdb.run(&["debug", "-batch", "-ex", "monitor cont"]);
    assert!(done.status == 1 && done.stderr.contains("`continue' lets it run"), "{done:#?}");
}

#[test]
fn a_killed_qemu_is_one_line_and_a_failure() {
    for command in ["debug", "attach"] {
        let lkdb = if command == "attach" { running("victim") } else { Lkdb::new() };
        let mut session = match command {
            "debug" => lkdb.start(&["debug", "--name", "victim"]),
            _ => lkdb.start(&["attach", "victim"]),
        };
        session.type_in("print 6 * 7\ncontinue\n");
        session.wait_for("= 42");
        eventually("it runs", || lkdb.machine("victim")["state"] == "running");
        kill(lkdb.machine("victim")["qemu_pid"].as_u64().unwrap().try_into().unwrap(), "KILL");
        session.wait_for("The machine is gone: QEMU was killed by signal 9.");
        // What needs no machine works on.
        session.type_in("print sizeof(struct list_head)\ninfo registers\n");
        session.wait_for("= 16");
        let (status, said) = session.end();
        assert_eq!(status, 1, "{said}");
        assert_eq!(said.matches("killed by signal").count(), 1, "{said}");
    }
}

#[test]
fn kernel_memory_is_read_in_user_mode_under_five_levels_and_isolated_tables() {
    let lkdb = Lkdb::new();
    let options = ["--append", "pti=on", "--smp", "1", "--qemu-arg=-cpu", "--qemu-arg=max"];
    lkdb.ok(&[&["boot", "-d", "--name", "walked"], &options[..]].concat());
    let spin = "hostname spins; echo ready; while :; do :; done";
    let mut spinning = lkdb.start(&["exec", "walked", "--", "sh", "-c", spin]);
    spinning.wait_for("ready");
    let says = |commands: &[&str]| {
        let commands = commands.iter().flat_map(|command| ["-ex", *command]);
        lkdb.ok(&["attach", "walked"].into_iter().chain(commands).chain(["-batch"]).collect::<Vec<_>>())
    };
    let asked = ["print $cs & 3", "print $cr4", "print $cr3", "print init_uts_ns.name.nodename"];
    eventually("it is stopped in user mode", || {
        let said = says(&asked);
        assert!(said.contains(" LA57 ") && said.contains("= \"spins\""), "{said}");
        // User mode has the half of the page tables that bit 12 of cr3 selects, with nothing of the kernel's data.
        let (_, table) = said.split_once("PDBR=").unwrap();
        let table: u64 = table.split(' ').next().unwrap().parse().unwrap();
        said.contains("$1 = 3\n") && table & 1 == 1
    });
    drop(spinning);
}

/// A QEMU that listens for a debugger on its standard input, with a kernel that has panicked.
fn somebody_elses(stub: Stdio) -> Running {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-accel", "tcg", "-m", "512M", "-display", "none", "-nodefaults", "-no-reboot", "-kernel"]);
    qemu.arg(kernel_file("image")).args(["-append", "console=ttyS0 panic=0"]);
    qemu.args(["-serial", "file:/dev/stdout", "-chardev", "socket,id=gdb,fd=0,server=on,wait=off"]);
    qemu.args(["-gdb", "chardev:gdb"]);
    let mut qemu = Running::fed(qemu, stub);
    // It has no root file system.
    qemu.wait_for("Linux version");
    qemu.wait_for("end Kernel panic");
    qemu
}

/// Attaches to it, and then to where it was.
fn attaches_to(lkdb: &Lkdb, qemu: Running, place: &str, named: &[&[&str]]) {
    let commands = ["-ex", "print panic_on_oops", "-ex", "backtrace", "-batch"];
    for named in named {
        let done = lkdb.run(&[&["attach", place], *named, &commands].concat());
        assert_eq!(done.status, 0, "{done:#?}");
        in_order(&done.stdout, &["#0 ", "$1 = 0", " panic ("]);
    }
    drop(qemu);
    lkdb.refused(&["attach", place], &["cannot reach the gdb stub at", place]);
}

#[test]
fn a_qemu_of_somebody_elses_is_attached_to() {
    let lkdb = Lkdb::new();
    let vmlinux = kernel_file("vmlinux");
    let by_the_user: &[&str] = &["--vmlinux", vmlinux.to_str().unwrap()];
    let socket = lkdb.scratch().join("gdb.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let qemu = somebody_elses(OwnedFd::from(listener).into());
    // Its command line names its kernel; or the user does.
    attaches_to(&lkdb, qemu, socket.to_str().unwrap(), &[&[], by_the_user]);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let qemu = somebody_elses(OwnedFd::from(listener).into());
    attaches_to(&lkdb, qemu, &place, &[by_the_user]);
}

#[test]
fn what_cannot_be_attached_to_is_said_in_one_line() {
    let lkdb = Lkdb::new();
    lkdb.refused(&["attach"], &["no machine runs", "lkdb boot"]);
    lkdb.refused(&["attach", "nobody"], &["no machine named `nobody` runs", "lkdb ls"]);
    lkdb.refused(&["attach", "/nowhere/gdb.sock"], &["cannot reach the gdb stub at /nowhere/gdb.sock"]);
    lkdb.refused(&["attach", "localhost:1"], &["cannot reach the gdb stub at localhost:1", "refused"]);
    lkdb.refused(&["attach", "localhost:99999"], &["localhost:99999", "HOST:PORT"]);
    lkdb.refused(&["attach", "nobody", "--vmlinux", "/nowhere/vmlinux"], &["nobody"]);
}
