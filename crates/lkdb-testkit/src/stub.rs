//! A scripted gdb stub at the other end of a socket pair: honest, lying, stalling or dying.
//!
//! Frames packets by itself. What it answers is the test's, packet by packet.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};

/// What the stub does with one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Acknowledges and answers with a packet of this payload.
    Packet(Vec<u8>),
    /// Acknowledges and answers with several packets.
    Packets(Vec<Vec<u8>>),
    /// Sends these bytes as they are, without acknowledging.
    Raw(Vec<u8>),
    /// Acknowledges and answers with a damaged packet first; with the right one when asked again.
    DamagedOnce(Vec<u8>),
    /// Acknowledges and says no more.
    Acknowledge,
    /// Does nothing at all.
    Silence,
    /// Sends these bytes as they are and closes the connection.
    Cut(Vec<u8>),
    /// Closes the connection.
    Close,
}

impl Reply {
    /// A packet of a text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Packet(text.as_bytes().to_vec())
    }
}

/// Starts a stub; returns the client's end and the requests as they come in (0x03 as one byte).
///
/// # Panics
/// When the system gives no socket pair.
pub fn start(mut answer: impl FnMut(&str) -> Reply + Send + 'static) -> (UnixStream, Receiver<String>) {
    #[allow(clippy::expect_used)] // a test's fixture: there is nobody to hand an error to
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let (log, requests) = channel();
    std::thread::spawn(move || {
        let mut stream = ours;
        let mut last = Vec::new();
        while let Some(request) = next_request(&mut stream, &last) {
            let _ = log.send(request.clone());
            let (acknowledge, bytes) = match answer(&request) {
                Reply::Packet(payload) => (true, frame(&payload)),
                Reply::Packets(payloads) => (true, payloads.iter().flat_map(|one| frame(one)).collect()),
                Reply::Raw(bytes) => (false, bytes),
                Reply::DamagedOnce(payload) => {
                    last = frame(&payload);
                    (true, b"$damaged#00".to_vec())
                }
                Reply::Acknowledge => (true, Vec::new()),
                Reply::Silence => continue,
                Reply::Cut(bytes) => {
                    let _ = stream.write_all(&bytes);
                    return;
                }
                Reply::Close => return,
            };
            if acknowledge && request != "\x03" && stream.write_all(b"+").is_err() {
                return;
            }
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    (theirs, requests)
}

/// A payload as a packet. Payloads of tests need no escapes.
fn frame(payload: &[u8]) -> Vec<u8> {
    let sum = payload.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    [b"$", payload, format!("#{sum:02x}").as_bytes()].concat()
}

fn next_request(stream: &mut UnixStream, last: &[u8]) -> Option<String> {
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte).ok()?;
        match byte[0] {
            3 => return Some("\x03".to_owned()),
            b'-' => stream.write_all(last).ok()?,
            b'$' => break,
            _ => {}
        }
    }
    let mut payload = Vec::new();
    loop {
        stream.read_exact(&mut byte).ok()?;
        if byte[0] == b'#' {
            break;
        }
        payload.push(byte[0]);
    }
    stream.read_exact(&mut [0; 2]).ok()?;
    Some(String::from_utf8_lossy(&payload).into_owned())
}
