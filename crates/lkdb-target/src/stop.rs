//! Why the target is not running, as the stub tells it.

use std::fmt;

use crate::packet::hex_digit;

/// One of the stub's threads: a CPU. QEMU counts from 1; CPU 0 is thread 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thread(pub u64);

impl Thread {
    /// The CPU's number as Linux and `info cpus` count them, from 0.
    #[must_use]
    pub const fn cpu(self) -> u64 {
        self.0.saturating_sub(1)
    }

    /// Reads `1`, `0a`, and `p1.1` (the process is dropped).
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let thread = match text.strip_prefix(b"p") {
            Some(rest) => rest.split(|byte| *byte == b'.').nth(1)?,
            None => text,
        };
        hex_number(thread).filter(|number| *number > 0).map(Self)
    }
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPU {}", self.cpu())
    }
}

/// A stop reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A signal, 5 (SIGTRAP) for breakpoints and steps, 2 (SIGINT) for an interrupt. QEMU 11 gives no
    /// thread in its answer to `?`.
    Signal {
        /// The signal's number in gdb's own counting.
        signal: u8,
        /// The CPU that stopped, where said.
        thread: Option<Thread>,
        /// The address a watchpoint saw touched.
        watch: Option<u64>,
    },
    /// `W`: the guest is gone; QEMU says so as it shuts down.
    Exited(u8),
    /// `X`: the guest is gone by a signal.
    Killed(u8),
}

impl Stop {
    /// The CPU that stopped, where the stub names one.
    #[must_use]
    pub fn thread(&self) -> Option<Thread> {
        match self {
            Self::Signal { thread, .. } => *thread,
            Self::Exited(_) | Self::Killed(_) => None,
        }
    }

    /// A stop reply from a packet; `None` for any other packet.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let (&kind, rest) = packet.split_first()?;
        let number = match rest {
            [high, low, ..] => hex_digit(*high)? << 4 | hex_digit(*low)?,
            _ => return None,
        };
        match kind {
            b'S' => Some(Self::Signal { signal: number, thread: None, watch: None }),
            b'T' => Some(Self::signal(number, rest.get(2..).unwrap_or_default())),
            b'W' => Some(Self::Exited(number)),
            b'X' => Some(Self::Killed(number)),
            _ => None,
        }
    }

    fn signal(signal: u8, pairs: &[u8]) -> Self {
        let (mut thread, mut watch) = (None, None);
        for pair in pairs.split(|byte| *byte == b';') {
            let mut halves = pair.splitn(2, |byte| *byte == b':');
            let (Some(key), Some(value)) = (halves.next(), halves.next()) else { continue };
            match key {
                b"thread" => thread = Thread::parse(value),
                b"watch" | b"rwatch" | b"awatch" => watch = hex_number(value),
                _ => {}
            }
        }
        Self::Signal { signal, thread, watch }
    }
}

/// A number in hex without `0x`, as the protocol writes them; `None` if it is none or over 64 bits.
pub(crate) fn hex_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0, |number: u64, digit| Some(number << 4 | u64::from(hex_digit(*digit)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stop_replies_of_qemu_are_read() {
        let signal = |signal, thread, watch| Some(Stop::Signal { signal, thread, watch });
        assert_eq!(Stop::parse(b"T05thread:02;"), signal(5, Some(Thread(2)), None));
        assert_eq!(Stop::parse(b"T02thread:p01.01;"), signal(2, Some(Thread(1)), None));
        assert_eq!(Stop::parse(b"T05"), signal(5, None, None));
        assert_eq!(
            Stop::parse(b"T05thread:01;awatch:ffffffff82c0f000;"),
            signal(5, Some(Thread(1)), Some(0xffff_ffff_82c0_f000))
        );
        assert_eq!(Stop::parse(b"S11"), signal(0x11, None, None));
        assert_eq!(Stop::parse(b"W00"), Some(Stop::Exited(0)));
        for other in [b"OK".as_slice(), b"", b"T", b"Tzz", b"E22", b"O41"] {
            assert_eq!(Stop::parse(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Stop::parse(&bytes);
            let _ = Stop::parse(&[b"T05thread:".as_slice(), &bytes].concat());
        }
    }
}
