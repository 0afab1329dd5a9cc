//! gdb's commands that lkdb does not have, and what does what they are for: fingers know them.

const GOES: &str =
    "the machine is there already: `continue' lets it run, after `tbreak start_kernel' to the kernel's start";
const MACHINES: &str =
    "`lkdb attach NAME', `lkdb attach SOCKET' and `lkdb attach HOST:PORT' take a machine that runs";
const HOST: &str = "commands of the host are another terminal's; `lkdb exec' runs one in the guest";
const SCRIPTS: &str =
    "files of commands (`source', -x) have no blocks; --json gives each answer to a program";
const VALUES: &str = "`print', `x' and `list' are what there is to look with";

/// By name, with gdb's own short names.
const STRANGERS: [(&str, &str); 27] = [
    ("run", GOES),
    ("r", GOES),
    ("start", GOES),
    ("starti", GOES),
    ("kill", "`quit' ends the session, and the machine with it where lkdb has started that"),
    ("k", "`quit' ends the session, and the machine with it where lkdb has started that"),
    ("target", MACHINES),
    ("tar", MACHINES),
    ("attach", MACHINES),
    ("disconnect", "`detach' lets the guest run on without lkdb"),
    ("shell", HOST),
    ("!", HOST),
    ("make", HOST),
    ("pipe", HOST),
    ("|", HOST),
    ("define", SCRIPTS),
    ("document", SCRIPTS),
    ("commands", SCRIPTS),
    ("if", SCRIPTS),
    ("while", SCRIPTS),
    ("python", SCRIPTS),
    ("py", SCRIPTS),
    ("explore", VALUES),
    ("return", "`finish' waits for the return; `jump' and `set var $rax = …' make one"),
    ("load", "`lkdb debug --kernel FILE' boots another kernel"),
    ("core-file", "dumps are not read yet"),
    ("lx-symbols", "`add-symbol-file MODULE.ko -o ADDRESS' adds a module's symbols"),
];

/// What to do instead.
pub(crate) fn instead(name: &str) -> Option<&'static str> {
    STRANGERS.iter().find(|(stranger, _)| *stranger == name).map(|(_, instead)| *instead)
}
