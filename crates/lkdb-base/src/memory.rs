//! What reads memory by virtual address, whoever serves it: a stub, mapped guest RAM, a dump, a file.
//!
//! No page walks here, and no types.

use crate::RuntimeAddr;

/// Bytes that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Cannot access memory at address {address}{}{why}", if why.is_empty() { "" } else { ": " })]
pub struct Unreadable {
    /// The first byte that could not be read.
    pub address: RuntimeAddr,
    /// Why, in the words for a user (empty where there is nothing to add): "no page is mapped there (level 2 entry not present)".
    pub why: String,
}

impl Unreadable {
    /// With its reason.
    pub fn new(address: RuntimeAddr, why: impl Into<String>) -> Self {
        Self { address, why: why.into() }
    }
}

/// Memory that can be read. Implementations copy: what is read is as it was at one moment of the call.
pub trait Memory {
    /// Fills `into` with the bytes from `address` on, all or none.
    ///
    /// # Errors
    /// When one of the bytes cannot be read; the error names the first.
    fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable>;

    /// A little-endian 64-bit word.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn read_u64(&self, address: RuntimeAddr) -> Result<u64, Unreadable> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// The little-endian 64-bit words that bytes are, such as a page table's. Bytes left over at the end are no word.
pub fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word))
}

/// Memory of which there is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMemory;

impl Memory for NoMemory {
    fn read(&self, address: RuntimeAddr, _: &mut [u8]) -> Result<(), Unreadable> {
        Err(Unreadable::new(address, "there is no memory here"))
    }
}
