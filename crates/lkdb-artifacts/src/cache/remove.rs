//! What kernels take on disk, and how they go.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Cache, folders, hidden};
use crate::{Error, KernelSet, Progress, Result};

impl Cache {
    /// Bytes on disk of one kernel, its source tree left out.
    #[must_use]
    pub fn size(&self, set: &KernelSet) -> u64 {
        disk_usage(&self.kernel_dir(&set.release))
    }

    /// Removes one kernel, and its source tree when no other kernel uses it; or the files got by a build
    /// ID. Returns the bytes freed.
    ///
    /// # Errors
    /// When there is no such kernel, or files can't be removed.
    pub fn remove(&self, name: &str, progress: &mut dyn Progress) -> Result<u64> {
        let _lock = self.lock(progress)?;
        let have = self.removable();
        if !have.iter().any(|other| other == name) {
            let have = if have.is_empty() {
                "there is none".into()
            } else {
                format!("there is {}", have.join(", "))
            };
            return Err(Error::NoKernel(format!("no fetched kernel is called `{name}`: {have}")));
        }
        let parents = [self.kernels_dir(), self.build_ids_dir()];
        let Some(parent) = parents.iter().find(|parent| parent.join(name).is_dir()) else { return Ok(0) };
        let dir = parent.join(name);
        let freed = disk_usage(&dir);
        // First out of sight, so that an interrupt leaves no half kernel behind.
        let doomed = parent.join(format!(".{name}.removed"));
        fs::rename(&dir, &doomed).map_err(Error::io("rename", &dir))?;
        for parent in &parents {
            sweep(parent)?;
        }
        Ok(freed + self.remove_unused_sources()?)
    }

    fn remove_unused_sources(&self) -> Result<u64> {
        sweep(&self.sources_dir())?;
        let used: Vec<PathBuf> = self.metas().into_iter().filter_map(|meta| meta.source).collect();
        let mut freed = 0;
        for dir in folders(&self.sources_dir()) {
            if !used.iter().any(|used| self.root.join(used) == dir) {
                freed += disk_usage(&dir);
                fs::remove_dir_all(&dir).map_err(Error::io("remove", &dir))?;
            }
        }
        Ok(freed)
    }

    /// Everything [`Cache::remove`] can remove: releases, unfinished ones too, and build IDs.
    #[must_use]
    pub fn removable(&self) -> Vec<String> {
        let dirs = [self.kernels_dir(), self.build_ids_dir()].map(|dir| folders(&dir));
        let names = dirs.iter().flatten().filter_map(|dir| dir.file_name()?.to_str());
        names.map(str::to_owned).collect()
    }
}

/// Removes what interrupted work left behind. Only under the lock: nobody is at work on it then.
fn sweep(dir: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| hidden(path)) {
        fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
    }
    Ok(())
}

/// Bytes on disk under a folder, links not followed.
pub(super) fn disk_usage(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let sizes = entries.flatten().filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        Some(if meta.is_dir() { disk_usage(&entry.path()) } else { meta.blocks() * 512 })
    });
    sizes.sum()
}
