//! `display` and `clear`: what both debuggers say at each stop of the same steps, each on a boot of its own.

use crate::fixture::Lkdb;
use crate::stepping::said_by;

/// What is shown, in and out of its block, and how it is switched.
const COMMANDS: [&str; 23] = [
    "info display",
    "next",
    "step",
    "next",
    "up",
    "display",
    "x/2i $pc",
    "down",
    "disable display 1",
    "next",
    "finish",
    "undisplay 2-3",
    "stepi",
    "info display",
    "enable display",
    "delete display 4",
    "next",
    "info display",
    "break do_filp_open",
    "break namei.c:3859",
    "clear do_filp_open",
    "clear do_filp_open",
    "info breakpoints",
];

/// The answers to [`COMMANDS`].
fn answers(lkdb: &Lkdb, debugger: &[&str]) -> Vec<String> {
    const MARK: &str = "echo @\\n";
    let begin = [
        "break do_filp_open",
        "continue",
        "delete",
        "display dfd",
        "display/i $pc",
        "display/s pathname->name",
        "display/x nr_cpu_ids",
        "display/2xb &nr_cpu_ids",
        "display 1 / (dfd + 100)",
    ];
    // Typed at a terminal `display` shows at once in both, from a script in lkdb alone.
    let marked = COMMANDS.iter().flat_map(|command| [MARK, *command]);
    let commands: Vec<&str> = begin.into_iter().chain(marked).collect();
    let said = said_by(lkdb, debugger, "nokaslr quiet rdinit=/bin/uname", &commands);
    // The first gdb says at a terminal alone, the second at its end.
    let said: String = said
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("Run till exit from ") && !line.starts_with("[Inferior 1 "))
        .collect();
    said.split("@\n").skip(1).map(|answer| without_addresses(answer.trim_end())).collect()
}

/// Data lies elsewhere at each boot, and so do stacks.
fn without_addresses(text: &str) -> String {
    let elsewhere = |text: String, start: &str| {
        let behind = |part: &str| part.trim_start_matches(|c: char| c.is_ascii_hexdigit()).to_owned();
        let mut parts = text.split(start);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + start + &behind(part))
    };
    ["0xffff8", "0xffffc9"].into_iter().fold(text.to_owned(), elsewhere)
}

#[test]
fn displays_read_as_gdbs() {
    let lkdb = Lkdb::new();
    let gdbs = answers(&lkdb, &["gdb", "--", "-nx"]);
    let ours = answers(&lkdb, &["debug"]);
    assert_eq!((gdbs.len(), ours.len()), (COMMANDS.len(), COMMANDS.len()), "{gdbs:#?}\n{ours:#?}");
    for (command, (gdbs, ours)) in COMMANDS.iter().zip(gdbs.iter().zip(&ours)) {
        assert_eq!(gdbs, ours, "{command}");
    }
}
