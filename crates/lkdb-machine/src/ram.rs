//! Where a QEMU keeps its guest's RAM, so that it can be mapped.
//!
//! QEMU itself is asked what lies where in the guest's physical memory (`info mtree -f`: RAM is split around
//! the PCI hole, at 3 GiB on pc, 2 GiB on q35) and at which of its own addresses (`gpa2hva`). The kernel tells
//! what is mapped there (`/proc/PID/maps`): a memory file, which can be opened through `/proc/PID/fd` by the
//! same user, or anonymous memory, which can be read through `/proc/PID/mem` by whoever may trace the process.
//!
//! What lies below 1 MiB and above the first 640 KiB is left out: firmware switches it between RAM, ROM and
//! devices at run time.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use lkdb_base::PhysAddr;
use lkdb_map::{Piece, Ram};

/// The files with a guest's RAM, and where in them which of it lies.
#[derive(Debug)]
pub struct Found {
    /// Open for reading and writing.
    pub files: Vec<File>,
    /// What lies where.
    pub pieces: Vec<Piece>,
}

/// Why RAM cannot be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// QEMU did not tell what lies where.
    #[error("QEMU's monitor does not tell where guest RAM lies: {0}")]
    Monitor(String),
    /// QEMU's memory cannot be opened.
    #[error("cannot open QEMU's memory {}: {error}", path.display())]
    Open {
        /// The file under `/proc`.
        path: PathBuf,
        /// How it failed.
        error: std::io::Error,
    },
    /// It was opened and cannot be used.
    #[error("cannot map QEMU's memory: {0}")]
    Map(#[from] std::io::Error),
}

impl Found {
    /// Maps it.
    ///
    /// # Errors
    /// When what QEMU told does not fit its files.
    pub fn map(self) -> Result<Ram, Error> {
        Ok(Ram::new(self.files, &self.pieces)?)
    }
}

/// A stretch of RAM in the guest's physical memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    start: u64,
    /// The last byte.
    last: u64,
}

/// Finds the RAM of the QEMU that is process `pid`. `monitor` runs a command of its human monitor.
///
/// # Errors
/// When QEMU does not tell, or its memory may not be opened.
pub fn find(pid: u32, mut monitor: impl FnMut(&str) -> Result<String, String>) -> Result<Found, Error> {
    let stretches = stretches(&monitor("info mtree -f").map_err(Error::Monitor)?);
    if stretches.is_empty() {
        return Err(Error::Monitor("`info mtree -f` lists no RAM".to_owned()));
    }
    let maps = read(pid, "maps")?;
    let mut found = Found { files: Vec::new(), pieces: Vec::new() };
    let mut opened: Vec<Origin> = Vec::new();
    for stretch in stretches {
        let answer = monitor(&format!("gpa2hva {:#x}", stretch.start)).map_err(Error::Monitor)?;
        let host = host_address(&answer).ok_or_else(|| Error::Monitor(answer.trim().to_owned()))?;
        let (origin, offset) = origin(&maps, host);
        let file = match opened.iter().position(|one| *one == origin) {
            Some(index) => index,
            None => {
                found.files.push(open(pid, &origin)?);
                opened.push(origin);
                opened.len() - 1
            }
        };
        let size = stretch.last - stretch.start + 1;
        found.pieces.push(Piece { physical: PhysAddr(stretch.start), size, file, offset });
    }
    // A graphics card's memory is no RAM of the guest's: where RAM is in a file, what is not is left out.
    if opened.contains(&Origin::Process) && opened.len() > 1 {
        let private = opened.iter().position(|one| *one == Origin::Process);
        found.pieces.retain(|piece| Some(piece.file) != private);
    }
    Ok(found)
}

/// The RAM in what `info mtree -f` prints, of the view that processors have.
fn stretches(text: &str) -> Vec<Stretch> {
    // Firmware switches these between RAM, ROM and devices.
    const LEGACY: std::ops::Range<u64> = 0xa_0000..0x10_0000;
    let mut found = Vec::new();
    let mut in_view = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("FlatView") {
            if !found.is_empty() {
                break;
            }
            in_view = false;
        } else if line.starts_with("AS \"memory\"") {
            in_view = true;
        } else if in_view && let Some(stretch) = stretch(line) {
            let below = Stretch { last: stretch.last.min(LEGACY.start - 1), ..stretch };
            let above = Stretch { start: stretch.start.max(LEGACY.end), ..stretch };
            found.extend([below, above].into_iter().filter(|part| part.start <= part.last));
        }
    }
    found
}

/// A line of that: `0000000000100000-000000007fffffff (prio 0, ram): ram @0000000000100000`.
fn stretch(line: &str) -> Option<Stretch> {
    let (range, rest) = line.split_once(' ')?;
    let (start, last) = range.split_once('-')?;
    let kind = rest.strip_prefix("(prio ")?.split_once(", ")?.1.split_once(')')?.0;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let stretch = Stretch { start: number(start)?, last: number(last)? };
    (kind == "ram" && stretch.start < stretch.last && stretch.last < u64::MAX).then_some(stretch)
}

/// What `gpa2hva` prints: `Host virtual address for 0x0 (ram) is 0x7f58b8000000`.
fn host_address(text: &str) -> Option<u64> {
    let number = text.trim().rsplit_once(" is 0x")?.1;
    u64::from_str_radix(number, 16).ok()
}

/// What a stretch of QEMU's memory is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// A file that others may map too: its device and inode.
    File(u64, u64),
    /// Its own.
    Process,
}

/// What is mapped at an address, and where in that it lies.
fn origin(maps: &str, address: u64) -> (Origin, u64) {
    let file = maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let (start, end) = (number(start)?, number(end)?);
        if !(start..end).contains(&address) {
            return None;
        }
        let shared = fields.next()?.ends_with('s');
        let offset = number(fields.next()?)?;
        let (major, minor) = fields.next()?.split_once(':')?;
        let device = rustix::fs::makedev(number(major)?.try_into().ok()?, number(minor)?.try_into().ok()?);
        let inode = fields.next()?.parse().ok().filter(|inode| *inode != 0)?;
        shared.then_some((Origin::File(device, inode), offset + (address - start)))
    });
    file.unwrap_or((Origin::Process, address))
}

fn open(pid: u32, origin: &Origin) -> Result<File, Error> {
    let writing = |path: PathBuf| {
        let file = File::options().read(true).write(true).open(&path);
        file.map_err(|error| Error::Open { path, error })
    };
    let Origin::File(device, inode) = origin else {
        return writing(PathBuf::from(format!("/proc/{pid}/mem")));
    };
    let folder = PathBuf::from(format!("/proc/{pid}/fd"));
    let fail = |error| Error::Open { path: folder.clone(), error };
    for entry in fs::read_dir(&folder).map_err(fail)?.flatten() {
        let same =
            fs::metadata(entry.path()).is_ok_and(|facts| facts.dev() == *device && facts.ino() == *inode);
        if same {
            return writing(entry.path());
        }
    }
    Err(fail(std::io::ErrorKind::NotFound.into()))
}

fn read(pid: u32, name: &str) -> Result<String, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/{name}"));
    fs::read_to_string(&path).map_err(|error| Error::Open { path, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTREE: &str = "FlatView #0\r\n AS \"cpu-smm-0\", root: memory\r\n Root memory region: memory\r\n  \
        0000000000000000-00000000000bffff (prio 0, ram): ram\r\n\r\nFlatView #1\r\n AS \"memory\", root: system\r\n \
        AS \"cpu-memory-0\", root: system\r\n Root memory region: system\r\n  \
        0000000000000000-00000000000bffff (prio 0, ram): ram\r\n  \
        00000000000c0000-00000000000dffff (prio 1, rom): pc.rom\r\n  \
        00000000000e0000-000000007fffffff (prio 0, ram): ram @00000000000e0000 KVM\r\n  \
        00000000fec00000-00000000fec00fff (prio 0, i/o): ioapic\r\n  \
        0000000100000000-000000013fffffff (prio 0, ram): ram @0000000080000000\r\n\r\nFlatView #2\r\n \
        AS \"I/O\", root: io\r\n  0000000000000000-00000000000000ff (prio 0, ram): odd\r\n";

    #[test]
    fn ram_is_told_from_all_else() {
        let found: Vec<_> = stretches(MTREE).iter().map(|one| (one.start, one.last)).collect();
        assert_eq!(found, [(0, 0x9_ffff), (0x10_0000, 0x7fff_ffff), (0x1_0000_0000, 0x1_3fff_ffff)]);
        assert_eq!(stretches("unknown command: 'info mtree -f'"), []);
        assert_eq!(stretches(""), []);
    }

    #[test]
    fn addresses_of_qemus_are_read() {
        let text = "Host virtual address for 0x0 (ram) is 0x7f58b8000000\r\n";
        assert_eq!(host_address(text), Some(0x7f58_b800_0000));
        assert_eq!(host_address("No memory is mapped at address 0xffff0000000"), None);
    }

    #[test]
    fn what_is_mapped_is_found_in_maps() {
        let maps = "55d0-55d1 r-xp 00000000 08:01 7 /usr/bin/qemu\n\
            7f58b7fff000-7f5977fff000 rw-s 00001000 00:01 1799 /memfd:memory-backend-memfd (deleted)\n\
            7f60000000-7f70000000 rw-p 00000000 00:00 0 \n";
        let device = rustix::fs::makedev(0, 1);
        assert_eq!(origin(maps, 0x7f58_b7ff_f010), (Origin::File(device, 1799), 0x1010));
        assert_eq!(origin(maps, 0x7f_6000_0000), (Origin::Process, 0x7f_6000_0000));
        assert_eq!(origin(maps, 0x55d0), (Origin::Process, 0x55d0), "private");
        assert_eq!(origin(maps, 0), (Origin::Process, 0));
    }
}
