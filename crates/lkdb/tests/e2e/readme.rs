//! README.md's commands do what it says. A command that is new there must be added here.

use std::process::{Command, Stdio};

use crate::fixture::{Lkdb, done, kernel_file};

/// Lines that README shows behind a `$`, comments left out, in its order.
fn commands() -> Vec<String> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let lines = readme.lines().filter_map(|line| line.strip_prefix("$ "));
    lines.map(|line| line.split("  ").next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_is_known_here() {
    let known = [
        "cargo xtask demo",
        // What runs this.
        "cargo xtask test",
        // CI builds the same crate; an installation would only copy it.
        "cargo install --path crates/lkdb",
        "lkdb doctor",
        // What the tests' set-up runs.
        "lkdb kernel fetch",
        "lkdb debug",
        "lkdb gdb",
        "lkdb inspect -batch -ex 'info line start_kernel' -ex 'ptype/o struct list_head'",
        "lkdb boot -- uname -r",
        "lkdb kernel fetch --headers",
        // What module.rs does.
        "make -C HEADERS M=$PWD modules",
        "lkdb gdb --load ./hello.ko -- -ex 'break hello_init' -ex continue",
    ];
    assert_eq!(commands(), known);
}

#[test]
fn the_demo_ends_in_the_main_job() {
    let lkdb = Lkdb::new();
    let runtime = lkdb.state();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["xtask", "demo"]).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command.env("XDG_RUNTIME_DIR", runtime.parent().unwrap()).stdin(Stdio::null());
    let done = done(command.output().unwrap());
    assert_eq!(done.status, 0, "{done:#?}");
    let signs = [
        "hit Breakpoint 1, start_kernel",
        "void start_kernel(void)",
        "#0  start_kernel",
        "rip  ",
        "BusyBox v",
    ];
    let mut rest = done.stdout.as_str();
    for sign in signs {
        let at = rest.find(sign).unwrap_or_else(|| panic!("no `{sign}` in its place: {}", done.stdout));
        rest = &rest[at..];
    }
    assert!(lkdb.machines().is_empty());
}

#[test]
fn the_first_session_goes_as_shown() {
    // Without colours, which would stand between the words: NO_COLOR is ours, since a `CI` in the
    // environment makes a dumb terminal colourful; TERM is for gdb, which reads the other from 14 on.
    let lkdb = Lkdb::new().with("NO_COLOR", "1").with("TERM", "dumb");
    assert_eq!(lkdb.run(&["doctor"]).status, 0);
    let release = kernel_file("modules").file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(lkdb.ok(&["boot", "--", "uname", "-r"]), format!("{release}\n"));
    let mut gdb = lkdb.start_on_terminal(&["gdb"]);
    gdb.wait_for("(gdb) ");
    for (typed, shown) in [
        ("break start_kernel", "init/main.c"),
        ("continue", "hit Breakpoint 1, start_kernel"),
        ("bt", "#0  start_kernel"),
    ] {
        gdb.type_in(&format!("{typed}\r"));
        gdb.wait_for(shown);
        gdb.wait_for("(gdb) ");
    }
    gdb.type_in("quit\ry\r");
    gdb.end();
    let mut session = lkdb.start_on_terminal(&["debug"]);
    session.wait_for("(lkdb) ");
    for (typed, shown) in [
        ("break start_kernel", "init/main.c"),
        ("continue", "Breakpoint 1, start_kernel"),
        ("bt", "#0  start_kernel"),
    ] {
        session.type_in(&format!("{typed}\r"));
        session.wait_for(shown);
        session.wait_for("(lkdb) ");
    }
    session.type_in("quit\r");
    session.end();
    assert!(lkdb.machines().is_empty());
}

#[test]
fn files_are_inspected_as_shown() {
    let inspect = ["inspect", "-batch", "-ex", "info line start_kernel", "-ex", "ptype/o struct list_head"];
    let answer = Lkdb::new().ok(&inspect);
    // The line and the address are this kernel's, which Debian updates.
    let (line, layout) = answer.split_once('\n').unwrap();
    assert!(
        line.contains("\"init/main.c\" starts at address 0x") && line.contains("<start_kernel+"),
        "{line}"
    );
    let readme = include_str!("../../../../README.md");
    assert!(readme.contains(layout), "{layout}");
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Lkdb::new().ok(&["completions", shell]);
        assert!(script.contains("initramfs") && script.contains("boot-timeout"), "{shell}");
    }
}
