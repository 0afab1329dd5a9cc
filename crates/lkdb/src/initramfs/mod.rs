//! Makes a guest's initramfs from this host's files. What it holds and its bytes are lkdb-image's work;
//! here files are found and read, and the archive is written.
//!
//! [`plan`] decides everything and finds what is wrong; [`Plan::write`] only writes. `lkdb boot` and
//! `lkdb gdb` use the same two as `lkdb initramfs build`.

mod base;
mod busybox;
pub(crate) mod extract;
pub(crate) mod facts;
mod host;
pub(crate) mod kernel;
mod modules;
mod source;
#[cfg(test)]
mod tests;
mod write;
mod zone;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use lkdb_base::Arch;
use lkdb_image::archive::recipe::{self, Wishes};
use lkdb_image::archive::{Entry, Kind, Packing, Tree};
use lkdb_image::config::{Config, Value};

use base::Skeleton;
pub(crate) use host::Add;
pub(crate) use kernel::KernelFacts;
use modules::{ModuleTree, Wanted};
pub(crate) use source::Source;

/// Where lkdb's agent lies in an initramfs of the user's, to be its first process.
pub(crate) const WRAPPED_INIT: &str = "/lkdb/init";

/// The host's static BusyBox for guests of this architecture, and its version.
pub(crate) fn host_busybox(arch: &'static Arch) -> anyhow::Result<(PathBuf, String)> {
    busybox::find(None, arch).map(|found| (found.path, found.version))
}

/// What an initramfs is to hold and to be like.
#[derive(Debug, Clone)]
pub(crate) struct InitramfsOptions<'a> {
    /// What the guest runs on.
    pub(crate) arch: &'static Arch,
    /// The terminal of the shell, as /dev names it (`ttyS0`).
    pub(crate) console: String,
    /// The guest's name.
    pub(crate) hostname: String,
    /// `--busybox FILE`; the host's own otherwise.
    pub(crate) busybox: Option<PathBuf>,
    /// An initramfs of the user's: lkdb's root and BusyBox stay out, and all the rest is put behind it.
    pub(crate) base: Option<PathBuf>,
    /// lkdb's agent for the guest.
    pub(crate) agent: Option<&'a [u8]>,
    /// What is known of the kernel.
    pub(crate) release: Option<String>,
    /// The kernel's configuration.
    pub(crate) config: Option<Config>,
    /// Where the kernel's modules are.
    pub(crate) modules: Option<PathBuf>,
    /// Whether all of them go in.
    pub(crate) all_modules: bool,
    /// Modules to load at boot, each a name, alias or file, with parameters behind a space.
    pub(crate) load: Vec<String>,
    /// Files and directories to add.
    pub(crate) add: Vec<Add>,
    /// Directories to lay over the root.
    pub(crate) overlay: Vec<PathBuf>,
    /// 9p shares to mount: tag and place in the guest.
    pub(crate) shares: Vec<(String, String)>,
    /// How to compress; by default whatever brings the shell soonest.
    pub(crate) compress: Option<Packing>,
    /// What all files are dated, in seconds since 1970.
    pub(crate) mtime: u32,
}

impl InitramfsOptions<'_> {
    /// The plain root for this architecture: BusyBox and nothing else, shell on the first serial port.
    pub(crate) fn new(arch: &'static Arch) -> Self {
        Self {
            arch,
            console: format!("{}0", arch.serial),
            hostname: "lkdb".to_owned(),
            busybox: None,
            base: None,
            agent: None,
            release: None,
            config: None,
            modules: None,
            all_modules: false,
            load: Vec::new(),
            add: Vec::new(),
            overlay: Vec::new(),
            shares: Vec::new(),
            compress: None,
            mtime: source_date(),
        }
    }
}

/// `SOURCE_DATE_EPOCH`, else 1970: the same input gives the same bytes.
fn source_date() -> u32 {
    std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// An archive that can be written.
#[derive(Debug)]
pub(crate) struct Plan {
    tree: Tree<Source>,
    base: Option<PathBuf>,
    /// How it will be compressed.
    pub(crate) packing: Packing,
    /// BusyBox's version, unless the user's own initramfs is the root.
    pub(crate) busybox: Option<String>,
    /// The modules to be loaded, by lkdb's root or else the user's: paths in the guest, in order.
    pub(crate) loads: Vec<String>,
    /// What the user should hear.
    pub(crate) notes: Vec<String>,
}

/// An archive that was written.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Built {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// How many files, directories and links are in it (without those of a user's own initramfs).
    pub(crate) entries: usize,
    /// How it is compressed; a user's own initramfs stays as it is.
    pub(crate) compression: Packing,
    /// BusyBox's version.
    pub(crate) busybox: Option<String>,
    /// The modules to be loaded at boot, in order; by lkdb's root, or by that of the user's initramfs.
    pub(crate) loads: Vec<String>,
    /// What the user should hear.
    pub(crate) notes: Vec<String>,
}

/// Decides what goes in. All that can be wrong with the options is found here.
pub(crate) fn plan(options: &InitramfsOptions<'_>) -> anyhow::Result<Plan> {
    let packing = packing(options)?;
    let load = loads(options)?;
    let mut notes = Vec::new();
    let modules = module_tree(options, &load)?;
    // Modules come first into a tree of their own: the root's list of them depends on it.
    let mut inside = Tree::new(options.mtime);
    let wanted = Wanted {
        load: &load,
        all: options.all_modules,
        release: options.release.as_deref(),
        mtime: options.mtime,
    };
    let placed = modules::place(&mut inside, modules.as_ref(), wanted)?;
    notes.extend(placed.notes);
    let loads = placed.order.iter().map(|(path, _)| path.clone()).collect();
    let base =
        options.base.as_deref().map(|base| Skeleton::read(base, options.config.as_ref())).transpose()?;
    let (mut tree, busybox) = match &base {
        Some(base) => (behind(options, base, &placed.order, &mut notes)?, None),
        None => root(options, placed.order)?,
    };
    graft(inside, &mut tree)?;
    for dir in &options.overlay {
        host::overlay(&mut tree, dir, b"", options.mtime, &[])
            .with_context(|| format!("--overlay {}", dir.display()))?;
    }
    for add in &options.add {
        host::add(&mut tree, add, options.mtime, &mut notes)?;
    }
    if let Some(base) = base {
        base.subtract(&mut tree);
    }
    Ok(Plan { tree, base: options.base.clone(), packing, busybox, loads, notes })
}

/// Puts all of one tree into another. Hard links last, when what they name is there, and by the place
/// that it has got there.
fn graft(from: Tree<Source>, into: &mut Tree<Source>) -> anyhow::Result<()> {
    let (links, files): (Vec<_>, Vec<_>) =
        from.into_iter().partition(|(_, entry)| matches!(entry.kind, Kind::HardLink(_)));
    let mut places = HashMap::new();
    for (path, entry) in files {
        let place = into.merge(&path, entry)?;
        places.insert(path, place);
    }
    for (path, mut entry) in links {
        if let Kind::HardLink(to) = &mut entry.kind
            && let Some(place) = places.get(to)
        {
            to.clone_from(place);
        }
        into.merge(path, entry)?;
    }
    Ok(())
}

impl Plan {
    /// Writes the archive at `path`, which appears whole or not at all.
    pub(crate) fn write(self, path: &Path) -> anyhow::Result<Built> {
        let size = crate::whole_file::write(path, |out| match &self.base {
            Some(base) => write::appended(base, &self.tree, self.packing, out),
            None => write::archive(&self.tree, self.packing, out).map(drop),
        })?;
        Ok(self.built(path, size))
    }

    /// Writes the archive to a stream, which comes back.
    pub(crate) fn stream<W: io::Write>(self, out: W) -> anyhow::Result<W> {
        if self.base.is_some() {
            bail!("an archive behind another can only go to a file");
        }
        write::archive(&self.tree, self.packing, out)
    }

    fn built(self, path: &Path, size: u64) -> Built {
        Built {
            path: path.to_owned(),
            size,
            entries: self.tree.len(),
            compression: self.packing,
            busybox: self.busybox,
            loads: self.loads,
            notes: self.notes,
        }
    }
}

/// What lkdb adds to an initramfs of the user's, together with what that has.
fn behind(
    options: &InitramfsOptions<'_>,
    base: &Skeleton,
    modules: &[(String, String)],
    notes: &mut Vec<String>,
) -> anyhow::Result<Tree<Source>> {
    if !modules.is_empty() || !options.shares.is_empty() {
        notes.push(
            "the initramfs has an init of its own: modules and shares are for it to load and mount"
                .to_owned(),
        );
    }
    let mut tree = base.tree(options.mtime)?;
    if let Some(agent) = options.agent {
        let agent = Entry::file(0o755, Source::Bytes(agent.to_vec()));
        tree.insert(WRAPPED_INIT, Entry { mtime: options.mtime, ..agent })?;
    }
    Ok(tree)
}

/// lkdb's root, and the version of the BusyBox in it.
fn root(
    options: &InitramfsOptions<'_>,
    modules: Vec<(String, String)>,
) -> anyhow::Result<(Tree<Source>, Option<String>)> {
    let agent = options.agent.map(|agent| Source::Bytes(agent.to_vec()));
    let found = busybox::find(options.busybox.as_deref(), options.arch)?;
    let known = |option: &str| options.config.as_ref().map(|config| config.is_on(option));
    let wishes = Wishes {
        console: options.console.clone(),
        hostname: options.hostname.clone(),
        devtmpfs: known("DEVTMPFS"),
        vt: known("VT"),
        modules,
        shares: options.shares.clone(),
        agent,
        mtime: options.mtime,
    };
    let tree = recipe::root(Source::Bytes(found.bytes), &found.applets, wishes)
        .with_context(|| format!("{} cannot be used", found.path.display()))?;
    Ok((tree, Some(found.version)))
}

/// How to compress: what was asked for if the kernel can read it, else what brings the shell soonest.
///
/// Unpacking in the guest costs more than reading from QEMU, under TCG above all, so that is `none`.
fn packing(options: &InitramfsOptions<'_>) -> anyhow::Result<Packing> {
    let packing = options.compress.unwrap_or(Packing::None);
    let Some(config) = &options.config else { return Ok(packing) };
    if !config.is_built_in("BLK_DEV_INITRD") {
        bail!("the kernel cannot use an initramfs: its config has no CONFIG_BLK_DEV_INITRD");
    }
    let Some(option) = packing.compression().and_then(|kind| kind.initrd_option()) else {
        return Ok(packing);
    };
    if !config.is_built_in(option) {
        let can: Vec<_> = Packing::ALL
            .into_iter()
            .filter(|other| {
                other
                    .compression()
                    .is_none_or(|kind| kind.initrd_option().is_some_and(|option| config.is_built_in(option)))
            })
            .map(Packing::name)
            .collect();
        bail!(
            "the kernel cannot unpack an initramfs in {packing}: its config has no CONFIG_{option}; use --compress {}",
            can.join(", ")
        );
    }
    Ok(packing)
}

/// The options a kernel must have for 9p shares, in modules or not.
const NINE_P: [&str; 3] = ["NET_9P", "NET_9P_VIRTIO", "9P_FS"];

/// What must be loaded: what the user wants, and before it what shares need.
fn loads(options: &InitramfsOptions<'_>) -> anyhow::Result<Vec<String>> {
    let mut load = Vec::new();
    if let (false, Some(config)) = (options.shares.is_empty(), &options.config) {
        let lacking = missing_for_shares(config);
        if !lacking.is_empty() {
            bail!("the kernel cannot share directories over 9p: its config has no {}", lacking.join(", "));
        }
        let modules = [("VIRTIO_PCI", "virtio_pci"), ("NET_9P_VIRTIO", "9pnet_virtio"), ("9P_FS", "9p")];
        let needed = modules.into_iter().filter(|(option, _)| *config.get(option) == Value::Module);
        load.extend(needed.map(|(_, name)| name.to_owned()));
    }
    load.extend(options.load.iter().cloned());
    Ok(load)
}

/// The options (with `CONFIG_`) that a kernel lacks for 9p shares.
pub(crate) fn missing_for_shares(config: &Config) -> Vec<String> {
    NINE_P
        .into_iter()
        .filter(|option| !config.is_on(option))
        .map(|option| format!("CONFIG_{option}"))
        .collect()
}

/// The tree that modules come from, where any is needed.
fn module_tree(options: &InitramfsOptions<'_>, load: &[String]) -> anyhow::Result<Option<ModuleTree>> {
    if load.is_empty() && !options.all_modules {
        return Ok(None);
    }
    if let Some(dir) = &options.modules {
        return ModuleTree::open(dir, options.release.as_deref()).map(Some);
    }
    if options.all_modules {
        bail!("--all-modules needs to know where they are: name the tree with --modules DIR");
    }
    Ok(None)
}
