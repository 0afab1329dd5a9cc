//! Writes a [`Tree`] as one newc archive: the same bytes for the same tree.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{BLOCK, HEADER_SIZE, Header, MAX_NAME, TRAILER, file_type, padding};
use crate::archive::{Content, Entry, Kind, Tree};

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The format has 32 bits for a size.
    #[error("`{path}` has {size} bytes: a newc archive holds files below 4 GiB only")]
    TooBig {
        /// The file in the archive.
        path: String,
        /// Its size.
        size: u64,
    },
    /// The kernel skips such names.
    #[error("a path of {0} bytes: Linux unpacks no names over 4095 bytes")]
    NameTooLong(usize),
    /// A file changed its length while it was read.
    #[error("`{path}` gave {got} bytes where {expected} were expected: it changed while it was read")]
    Changed {
        /// The file in the archive.
        path: String,
        /// Bytes its header promised.
        expected: u64,
        /// Bytes that came.
        got: u64,
    },
    /// Reading a file's content, or writing the archive, failed.
    #[error("`{path}`: {cause}")]
    Io {
        /// The file in the archive at which it failed.
        path: String,
        /// The cause.
        cause: io::Error,
    },
}

/// Writes the whole tree, the trailer, and zero bytes up to a multiple of 512; gives `out` back.
///
/// Records come in the tree's order with inode numbers counted from 1.
///
/// # Errors
/// If the tree doesn't fit the format, or content cannot be read or written.
pub fn write_tree<D: Content, W: Write>(tree: &Tree<D>, out: W) -> Result<W, WriteError> {
    let links = Links::of(tree);
    let mut writer = Writer { out, offset: 0, line: Vec::with_capacity(256) };
    for (index, (path, entry)) in (1u32..).zip(tree.iter()) {
        let record = Outgoing::of(path, entry, index, tree, &links);
        writer.record(path, record)?;
    }
    let trailer = Outgoing::<D> { header: Header { nlink: 1, ..Header::default() }, content: None };
    writer.record(TRAILER, trailer)?;
    writer.finish()
}

/// The groups of hard links: by the path of the file, its inode number, count and last name.
struct Links<'t>(BTreeMap<&'t [u8], Group<'t>>);

struct Group<'t> {
    ino: u32,
    count: u32,
    last: &'t [u8],
}

impl<'t> Links<'t> {
    fn of<D>(tree: &'t Tree<D>) -> Self {
        let mut groups: BTreeMap<&[u8], Group<'_>> = BTreeMap::new();
        for (_, entry) in tree.iter() {
            if let Kind::HardLink(to) = &entry.kind {
                groups.entry(to.as_slice()).or_insert(Group { ino: 0, count: 0, last: b"" });
            }
        }
        for (index, (path, entry)) in (1u32..).zip(tree.iter()) {
            let target = if let Kind::HardLink(to) = &entry.kind { to.as_slice() } else { path };
            if let Some(group) = groups.get_mut(target) {
                group.ino = if group.ino == 0 { index } else { group.ino };
                group.count += 1;
                group.last = path;
            }
        }
        Self(groups)
    }
}

enum Bytes<'t, D> {
    Content(&'t D),
    Text(&'t [u8]),
}

struct Outgoing<'t, D> {
    header: Header,
    content: Option<Bytes<'t, D>>,
}

impl<'t, D: Content> Outgoing<'t, D> {
    fn of(path: &'t [u8], entry: &'t Entry<D>, ino: u32, tree: &'t Tree<D>, links: &Links<'t>) -> Self {
        let group_name = if let Kind::HardLink(to) = &entry.kind { to.as_slice() } else { path };
        let group = links.0.get(group_name);
        // The names of one file share its owner, mode and time as well.
        let owner = tree.get(group_name).unwrap_or(entry);
        let (kind, rdev, content) = match &owner.kind {
            Kind::File(data) => {
                let here = group.is_none_or(|group| group.last == path);
                (file_type::FILE, (0, 0), here.then_some(Bytes::Content(data)))
            }
            Kind::Dir => (file_type::DIR, (0, 0), None),
            Kind::Symlink(to) => (file_type::SYMLINK, (0, 0), Some(Bytes::Text(to))),
            Kind::CharDevice(major, minor) => (file_type::CHAR, (*major, *minor), None),
            Kind::BlockDevice(major, minor) => (file_type::BLOCK, (*major, *minor), None),
            Kind::Fifo => (file_type::FIFO, (0, 0), None),
            Kind::Socket => (file_type::SOCKET, (0, 0), None),
            // The tree lets no link name a link, so its owner is never one.
            Kind::HardLink(_) => (file_type::FILE, (0, 0), None),
        };
        let nlink = if kind == file_type::DIR { 2 } else { group.map_or(1, |group| group.count) };
        let header = Header {
            ino: group.map_or(ino, |group| group.ino),
            mode: kind | owner.mode & !file_type::MASK,
            uid: owner.uid,
            gid: owner.gid,
            nlink,
            mtime: owner.mtime,
            rdev,
            ..Header::default()
        };
        Self { header, content }
    }

    fn size(&self) -> u64 {
        match &self.content {
            Some(Bytes::Content(data)) => data.size(),
            Some(Bytes::Text(text)) => text.len() as u64,
            None => 0,
        }
    }
}

struct Writer<W> {
    out: W,
    offset: u64,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    fn record<D: Content>(&mut self, path: &[u8], record: Outgoing<'_, D>) -> Result<(), WriteError> {
        let shown = || String::from_utf8_lossy(path).into_owned();
        let name_size = path.len() + 1;
        if name_size > MAX_NAME {
            return Err(WriteError::NameTooLong(path.len()));
        }
        let expected = record.size();
        let size =
            u32::try_from(expected).map_err(|_| WriteError::TooBig { path: shown(), size: expected })?;
        let header = Header { size, name_size: name_size as u32, ..record.header };
        let failed = |cause| WriteError::Io { path: shown(), cause };
        self.head(&header, path).map_err(failed)?;
        let mut counted = Counted { out: &mut self.out, count: 0 };
        match &record.content {
            Some(Bytes::Content(data)) => data.copy_to(&mut counted).map_err(failed)?,
            Some(Bytes::Text(text)) => counted.write_all(text).map_err(failed)?,
            None => {}
        }
        let got = counted.count;
        if got != expected {
            return Err(WriteError::Changed { path: shown(), expected, got });
        }
        self.offset += got;
        self.pad(4).map_err(failed)
    }

    fn head(&mut self, header: &Header, path: &[u8]) -> io::Result<()> {
        self.line.clear();
        encode(header, &mut self.line);
        self.line.extend_from_slice(path);
        self.line.push(0);
        let short = padding(self.offset + self.line.len() as u64, 4) as usize;
        self.line.resize(self.line.len() + short, 0);
        self.offset += self.line.len() as u64;
        self.out.write_all(&self.line)
    }

    fn pad(&mut self, to: u64) -> io::Result<()> {
        const ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
        let short = padding(self.offset, to);
        self.offset += short;
        self.out.write_all(ZEROS.get(..short as usize).unwrap_or(&ZEROS))
    }

    fn finish(mut self) -> Result<W, WriteError> {
        self.pad(BLOCK).map_err(|cause| WriteError::Io { path: "the end".to_owned(), cause })?;
        Ok(self.out)
    }
}

/// Counts what a [`Content`] writes, to find one that lied about its size.
struct Counted<'w, W> {
    out: &'w mut W,
    count: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.out.write(bytes)?;
        self.count += taken as u64;
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn encode(header: &Header, line: &mut Vec<u8>) {
    let numbers = [
        header.ino,
        header.mode,
        header.uid,
        header.gid,
        header.nlink,
        header.mtime,
        header.size,
        header.device.0,
        header.device.1,
        header.rdev.0,
        header.rdev.1,
        header.name_size,
        header.check,
    ];
    line.reserve(HEADER_SIZE);
    line.extend_from_slice(b"070701");
    for number in numbers {
        for shift in (0..32).step_by(4).rev() {
            let digit = (number >> shift & 0xf) as u8;
            line.push(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 });
        }
    }
}
