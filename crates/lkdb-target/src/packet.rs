//! The framing of the gdb remote protocol: bytes on the wire to packets and back. No I/O here.
//!
//! The protocol (gdb's manual, appendix "gdb Remote Serial Protocol") was made for serial lines, and
//! still reads like it. A packet is
//!
//! ```text
//! $ payload # hh
//! ```
//!
//! where `hh` is the sum of the payload's bytes as sent, modulo 256, in hex. Whoever gets a packet
//! answers `+` (taken) or `-` (damaged: send it again). Clients may ask to do without (`QStartNoAckMode`),
//! but QEMU never learnt that, so every packet here is acknowledged. A `-` makes QEMU send its last
//! packet again.
//!
//! Inside a payload `$`, `#`, `}` and `*` are sent as `}` and the byte XOR 0x20. A stub may shorten runs:
//! `0*~` is a `0` and then as many more as the byte behind the star says, less 29 (`~` is 126: 97 more).
//! The two bytes `#` and `$` never count a run, since they would look like the end or start of a packet.
//! Run counts are never sent by clients.
//!
//! Outside of packets the only byte that means something is 0x03 from the client: stop the target. It is
//! also the only thing that may be sent while the target runs. Everything else between packets is noise
//! and is skipped, as gdb does.
//!
//! The payload of a request starts with a letter (`g`, `m`, `Z`, …) or with `q`, `Q` or `v` and a name.
//! The answer is data in hex, `OK`, `E` and an error number, or nothing at all: "I don't know that
//! request". Requests and answers alternate strictly, with two exceptions: a running target sends a
//! stop reply whenever it stops, and QEMU 7.2 sends one unasked when a client connects to a running guest.

/// The longest payload we take. QEMU's own limit is 0x20020 at most; its target.xml comes in pieces.
pub const LONGEST: usize = 1 << 20;

/// The packet for a payload: escaped, framed, with its checksum.
#[must_use]
pub fn encode(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 4);
    out.push(b'$');
    for &byte in payload {
        if matches!(byte, b'$' | b'#' | b'}' | b'*') {
            out.extend([b'}', byte ^ 0x20]);
        } else {
            out.push(byte);
        }
    }
    let sum = checksum(out.get(1..).unwrap_or_default());
    out.extend(format!("#{sum:02x}").bytes());
    out
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

/// What the decoder found in the bytes it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `+`: the other side took our packet.
    Ack,
    /// `-`: it wants our packet again.
    Nak,
    /// A whole packet, unescaped and with its runs written out.
    Packet(Vec<u8>),
    /// A packet whose checksum, escapes or runs are wrong; it must be asked for again.
    Damaged,
    /// A packet longer than [`LONGEST`].
    TooLong,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Between,
    Payload,
    Sum(Option<u8>),
}

/// Finds packets in a stream of bytes, whatever pieces they come in.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    raw: Vec<u8>,
}

impl Decoder {
    /// Takes one byte; returns what it completed, if anything.
    pub fn push(&mut self, byte: u8) -> Option<Event> {
        match self.state {
            State::Between => match byte {
                b'+' => Some(Event::Ack),
                b'-' => Some(Event::Nak),
                b'$' => {
                    self.raw.clear();
                    self.state = State::Payload;
                    None
                }
                _ => None,
            },
            State::Payload => self.payload(byte),
            State::Sum(None) => {
                self.state = State::Sum(Some(byte));
                None
            }
            State::Sum(Some(high)) => {
                self.state = State::Between;
                let said = hex_digit(high).zip(hex_digit(byte)).map(|(high, low)| high << 4 | low);
                if said != Some(checksum(&self.raw)) {
                    return Some(Event::Damaged);
                }
                Some(expand(&self.raw))
            }
        }
    }

    /// Takes bytes as they came; what they completed is put behind `events`. The same as [`push`](Self::push)
    /// byte by byte, quicker.
    pub fn push_all(&mut self, mut bytes: &[u8], events: &mut impl Extend<Event>) {
        while let Some((first, rest)) = bytes.split_first() {
            // The plain part of a payload, in one piece.
            let room = LONGEST - self.raw.len().min(LONGEST);
            let plain = match self.state {
                State::Payload => {
                    bytes.iter().take(room).take_while(|byte| !matches!(byte, b'#' | b'$')).count()
                }
                _ => 0,
            };
            if let Some((plain, rest)) = bytes.split_at_checked(plain).filter(|(plain, _)| !plain.is_empty())
            {
                self.raw.extend_from_slice(plain);
                bytes = rest;
                continue;
            }
            events.extend(self.push(*first));
            bytes = rest;
        }
    }

    fn payload(&mut self, byte: u8) -> Option<Event> {
        match byte {
            b'#' => self.state = State::Sum(None),
            // A new start: what came before was cut off.
            b'$' => self.raw.clear(),
            _ if self.raw.len() >= LONGEST => {
                self.state = State::Between;
                return Some(Event::TooLong);
            }
            _ => self.raw.push(byte),
        }
        None
    }
}

/// Undoes escapes and runs.
fn expand(raw: &[u8]) -> Event {
    if !raw.iter().any(|byte| matches!(byte, b'}' | b'*')) {
        return Event::Packet(raw.to_vec());
    }
    let mut out: Vec<u8> = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'}' => match bytes.next() {
                Some(escaped) => out.push(escaped ^ 0x20),
                None => return Event::Damaged,
            },
            b'*' => {
                let count = bytes.next().and_then(|count| count.checked_sub(29)).filter(|count| *count >= 3);
                let (Some(count), Some(&last)) = (count, out.last()) else { return Event::Damaged };
                if out.len() + usize::from(count) > LONGEST {
                    return Event::TooLong;
                }
                out.resize(out.len() + usize::from(count), last);
            }
            _ => out.push(byte),
        }
    }
    Event::Packet(out)
}

/// The value of a hex digit of either case.
#[must_use]
pub fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Bytes as the hex digits the protocol carries them in.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Bytes from hex digits; `None` for an odd number of them or a byte that is none.
#[must_use]
pub fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| match pair {
            [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
            _ => None,
        })
        .collect()
}

/// Fills `into` from exactly as many hex digits as it takes; `None` for anything else.
pub fn from_hex_into(digits: &[u8], into: &mut [u8]) -> Option<()> {
    if digits.len() != into.len() * 2 {
        return None;
    }
    for (byte, pair) in into.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = match pair {
            [high, low] => hex_digit(*high)? << 4 | hex_digit(*low)?,
            _ => return None,
        };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> Vec<Event> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|byte| decoder.push(*byte)).collect()
    }

    #[test]
    fn a_packet_is_framed_and_escaped() {
        assert_eq!(encode(b"m0,4"), b"$m0,4#fd");
        assert_eq!(encode(b"a}b#"), [b"$a}]b}\x03#".as_slice(), b"1d"].concat());
    }

    #[test]
    fn runs_are_written_out() {
        assert_eq!(decode(b"$0* #7a"), [Event::Packet(b"0000".to_vec())]);
        assert_eq!(decode(b"$x*~#"), []);
        assert_eq!(decode(b"$* #4a"), [Event::Damaged], "a run of nothing");
        assert_eq!(decode(b"$0*\x1d#77"), [Event::Damaged], "a run of no length");
    }

    #[test]
    fn noise_acks_and_damage_are_told_apart() {
        let events = decode(b"noise+$OK#9a-$OK#9b$cut$OK#9A");
        let ok = || Event::Packet(b"OK".to_vec());
        assert_eq!(events, [Event::Ack, ok(), Event::Nak, Event::Damaged, ok()]);
    }

    #[test]
    fn an_endless_packet_is_given_up() {
        let mut decoder = Decoder::default();
        decoder.push(b'$');
        assert!((0..=LONGEST).any(|_| decoder.push(b'x') == Some(Event::TooLong)));
    }

    #[test]
    fn hex_goes_both_ways() {
        assert_eq!(from_hex(b"00fFa5"), Some(vec![0, 255, 0xa5]));
        assert_eq!(to_hex(&[0, 255, 0xa5]), "00ffa5");
        assert_eq!(from_hex(b"0"), None);
        assert_eq!(from_hex(b"0x"), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(payload in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(decode(&encode(&payload)), [Event::Packet(payload)]);
        }

        #[test]
        fn pieces_make_no_difference(
            pieces in proptest::collection::vec("[+$#}*a-c0-9-]{0,40}", 0..8)
        ) {
            let whole: Vec<u8> = pieces.concat().into_bytes();
            let (mut decoder, mut events) = (Decoder::default(), Vec::new());
            for piece in &pieces {
                decoder.push_all(piece.as_bytes(), &mut events);
            }
            prop_assert_eq!(decode(&whole), events);
        }

        #[test]
        fn no_bytes_make_it_panic_or_grow(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
            for event in decode(&bytes) {
                if let Event::Packet(payload) = event {
                    prop_assert!(payload.len() <= bytes.len() * 98);
                }
            }
        }
    }
}
