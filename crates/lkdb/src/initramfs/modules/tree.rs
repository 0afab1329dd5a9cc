//! Finds a module tree and what is in it: an installed one (`lib/modules/RELEASE`, with depmod's files
//! or without), or a build tree.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use lkdb_image::archive::modules::{Index, ModuleInfo, compression_of_file};
use lkdb_image::compress::decompress_all;

/// A module may unpack to no more than this. The largest, with debug information, are below 200 MB.
const MODULE_LIMIT: usize = 1 << 30;

/// The modules of one kernel.
#[derive(Debug)]
pub(crate) struct ModuleTree {
    /// The directory that the index's paths start from.
    pub(crate) dir: PathBuf,
    /// The release of the kernel they are for.
    pub(crate) release: String,
    /// What there is.
    pub(crate) index: Index,
    /// Whether depmod has been run on it.
    pub(crate) has_dep: bool,
    /// Whether it is where a kernel was built, with much besides modules in it.
    pub(crate) build: bool,
}

impl ModuleTree {
    /// The tree that `dir` is, or that lies in it as `lib/modules/RELEASE` or `RELEASE`. With several
    /// releases there, `release` says which.
    pub(crate) fn open(dir: &Path, release: Option<&str>) -> anyhow::Result<Self> {
        let dir =
            dir.canonicalize().with_context(|| format!("cannot read the modules in {}", dir.display()))?;
        if is_build(&dir) {
            return Self::of_build(dir);
        }
        if is_installed(&dir) {
            return Self::of_installed(dir);
        }
        let mut releases = Vec::new();
        for below in ["lib/modules", "usr/lib/modules", "."] {
            let Ok(entries) = fs::read_dir(dir.join(below)) else { continue };
            releases.extend(
                entries
                    .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                    .filter(|dir| is_installed(dir)),
            );
        }
        let named = |path: &&PathBuf| path.file_name().and_then(|name| name.to_str()) == release;
        match (releases.iter().find(named), releases.as_slice()) {
            (Some(path), _) => Self::of_installed(path.canonicalize()?),
            (None, [only]) => Self::of_installed(only.canonicalize()?),
            (None, []) => bail!(
                "{} holds no kernel modules: it should be lib/modules/RELEASE or a build tree with modules",
                dir.display()
            ),
            (None, _) => {
                let names: Vec<_> = releases
                    .iter()
                    .filter_map(|path| path.file_name())
                    .map(|name| name.to_string_lossy())
                    .collect();
                bail!(
                    "{} holds modules of several kernels ({}): name one of the directories{}",
                    dir.display(),
                    names.join(", "),
                    release.map(|release| format!(", as none is for {release}")).unwrap_or_default()
                )
            }
        }
    }

    fn of_installed(dir: PathBuf) -> anyhow::Result<Self> {
        let dep = read_text(&dir.join("modules.dep"))?;
        let index = match &dep {
            Some(text) => Index::from_dep(text),
            None => Index::from_paths(walk(&dir)?),
        };
        let release = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { dir, release, index, has_dep: dep.is_some(), build: false }.with_extras()
    }

    fn of_build(dir: PathBuf) -> anyhow::Result<Self> {
        let release = read_text(&dir.join("include/config/kernel.release"))?.unwrap_or_default();
        let release = release.trim().to_owned();
        let Some(order) = read_text(&dir.join("modules.order"))? else {
            bail!("no modules were built in {} (no modules.order): run `make modules` there", dir.display());
        };
        // `kernel/` before each path, and .o for .ko, depending on the kernel's age.
        let paths = order.lines().filter_map(|line| {
            let line = line.strip_suffix(".o").map_or_else(|| line.to_owned(), |stem| format!("{stem}.ko"));
            let bare = line.strip_prefix("kernel/").map(str::to_owned);
            [Some(line), bare].into_iter().flatten().find(|path| dir.join(path).is_file())
        });
        let index = Index::from_paths(paths.collect::<Vec<_>>());
        Self { dir, release, index, has_dep: false, build: true }.with_extras()
    }

    fn with_extras(mut self) -> anyhow::Result<Self> {
        let text = |name: &str| read_text(&self.dir.join(name)).map(Option::unwrap_or_default);
        let (builtin, softdep, alias) =
            (text("modules.builtin")?, text("modules.softdep")?, text("modules.alias")?);
        self.index.add_builtin(&builtin);
        self.index.add_softdep(&softdep);
        self.index.add_aliases(&alias);
        if self.release.is_empty() {
            bail!("{} does not say for which kernel its modules are", self.dir.display());
        }
        Ok(self)
    }
}

fn is_build(dir: &Path) -> bool {
    dir.join("include/config/kernel.release").is_file() && dir.join("Makefile").is_file()
}

fn is_installed(dir: &Path) -> bool {
    let marks = ["modules.dep", "modules.order", "modules.builtin"];
    marks.into_iter().any(|mark| dir.join(mark).is_file())
        || dir.join("kernel").is_dir() && named_as_release(dir)
}

fn named_as_release(dir: &Path) -> bool {
    dir.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_digit()))
}

/// A text file that may be missing.
fn read_text(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The paths of all files below `dir`, relative to it; links are not followed.
fn walk(dir: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(&at).with_context(|| format!("cannot read {}", at.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                left.push(entry.path());
            } else if kind.is_file()
                && let Ok(below) = entry.path().strip_prefix(dir)
                && let Some(below) = below.to_str()
            {
                found.push(below.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A module's bytes, decompressed if it is compressed.
pub(super) fn read_module(path: &Path) -> anyhow::Result<Vec<u8>> {
    let failed = || format!("cannot read the module {}", path.display());
    let bytes = fs::read(path).with_context(failed)?;
    match path.to_str().and_then(compression_of_file) {
        Some(kind) => Ok(decompress_all(kind, &bytes, MODULE_LIMIT).with_context(failed)?.bytes),
        None => Ok(bytes),
    }
}

/// What a module says of itself.
pub(super) fn module_info(path: &Path) -> anyhow::Result<ModuleInfo> {
    let failed = || format!("cannot use the module {}", path.display());
    if path.to_str().and_then(compression_of_file).is_some() {
        return ModuleInfo::read(&read_module(path)?).with_context(failed);
    }
    ModuleInfo::read(&lkdb_map::map(path)?).with_context(failed)
}
