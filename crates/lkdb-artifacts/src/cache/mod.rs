//! The cache: where fetched kernels lie, and how they are found again.
//!
//! ```text
//! $XDG_CACHE_HOME/lkdb/
//!   kernels/RELEASE/meta.json   what is there; written last, so a set without it is unfinished
//!   kernels/RELEASE/image/      the image package's files, unpacked as they are
//!   kernels/RELEASE/debug/      the debug package's
//!   kernels/RELEASE/headers/    the headers packages', mended to stand here
//!   sources/PACKAGE_VERSION/    a source tree, shared by the kernels built from it
//!   buildid/HEX/debuginfo       a debug file got from a debuginfod server, and `executable`
//!   apt/ARCH/                   apt's own lists and half-fetched packages
//!   NAME.json                   what others keep here: Cache::keep
//! ```
//! Every folder is made under a name that starts with a dot and renamed when it is whole.

mod remove;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lkdb_base::{Arch, BuildId};
use serde::{Deserialize, Serialize};

use crate::debuginfod::Artifact;
use crate::kernel_set::existing;
use crate::release::release_matches;
use crate::{Error, KernelSet, Progress, Result, elf, source, version};
use remove::disk_usage;

const META: &str = "meta.json";

/// The folder where lkdb keeps what it fetched.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// `meta.json`: paths are relative to the cache's root, so that a cache can be moved.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) release: String,
    pub(crate) arch: String,
    pub(crate) image: Option<PathBuf>,
    pub(crate) vmlinux: Option<PathBuf>,
    pub(crate) modules: Option<PathBuf>,
    pub(crate) debug_modules: Option<PathBuf>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) system_map: Option<PathBuf>,
    pub(crate) source: Option<PathBuf>,
    pub(crate) source_from: Option<String>,
    pub(crate) headers: Option<PathBuf>,
    pub(crate) build_id: Option<String>,
    pub(crate) package: Option<String>,
    pub(crate) version: Option<String>,
}

/// Held while the cache is being changed; gone with the process.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "held for its drop")] File);

impl Cache {
    /// The user's cache, `$XDG_CACHE_HOME/lkdb` or `~/.cache/lkdb`. Nothing is made yet.
    ///
    /// # Errors
    /// When neither variable is set.
    pub fn open() -> Result<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        let base = base.ok_or_else(|| {
            Error::Unfit(
                "neither XDG_CACHE_HOME nor HOME is set: lkdb does not know where its cache is".into(),
            )
        })?;
        Ok(Self::at(base.join("lkdb")))
    }

    /// A cache in this folder.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a small file beside the folders, whole or not at all: what can be found out again, but takes long.
    ///
    /// # Errors
    /// When the folder cannot be made, or the file not be written.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<()> {
        fs::create_dir_all(&self.root).map_err(Error::io("make", &self.root))?;
        write_whole(&self.root.join(name), bytes)
    }

    /// Every kernel in it, newest first. Unfinished and damaged ones are passed over.
    #[must_use]
    pub fn kernels(&self) -> Vec<KernelSet> {
        let mut sets: Vec<KernelSet> =
            self.metas().into_iter().filter_map(|meta| self.resolve(&meta)).collect();
        sets.sort_by(|a, b| {
            version::compare_releases(&b.release, &a.release).then_with(|| a.arch.name.cmp(b.arch.name))
        });
        sets
    }

    /// The newest kernel that answers to `name`: a release, the beginning of one up to a dot or dash,
    /// a flavour, or a build ID's first eight or more digits.
    ///
    /// # Errors
    /// When there is none; the error lists what there is.
    pub fn kernel(&self, name: &str) -> Result<KernelSet> {
        let sets = self.kernels();
        let have = sets.iter().map(|set| set.release.clone()).collect::<Vec<_>>().join(", ");
        let found = sets.iter().find(|set| set.release == name).or_else(|| {
            sets.iter().find(|set| {
                release_matches(&set.release, name)
                    || (name.len() >= 8
                        && set.build_id.as_ref().is_some_and(|id| id.to_string().starts_with(name)))
            })
        });
        found.cloned().ok_or_else(|| {
            let have = if have.is_empty() { "no kernel at all".into() } else { have };
            Error::NoKernel(format!(
                "no fetched kernel answers to `{name}` (there is {have}); `lkdb kernel fetch {name}` gets one"
            ))
        })
    }

    /// The newest kernel there is, for commands that were given none.
    ///
    /// # Errors
    /// When there is none.
    pub fn newest(&self, arch: &Arch) -> Result<KernelSet> {
        self.kernels().into_iter().find(|set| set.arch == arch).ok_or_else(|| {
            Error::NoKernel(
                "no kernel has been fetched yet: run `lkdb kernel fetch`, or give --kernel".into(),
            )
        })
    }

    /// Whether a path lies among the source trees that fetched kernels share.
    #[must_use]
    pub fn shares(&self, path: &Path) -> bool {
        let whole = |path: &Path| path.canonicalize().ok();
        let sources = self.sources_dir();
        whole(path).zip(whole(&sources)).is_some_and(|(path, sources)| path.starts_with(sources))
    }

    /// The BusyBox that `lkdb busybox build` put here, if it did.
    #[must_use]
    pub fn busybox(&self) -> Option<PathBuf> {
        existing(self.busybox_file())
    }

    pub(crate) fn busybox_file(&self) -> PathBuf {
        self.root.join("busybox").join("busybox")
    }

    /// Where a file got by build ID lies, or will.
    pub(crate) fn build_id_file(&self, id: &BuildId, artifact: Artifact) -> PathBuf {
        self.build_ids_dir().join(id.to_string()).join(artifact.name())
    }

    /// The debug file of this build ID: a fetched kernel's, or one got from a debuginfod server.
    #[must_use]
    pub fn debug_file(&self, id: &BuildId) -> Option<PathBuf> {
        let kernels = self.kernels();
        let of_kernel =
            kernels.into_iter().find(|set| set.build_id.as_ref() == Some(id) && set.vmlinux.is_some());
        of_kernel
            .and_then(|set| set.vmlinux)
            .or_else(|| existing(self.build_id_file(id, Artifact::Debuginfo)))
    }

    /// Debug files that were got by build ID alone, with their size in bytes.
    #[must_use]
    pub fn debug_files(&self) -> Vec<(BuildId, PathBuf, u64)> {
        let dirs = folders(&self.build_ids_dir());
        let files = dirs.into_iter().filter_map(|dir| {
            let id: BuildId = dir.file_name()?.to_str()?.parse().ok()?;
            let file = existing(self.build_id_file(&id, Artifact::Debuginfo))?;
            Some((id, file, disk_usage(&dir)))
        });
        files.collect()
    }

    fn build_ids_dir(&self) -> PathBuf {
        self.root.join("buildid")
    }

    pub(crate) fn kernels_dir(&self) -> PathBuf {
        self.root.join("kernels")
    }

    pub(crate) fn kernel_dir(&self, release: &str) -> PathBuf {
        self.kernels_dir().join(release)
    }

    pub(crate) fn sources_dir(&self) -> PathBuf {
        self.root.join("sources")
    }

    /// Makes the cache's folders and takes its lock, waiting while another lkdb holds it.
    pub(crate) fn lock(&self, progress: &mut dyn Progress) -> Result<Lock> {
        for dir in [self.kernels_dir(), self.sources_dir()] {
            fs::create_dir_all(&dir).map_err(Error::io("make", &dir))?;
        }
        let path = self.root.join("lock");
        let file = File::create(&path).map_err(Error::io("open", &path))?;
        let mut said = false;
        while let Err(error) = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(Error::io("lock", &path)(error.into()));
            }
            if !std::mem::replace(&mut said, true) {
                progress.note("waiting for another lkdb that is fetching or removing kernels");
            }
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        Ok(Lock(file))
    }

    pub(crate) fn meta(&self, release: &str) -> Option<Meta> {
        let text = fs::read(self.kernel_dir(release).join(META)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes a kernel's description, in one step.
    pub(crate) fn store(&self, meta: &Meta) -> Result<()> {
        let dir = self.kernel_dir(&meta.release);
        let path = dir.join(META);
        let text = serde_json::to_vec_pretty(meta)
            .map_err(|error| Error::Unfit(format!("cannot describe {}: {error}", meta.release)))?;
        write_whole(&path, &text)
    }

    /// Gives a debug file to the kernel whose build ID it has and which has none; returns its release.
    pub(crate) fn adopt(&self, id: &BuildId, vmlinux: &Path) -> Result<Option<String>> {
        let id = id.to_string();
        let found = self.metas().into_iter().find(|meta| meta.build_id.as_ref() == Some(&id));
        let Some(mut meta) = found else { return Ok(None) };
        if meta.vmlinux.as_ref().is_none_or(|path| !self.root.join(path).exists()) {
            let facts = elf::facts(vmlinux)?;
            meta.vmlinux = vmlinux.strip_prefix(&self.root).ok().map(Path::to_owned);
            meta.source_from = source::built_in(&facts, None);
            self.store(&meta)?;
        }
        Ok(Some(meta.release))
    }

    pub(crate) fn resolve(&self, meta: &Meta) -> Option<KernelSet> {
        let place = |path: &Option<PathBuf>| existing(self.root.join(path.as_ref()?));
        Some(KernelSet {
            release: meta.release.clone(),
            arch: Arch::by_name(&meta.arch)?,
            image: place(&meta.image)?,
            vmlinux: place(&meta.vmlinux),
            modules: place(&meta.modules),
            debug_modules: place(&meta.debug_modules),
            config: place(&meta.config),
            system_map: place(&meta.system_map),
            source: place(&meta.source),
            source_from: meta.source_from.clone(),
            headers: place(&meta.headers),
            build_id: meta.build_id.as_deref().and_then(|id| id.parse::<BuildId>().ok()),
            package: meta.package.clone(),
            version: meta.version.clone(),
        })
    }

    fn metas(&self) -> Vec<Meta> {
        let dirs = folders(&self.kernels_dir());
        let names = dirs.iter().filter_map(|dir| dir.file_name()?.to_str());
        names.filter_map(|release| self.meta(release)).collect()
    }
}

/// Writes a file under a temporary name beside it and renames it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let readable = fs::Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new()
        .permissions(readable)
        .tempfile_in(dir)
        .map_err(Error::io("write in", dir))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
    Ok(())
}

/// Folders in a folder, unfinished ones (whose names start with a dot) left out.
fn folders(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.is_dir() && !hidden(path)).collect()
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    fn cache_with(releases: &[&str]) -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().to_owned());
        for release in releases {
            let kernel = cache.kernel_dir(release);
            fs::create_dir_all(&kernel).unwrap();
            fs::write(kernel.join("vmlinuz"), "image").unwrap();
            let meta = Meta {
                release: (*release).to_owned(),
                arch: "x86_64".into(),
                image: Some(format!("kernels/{release}/vmlinuz").into()),
                vmlinux: Some("kernels/gone".into()),
                source: Some("sources/shared".into()),
                ..Meta::default()
            };
            cache.store(&meta).unwrap();
        }
        fs::create_dir_all(cache.sources_dir().join("shared")).unwrap();
        (dir, cache)
    }

    #[test]
    fn kernels_are_found_newest_first_and_by_many_names() {
        let (_dir, cache) = cache_with(&["6.1.0-9-amd64", "6.1.0-56-cloud-amd64", "6.12.1-rt-amd64"]);
        let releases: Vec<String> = cache.kernels().into_iter().map(|set| set.release).collect();
        assert_eq!(releases, ["6.12.1-rt-amd64", "6.1.0-56-cloud-amd64", "6.1.0-9-amd64"]);
        for (name, release) in [
            ("cloud", "6.1.0-56-cloud-amd64"),
            ("amd64", "6.1.0-9-amd64"),
            ("6.1", "6.1.0-56-cloud-amd64"),
            ("6.1.0-9", "6.1.0-9-amd64"),
            ("6.12.1-rt-amd64", "6.12.1-rt-amd64"),
        ] {
            assert_eq!(cache.kernel(name).unwrap().release, release, "{name}");
        }
        let error = cache.kernel("5").unwrap_err().to_string();
        assert!(error.contains("6.1.0-9-amd64") && error.contains("lkdb kernel fetch 5"), "{error}");
    }

    #[test]
    fn what_is_kept_replaces_what_was_and_all_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("made"));
        for text in ["before", "now"] {
            cache.keep("kept.json", text.as_bytes()).unwrap();
            let file = cache.root().join("kept.json");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        }
        assert_eq!(fs::read_dir(cache.root()).unwrap().count(), 1);
    }

    #[test]
    fn what_went_away_is_not_in_the_set() {
        let (_dir, cache) = cache_with(&["6.1.0-9-amd64"]);
        assert!(cache.kernel("6.1").unwrap().vmlinux.is_none());
        fs::remove_file(cache.kernel_dir("6.1.0-9-amd64").join("vmlinuz")).unwrap();
        assert!(cache.kernels().is_empty());
    }

    #[test]
    fn the_last_kernel_takes_the_shared_source_along() {
        let (_dir, cache) = cache_with(&["6.1.0-9-amd64", "6.1.0-9-cloud-amd64"]);
        cache.remove("6.1.0-9-amd64", &mut Silent).unwrap();
        assert!(cache.sources_dir().join("shared").is_dir());
        cache.remove("6.1.0-9-cloud-amd64", &mut Silent).unwrap();
        assert!(!cache.sources_dir().join("shared").exists());
        assert!(cache.kernels().is_empty());
        for wrong in ["6.1.0-9-amd64", "..", "../kernels", ""] {
            assert!(matches!(cache.remove(wrong, &mut Silent), Err(Error::NoKernel(_))), "{wrong}");
        }
    }
}
