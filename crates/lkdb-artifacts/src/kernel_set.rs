//! A kernel and all that belongs to it: image, debug file, modules, configuration, source.
//!
//! Where a set comes from (the cache, a build tree, files given one by one) is decided here; how the
//! cache keeps it on disk is `cache`'s business, what the files contain is lkdb-image's.

use std::fs;
use std::path::{Path, PathBuf};

use lkdb_base::{Arch, BuildId};
use serde::{Serialize, Serializer};

use crate::{Error, Result, elf, source};

/// Where `lkdb kernel build` installs a build tree's modules, inside of it.
pub(crate) const INSTALLED: &str = "lkdb-root";

/// Everything lkdb has of one kernel. Paths are absolute and were there when the set was made.
#[derive(Debug, Clone, Serialize)]
pub struct KernelSet {
    /// What `uname -r` will answer (for files given one by one, the image's file name).
    pub release: String,
    /// Its architecture.
    #[serde(serialize_with = "arch_name")]
    pub arch: &'static Arch,
    /// What a boot loader starts.
    pub image: PathBuf,
    /// The ELF file with debug info.
    pub vmlinux: Option<PathBuf>,
    /// `lib/modules/RELEASE`, as the guest sees it.
    pub modules: Option<PathBuf>,
    /// The same modules' debug files, in the same layout.
    pub debug_modules: Option<PathBuf>,
    /// Its `.config`.
    pub config: Option<PathBuf>,
    /// Its `System.map`.
    pub system_map: Option<PathBuf>,
    /// Its source tree.
    pub source: Option<PathBuf>,
    /// The folder it was built in, as absolute paths in its DWARF have it: to be mapped onto `source`.
    /// Relative paths in the DWARF (Debian's C units) are relative to `source` itself.
    pub source_from: Option<String>,
    /// What `make -C` takes to build a module against it.
    pub headers: Option<PathBuf>,
    /// Its build ID, where something of it could tell.
    pub build_id: Option<BuildId>,
    /// The package it came in.
    pub package: Option<String>,
    /// That package's version.
    pub version: Option<String>,
}

fn arch_name<S: Serializer>(arch: &&'static Arch, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(arch.name)
}

impl KernelSet {
    /// From a kernel build tree: image, vmlinux, configuration, and the tree (or the source it was
    /// configured from with `O=`) as source.
    ///
    /// # Errors
    /// When `dir` is no build tree, or holds no built image.
    pub fn from_build_tree(dir: &Path) -> Result<Self> {
        let dir = dir.canonicalize().map_err(Error::io("open", dir))?;
        let (image, arch) = built_image(&dir).ok_or_else(|| no_image(&dir))?;
        let vmlinux = Some(dir.join("vmlinux")).filter(|file| file.is_file());
        let facts = vmlinux.as_deref().map(elf::facts).transpose()?;
        let release = fs::read_to_string(dir.join("include/config/kernel.release"))
            .map_or_else(|_| name_of(&dir), |text| text.trim().to_owned());
        let modules = dir.join(INSTALLED).join("lib/modules").join(&release);
        let source = dir.join("source").canonicalize().ok().filter(|link| link.is_dir());
        let tree = source.unwrap_or_else(|| dir.clone());
        Ok(Self {
            release,
            arch,
            // Installed there by `lkdb kernel build`; not stripped, so each is its own debug file.
            modules: existing(modules.clone()),
            debug_modules: existing(modules),
            config: existing(dir.join(".config")),
            system_map: existing(dir.join("System.map")),
            source_from: facts.as_ref().and_then(|facts| source::built_in(facts, Some(&tree))),
            source: Some(tree),
            headers: Some(dir.clone()),
            build_id: facts.and_then(|facts| facts.build_id),
            package: None,
            version: None,
            image,
            vmlinux,
        })
    }

    /// From an image and, if there is one, its vmlinux.
    ///
    /// # Errors
    /// When one of them is not there, or `vmlinux` is no ELF file of an architecture lkdb knows.
    pub fn from_files(image: &Path, vmlinux: Option<&Path>, arch: &'static Arch) -> Result<Self> {
        let image = image.canonicalize().map_err(Error::io("open", image))?;
        let mut set = Self {
            release: name_of(&image),
            arch,
            vmlinux: None,
            modules: None,
            debug_modules: None,
            config: None,
            system_map: None,
            source: None,
            source_from: None,
            headers: None,
            build_id: None,
            package: None,
            version: None,
            image,
        };
        if let Some(vmlinux) = vmlinux {
            set.set_vmlinux(vmlinux)?;
        }
        Ok(set)
    }

    /// Uses this vmlinux, and what it says of build ID and build path.
    ///
    /// # Errors
    /// When it can't be read, is no ELF file, or is of another architecture than the image.
    pub fn set_vmlinux(&mut self, vmlinux: &Path) -> Result<()> {
        let path = vmlinux.canonicalize().map_err(Error::io("open", vmlinux))?;
        let facts = elf::facts(&path)?;
        if facts.machine != self.arch.elf_machine {
            let of = Arch::by_elf_machine(facts.machine).map_or("another architecture", |arch| arch.name);
            return Err(Error::Unfit(format!("{} is of {of}, not {}", path.display(), self.arch.name)));
        }
        self.build_id = facts.build_id.clone();
        self.source_from = source::built_in(&facts, self.source.as_deref());
        self.vmlinux = Some(path);
        Ok(())
    }
}

/// The image a build of any architecture we know leaves behind.
fn built_image(dir: &Path) -> Option<(PathBuf, &'static Arch)> {
    const NAMES: [&str; 4] = ["bzImage", "vmlinuz.efi", "Image.gz", "Image"];
    lkdb_base::arch::ALL.into_iter().find_map(|arch| {
        let boot = dir.join("arch").join(arch.kernel_dir).join("boot");
        NAMES.iter().find_map(|name| existing(boot.join(name))).map(|image| (image, arch))
    })
}

fn no_image(dir: &Path) -> Error {
    let what = if dir.join("Kconfig").is_file() || dir.join(".config").is_file() {
        format!("no kernel has been built in {} yet: run `lkdb kernel build {0}`", dir.display())
    } else {
        format!("{} is no kernel build tree: there is no arch/x86/boot/bzImage in it", dir.display())
    };
    Error::Unfit(what)
}

pub(crate) fn existing(path: PathBuf) -> Option<PathBuf> {
    path.exists().then_some(path)
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_kernel_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = KernelSet::from_build_tree(dir.path()).unwrap_err().to_string();
        assert!(error.contains("no kernel build tree"), "{error}");
        fs::write(dir.path().join(".config"), "").unwrap();
        let error = KernelSet::from_build_tree(dir.path()).unwrap_err().to_string();
        assert!(error.contains("lkdb kernel build"), "{error}");
    }

    #[test]
    fn a_built_tree_is_a_set() {
        let dir = tempfile::tempdir().unwrap();
        let boot = dir.path().join("arch/x86/boot");
        fs::create_dir_all(&boot).unwrap();
        fs::create_dir_all(dir.path().join("include/config")).unwrap();
        fs::write(boot.join("bzImage"), "x").unwrap();
        fs::write(dir.path().join("include/config/kernel.release"), "6.1.9\n").unwrap();
        let set = KernelSet::from_build_tree(dir.path()).unwrap();
        assert_eq!((set.release.as_str(), set.arch.name), ("6.1.9", "x86_64"));
        assert_eq!(set.source.as_deref(), Some(dir.path().canonicalize().unwrap().as_path()));
        assert!(set.vmlinux.is_none() && set.modules.is_none());
    }
}
