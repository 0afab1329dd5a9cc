//! Local time: the offset from UTC at a moment, from a file in the format of tzfile(5) (RFC 9636).
//!
//! Only the table of transitions is used, in its 64-bit form; after its last one the last offset holds.

use std::path::PathBuf;

/// A time zone. The default is UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Zone {
    /// Before the first transition.
    first: i64,
    /// From which moment on (seconds since 1970) which offset holds (seconds east), ascending.
    transitions: Vec<(i64, i64)>,
}

impl Zone {
    /// The zone that `TZ` names, else the host's.
    pub(super) fn local() -> Self {
        let file = match std::env::var("TZ") {
            Ok(name) => match name.trim_start_matches(':') {
                "" => return Self::default(),
                path if path.starts_with('/') => PathBuf::from(path),
                name => PathBuf::from("/usr/share/zoneinfo").join(name),
            },
            Err(_) => PathBuf::from("/etc/localtime"),
        };
        std::fs::read(file).ok().and_then(|bytes| Self::parse(&bytes)).unwrap_or_default()
    }

    /// Seconds east of UTC at a moment.
    pub(super) fn offset(&self, at: i64) -> i64 {
        let after = self.transitions.partition_point(|(from, _)| *from <= at);
        let last = after.checked_sub(1).and_then(|index| self.transitions.get(index));
        last.map_or(self.first, |(_, offset)| *offset)
    }

    fn parse(file: &[u8]) -> Option<Self> {
        let old = Block::parse(file)?;
        if old.version == 0 {
            return old.zone(4);
        }
        // Version 2 and later have everything once more behind it, in 64 bits.
        Block::parse(old.body.get(old.length(4)?..)?)?.zone(8)
    }
}

/// A header and what follows it.
struct Block<'a> {
    version: u8,
    /// isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt.
    counts: [usize; 6],
    body: &'a [u8],
}

impl<'a> Block<'a> {
    fn parse(file: &'a [u8]) -> Option<Self> {
        let (head, body) = file.split_at_checked(44)?;
        let version = *head.strip_prefix(b"TZif")?.first()?;
        let mut counts = [0; 6];
        for (count, bytes) in counts.iter_mut().zip(head.get(20..)?.chunks_exact(4)) {
            *count = usize::try_from(number(bytes)).ok().filter(|count| *count <= file.len())?;
        }
        Some(Self { version, counts, body })
    }

    /// Bytes in the body, with times of `width` bytes.
    fn length(&self, width: usize) -> Option<usize> {
        let [utc, std, leap, times, types, chars] = self.counts;
        let length = times * (width + 1) + types * 6 + chars + leap * (width + 4) + std + utc;
        (length <= self.body.len()).then_some(length)
    }

    fn zone(&self, width: usize) -> Option<Zone> {
        self.length(width)?;
        let [_, _, _, times, types, _] = self.counts;
        let (moments, rest) = self.body.split_at_checked(times * width)?;
        let (indexes, rest) = rest.split_at_checked(times)?;
        let types = rest.get(..types * 6)?;
        let offset = |index: usize| types.chunks_exact(6).nth(index)?.get(..4).map(number);
        let transitions = moments
            .chunks_exact(width)
            .zip(indexes)
            .map(|(moment, index)| Some((number(moment), offset((*index).into())?)));
        Some(Zone { first: offset(0)?, transitions: transitions.collect::<Option<_>>()? })
    }
}

/// A signed number, the most significant byte first.
fn number(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|byte| *byte >= 0x80) { -1 } else { 0 };
    bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, width: usize) -> Vec<u8> {
        let mut bytes = b"TZif".to_vec();
        bytes.push(version);
        bytes.resize(20, 0);
        for count in [0u32, 0, 0, 2, 2, 4] {
            bytes.extend(count.to_be_bytes());
        }
        for moment in [-100i64, 100] {
            bytes.extend(&moment.to_be_bytes()[8 - width..]);
        }
        bytes.extend([1, 0]);
        for offset in [3600i32, -7200] {
            bytes.extend(offset.to_be_bytes());
            bytes.extend([0, 0]);
        }
        bytes.extend(b"ABC\0");
        bytes
    }

    #[test]
    fn offsets_change_at_their_moments() {
        let newer = [file(b'2', 4), file(b'2', 8)].concat();
        for bytes in [file(0, 4), newer] {
            let zone = Zone::parse(&bytes).unwrap();
            let offsets: Vec<_> = [-101, -100, 99, 100, 1 << 40].map(|at| zone.offset(at)).into();
            assert_eq!(offsets, [3600, -7200, -7200, 3600, 3600]);
        }
    }

    #[test]
    fn damaged_files_are_no_zone() {
        let whole = file(0, 4);
        for cut in 0..whole.len() {
            assert_eq!(Zone::parse(&whole[..cut]), None, "{cut}");
        }
        let mut huge = whole;
        huge[32..36].fill(0xff);
        assert_eq!(Zone::parse(&huge), None);
    }
}
