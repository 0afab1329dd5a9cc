//! Memory through the stub: virtual addresses as the stopped CPU sees them, and physical ones.

use lkdb_base::{PhysAddr, RuntimeAddr};

use crate::error::{Error, Result, excerpt};
use crate::packet::{from_hex_into, to_hex};
use crate::stub::{AT_ONCE, Stub};

impl Stub {
    /// The most bytes one `m` may ask for: the answer takes two digits a byte, and QEMU refuses more than
    /// half its packet size.
    fn most_read(&self) -> usize {
        (self.features().packet_size / 2).clamp(16, 64 * 1024)
    }

    /// The most bytes one `M` may carry behind its address and length.
    fn most_written(&self) -> usize {
        (self.features().packet_size / 2).saturating_sub(64).clamp(16, 64 * 1024)
    }

    /// Fills `buffer` from memory at `address`, in as many requests as it takes, several at a time.
    ///
    /// Virtual addresses go through the page table of the CPU chosen last with
    /// [`select`](Stub::select).
    ///
    /// # Errors
    /// [`Error::Refused`] where an address is not mapped; the buffer's contents are then undefined.
    pub fn read_memory(&mut self, address: RuntimeAddr, buffer: &mut [u8]) -> Result<()> {
        // Answers of this many bytes fit the sockets' buffers.
        const IN_FLIGHT: usize = 64 * 1024;
        let (most, mut at) = (self.most_read(), address.0);
        let together = (IN_FLIGHT / most / 2).clamp(1, AT_ONCE);
        for window in buffer.chunks_mut(most * together) {
            let mut requests = Vec::with_capacity(together);
            for piece in window.chunks(most) {
                requests.push(format!("m{at:x},{:x}", piece.len()));
                at = at.wrapping_add(piece.len() as u64);
            }
            let answers = self.requests(&requests)?;
            for ((piece, request), answer) in window.chunks_mut(most).zip(requests).zip(answers) {
                from_hex_into(&answer, piece).ok_or_else(|| Error::Garbage {
                    request,
                    answer: excerpt(&answer),
                    expected: "memory of the length asked for",
                })?;
            }
        }
        Ok(())
    }

    /// Writes bytes to memory at `address`. Unlike a write through mapped guest RAM this is seen by code
    /// that TCG has translated already.
    ///
    /// # Errors
    /// [`Error::Refused`] where an address is not mapped; bytes before it may have been written.
    pub fn write_memory(&mut self, address: RuntimeAddr, bytes: &[u8]) -> Result<()> {
        let mut at = address.0;
        self.generation += 1;
        for piece in bytes.chunks(self.most_written()) {
            self.ok(&format!("M{at:x},{:x}:{}", piece.len(), to_hex(piece)))?;
            at = at.wrapping_add(piece.len() as u64);
        }
        Ok(())
    }

    /// Switches memory access to physical addresses until the guard is closed or dropped.
    ///
    /// The mode is the stub's, not the connection's: it outlives us, so it is put back even on errors.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a stub without that mode (QEMU older than 4.1).
    pub fn physical(&mut self) -> Result<Physical<'_>> {
        const QUERY: &str = "qqemu.PhyMemMode";
        let answer = self.request(QUERY)?;
        let before = match answer.as_slice() {
            b"1" => true,
            b"0" => false,
            _ => {
                return Err(Error::Garbage {
                    request: QUERY.to_owned(),
                    answer: excerpt(&answer),
                    expected: "0 or 1",
                });
            }
        };
        if !before {
            self.ok("Qqemu.PhyMemMode:1")?;
        }
        Ok(Physical { stub: self, restore: !before })
    }
}

/// The stub while its memory addresses are physical.
#[derive(Debug)]
pub struct Physical<'stub> {
    stub: &'stub mut Stub,
    restore: bool,
}

impl Physical<'_> {
    /// Fills `buffer` from guest RAM at `address`. QEMU 7.2 gives zeros where there is no memory.
    ///
    /// # Errors
    /// As [`Stub::read_memory`].
    pub fn read(&mut self, address: PhysAddr, buffer: &mut [u8]) -> Result<()> {
        self.stub.read_memory(RuntimeAddr(address.0), buffer)
    }

    /// The little-endian 64-bit number at `address`.
    ///
    /// # Errors
    /// As [`Stub::read_memory`].
    pub fn read_u64(&mut self, address: PhysAddr) -> Result<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Writes bytes to guest RAM at `address`.
    ///
    /// # Errors
    /// As [`Stub::write_memory`].
    pub fn write(&mut self, address: PhysAddr, bytes: &[u8]) -> Result<()> {
        self.stub.write_memory(RuntimeAddr(address.0), bytes)
    }

    /// Puts the mode back; like dropping, but says when it failed.
    ///
    /// # Errors
    /// When the stub no longer answers.
    pub fn close(mut self) -> Result<()> {
        self.back()
    }

    fn back(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.restore) {
            return Ok(());
        }
        self.stub.ok("Qqemu.PhyMemMode:0")
    }
}

impl Drop for Physical<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.back() {
            tracing::warn!("the stub stays in physical memory mode: {error}");
        }
    }
}
