//! Frames: how messages travel over one byte stream that many commands share.
//!
//! The stream is a serial port of the guest (or a virtio port). What QEMU's 8250 does was measured and
//! read, and shapes this:
//!
//! * The line starts dirty. Before the agent has it in raw mode the kernel may print on it, echo what
//!   the host sent, or eat part of it. So every frame opens with a magic number and carries a checksum,
//!   and a decoder that meets anything else drops single bytes until a frame fits. The two directions
//!   use different kinds, so an echo of one's own words is noise too.
//! * There is no flow control towards the guest: the kernel buffers some 64 KiB and drops the rest. So
//!   the host never has more than [`credit::LINK_WINDOW`](crate::credit::LINK_WINDOW) bytes on the line
//!   that the agent has not acknowledged ([`Report::Received`](crate::Report::Received)).
//! * Should bytes be lost all the same, nobody may get a stream with a hole: frames are numbered, and a
//!   decoder says [`Event::Lost`] at a gap. Hello restarts the numbering, whatever its number.
//!
//! A frame, little-endian:
//!
//! | offset | size | |
//! | --- | --- | --- |
//! | 0 | 4 | magic: f5 `l` `k` `d` (f5 never occurs in UTF-8, so not in kernel messages) |
//! | 4 | 1 | version of the protocol |
//! | 5 | 1 | kind of the message; the top bit is set in those from the guest |
//! | 6 | 2 | length of the payload, at most [`MAX_PAYLOAD`] |
//! | 8 | 4 | number of the frame, counted by the sender |
//! | 12 | 4 | channel: one for each command, chosen by the host; 0 for the line itself |
//! | 16 | 4 | CRC-32 of bytes 4 to 16 and the payload |
//! | 20 | | payload |
//!
//! Limits: a decoder keeps at most one frame's bytes between two calls.

use std::marker::PhantomData;

use crate::checksum::crc32;
use crate::message::{Malformed, Message};

/// The version spoken by this build. Frames of another version are noise, except that a Hello of any
/// version can be recognised by its kind; host and agent are built together, so they always match.
pub const VERSION: u8 = 1;
/// The longest payload. Stream data comes in pieces of [`MAX_DATA`], so that channels take fair turns.
pub const MAX_PAYLOAD: usize = 32 * 1024;
/// The most stream data one frame carries.
pub const MAX_DATA: usize = 4096;
/// Bytes before the payload.
pub const HEADER: usize = 20;

const MAGIC: [u8; 4] = *b"\xf5lkd";

/// Why a message cannot be put in a frame.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the message takes {length} bytes, and a frame holds {MAX_PAYLOAD}: shorten the command line")]
pub struct TooLong {
    /// Bytes its payload would take.
    pub length: usize,
}

/// Makes frames, numbering them.
#[derive(Debug, Default)]
pub struct Encoder {
    next: u32,
}

impl Encoder {
    /// An encoder that starts with frame 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the frame of `message` to `out`; on error nothing is appended and no number used.
    pub fn encode<M: Message>(
        &mut self,
        channel: u32,
        message: &M,
        out: &mut Vec<u8>,
    ) -> Result<(), TooLong> {
        let mut payload = Vec::new();
        let kind = message.write(&mut payload);
        let length = u16::try_from(payload.len()).ok().filter(|length| usize::from(*length) <= MAX_PAYLOAD);
        let length = length.ok_or(TooLong { length: payload.len() })?;
        let mut head = [0; 12];
        head[0] = VERSION;
        head[1] = kind;
        head[2..4].copy_from_slice(&length.to_le_bytes());
        head[4..8].copy_from_slice(&self.next.to_le_bytes());
        head[8..12].copy_from_slice(&channel.to_le_bytes());
        self.next = self.next.wrapping_add(1);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&head);
        out.extend_from_slice(&crc32(&[&head, &payload]).to_le_bytes());
        out.extend_from_slice(&payload);
        Ok(())
    }
}

/// What a decoder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<M> {
    /// A message, whole and in order.
    Message {
        /// The command it belongs to; 0 for the line itself.
        channel: u32,
        /// What it says.
        message: M,
        /// Bytes its frame took on the line, for [`Report::Received`](crate::Report::Received).
        size: u32,
    },
    /// Frames went missing before the next event: the open channels have holes and must be ended.
    Lost,
    /// A frame with a good checksum that says nothing we know: a bug of the peer.
    Malformed(Malformed),
}

/// Finds the frames of one direction in a stream of bytes.
#[derive(Debug)]
pub struct Decoder<M> {
    buffer: Vec<u8>,
    expected: Option<u32>,
    noise: u64,
    direction: PhantomData<M>,
}

impl<M: Message> Default for Decoder<M> {
    fn default() -> Self {
        Self { buffer: Vec::new(), expected: None, noise: 0, direction: PhantomData }
    }
}

impl<M: Message> Decoder<M> {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes dropped so far because they belonged to no frame.
    #[must_use]
    pub fn noise(&self) -> u64 {
        self.noise
    }

    /// Takes the next bytes and returns what they complete, in order.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event<M>> {
        let mut events = Vec::new();
        // In pieces, so that a huge input never makes a huge buffer.
        for piece in bytes.chunks(MAX_PAYLOAD) {
            self.buffer.extend_from_slice(piece);
            let mut at = 0;
            while let Some(step) = scan::<M>(self.buffer.get(at..).unwrap_or_default()) {
                match step {
                    Step::Noise(length) => {
                        self.noise += length as u64;
                        at += length;
                    }
                    Step::Foreign(length) => {
                        self.noise += length as u64;
                        at += length;
                    }
                    Step::Frame { length, number, channel, parsed } => {
                        at += length;
                        self.accept(length, number, channel, parsed, &mut events);
                    }
                }
            }
            self.buffer.drain(..at.min(self.buffer.len()));
        }
        events
    }

    fn accept(
        &mut self,
        length: usize,
        number: u32,
        channel: u32,
        parsed: Result<M, Malformed>,
        events: &mut Vec<Event<M>>,
    ) {
        let restarts = matches!(&parsed, Ok(message) if message.restarts());
        // Before the first Hello nothing is known about the numbers.
        let gap = self.expected.is_some_and(|expected| expected != number);
        self.expected = Some(number.wrapping_add(1));
        if gap && !restarts {
            events.push(Event::Lost);
        }
        events.push(match parsed {
            Ok(message) => {
                Event::Message { channel, message, size: u32::try_from(length).unwrap_or(u32::MAX) }
            }
            Err(malformed) => Event::Malformed(malformed),
        });
    }
}

enum Step<M> {
    /// So many bytes are no frame.
    Noise(usize),
    /// A whole frame of the other direction: an echo.
    Foreign(usize),
    Frame {
        length: usize,
        number: u32,
        channel: u32,
        parsed: Result<M, Malformed>,
    },
}

/// Looks at the start of `bytes`; `None` asks for more of them.
fn scan<M: Message>(bytes: &[u8]) -> Option<Step<M>> {
    let start = bytes.iter().position(|byte| *byte == MAGIC[0]).unwrap_or(bytes.len());
    if start > 0 {
        return Some(Step::Noise(start));
    }
    let known = bytes.len().min(MAGIC.len());
    if bytes.get(..known) != MAGIC.get(..known) {
        return Some(Step::Noise(1));
    }
    let head = bytes.get(4..16)?;
    let length = usize::from(u16::from_le_bytes(bytes.get(6..8)?.try_into().ok()?));
    if bytes.get(4) != Some(&VERSION) || length > MAX_PAYLOAD {
        return Some(Step::Noise(1));
    }
    let number = u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?);
    let channel = u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?);
    let crc = u32::from_le_bytes(bytes.get(16..HEADER)?.try_into().ok()?);
    let payload = bytes.get(HEADER..HEADER + length)?;
    if crc32(&[head, payload]) != crc {
        return Some(Step::Noise(1));
    }
    let kind = bytes.get(5).copied().unwrap_or_default();
    let length = HEADER + length;
    if (kind & 0x80 != 0) != M::FROM_GUEST {
        return Some(Step::Foreign(length));
    }
    Some(Step::Frame { length, number, channel, parsed: M::parse(kind, payload) })
}
