//! The agent: runs commands in the guest for lkdb's host side, any number at once, over one port.
//!
//! Its roles, told apart by how it is started:
//! * `lkdb-agent [PORT]`, from the guest's inittab: waits for the port, serves it, ends when it vanishes;
//! * as process 1 (`rdinit=` names it): leaves a serving child behind and becomes the real init;
//! * `@lkdb-agent --on-stdin`, that child: its port is its stdin.
//!
//! The frames are the library's; nothing here knows the host.
#![forbid(unsafe_code)]

mod channel;
mod init;
mod kernel;
mod outbox;
mod port;
mod root;
mod server;

use std::process::ExitCode;

/// The argument of the child that process 1 leaves behind.
const ON_STDIN: &str = "--on-stdin";

fn main() -> ExitCode {
    if std::process::id() == 1 {
        return init::run();
    }
    let argument = std::env::args().nth(1);
    let ended = if argument.as_deref() == Some(ON_STDIN) {
        port::on_stdin().and_then(|port| server::serve(port, root::InitRoot::open()))
    } else {
        server::serve(port::wait_for(argument.as_deref()), None)
    };
    // Nobody reads this agent's stderr but a person who looks for why it ended.
    if ended.is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
