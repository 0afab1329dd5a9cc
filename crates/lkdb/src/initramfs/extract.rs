//! Unpacks an initramfs into a directory, and nowhere else.
//!
//! The archive becomes a [`Tree`] first, as the kernel would see it: later files in place of earlier
//! ones, links among the directories followed within the archive. What is written then has no link in
//! its path, so no link can lead out; `..` the tree refuses. The directory is filled under a temporary
//! name beside its place and appears when it is whole.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use lkdb_image::archive::newc::{Record, file_type};
use lkdb_image::archive::{Entry, Kind, Tree};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

/// Records gathered for unpacking.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    tree: Tree<Vec<u8>>,
    /// Where the first name of a file with several is, by archive, device and inode.
    links: HashMap<(usize, (u32, u32), u32), Vec<u8>>,
    /// What cannot be unpacked, and why.
    pub(crate) refused: Vec<String>,
}

impl Gathered {
    /// Takes one record of the archive with the number `archive`.
    pub(crate) fn take(&mut self, archive: usize, record: &Record<'_>) {
        if !record.checksum_holds() {
            let name = String::from_utf8_lossy(record.name);
            self.refused.push(format!("`{name}` is damaged: its content has not the checksum in its header"));
        }
        if let Err(error) = self.put(archive, record) {
            self.refused.push(error.to_string());
        }
    }

    fn put(&mut self, archive: usize, record: &Record<'_>) -> anyhow::Result<()> {
        let header = &record.header;
        let (major, minor) = header.rdev;
        let kind = match header.mode & file_type::MASK {
            file_type::FILE => return self.put_file(archive, record),
            file_type::DIR => Kind::Dir,
            file_type::SYMLINK => Kind::Symlink(record.data.to_vec()),
            file_type::CHAR => Kind::CharDevice(major, minor),
            file_type::BLOCK => Kind::BlockDevice(major, minor),
            file_type::FIFO => Kind::Fifo,
            file_type::SOCKET => Kind::Socket,
            other => {
                bail!("`{}` is of no kind that is known ({other:o})", String::from_utf8_lossy(record.name))
            }
        };
        self.tree.insert(record.name, entry(record, kind))?;
        Ok(())
    }

    /// Of a file with several names, one record has the content, the others have none.
    fn put_file(&mut self, archive: usize, record: &Record<'_>) -> anyhow::Result<()> {
        let header = &record.header;
        let key = (archive, header.device, header.ino);
        let first = if header.nlink > 1 { self.links.get(&key) } else { None };
        let Some(first) =
            first.filter(|first| matches!(self.tree.get(first), Some(Entry { kind: Kind::File(_), .. })))
        else {
            let path = self.tree.insert(record.name, entry(record, Kind::File(record.data.to_vec())))?;
            if header.nlink > 1 {
                self.links.insert(key, path);
            }
            return Ok(());
        };
        if let (false, Some(content)) = (record.data.is_empty(), self.tree.content_mut(first)) {
            *content = record.data.to_vec();
        }
        self.tree.insert(record.name, entry(record, Kind::HardLink(first.clone())))?;
        Ok(())
    }

    /// Writes all to `dir`, which must not exist or be empty. Notes go to `notes`.
    pub(crate) fn write(&self, dir: &Path, notes: &mut Vec<String>) -> anyhow::Result<()> {
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{} is not empty: an archive is extracted into a directory of its own", dir.display());
        }
        let failed = || format!("cannot extract into {}", dir.display());
        let parent = dir.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new().prefix(".lkdb-").tempdir_in(parent).with_context(failed)?;
        let mut out =
            Unpacking { dir: temporary.path(), root: rustix::process::geteuid().is_root(), devices: 0 };
        out.all(&self.tree).with_context(failed)?;
        if out.devices > 0 {
            notes.push(format!("{} device files were left out: only root can make them", out.devices));
        }
        fs::set_permissions(temporary.path(), Permissions::from_mode(0o755)).with_context(failed)?;
        fs::rename(temporary.path(), dir).with_context(failed)?;
        // It has moved: nothing is left to be removed.
        let _ = temporary.keep();
        Ok(())
    }
}

fn entry(record: &Record<'_>, kind: Kind<Vec<u8>>) -> Entry<Vec<u8>> {
    let header = &record.header;
    let mode = header.mode & !file_type::MASK & 0o7777;
    Entry { mode, uid: header.uid, gid: header.gid, mtime: header.mtime, kind }
}

struct Unpacking<'a> {
    dir: &'a Path,
    root: bool,
    devices: usize,
}

impl Unpacking<'_> {
    fn all(&mut self, tree: &Tree<Vec<u8>>) -> anyhow::Result<()> {
        // Directories stay ours and writable until everything is in them; links come when their
        // files are there.
        let (links, files): (Vec<_>, Vec<_>) =
            tree.iter().partition(|(_, entry)| matches!(entry.kind, Kind::HardLink(_)));
        for (path, entry) in files.iter().chain(&links) {
            let at = self.place(path);
            self.make(&at, entry)
                .with_context(|| format!("{}", Path::new(std::ffi::OsStr::from_bytes(path)).display()))?;
        }
        for (path, entry) in files.iter().rev().filter(|(_, entry)| matches!(entry.kind, Kind::Dir)) {
            self.attributes(&self.place(path), entry)?;
        }
        Ok(())
    }

    fn place(&self, path: &[u8]) -> PathBuf {
        self.dir.join(std::ffi::OsStr::from_bytes(path))
    }

    fn make(&mut self, at: &Path, entry: &Entry<Vec<u8>>) -> anyhow::Result<()> {
        match &entry.kind {
            Kind::Dir => return Ok(fs::create_dir(at)?),
            Kind::File(content) => File::create_new(at)?.write_all(content)?,
            Kind::HardLink(to) => return Ok(fs::hard_link(self.place(to), at)?),
            Kind::Symlink(to) => {
                symlink(std::ffi::OsStr::from_bytes(to), at)?;
                if self.root {
                    std::os::unix::fs::lchown(at, Some(entry.uid), Some(entry.gid))?;
                }
                return Ok(());
            }
            Kind::CharDevice(major, minor) if self.root => {
                node(at, FileType::CharacterDevice, (*major, *minor))?
            }
            Kind::BlockDevice(major, minor) if self.root => {
                node(at, FileType::BlockDevice, (*major, *minor))?
            }
            Kind::CharDevice(..) | Kind::BlockDevice(..) => {
                self.devices += 1;
                return Ok(());
            }
            Kind::Fifo => node(at, FileType::Fifo, (0, 0))?,
            Kind::Socket => node(at, FileType::Socket, (0, 0))?,
        }
        self.attributes(at, entry)
    }

    /// Owner (as root), mode and time. In this order: a change of owner takes set-id bits away.
    fn attributes(&self, at: &Path, entry: &Entry<Vec<u8>>) -> anyhow::Result<()> {
        if self.root {
            chown(at, Some(entry.uid), Some(entry.gid))?;
        }
        fs::set_permissions(at, Permissions::from_mode(entry.mode))?;
        let time = UNIX_EPOCH + Duration::from_secs(entry.mtime.into());
        if matches!(entry.kind, Kind::File(_) | Kind::Dir)
            && let Ok(file) = File::open(at)
        {
            file.set_modified(time)?;
        }
        Ok(())
    }
}

fn node(at: &Path, kind: FileType, (major, minor): (u32, u32)) -> anyhow::Result<()> {
    mknodat(CWD, at, kind, Mode::from_raw_mode(0o600), makedev(major, minor))?;
    Ok(())
}
