//! The prompt on a terminal: what is typed ahead, half-typed words, history.

use crate::fixture::{Lkdb, kernel_file};

#[test]
fn lines_typed_ahead_are_all_read() {
    let lkdb = Lkdb::new();
    let vmlinux = kernel_file("vmlinux");
    let mut session = lkdb.start_on_terminal(&["inspect", vmlinux.to_str().unwrap()]);
    // At once, and before there is a prompt.
    let lines = (1..=5).map(|number| format!("print {number} * 1000\r")).collect::<String>();
    session.type_in(&lines);
    for number in 1..=5 {
        session.wait_for(&format!(" = {number}000"));
    }
    // What stands to be completed is asked of the session; only one symbol begins so.
    session.type_in("print sizeof(init_uts_n\t.name)\r");
    session.wait_for("init_uts_ns");
    session.wait_for(" = 390");
    // Where no line is being read, Ctrl-C is a signal.
    session.wait_for("(lkdb) ");
    session.type_in("print nosuch\u{3}");
    session.wait_for("(lkdb) ");
    session.type_in("print 7 * 1000\r");
    session.wait_for(" = 7000");
    // An empty line repeats; the history has the line before.
    session.type_in("\r");
    session.wait_for(" = 7000");
    session.type_in("\u{1b}[A\r");
    session.wait_for(" = 7000");
    session.type_in("\u{4}");
    let (status, said) = session.end();
    assert_eq!(status, 0, "{said}");
    assert!(!said.contains("No symbol"), "Ctrl-C throws a line away: {said}");
}
