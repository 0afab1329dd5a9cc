//! `monitor`: a line for QEMU itself.

use lkdb_session::Session;

use crate::answer::Text;
use crate::table::{Command, Group, Repeat};
use crate::{Error, Result};

pub(crate) const COMMANDS: &[Command] = &[Command::new(
    &["monitor", "mon"],
    "COMMAND",
    "Gives a line to QEMU's monitor, and shows what that says\n`monitor help' lists its commands: info mtree, info tlb, info qtree, …",
    Group::Support,
    monitor,
)
.repeats(Repeat::Never)];

fn monitor(session: &mut Session<'_>, line: &str) -> Result {
    if line.is_empty() {
        return Err(Error::say("Argument required (a command of QEMU's monitor)."));
    }
    let word = line.split_whitespace().next().unwrap_or_default();
    if matches!(word, "c" | "cont") {
        return Err(Error::say(format!(
            "`monitor {word}' would let the guest run behind the session's back; `continue' lets it run."
        )));
    }
    let text = session.monitor(line)?.replace("\r\n", "\n");
    Ok(Box::new(Text { text }))
}
