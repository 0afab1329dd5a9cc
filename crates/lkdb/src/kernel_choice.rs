//! Which kernel is meant: `--kernel`, `--vmlinux` and their like, turned into one set of files that fit.

use std::path::Path;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, bail};
use lkdb_artifacts::{Cache, KernelSet};
use lkdb_base::arch::X86_64;
use lkdb_image::config::Config;
use lkdb_image::kernel;

use crate::initramfs::KernelFacts;
use crate::initramfs::kernel::modules_of;
use crate::kept::Kept;
use crate::kernel_config;
use crate::options::MachineOptions;

/// A kernel, and what is known of its configuration.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) kernel: KernelSet,
    pub(crate) config: Option<Config>,
    /// Whether its files are of one build is being found out.
    check: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Chosen {
    /// Waits until it is known whether image and vmlinux are of one build.
    pub(crate) fn checked(&mut self) -> anyhow::Result<()> {
        match self.check.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

/// Finds the kernel that the options mean. That image and vmlinux are of one build is found out meanwhile, since
/// the image has to be unpacked for it.
pub(crate) fn choose(options: &MachineOptions) -> anyhow::Result<Chosen> {
    let mut chosen = named(options.kernel.as_deref())?;
    let set = &mut chosen.kernel;
    if let Some(vmlinux) = &options.vmlinux {
        set.set_vmlinux(vmlinux)?;
    }
    for (given, place) in [(&options.modules, &mut set.modules), (&options.source, &mut set.source)] {
        if let Some(dir) = given {
            let dir = dir.canonicalize().with_context(|| format!("cannot open {}", dir.display()))?;
            *place = Some(dir);
        }
    }
    // What came from a package was compared when it was fetched.
    if options.vmlinux.is_some() || options.kernel.as_deref().is_some_and(is_path) {
        let set = set.clone();
        chosen.check = Some(thread::spawn(move || check_same_build(&set)));
    }
    Ok(chosen)
}

/// The kernel that a name means: a build tree, an image, a fetched version; the newest without one.
pub(crate) fn named(name: Option<&str>) -> anyhow::Result<Chosen> {
    let cache = Cache::open()?;
    let set = match name {
        None => cache.newest(&X86_64)?,
        Some(name) if Path::new(name).is_dir() => KernelSet::from_build_tree(Path::new(name))?,
        Some(name) if Path::new(name).is_file() => return from_image(Path::new(name)),
        Some(name) if is_path(name) => bail!("there is no file {name}"),
        Some(name) => cache.kernel(name)?,
    };
    let config = set.config.as_deref().map(kernel_config::read).transpose()?;
    Ok(Chosen { kernel: set, config, check: None })
}

fn is_path(name: &str) -> bool {
    name.contains('/') || Path::new(name).exists()
}

fn from_image(path: &Path) -> anyhow::Result<Chosen> {
    let facts = KernelFacts::of_image(path)?;
    let mut kernel = KernelSet::from_files(path, None, facts.arch)?;
    kernel.modules = modules_of(&kernel.image, facts.release.as_deref());
    if let Some(release) = facts.release {
        kernel.release = release;
    }
    Ok(Chosen { kernel, config: facts.config, check: None })
}

/// With files of two builds every line would be a lie.
fn check_same_build(set: &KernelSet) -> anyhow::Result<()> {
    let Some(vmlinux) = &set.vmlinux else { return Ok(()) };
    let compare = || same_build(set, vmlinux);
    Kept::of(&Cache::open()?).answer("one build", &[&set.image, vmlinux], compare).map(drop)
}

/// The build ID of both.
fn same_build(set: &KernelSet, vmlinux: &Path) -> anyhow::Result<String> {
    let files = || format!("{} and {}", set.image.display(), vmlinux.display());
    let id = kernel::check_pair(&lkdb_map::map(&set.image)?, &lkdb_map::map(vmlinux)?).with_context(files)?;
    Ok(id.map(|id| id.to_string()).unwrap_or_default())
}
