//! Guest RAM: QEMU's memory file, mapped shared, or its memory read as a file.
//!
//! The guest writes it meanwhile, so nothing of it is lent: reads and writes copy, an aligned 64-bit word in
//! one piece, so that an entry of a page table is read whole. What lies where is the caller's to say; there
//! are no page walks here.
//!
//! Three things that could go wrong do not:
//!
//! - A file that shrinks under a mapping kills its reader with SIGBUS. So a file is mapped only when it is
//!   sealed against that (QEMU seals its memfd); others are read with `pread`, which gives an error.
//! - Reading a page of a mapping that nobody has touched yet allocates it: a search through all of a guest's
//!   RAM would use up that much of the host's. `pread` does not, and is as fast, so long reads go that way.
//! - QEMU ends: file and mapping are ours and stay as they were.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use lkdb_base::PhysAddr;
use lkdb_base::paging::{Missing, PhysicalMemory};
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{SealFlags, fcntl_get_seals};

/// Reads from this length on go through `pread`.
const LONG: usize = 64 << 10;

/// A piece of guest-physical memory, and where a file holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its first byte, as the guest counts.
    pub physical: PhysAddr,
    /// How many bytes.
    pub size: u64,
    /// Which of the files.
    pub file: usize,
    /// Where in that file.
    pub offset: u64,
}

/// Guest RAM.
#[derive(Debug)]
pub struct Ram {
    files: Vec<Backing>,
    /// By address; none overlap.
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Backing {
    file: File,
    /// The file from its start; none where it might shrink.
    mapping: Option<MmapRaw>,
}

/// A stretch of one piece, in its file.
struct Stretch<'a> {
    backing: &'a Backing,
    offset: u64,
    length: usize,
}

impl Ram {
    /// Takes QEMU's files and what of guest RAM lies where in them. The files must be open for writing too.
    ///
    /// # Errors
    /// When pieces overlap or lie outside their files, or when mapping fails.
    pub fn new(files: Vec<File>, pieces: &[Piece]) -> io::Result<Self> {
        let mut pieces: Vec<Piece> = pieces.iter().copied().filter(|piece| piece.size > 0).collect();
        pieces.sort_by_key(|piece| piece.physical);
        let overlap = |pair: &[Piece]| match pair {
            [a, b] => b.physical.0 - a.physical.0 < a.size,
            _ => false,
        };
        let wraps = |piece: &Piece| piece.physical.0.checked_add(piece.size).is_none();
        if pieces.windows(2).any(overlap) || pieces.iter().any(wraps) {
            return Err(io::Error::other("the pieces of guest RAM overlap"));
        }
        let files = files.into_iter().map(Backing::new).collect::<io::Result<Vec<_>>>()?;
        for piece in &pieces {
            let end = piece.offset.checked_add(piece.size);
            let inside = files.get(piece.file).zip(end).is_some_and(|(backing, end)| backing.holds(end));
            if !inside {
                return Err(io::Error::other("a piece of guest RAM lies outside of QEMU's memory file"));
            }
        }
        Ok(Self { files, pieces })
    }

    /// The pieces, by address.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether all of it is mapped, not read as a file.
    #[must_use]
    pub fn mapped(&self) -> bool {
        self.files.iter().all(|backing| backing.mapping.is_some())
    }

    /// Whether all of `length` bytes from `address` on are in one piece.
    #[must_use]
    pub fn covers(&self, address: PhysAddr, length: usize) -> bool {
        self.stretch(address, length).is_ok_and(|stretch| stretch.length == length)
    }

    /// Writes `bytes` from `address` on. For data alone: code that TCG has translated does not notice.
    ///
    /// # Errors
    /// When not all of it is RAM; nothing is written then.
    pub fn write(&self, address: PhysAddr, bytes: &[u8]) -> Result<(), Missing> {
        let mut done = 0;
        for stretch in self.stretches(address, bytes.len())? {
            let part = bytes.get(done..done + stretch.length).unwrap_or_default();
            stretch.write(part).map_err(|error| missing(address.offset(done as u64), &error))?;
            done += stretch.length;
        }
        Ok(())
    }

    /// The stretches that make up `length` bytes from `address` on.
    fn stretches(&self, address: PhysAddr, length: usize) -> Result<Vec<Stretch<'_>>, Missing> {
        let mut stretches = Vec::with_capacity(1);
        let (mut at, mut left) = (address, length);
        while left > 0 {
            let stretch = self.stretch(at, left)?;
            left -= stretch.length;
            at = at.offset(stretch.length as u64);
            stretches.push(stretch);
        }
        Ok(stretches)
    }

    fn stretch(&self, address: PhysAddr, most: usize) -> Result<Stretch<'_>, Missing> {
        let none = || Missing { address, why: "no RAM is there".to_owned() };
        let after = self.pieces.partition_point(|piece| piece.physical <= address);
        let piece = after.checked_sub(1).and_then(|index| self.pieces.get(index)).ok_or_else(none)?;
        let inside = address.0 - piece.physical.0;
        let left = piece.size.checked_sub(inside).filter(|left| *left > 0).ok_or_else(none)?;
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(most);
        let backing = self.files.get(piece.file).ok_or_else(none)?;
        Ok(Stretch { backing, offset: piece.offset + inside, length })
    }
}

impl PhysicalMemory for Ram {
    fn read_physical(&self, address: PhysAddr, into: &mut [u8]) -> Result<(), Missing> {
        let mut done = 0;
        while done < into.len() {
            let at = address.offset(done as u64);
            let stretch = self.stretch(at, into.len() - done)?;
            let part = into.get_mut(done..done + stretch.length).unwrap_or_default();
            stretch.read(part).map_err(|error| missing(at, &error))?;
            done += stretch.length;
        }
        Ok(())
    }
}

fn missing(address: PhysAddr, error: &io::Error) -> Missing {
    Missing { address, why: format!("QEMU's memory cannot be accessed: {error}") }
}

impl Backing {
    fn new(file: File) -> io::Result<Self> {
        let sealed = fcntl_get_seals(&file).is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
        let mapping = if sealed { Some(MmapOptions::new().map_raw(&file)?) } else { None };
        Ok(Self { file, mapping })
    }

    /// Whether the file reaches to `end`. What has no size (another process's memory) tells when read.
    fn holds(&self, end: u64) -> bool {
        match &self.mapping {
            Some(mapping) => end <= mapping.len() as u64,
            None => self.file.metadata().is_ok_and(|facts| facts.len() == 0 || end <= facts.len()),
        }
    }
}

impl Stretch<'_> {
    /// The mapped bytes, as a pointer to the first; `None` where they must be read and written as a file.
    fn mapped(&self) -> Option<*mut u8> {
        let mapping = self.backing.mapping.as_ref()?;
        let start = usize::try_from(self.offset).ok()?;
        let end = start.checked_add(self.length)?;
        (end <= mapping.len()).then(|| mapping.as_mut_ptr().wrapping_add(start))
    }

    fn read(&self, into: &mut [u8]) -> io::Result<()> {
        match self.mapped() {
            Some(from) if into.len() < LONG && into.len() == self.length => {
                // SAFETY: `mapped` checked that `length` bytes from there on lie in the mapping, which
                // lives as long as `self.backing`, and whose file is sealed against shrinking.
                unsafe { copy_out(from, into) };
                Ok(())
            }
            _ => self.backing.file.read_exact_at(into, self.offset),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self.mapped() {
            Some(to) if bytes.len() == self.length => {
                // SAFETY: as in `read`; the mapping is writable.
                unsafe { copy_in(bytes, to) };
                Ok(())
            }
            _ => self.backing.file.write_all_at(bytes, self.offset),
        }
    }
}

const WORD: usize = size_of::<u64>();

/// Copies from memory that others write meanwhile: volatile, so that each word is loaded once.
///
/// # Safety
/// `into.len()` bytes from `from` on must be mapped.
unsafe fn copy_out(from: *const u8, into: &mut [u8]) {
    let (mut from, head) = (from, from.align_offset(WORD).min(into.len()));
    let (unaligned, rest) = into.split_at_mut(head);
    let mut words = rest.chunks_exact_mut(WORD);
    // SAFETY: together the three loops touch the bytes from `from` to its end once, in order; the second
    // begins at a multiple of 8.
    unsafe {
        for byte in unaligned {
            *byte = from.read_volatile();
            from = from.add(1);
        }
        for word in &mut words {
            word.copy_from_slice(&from.cast::<u64>().read_volatile().to_ne_bytes());
            from = from.add(WORD);
        }
        for byte in words.into_remainder() {
            *byte = from.read_volatile();
            from = from.add(1);
        }
    }
}

/// Copies into memory that others read meanwhile, an aligned word in one piece.
///
/// # Safety
/// `bytes.len()` bytes from `to` on must be mapped for writing.
unsafe fn copy_in(bytes: &[u8], to: *mut u8) {
    let (mut to, head) = (to, to.align_offset(WORD).min(bytes.len()));
    let (unaligned, rest) = bytes.split_at(head);
    let words = rest.chunks_exact(WORD);
    // SAFETY: as in `copy_out`.
    unsafe {
        for byte in unaligned {
            to.write_volatile(*byte);
            to = to.add(1);
        }
        let tail = words.remainder();
        for word in words {
            let word = word.try_into().map_or(0, u64::from_ne_bytes);
            to.cast::<u64>().write_volatile(word);
            to = to.add(WORD);
        }
        for byte in tail {
            to.write_volatile(*byte);
            to = to.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::fs::{MemfdFlags, fcntl_add_seals, memfd_create};

    use super::*;

    const SIZE: u64 = 256 << 10;

    fn memory(sealed: bool) -> File {
        let fd: OwnedFd = memfd_create("ram", MemfdFlags::ALLOW_SEALING).unwrap();
        let file = File::from(fd);
        file.set_len(SIZE).unwrap();
        let bytes: Vec<u8> = (0..SIZE).map(|at| (at ^ at >> 8) as u8).collect();
        file.write_all_at(&bytes, 0).unwrap();
        if sealed {
            fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
        }
        file
    }

    /// Half of the file below a hole, half above.
    fn split(sealed: bool) -> Ram {
        let piece =
            |physical, offset| Piece { physical: PhysAddr(physical), size: SIZE / 2, file: 0, offset };
        let ram = Ram::new(vec![memory(sealed)], &[piece(1 << 32, SIZE / 2), piece(0, 0)]).unwrap();
        assert_eq!(ram.mapped(), sealed);
        ram
    }

    fn expected(ram: u64, length: usize) -> Vec<u8> {
        (ram..).take(length).map(|at| (at ^ at >> 8) as u8).collect()
    }

    #[test]
    fn bytes_come_from_where_they_lie_at_any_alignment() {
        for ram in [split(true), split(false)] {
            for start in 0..9 {
                for length in (0..40).chain([4096, LONG - 1, LONG, LONG + 5]) {
                    let mut bytes = vec![0; length];
                    ram.read_physical(PhysAddr(start), &mut bytes).unwrap();
                    assert_eq!(bytes, expected(start, length), "{length} at {start}");
                    ram.read_physical(PhysAddr((1 << 32) + start), &mut bytes).unwrap();
                    assert_eq!(bytes, expected(SIZE / 2 + start, length));
                }
            }
            assert_eq!(ram.read_physical_u64(PhysAddr(8)).unwrap(), 0x0f0e_0d0c_0b0a_0908);
        }
    }

    #[test]
    fn what_is_no_ram_is_named() {
        let ram = split(true);
        let error = ram.read_physical(PhysAddr(SIZE / 2 - 4), &mut [0; 8]).unwrap_err();
        assert_eq!(error.address, PhysAddr(SIZE / 2));
        for outside in [SIZE / 2, (1 << 32) - 1, (1 << 32) + SIZE / 2, u64::MAX] {
            assert!(ram.read_physical(PhysAddr(outside), &mut [0; 1]).is_err(), "{outside:#x}");
        }
        assert!(ram.write(PhysAddr(SIZE / 2 - 4), &[1; 8]).is_err());
        let mut bytes = [0; 4];
        ram.read_physical(PhysAddr(SIZE / 2 - 4), &mut bytes).unwrap();
        assert_eq!(bytes.as_slice(), expected(SIZE / 2 - 4, 4), "nothing was written");
    }

    #[test]
    fn what_is_written_is_read() {
        for ram in [split(true), split(false)] {
            let bytes: Vec<u8> = (0..100).map(|byte| byte ^ 0x5a).collect();
            for (start, length) in [(3, 100), (16, 64), (21, 1), (0, 0)] {
                ram.write(PhysAddr(start), &bytes[..length]).unwrap();
                let mut back = vec![0; length];
                ram.read_physical(PhysAddr(start), &mut back).unwrap();
                assert_eq!(back, bytes[..length]);
            }
        }
    }

    #[test]
    fn a_file_that_shrinks_gives_an_error() {
        let file = memory(false);
        let pieces = [Piece { physical: PhysAddr(0), size: SIZE, file: 0, offset: 0 }];
        let ram = Ram::new(vec![file.try_clone().unwrap()], &pieces).unwrap();
        file.set_len(4096).unwrap();
        let error = ram.read_physical(PhysAddr(8192), &mut [0; 8]).unwrap_err();
        assert!(error.why.contains("cannot be accessed"), "{error}");
    }

    #[test]
    fn pieces_that_cannot_be_are_refused() {
        let piece = |physical, size, offset| Piece { physical: PhysAddr(physical), size, file: 0, offset };
        let refused = |pieces: &[Piece]| Ram::new(vec![memory(true)], pieces).is_err();
        assert!(refused(&[piece(0, SIZE + 1, 0)]));
        assert!(refused(&[piece(0, 4096, u64::MAX)]));
        assert!(refused(&[piece(u64::MAX, 4096, 0)]));
        assert!(refused(&[piece(0, 8192, 0), piece(4096, 4096, 0)]));
        assert!(refused(&[Piece { file: 1, ..piece(0, 4096, 0) }]));
        assert!(!refused(&[piece(0, 0, 0), piece(0, 4096, 0)]));
    }
}
