//! What can go wrong between us and a stub: the connection apart from the target.

use std::time::Duration;

/// A result whose error is this crate's.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request to the stub did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stub's end of the connection is gone: QEMU ended, or someone closed it.
    #[error("the gdb stub closed the connection: QEMU has ended, or another client took the stub")]
    Closed,
    /// The operating system refused to read or write.
    #[error("cannot talk to the gdb stub: {0}")]
    Io(#[from] std::io::Error),
    /// No answer in time.
    #[error("the gdb stub did not answer `{request}` within {} ms", after.as_millis())]
    Timeout {
        /// The packet that was sent, or what was waited for.
        request: String,
        /// How long was waited.
        after: Duration,
    },
    /// The target runs and did not stop in time.
    #[error("the target did not stop within {} ms", .0.as_millis())]
    StillRunning(Duration),
    /// An answer that is not what the protocol allows there.
    #[error("the gdb stub answered `{request}` with `{answer}`, which is no {expected}")]
    Garbage {
        /// The packet that was sent.
        request: String,
        /// The start of what came back.
        answer: String,
        /// What should have come.
        expected: &'static str,
    },
    /// Packets arrive damaged, again and again.
    #[error("the gdb stub's packets arrive damaged (wrong checksums)")]
    Damaged,
    /// More bytes than any honest answer has.
    #[error("the gdb stub sent a packet of more than {0} bytes")]
    TooLong(usize),
    /// The stub said `E nn`.
    #[error("the gdb stub refused `{request}` (error {code})")]
    Refused {
        /// The packet that was sent.
        request: String,
        /// The two hex digits (or text) behind the `E`.
        code: String,
    },
    /// The stub answered with the empty packet, which means it does not know the request.
    #[error("the gdb stub does not know `{0}`")]
    Unsupported(String),
    /// A request that is only legal while the target is stopped.
    #[error("the target is running: interrupt it before `{0}`")]
    Running(String),
    /// The stub's description of its registers makes no sense.
    #[error("the gdb stub's register description is unusable: {0}")]
    Description(String),
    /// A register that the target does not have.
    #[error("the target has no register `{0}`")]
    NoRegister(String),
}

/// The start of a packet, printable, for an error message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 60;
    let start = bytes.get(..SHOWN).unwrap_or(bytes);
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("{}{more}", start.escape_ascii())
}
