//! Takes an initramfs apart as the kernel does: members one behind the other, each plain or compressed.

use std::borrow::Cow;

use super::newc::{ReadError, Reader, Record};
use crate::compress::{Compression, DecompressError, decompress};

/// One member of an initramfs: an archive, or a compressed stream of archives.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// Where it starts in the file.
    pub at: u64,
    /// Bytes it takes in the file, without zero bytes behind it.
    pub stored: u64,
    /// How it is compressed; `None` when it isn't.
    pub compression: Option<Compression>,
    content: Cow<'a, [u8]>,
}

impl Part<'_> {
    /// The archive's bytes, unpacked.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The files in it, in order, over all archives that lie in it.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        // Where the content is the file's own, damage is told by its place in the file.
        let shift = if self.compression.is_none() { self.at } else { 0 };
        Records { bytes: &self.content, base: 0, shift, reader: None, archives: 0, done: false }
    }
}

/// Why a member cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// Neither an archive nor a known compression begins here.
    #[error(
        "at byte {at}: neither a newc archive nor a compression that Linux knows begins here (bytes {bytes})"
    )]
    Unknown {
        /// Offset in the file.
        at: u64,
        /// The first bytes, in hexadecimal.
        bytes: String,
    },
    /// A plain archive is at no multiple of 4, where the kernel doesn't look for one.
    #[error("at byte {at}: an archive begins off the 4-byte grid, where Linux does not find it")]
    Unaligned {
        /// Offset in the file.
        at: u64,
    },
    /// The compressed stream is damaged or too large.
    #[error("at byte {at}: {cause}")]
    Compressed {
        /// Where the stream starts in the file.
        at: u64,
        /// What is wrong.
        cause: DecompressError,
    },
}

/// Goes through the members of an initramfs. Ends at the end of the bytes or with the first error; a
/// damaged archive is a member up to the end of the bytes, whose records end with the error.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    bytes: &'a [u8],
    at: usize,
    limit: usize,
    done: bool,
}

impl<'a> Parts<'a> {
    /// Members of `bytes`; a compressed one may unpack to at most `limit` bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8], limit: usize) -> Self {
        Self { bytes, at: 0, limit, done: false }
    }

    fn part(&mut self) -> Result<Option<Part<'a>>, PartsError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(zeros) = rest.iter().position(|&byte| byte != 0) else { return Ok(None) };
        self.at += zeros;
        let (start, at) = (self.at, self.at as u64);
        let rest = rest.get(zeros..).unwrap_or_default();
        if let Some(kind) = Compression::detect(rest) {
            let unpacked =
                decompress(kind, rest, self.limit).map_err(|cause| PartsError::Compressed { at, cause })?;
            // A stream of no bytes cannot be, and would keep us here for ever.
            self.at += unpacked.consumed.max(1);
            let stored = (self.at - start) as u64;
            let content = Cow::Owned(unpacked.bytes);
            return Ok(Some(Part { at, stored, compression: Some(kind), content }));
        }
        let looks_like_cpio = matches!(rest, [b'0', b'7', b'0', ..] | [0xc7, 0x71, ..] | [0x71, 0xc7, ..]);
        if !looks_like_cpio {
            let bytes: Vec<_> = rest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
            return Err(PartsError::Unknown { at, bytes: bytes.join(" ") });
        }
        if !start.is_multiple_of(4) {
            return Err(PartsError::Unaligned { at });
        }
        let mut reader = Reader::new(rest);
        // A damaged one is handed out all the same: its reader will come to the damage. Behind it
        // there is nothing to go on with.
        let whole = reader.by_ref().all(|record| record.is_ok());
        let length = if whole { reader.offset() } else { rest.len() };
        self.at += length.max(1);
        let content = Cow::Borrowed(rest.get(..length).unwrap_or_default());
        Ok(Some(Part { at, stored: length as u64, compression: None, content }))
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, PartsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let part = self.part().transpose();
        self.done = !matches!(part, Some(Ok(_)));
        part
    }
}

/// Records of archives one behind the other in one stream. Ends with the first error.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
    base: usize,
    /// Added to offsets in errors.
    shift: u64,
    reader: Option<Reader<'a>>,
    archives: usize,
    done: bool,
}

impl Records<'_> {
    /// How many archives have begun so far. Inode numbers mean something within one of them only.
    #[must_use]
    pub fn archives(&self) -> usize {
        self.archives
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            let Some(reader) = &mut self.reader else {
                let rest = self.bytes.get(self.base..).unwrap_or_default();
                let Some(zeros) = rest.iter().position(|&byte| byte != 0) else { break };
                self.base += zeros;
                self.archives += 1;
                self.reader = Some(Reader::new(rest.get(zeros..).unwrap_or_default()));
                continue;
            };
            match reader.next() {
                Some(Ok(record)) => return Some(Ok(record)),
                Some(Err(error)) => {
                    self.done = true;
                    return Some(Err(ReadError { at: error.at + self.base as u64 + self.shift, ..error }));
                }
                None => {
                    self.base += reader.offset().max(1);
                    self.reader = None;
                }
            }
        }
        None
    }
}

/// How many zero bytes belong between an initramfs of `length` bytes and an archive that is appended
/// to it, uncompressed: up to the 4-byte grid, on which the kernel looks for it, and at least 4, which
/// is how its lz4 reader finds the end of its stream (kernel commit 2c484419efc0, in v5.8).
#[must_use]
pub fn append_padding(length: u64) -> usize {
    4 + ((4 - length % 4) % 4) as usize
}
