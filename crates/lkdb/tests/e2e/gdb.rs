//! `lkdb gdb`: the kernel and its modules under a real gdb, with KASLR on. One CPU where a test steps:
//! gdb loses a task that goes on at another.

use crate::fixture::Lkdb;

/// Runs gdb in batch mode on a fresh machine with these commands; gives its standard output.
fn gdb(lkdb: &Lkdb, machine: &[&str], commands: &[&str]) -> String {
    let mut arguments = [&["gdb", "--smp", "1"], machine, &["--", "-nx", "-batch"]].concat();
    arguments.extend(commands.iter().flat_map(|command| ["-ex", *command]));
    lkdb.ok(&arguments)
}

/// Asserts that `text` holds these, each behind the one before it.
fn in_order(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let at = rest.find(word).unwrap_or_else(|| panic!("no `{word}` there in:\n{text}"));
        rest = &rest[at + word.len()..];
    }
}

#[test]
fn the_kernel_stops_at_its_start_with_lines_stack_and_registers() {
    let text = gdb(
        &Lkdb::new(),
        &[],
        &["break x86_64_start_kernel", "break start_kernel", "continue", "bt", "continue", "bt", "list"],
    );
    in_order(
        &text,
        &[
            "Breakpoint 1, x86_64_start_kernel (real_mode_data=",
            "#0  x86_64_start_kernel",
            "Breakpoint 2, start_kernel () at init/main.c:",
            "#0  start_kernel () at init/main.c:",
            "#1  0xffffffff",
            "void start_kernel(void)",
        ],
    );
    let text = gdb(
        &Lkdb::new(),
        &[],
        &[
            "break start_kernel",
            "continue",
            "stepi",
            "step",
            "next",
            "info locals",
            "p &runqueues",
            "x/i $pc",
        ],
    );
    in_order(
        &text,
        &["command_line = ", "(struct rq *) 0x", "<runqueues>", "=> 0xffffffff", "<start_kernel+"],
    );
    let per_cpu = text.lines().find(|line| line.contains("<runqueues>")).unwrap();
    assert!(!per_cpu.contains("0xffffffff"), "per-CPU symbols do not slide: {per_cpu}");
}

#[test]
fn a_system_call_stops_with_its_whole_stack_and_finishes() {
    let commands = ["break __do_sys_newuname", "continue", "bt", "finish"];
    let text = gdb(&Lkdb::new(), &["--append", "init=/bin/uname rdinit=/bin/uname"], &commands);
    in_order(
        &text,
        &[
            "__do_sys_newuname (name=",
            "do_syscall_x64 (",
            "do_syscall_64 (",
            "entry_SYSCALL_64 ()",
            "Value returned is",
        ],
    );
}

#[test]
fn a_changed_variable_changes_what_the_guest_says() {
    let lkdb = Lkdb::new();
    let commands =
        ["break start_kernel", "continue", "set var init_uts_ns.name.sysname[0] = 'X'", "delete", "detach"];
    gdb(&lkdb, &["--keep", "--name", "changed"], &commands);
    assert_eq!(lkdb.ok(&["exec", "changed", "--", "uname", "-s"]), "Xinux\n");
    lkdb.ok(&["stop", "changed"]);
}

#[test]
fn a_module_is_followed_from_its_first_instruction() {
    let text = gdb(
        &Lkdb::new(),
        &["--load", "fuse"],
        &[
            "break fuse_init",
            "continue",
            "bt",
            "next",
            "p max_user_bgreq",
            "set var max_user_bgreq = 77",
            "p max_user_bgreq",
            "lkdb-modules",
            "lkdb-symbols",
            "info breakpoints",
        ],
    );
    in_order(
        &text,
        &[
            "Breakpoint 1 (fuse_init) pending.",
            "Breakpoint 1, fuse_init () at fs/fuse/inode.c:",
            "#1  0xffffffff",
            "in do_one_initcall",
            "in do_init_module",
            "$1 = ",
            "$2 = 77",
            "fuse ",
            "coming",
            "fuse.ko",
            "1 of 1 modules have symbols",
            "in fuse_init at fs/fuse/inode.c:",
        ],
    );
    assert!(!text.contains("do_init_module ()"), "the hook stops unseen: {text}");
}

#[test]
fn no_gdb_is_one_line_that_says_what_to_install() {
    let lkdb = Lkdb::new().with("LKDB_GDB", "/nowhere/gdb");
    lkdb.refused(&["gdb"], &["/nowhere/gdb"]);
    let lkdb = Lkdb::new().with("PATH", "/nowhere");
    lkdb.refused(&["gdb"], &["no gdb on this host", "apt install gdb"]);
}
