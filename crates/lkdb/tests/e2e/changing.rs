//! The kernel takes another path because the debugger changed something, and the guest's programs see it.

use crate::fixture::{Lkdb, Running, eventually};

/// A guest with a file `/mark`, and a session on it.
fn marked() -> (Lkdb, Running) {
    let lkdb = Lkdb::new();
    let file = lkdb.scratch().join("mark");
    std::fs::write(&file, "as it is\n").unwrap();
    lkdb.ok(&["boot", "-d", "--name", "changed", "--add", &format!("{}:/mark", file.display())]);
    assert_eq!(lkdb.ok(&["exec", "changed", "--", "cat", "/mark"]), "as it is\n");
    let session = lkdb.start(&["attach", "changed"]);
    (lkdb, session)
}

/// Sets breakpoint 1, lets the guest run a command that comes by, and says what is to be done there; gives what the
/// command said.
fn steered(
    lkdb: &Lkdb,
    session: &mut Running,
    stop: &str,
    command: &[&str],
    steps: &[(&str, &str)],
) -> String {
    session.type_in(&format!("{stop}\ncontinue\n"));
    session.wait_for("reakpoint");
    eventually("it runs", || lkdb.machine("changed")["state"] == "running");
    let guest = lkdb.start(&[&["exec", "changed", "--"], command].concat());
    session.wait_for(" hit ");
    for (step, sign) in steps {
        session.type_in(&format!("{step}\n"));
        session.wait_for(sign);
    }
    session.type_in("detach\n");
    guest.end().1
}

/// Opening `/mark`, and nothing else.
const OPENS_MARK: &str = "tbreak do_filp_open if pathname->name[0] == '/' && pathname->name[1] == 'm' \
                          && pathname->name[2] == 'a' && pathname->name[3] == 'r' && pathname->name[4] == 'k'";

/// What `cat /mark` says in the guest when this is done as it opens the file.
fn steered_while_opening(steps: &[(&str, &str)]) -> String {
    let (lkdb, mut session) = marked();
    steered(&lkdb, &mut session, OPENS_MARK, &["cat", "/mark"], steps)
}

#[test]
fn a_changed_local_takes_another_branch() {
    let (lkdb, mut session) = marked();
    // Appending is what nobody else does: `fd` is what opening begins with, and not 0 when it fails.
    let said = steered(
        &lkdb,
        &mut session,
        "tbreak do_sys_openat2 if how->flags & 0x400",
        &["sh", "-c", "echo more >> /mark"],
        &[
            ("advance 1311", "if (fd)"),
            ("print fd", "= 0"),
            ("set var fd = -13", ""),
            ("print fd", "= -13"),
            ("next", "1312"),
        ],
    );
    assert!(said.contains("/mark: Permission denied"), "{said}");
    assert_eq!(lkdb.ok(&["exec", "changed", "--", "cat", "/mark"]), "as it is\n");
}

#[test]
fn a_changed_result_is_a_system_calls_answer() {
    let said = steered_while_opening(&[
        ("frame 1", "do_sys_openat2 ("),
        ("finish", "Value returned is $1 = 3"),
        ("set var $rax = -2", ""),
        ("print $rax", "= -2"),
    ]);
    assert!(said.contains("can't open '/mark': No such file or directory"), "{said}");
}

#[test]
fn a_call_is_jumped_over() {
    let said = steered_while_opening(&[
        ("set var $rax = -5", ""),
        ("set var $rsp = $rsp + 8", ""),
        ("tbreak *(*(unsigned long *) ($rsp - 8))", "Temporary breakpoint 2"),
        ("jump *(*(unsigned long *) ($rsp - 8))", "Continuing at 0x"),
        ("", "Temporary breakpoint 2, "),
        ("print $rax", "= -5"),
    ]);
    assert!(said.contains("can't open '/mark': Input/output error"), "{said}");
}

#[test]
fn a_saved_register_of_an_outer_frame_is_written_where_it_is_saved() {
    let said = steered_while_opening(&[
        ("next", "\n386"),
        ("next", "\n386"),
        ("up", "do_sys_openat2 ("),
        ("print $old = $rbx", "= 3"),
        ("set var $rbx = 77", ""),
        ("print $rbx", "= 77"),
        ("frame 0", "do_filp_open ("),
        ("finish", "Value returned"),
        ("print $rbx", "= 77"),
        ("set var $rbx = $old", ""),
        ("print $rbx", "= 3"),
    ]);
    assert_eq!(said, "as it is\n");
}

#[test]
fn watched_values_are_shown_before_and_after_and_end_with_their_frame() {
    let said = steered_while_opening(&[
        ("advance path_openat", "path_openat ("),
        ("watch nd->flags", "Cannot watch `nd->flags': "),
        ("up", "do_filp_open ("),
        ("watch nd.flags", "Hardware watchpoint 2: nd.flags"),
        ("watch nd.depth if nd.depth == 12345", "Hardware watchpoint 3: nd.depth"),
        ("print nd.flags", "= 0"),
        ("continue", "hit Hardware watchpoint 2: nd.flags\n\nOld value = 0\nNew value = "),
        ("", "path_init ("),
        ("disable 2", ""),
        ("watch 5", "Cannot watch constant value `5'."),
        ("info breakpoints", "stop only if nd.depth == 12345"),
        ("delete 2", ""),
        (
            "continue",
            "\nWatchpoint 3 deleted because the program has left the block\nin which its expression is valid.\n",
        ),
        ("", "do_sys_openat2 ("),
        ("info breakpoints", "No breakpoints or watchpoints."),
    ]);
    assert_eq!(said, "as it is\n");
}

#[test]
fn debug_registers_are_counted() {
    let text = Lkdb::new().run(
        &[
            &["debug", "-ex", "break start_kernel", "-ex", "continue"][..],
            &["-ex", "set remote hardware-breakpoint-limit 2"],
            &["-ex", "hbreak do_exit", "-ex", "watch panic_timeout", "-ex", "hbreak do_filp_open"],
            &["-ex", "disable 2", "-ex", "hbreak do_filp_open", "-ex", "enable 2", "-ex", "info breakpoints"],
            &[
                "-ex",
                "info threads",
                "-ex",
                "thread 2",
                "-ex",
                "info registers rip",
                "-ex",
                "thread apply all bt 1",
            ],
            &["-batch"],
        ]
        .concat(),
    );
    let refused = "You may have requested too many hardware breakpoints/watchpoints: 3 debug registers are wanted \
                   and there are 2 (breakpoints 2, 3, 4); delete or disable one, or use `break' for code.";
    assert!(text.stderr.contains(refused), "{text:#?}");
    assert_eq!(text.stderr.matches("too many hardware").count(), 2, "{text:#?}");
    assert!(text.stdout.contains("Debug registers: 2 of 2 taken."), "{text:#?}");
    // A CPU that the kernel has not set up runs no task.
    let threads = [
        "* 1    Thread 1.1 \"swapper\" (CPU#0, pid 0) ",
        "  2    Thread 1.2 (CPU#1, no task: the kernel has not set it up yet) ",
        "[Switching to thread 2 (Thread 1.2 (CPU#1, no task: ",
        "\nThread 2 (Thread 1.2 (CPU#1, ",
        "\nThread 1 (Thread 1.1 \"swapper\" (CPU#0, pid 0)):\n#0  start_kernel () ",
    ];
    for words in threads {
        // The table pads names.
        assert!(text.stdout.contains(words), "no `{words}` in {text:#?}");
    }
}
