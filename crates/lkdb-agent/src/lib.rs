//! What lkdb's agent in the guest and its host say to each other.
//!
//! [`frame`] carries messages over a line that may hold noise, [`message`] says what they mean, and
//! [`credit`] keeps one slow reader from blocking the others. No I/O here: both sides own their ports.
//! The agent itself is this package's program.

mod checksum;
pub mod credit;
pub mod frame;
pub mod message;

pub use frame::{Decoder, Encoder, Event};
pub use message::{Exit, Hello, Message, Report, Request, Spawn, Stream};
