//! Puts files and directories of this host into a tree.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use lkdb_image::archive::busybox::loader_of;
use lkdb_image::archive::{Entry, Kind, Tree};

use super::Source;

/// `--add HOST[:GUEST]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Add {
    /// A file or directory here.
    pub(crate) host: PathBuf,
    /// Where it goes in the guest; an absolute path.
    pub(crate) guest: Vec<u8>,
}

impl Add {
    /// Reads `HOST[:GUEST]`. Without GUEST it goes to the root, under its own name; a GUEST that ends
    /// with `/` is a directory for it.
    pub(crate) fn parse(text: &std::ffi::OsStr) -> anyhow::Result<Self> {
        let bytes = text.as_bytes();
        let colon = bytes.iter().rposition(|&byte| byte == b':');
        let split = colon.filter(|_| !Path::new(text).exists()).map(|at| bytes.split_at(at));
        let (host, guest) = match split {
            Some((host, guest)) => (host, guest.get(1..).unwrap_or_default()),
            None => (bytes, b"/".as_slice()),
        };
        let host = PathBuf::from(std::ffi::OsString::from_vec(host.to_vec()));
        if host.as_os_str().is_empty() || guest.is_empty() {
            bail!("`{}` is not of the form HOST[:GUEST]", text.display());
        }
        let mut guest = guest.to_vec();
        if guest.ends_with(b"/") {
            let full = host.canonicalize().with_context(|| format!("cannot add {}", host.display()))?;
            guest.extend_from_slice(host.file_name().or(full.file_name()).unwrap_or_default().as_bytes());
        }
        Ok(Self { host, guest })
    }
}

/// Adds a file, or a directory with all that is in it. A link that `host` itself is, is followed.
pub(super) fn add(
    tree: &mut Tree<Source>,
    add: &Add,
    mtime: u32,
    notes: &mut Vec<String>,
) -> anyhow::Result<()> {
    let whole = || format!("cannot add {}", add.host.display());
    let facts = fs::metadata(&add.host).with_context(whole)?;
    if facts.is_dir() {
        return overlay(tree, &add.host, &add.guest, mtime, &[]);
    }
    if facts.is_file() {
        note_dynamic(&add.host, notes);
    }
    let mut walk = Walk { tree, mtime, links: HashMap::new() };
    walk.put(&add.host, &add.guest, &facts).with_context(whole)
}

/// A program that lacks its loader in the guest fails there with a mere "not found".
fn note_dynamic(host: &Path, notes: &mut Vec<String>) {
    let loader = lkdb_map::map(host).ok().and_then(|bytes| loader_of(&bytes));
    if let Some(loader) = loader {
        notes.push(format!(
            "{} is dynamically linked: in the guest it needs {loader} and its libraries",
            host.display()
        ));
    }
}

/// Adds all that is in the directory `host` below `guest`, but for what is directly in it and in `skip`.
pub(super) fn overlay(
    tree: &mut Tree<Source>,
    host: &Path,
    guest: &[u8],
    mtime: u32,
    skip: &[&str],
) -> anyhow::Result<()> {
    let facts = fs::metadata(host).with_context(|| format!("cannot read {}", host.display()))?;
    if !facts.is_dir() {
        bail!("{} is not a directory", host.display());
    }
    let mut walk = Walk { tree, mtime, links: HashMap::new() };
    let top = host;
    let mut left = vec![(host.to_owned(), guest.to_vec(), facts)];
    while let Some((host, guest, facts)) = left.pop() {
        let failed = || format!("cannot add {}", host.display());
        if !guest.is_empty() {
            walk.put(&host, &guest, &facts).with_context(failed)?;
        }
        if !facts.is_dir() {
            continue;
        }
        let known = left.len();
        for entry in fs::read_dir(&host).with_context(failed)? {
            let entry = entry.with_context(failed)?;
            if entry.file_name().to_str().is_some_and(|name| skip.contains(&name)) && host == top {
                continue;
            }
            let facts = entry.metadata().with_context(|| format!("cannot add {}", entry.path().display()))?;
            let mut inside = guest.clone();
            inside.push(b'/');
            inside.extend_from_slice(entry.file_name().as_bytes());
            left.push((entry.path(), inside, facts));
        }
        // By name, so that of hard links always the same one is the first.
        if let Some(inside) = left.get_mut(known..) {
            inside.sort_by(|one, other| other.1.cmp(&one.1));
        }
    }
    Ok(())
}

struct Walk<'t> {
    tree: &'t mut Tree<Source>,
    mtime: u32,
    /// Where files that have several names went under the first of them, by device and inode.
    links: HashMap<(u64, u64), Vec<u8>>,
}

impl Walk<'_> {
    fn put(&mut self, host: &Path, guest: &[u8], facts: &Metadata) -> anyhow::Result<()> {
        let kind = facts.file_type();
        let shared = (kind.is_file() && facts.nlink() > 1).then(|| (facts.dev(), facts.ino()));
        let first = shared.and_then(|key| self.links.get(&key));
        let rdev = || (rustix::fs::major(facts.rdev()), rustix::fs::minor(facts.rdev()));
        let content = if let Some(first) = first {
            Kind::HardLink(first.clone())
        } else if kind.is_file() {
            fs::File::open(host)?;
            Kind::File(Source::File(host.to_owned(), facts.len()))
        } else if kind.is_dir() {
            Kind::Dir
        } else if kind.is_symlink() {
            Kind::Symlink(fs::read_link(host)?.into_os_string().into_vec())
        } else if kind.is_char_device() {
            Kind::CharDevice(rdev().0, rdev().1)
        } else if kind.is_block_device() {
            Kind::BlockDevice(rdev().0, rdev().1)
        } else if kind.is_fifo() {
            Kind::Fifo
        } else {
            // A socket means nothing without the process behind it.
            return Ok(());
        };
        let entry = Entry { mtime: self.mtime, ..Entry::new(facts.mode() & 0o7777, content) };
        let path = self.tree.merge(guest, entry)?;
        if let Some(key) = shared {
            self.links.entry(key).or_insert(path);
        }
        Ok(())
    }
}
