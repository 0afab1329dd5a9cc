//! What memory holds before anything has run: the sections of ELF files, where they lie.
//!
//! Sections without bytes in the file (`.bss`) are zeros, as gdb shows them.

use lkdb_base::{Memory, RuntimeAddr, Unreadable};
use lkdb_symbols::{Elf, Section};

/// One section in memory.
#[derive(Debug, Clone, Copy)]
struct Piece<'d> {
    start: u64,
    size: u64,
    /// None for zeros.
    bytes: Option<&'d [u8]>,
}

/// The sections of all files.
#[derive(Debug, Clone, Default)]
pub(crate) struct StaticMemory<'d> {
    pieces: Vec<Piece<'d>>,
}

impl<'d> StaticMemory<'d> {
    /// Adds a file's sections, each where `place` says it is.
    pub(crate) fn add(&mut self, elf: &Elf<'d>, place: impl Fn(&Section<'d>) -> Option<RuntimeAddr>) {
        let allocated = elf.sections().filter(|section| section.allocated && section.size > 0);
        for section in allocated {
            let Some(start) = place(&section) else { continue };
            self.pieces.push(Piece { start: start.0, size: section.size, bytes: elf.bytes(&section) });
        }
    }
}

impl Memory for StaticMemory<'_> {
    fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable> {
        let mut at = address.0;
        let mut rest = into;
        while !rest.is_empty() {
            let piece = self.pieces.iter().find(|piece| at.wrapping_sub(piece.start) < piece.size);
            let Some(piece) = piece else {
                return Err(Unreadable::new(RuntimeAddr(at), ""));
            };
            let offset = at - piece.start;
            let length = (piece.size - offset).min(rest.len() as u64) as usize;
            let (now, later) = rest.split_at_mut(length);
            now.fill(0);
            let held = piece.bytes.and_then(|bytes| bytes.get(usize::try_from(offset).ok()?..));
            for (to, from) in now.iter_mut().zip(held.unwrap_or_default()) {
                *to = *from;
            }
            at = at.wrapping_add(length as u64);
            rest = later;
        }
        Ok(())
    }
}
