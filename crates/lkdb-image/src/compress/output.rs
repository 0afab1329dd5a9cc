//! Where unpacked bytes go: a vector that refuses to grow past the caller's limit.

use std::io::{ErrorKind, Read};

use super::{Compression, DecompressError};

/// How much is unpacked at a time.
const CHUNK: usize = 128 * 1024;

/// Unpacked bytes, bounded.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    kind: Compression,
    limit: usize,
}

impl Output {
    pub(super) fn new(kind: Compression, limit: usize) -> Self {
        Self { bytes: Vec::new(), kind, limit }
    }

    /// How many bytes still fit.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    pub(super) fn too_big(&self) -> DecompressError {
        DecompressError::TooBig { kind: self.kind, limit: self.limit }
    }

    pub(super) fn truncated(&self) -> DecompressError {
        DecompressError::Truncated(self.kind)
    }

    pub(super) fn corrupt(&self, detail: impl std::fmt::Display) -> DecompressError {
        DecompressError::corrupt(self.kind, detail)
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), DecompressError> {
        if bytes.len() > self.room() {
            return Err(self.too_big());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// What a reader's error means here.
    pub(super) fn failed(&self, error: &std::io::Error) -> DecompressError {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.truncated(),
            _ => self.corrupt(error),
        }
    }

    /// Takes all that `reader` gives.
    pub(super) fn drain(&mut self, reader: &mut impl Read) -> Result<(), DecompressError> {
        let mut chunk = vec![0; CHUNK];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(read) => self.push(chunk.get(..read).unwrap_or_default())?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }
}
