//! Reads one newc archive, record by record, from bytes that may be anything.

use super::{HEADER_SIZE, Header, MAX_NAME, TRAILER, padding};

/// One file as an archive has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The numbers of its header.
    pub header: Header,
    /// Its path, without the NUL; as the archive spells it.
    pub name: &'a [u8],
    /// Its content, or where a symbolic link points.
    pub data: &'a [u8],
    /// Whether the archive is of the kind with checksums (`070702`).
    pub checked: bool,
}

impl Record<'_> {
    /// Whether the content has the sum that the header promises; true where none is promised.
    #[must_use]
    pub fn checksum_holds(&self) -> bool {
        let sum = || self.data.iter().fold(0u32, |sum, &byte| sum.wrapping_add(byte.into()));
        !self.checked || self.data.is_empty() || sum() == self.header.check
    }
}

/// Why an archive cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {problem}")]
pub struct ReadError {
    /// Offset of the record in the archive.
    pub at: u64,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The bytes end within a record or before the trailer.
    #[error("the archive is cut off: {0} is not all there")]
    Truncated(&'static str),
    /// The old portable format.
    #[error(
        "this is an \"odc\" cpio archive (070707), which Linux does not unpack; make it with `cpio -H newc`"
    )]
    OldAscii,
    /// The old binary format, in either byte order.
    #[error("this is a binary cpio archive, which Linux does not unpack; make it with `cpio -H newc`")]
    Binary,
    /// No magic.
    #[error("no newc header is here (magic 070701 or 070702)")]
    NoMagic,
    /// A field holds something else than hexadecimal digits.
    #[error("the header has bytes that are no hexadecimal digits")]
    NotHex,
    /// A name of no bytes, without its NUL, or beyond the limit of the kernel.
    #[error("the record's name has {0} bytes, or no NUL at its end: Linux takes 2 to 4096")]
    BadName(u32),
}

/// Goes through one archive. Ends behind the trailer, or with the first error.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    done: bool,
}

impl<'a> Reader<'a> {
    /// Reads the archive that starts with the first of `bytes` and ends somewhere in them.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, done: false }
    }

    /// Bytes gone through so far; once the iterator has ended without an error, the archive's length
    /// up to the end of its trailer (without the zero bytes that may follow).
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    fn record(&mut self) -> Result<Option<Record<'a>>, Problem> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let checked = magic(rest)?;
        let head = rest.get(..HEADER_SIZE).ok_or(Problem::Truncated("a header"))?;
        let header = decode(head).ok_or(Problem::NotHex)?;
        let bad_name = Problem::BadName(header.name_size);
        let name_size = usize::try_from(header.name_size).map_err(|_| bad_name)?;
        if !(2..=MAX_NAME).contains(&name_size) {
            return Err(bad_name);
        }
        let name_end = HEADER_SIZE + name_size;
        let name = rest.get(HEADER_SIZE..name_end).ok_or(Problem::Truncated("a name"))?;
        let name = name.strip_suffix(&[0]).ok_or(bad_name)?;
        // Some writers pad names with several NULs; the first one ends the name.
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        if name == TRAILER {
            self.at += name_end;
            return Ok(None);
        }
        let data_at = name_end + padding((self.at + name_end) as u64, 4) as usize;
        let size = usize::try_from(header.size).unwrap_or(usize::MAX);
        let data_end = data_at.saturating_add(size);
        let data = rest.get(data_at..data_end).ok_or(Problem::Truncated("a file's content"))?;
        self.at += data_end;
        // An archive that was cut may end in the padding.
        self.at = (self.at + padding(self.at as u64, 4) as usize).min(self.bytes.len());
        Ok(Some(Record { header, name, data, checked }))
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Record<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let at = self.at as u64;
        let record = self.record().map_err(|problem| ReadError { at, problem }).transpose();
        self.done = !matches!(record, Some(Ok(_)));
        record
    }
}

/// Whether the header at the start of `rest` is one with checksums.
fn magic(rest: &[u8]) -> Result<bool, Problem> {
    match rest.first_chunk::<6>() {
        Some(b"070701") => Ok(false),
        Some(b"070702") => Ok(true),
        Some(b"070707") => Err(Problem::OldAscii),
        _ if matches!(rest, [0xc7, 0x71, ..] | [0x71, 0xc7, ..]) => Err(Problem::Binary),
        None => Err(Problem::Truncated("its next record or the trailer")),
        Some(_) => Err(Problem::NoMagic),
    }
}

fn decode(head: &[u8]) -> Option<Header> {
    let mut numbers = [0u32; 13];
    for (number, digits) in numbers.iter_mut().zip(head.get(6..)?.chunks_exact(8)) {
        for &digit in digits {
            *number = *number << 4 | char::from(digit).to_digit(16)?;
        }
    }
    let [ino, mode, uid, gid, nlink, mtime, size, dev_major, dev_minor, major, minor, name_size, check] =
        numbers;
    let (device, rdev) = ((dev_major, dev_minor), (major, minor));
    Some(Header { ino, mode, uid, gid, nlink, mtime, size, device, rdev, name_size, check })
}
