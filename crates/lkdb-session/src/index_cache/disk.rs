//! Indexes on disk: `index/` in the cache, one file for each file that was indexed.
//!
//! ```text
//! index/BUILDID.VERSION.index       by build ID; VERSION is lkdb's
//! index/file-HASH.VERSION.index     for a file without one: by its path, size and time
//! index/.NAME.lock                  held while one process builds
//! ```
//! A file is written under a name with a dot and renamed, so that none is ever half there. What other versions
//! left, and the oldest beyond a limit, is removed when a new one is written.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lkdb_base::BuildId;
use rustix::fs::{FlockOperation, flock};

/// All indexes together may take so much: some hundred kernels.
const MOST_BYTES: u64 = 512 << 20;

/// So much of an identity is kept where something is added: an index holds 32 bytes.
const MOST_IDENTITY: usize = 24;

/// What tells one indexed file from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    identity: Vec<u8>,
    name: String,
}

impl Key {
    /// Of a file with a build ID, else of the file at `path` as it is now.
    #[must_use]
    pub fn new(build_id: Option<&BuildId>, path: &Path) -> Self {
        let (identity, name) = match build_id {
            Some(id) => (id.as_bytes().to_vec(), id.to_string()),
            None => Self::by_time(path),
        };
        Self { identity, name: format!("{name}.{}.index", env!("CARGO_PKG_VERSION")) }
    }

    /// The same file with more debug info from elsewhere.
    #[must_use]
    pub fn with_parts(mut self, fingerprint: u64) -> Self {
        self.identity.truncate(MOST_IDENTITY);
        self.identity.extend(fingerprint.to_le_bytes());
        self.name = format!("split-{fingerprint:016x}-{}", self.name);
        self
    }

    fn by_time(path: &Path) -> (Vec<u8>, String) {
        let facts = fs::metadata(path).ok();
        let time = facts.as_ref().and_then(|facts| facts.modified().ok());
        let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        path.canonicalize().unwrap_or_else(|_| path.to_owned()).hash(&mut hasher);
        let path = hasher.finish();
        let mut identity = path.to_le_bytes().to_vec();
        identity.extend(facts.map_or(0, |facts| facts.len()).to_le_bytes());
        identity.extend(since.as_nanos().to_le_bytes());
        (identity, format!("file-{path:016x}"))
    }

    /// What the index itself holds to be recognised by.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// The part of the name that other versions' files share.
    fn stem(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

/// The folder of indexes.
#[derive(Debug, Clone)]
pub struct IndexCache {
    folder: PathBuf,
}

/// Held while an index is built; gone with the process.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held for its drop")] File);

impl IndexCache {
    /// In the cache at `root`. Nothing is made yet.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { folder: root.join("index") }
    }

    /// Where a file's index is, or would be.
    #[must_use]
    pub fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(&key.name)
    }

    /// Takes the lock that says who builds. None: another process has it.
    ///
    /// # Errors
    /// When the folder or the lock cannot be made: nothing can be kept then.
    pub fn lock(&self, key: &Key) -> io::Result<Option<Lock>> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(format!(".{}.lock", key.name));
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps an index, and makes room.
    ///
    /// # Errors
    /// When it cannot be written: nothing has changed then.
    pub fn keep(&self, key: &Key, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let temporary = self.folder.join(format!(".{}.{}", key.name, std::process::id()));
        let written = (|| {
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            fs::rename(&temporary, self.path(key))
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        } else {
            self.make_room(key, MOST_BYTES);
        }
        written
    }

    /// Marks an index as used now, so that it is not the oldest. A cache that may not be written stays.
    pub fn used(&self, key: &Key) {
        let file = OpenOptions::new().append(true).open(self.path(key));
        let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// Removes an index that was found damaged.
    pub fn forget(&self, key: &Key) {
        let _ = fs::remove_file(self.path(key));
    }

    /// Removes what other versions kept of the same file, and then the oldest until all take no more than `most`.
    fn make_room(&self, key: &Key, most: u64) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut kept = Vec::new();
        for entry in entries.flatten() {
            let (name, Ok(facts)) = (entry.file_name(), entry.metadata()) else { continue };
            let Some(name) = name.to_str().filter(|name| name.ends_with(".index") && !name.starts_with('.'))
            else {
                continue;
            };
            if name == key.name {
                kept.push((SystemTime::now(), facts.len(), entry.path()));
            } else if name.split('.').next() == Some(key.stem()) {
                let _ = fs::remove_file(entry.path());
            } else {
                kept.push((facts.modified().unwrap_or(UNIX_EPOCH), facts.len(), entry.path()));
            }
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in kept {
            if total <= most {
                break;
            }
            if path != self.path(key) && fs::remove_file(&path).is_ok() {
                total -= size;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(name: &str) -> Key {
        Key::new(Some(&BuildId::from_bytes(name.as_bytes())), Path::new("/"))
    }

    #[test]
    fn one_process_at_a_time_builds() {
        let root = tempfile::tempdir().unwrap();
        let cache = IndexCache::new(root.path());
        let held = cache.lock(&key("kernel")).unwrap().unwrap();
        assert!(cache.lock(&key("kernel")).unwrap().is_none());
        assert!(cache.lock(&key("other")).unwrap().is_some());
        drop(held);
        assert!(cache.lock(&key("kernel")).unwrap().is_some());
    }

    #[test]
    fn what_other_versions_kept_goes() {
        let root = tempfile::tempdir().unwrap();
        let cache = IndexCache::new(root.path());
        cache.keep(&key("kernel"), b"old").unwrap();
        let old = cache.path(&key("kernel"));
        let older = old.with_file_name(format!("{}.0.0.0.index", key("kernel").stem()));
        fs::rename(&old, &older).unwrap();
        cache.keep(&key("kernel"), b"new").unwrap();
        assert!(!older.exists());
        assert_eq!(fs::read(old).unwrap(), b"new");
        let left = fs::read_dir(root.path().join("index")).unwrap().count();
        assert_eq!(left, 1);
    }

    #[test]
    fn the_oldest_goes_first() {
        let root = tempfile::tempdir().unwrap();
        let cache = IndexCache::new(root.path());
        for (age, name) in [(300, "a"), (200, "b"), (100, "c")] {
            cache.keep(&key(name), &[0; 100]).unwrap();
            let file = OpenOptions::new().append(true).open(cache.path(&key(name))).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        cache.used(&key("a"));
        cache.make_room(&key("c"), 250);
        let there = ["a", "b", "c"].map(|name| cache.path(&key(name)).exists());
        assert_eq!(there, [true, false, true]);
    }

    #[test]
    fn a_file_without_build_id_is_known_by_path_size_and_time() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("vmlinux");
        fs::write(&path, b"1").unwrap();
        let first = Key::new(None, &path);
        assert_eq!(Key::new(None, &path), first);
        fs::write(&path, b"12").unwrap();
        let second = Key::new(None, &path);
        assert!(second.identity() != first.identity() && second.name == first.name);
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_an_error_that_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(IndexCache::new(&file).keep(&key("kernel"), b"bytes").is_err());
    }
}
