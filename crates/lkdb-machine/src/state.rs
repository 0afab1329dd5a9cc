//! The state directory of each machine: where it is, who owns the name, which ones are stale.
//!
//! `$XDG_RUNTIME_DIR/lkdb/NAME`, mode 0700, holds the sockets, the specification and the archive that
//! was booted. A supervisor holds a lock on the file `lock` in it as long as it lives: a directory
//! whose lock is free belongs to nobody and is removed by whoever finds it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::{Error, Result};

const LOCK: &str = "lock";
/// The longest a Unix socket's path may be (`sun_path`), its terminating zero left out.
const SOCKET_PATH_MAX: usize = 107;

/// The directory that holds the state directories of all of this user's machines.
#[derive(Debug, Clone)]
pub struct StateRoot(PathBuf);

/// One machine's state directory.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
    name: String,
}

/// A state directory of which we hold the lock, so that the name is ours. Removed when dropped.
#[derive(Debug)]
pub struct Claim {
    dir: StateDir,
    lock: Option<File>,
}

impl StateRoot {
    /// `$XDG_RUNTIME_DIR/lkdb`, else `/tmp/lkdb-UID`; made if it is not there.
    ///
    /// # Errors
    /// When it can't be made, or is not a directory of this user alone.
    pub fn open() -> Result<Self> {
        let uid = rustix::process::getuid().as_raw();
        let path = match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
            Some(dir) => Path::new(&dir).join("lkdb"),
            None => std::env::temp_dir().join(format!("lkdb-{uid}")),
        };
        Self::at(path)
    }

    /// The same at a given place.
    ///
    /// # Errors
    /// As [`StateRoot::open`].
    pub fn at(path: PathBuf) -> Result<Self> {
        let failed =
            |source| Error::Io { what: "cannot make the state directory", path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed)?;
        let meta = fs::symlink_metadata(&path).map_err(failed)?;
        let mine = meta.is_dir() && meta.uid() == rustix::process::getuid().as_raw();
        if !mine || meta.mode() & 0o077 != 0 {
            let why = "it must be a directory of yours with mode 0700; set XDG_RUNTIME_DIR to another place";
            return Err(failed(io::Error::other(why)));
        }
        Ok(Self(path))
    }

    /// Takes a name for a new machine.
    ///
    /// # Errors
    /// When a machine of that name runs, or the directory cannot be made.
    pub fn claim(&self, name: &str) -> Result<Claim> {
        let dir = self.dir(name)?;
        let failed = |source| Error::Io { what: "cannot make", path: dir.path.clone(), source };
        let longest = dir.path.join(crate::control::SOCKET).as_os_str().len();
        if longest > SOCKET_PATH_MAX {
            let why = format!(
                "the sockets in it would have paths of {longest} bytes, {SOCKET_PATH_MAX} is the most; set XDG_RUNTIME_DIR to a shorter place"
            );
            return Err(failed(io::Error::other(why)));
        }
        let _all = self.lock_all()?;
        match DirBuilder::new().mode(0o700).create(&dir.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.map_err(failed)?,
        }
        let lock = lock(&dir.path, true).map_err(failed)?.ok_or_else(|| Error::NameInUse(name.to_owned()))?;
        // What a dead supervisor left behind; its lock was free, so it is nobody's.
        for entry in fs::read_dir(&dir.path).map_err(failed)?.flatten() {
            if entry.file_name() != LOCK {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(Claim { dir, lock: Some(lock) })
    }

    /// The machines whose supervisor lives, by name. Removes the directories of dead ones.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub fn running(&self) -> Result<Vec<StateDir>> {
        let _all = self.lock_all()?;
        let entries = fs::read_dir(&self.0).map_err(Error::io("cannot read", &self.0))?;
        let mut running = Vec::new();
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(dir) = self.dir(&name) else { continue };
            match lock(&dir.path, false) {
                Ok(None) => running.push(dir),
                Ok(Some(_free)) => _ = fs::remove_dir_all(&dir.path),
                Err(_) => {}
            }
        }
        running.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(running)
    }

    /// Held while a name is taken or dead ones are swept, so that neither sees the other half-way.
    fn lock_all(&self) -> Result<File> {
        let path = self.0.join(".lock");
        let failed = |source| Error::Io { what: "cannot lock", path: path.clone(), source };
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
        Ok(file)
    }

    /// The state directory that a machine of this name has or would have.
    ///
    /// # Errors
    /// When the name can't be a machine's.
    pub fn dir(&self, name: &str) -> Result<StateDir> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || name.starts_with(['.', '-']) || !name.chars().all(plain) {
            return Err(Error::Name(name.to_owned()));
        }
        Ok(StateDir { path: self.0.join(name), name: name.to_owned() })
    }
}

/// Takes the lock in `dir` if it is free. `None`: somebody holds it.
fn lock(dir: &Path, create: bool) -> io::Result<Option<File>> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

impl StateDir {
    /// The machine's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until its machine's supervisor has ended, and the name is free again.
    pub(crate) fn wait_until_free(&self) {
        // Opened before it is removed or not at all; the lock goes with the supervisor's life.
        if let Ok(file) = File::open(self.path.join(LOCK)) {
            let _ = rustix::fs::flock(&file, FlockOperation::LockShared);
        }
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Claim {
    /// The directory that is claimed.
    #[must_use]
    pub fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// The locked file, for the supervisor to inherit: the lock lives as long as any copy of it.
    pub(crate) fn hand_over(mut self) -> io::Result<File> {
        let lock = self.lock.take().ok_or_else(|| io::Error::other("the lock was handed over already"))?;
        fs::set_permissions(&self.dir.path, fs::Permissions::from_mode(0o700))?;
        Ok(lock)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.lock.is_some() {
            let _ = fs::remove_dir_all(&self.dir.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, StateRoot) {
        let temp = tempfile::tempdir().unwrap();
        let root = StateRoot::at(temp.path().join("lkdb")).unwrap();
        (temp, root)
    }

    #[test]
    fn a_name_is_taken_once_and_free_again_after() {
        let (_temp, root) = root();
        let claim = root.claim("a").unwrap();
        assert!(matches!(root.claim("a"), Err(Error::NameInUse(_))));
        assert_eq!(root.running().unwrap().len(), 1);
        drop(claim);
        assert!(root.running().unwrap().is_empty());
        root.claim("a").unwrap();
    }

    #[test]
    fn what_a_dead_supervisor_left_is_removed() {
        let (_temp, root) = root();
        let lock = root.claim("a").unwrap().hand_over().unwrap();
        fs::write(root.dir("a").unwrap().file("console.sock"), "").unwrap();
        assert_eq!(root.running().unwrap().len(), 1);
        drop(lock);
        assert!(root.running().unwrap().is_empty());
        assert!(!root.dir("a").unwrap().path().exists());
    }

    #[test]
    fn names_stay_inside_the_directory() {
        let (_temp, root) = root();
        for name in ["", "..", "a/b", "-a", "a b", "é", &"x".repeat(65)] {
            assert!(matches!(root.dir(name), Err(Error::Name(_))), "{name}");
        }
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("lkdb");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(StateRoot::at(path).is_err());
    }
}
