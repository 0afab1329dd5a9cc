//! Machines side by side, what they share, and what happens when one of the processes dies.

use crate::fixture::{Lkdb, alive, eventually, kill};

#[test]
fn console_and_commands_share_a_machine_that_runs_on_its_own() {
    let lkdb = Lkdb::new();
    lkdb.ok(&["boot", "-d", "--name", "shared"]);
    assert_eq!(lkdb.machines(), ["shared"]);
    let mut console = lkdb.start(&["console", "shared"]);
    console.wait_for("Linux version");
    console.wait_for("# ");
    // Several commands at once, while the console is open and one of them is stuck.
    let mut stuck = lkdb.start(&["exec", "shared", "--", "sh", "-c", "echo stuck; exec sleep 1000"]);
    stuck.wait_for("stuck");
    let echo = lkdb.feed(&["exec", "shared", "--", "cat"], b"through");
    assert_eq!((echo.status.code(), echo.stdout.as_slice()), (Some(0), &b"through"[..]));
    assert_eq!(lkdb.run(&["exec", "--", "sh", "-c", "exit 9"]).status, 9);
    console.type_in("echo typed $((40+2))\n");
    console.wait_for("typed 42");
    // A client that dies takes its command along and nothing else.
    stuck.kill("KILL");
    drop(stuck);
    eventually("the orphaned command has ended", || {
        lkdb.run(&["exec", "shared", "--", "pidof", "sleep"]).status == 1
    });
    assert!(lkdb.ok(&["console", "shared", "--dump"]).contains("typed 42"));
    lkdb.ok(&["stop", "shared"]);
    let (status, said) = console.end();
    assert_eq!(status, 0);
    assert!(said.contains("it was stopped"), "{said}");
    assert!(lkdb.machines().is_empty());
    assert!(!lkdb.state().join("shared").exists());
}

#[test]
fn several_machines_run_at_once_under_names_of_their_own() {
    let lkdb = Lkdb::new();
    for _ in 0..3 {
        lkdb.ok(&["boot", "-d", "--smp", "1", "--mem", "256M"]);
    }
    assert_eq!(lkdb.machines(), ["default", "default-2", "default-3"]);
    lkdb.refused(&["boot", "-d", "--name", "default-2"], &["default-2", "runs already", "lkdb stop"]);
    for name in ["default", "default-2", "default-3"] {
        assert_eq!(lkdb.ok(&["exec", name, "--", "uname", "-s"]), "Linux\n");
    }
    lkdb.ok(&["stop", "default-3", "default"]);
    // Now there is only one, which needs no name.
    lkdb.ok(&["stop"]);
    lkdb.refused(&["stop"], &["no machine runs"]);
}

#[test]
fn a_killed_lkdb_leaves_no_machine_behind() {
    let lkdb = Lkdb::new();
    let mut boot = lkdb.start(&["boot", "--name", "mortal"]);
    boot.wait_for("Linux version");
    let qemu = lkdb.machine("mortal")["qemu_pid"].as_u64().unwrap();
    assert!(alive(qemu));
    boot.kill("KILL");
    eventually("QEMU has ended", || !alive(qemu));
    eventually("the machine is gone", || lkdb.machines().is_empty());
    eventually("its directory is gone", || !lkdb.state().join("mortal").exists());
}

#[test]
fn a_killed_supervisor_takes_qemu_along_and_its_name_is_free() {
    let lkdb = Lkdb::new();
    lkdb.ok(&["boot", "-d", "--name", "headless"]);
    let machine = lkdb.machine("headless");
    kill(machine["supervisor_pid"].as_u64().unwrap().try_into().unwrap(), "KILL");
    eventually("QEMU has ended", || !alive(machine["qemu_pid"].as_u64().unwrap()));
    assert!(lkdb.machines().is_empty());
    lkdb.refused(&["exec", "headless", "--", "true"], &["no machine named `headless`"]);
    lkdb.ok(&["boot", "-d", "--name", "headless"]);
}

#[test]
fn a_killed_qemu_is_noticed_and_said() {
    let lkdb = Lkdb::new();
    let mut boot = lkdb.start(&["boot", "--name", "victim"]);
    boot.wait_for("Linux version");
    let mut command = lkdb.start(&["exec", "victim", "--", "sleep", "1000"]);
    eventually("the command runs", || lkdb.run(&["exec", "victim", "--", "pidof", "sleep"]).status == 0);
    kill(lkdb.machine("victim")["qemu_pid"].as_u64().unwrap().try_into().unwrap(), "KILL");
    let (status, said) = boot.end();
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("QEMU was killed by signal 9"), "{said}");
    command.wait_for("QEMU was killed by signal 9");
    assert_eq!(command.end().0, 1);
    assert!(lkdb.machines().is_empty());
}

#[test]
fn a_console_can_be_let_go_of() {
    let lkdb = Lkdb::new();
    let mut boot = lkdb.start_on_terminal(&["boot", "--name", "kept"]);
    boot.wait_for("Linux version");
    boot.type_in("\x01d");
    assert_eq!(boot.end().0, 0);
    assert_eq!(lkdb.machines(), ["kept"]);
    assert_eq!(lkdb.ok(&["exec", "--", "echo", "still here"]), "still here\n");
}

#[test]
fn nothing_listens_where_others_can_reach_it() {
    use std::os::unix::fs::PermissionsExt;
    let lkdb = Lkdb::new();
    lkdb.ok(&["boot", "-d", "--name", "private"]);
    let qemu = lkdb.machine("private")["qemu_pid"].as_u64().unwrap();
    let mode = std::fs::metadata(lkdb.state().join("private")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    // QEMU's sockets are all Unix ones: none of its descriptors is in the tables of TCP or UDP.
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{qemu}/fd"))
        .unwrap()
        .flatten()
        .filter_map(|fd| {
            std::fs::read_link(fd.path()).ok()?.to_str()?.strip_prefix("socket:[").map(str::to_owned)
        })
        .map(|inode| inode.trim_end_matches(']').to_owned())
        .collect();
    assert!(!sockets.is_empty());
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = std::fs::read_to_string(format!("/proc/{qemu}/net/{table}")).unwrap_or_default();
        for line in text.lines() {
            let inode = line.split_whitespace().nth(9).unwrap_or_default();
            assert!(!sockets.iter().any(|socket| socket == inode), "{table}: {line}");
        }
    }
}

#[test]
fn a_machine_goes_on_when_its_debugger_ends_or_dies() {
    let lkdb = Lkdb::new();
    lkdb.ok(&[
        "gdb",
        "--keep",
        "--name",
        "left",
        "--",
        "-batch",
        "-ex",
        "break start_kernel",
        "-ex",
        "continue",
    ]);
    assert_eq!(lkdb.ok(&["exec", "left", "--", "echo", "booted"]), "booted\n");
    assert_eq!(lkdb.machine("left")["state"], "running");
    lkdb.ok(&["stop", "left"]);
    // A breakpoint that every command of the guest hits, and a gdb that never gets to remove it.
    let mut gdb = lkdb.start(&["gdb", "--name", "orphan"]);
    gdb.type_in("break do_exit\ncontinue\n");
    gdb.wait_for("hit Breakpoint");
    let machine = lkdb.machine("orphan");
    assert_eq!(machine["state"], "paused");
    let mut waiting = lkdb.start(&["exec", "orphan", "--", "echo", "waited"]);
    waiting.wait_for("is stopped by the debugger of process");
    let debugger = machine["debugger"].as_u64().unwrap();
    kill(debugger.try_into().unwrap(), "KILL");
    eventually("the guest runs", || lkdb.machine("orphan")["state"] == "running");
    waiting.wait_for("waited");
    assert_eq!(lkdb.ok(&["exec", "orphan", "--", "echo", "alive"]), "alive\n");
    let (_, said) = {
        gdb.type_in("quit\n");
        gdb.end()
    };
    assert!(said.contains("hit Breakpoint"), "{said}");
    assert!(lkdb.machines().is_empty());
}
