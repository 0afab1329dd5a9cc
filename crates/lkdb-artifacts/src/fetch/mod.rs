//! Fetching a kernel from the distribution: image, debug file, headers and source, part by part.
//!
//! Which packages those are is `apt::select`'s. A part is downloaded, unpacked beside its place,
//! renamed, and entered in `meta.json` before the next begins: an interrupt loses at most the part
//! being unpacked, and the same command goes on from there.

mod plan;

use std::fs;
use std::path::{Path, PathBuf};

use lkdb_base::{Arch, BuildId};
use serde::Serialize;

use crate::apt::Apt;
use crate::apt::stanza::Stanza;
use crate::cache::Meta;
use crate::debuginfod::{Artifact, Servers};
use crate::kernel_set::existing;
use crate::unpack::{self, Partial};
use crate::{Cache, Error, KernelSet, Progress, Result, build, disk, elf, headers, source, tools};
use plan::Plan;

/// A source package holds its tree compressed: this many times its size when unpacked (measured 9.5).
const SOURCE_GROWS: u64 = 11;

/// What to fetch.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// A release, a version's beginning, a flavour, or both of the latter; empty for the default.
    pub wanted: Vec<String>,
    /// For this architecture.
    pub arch: &'static Arch,
    /// The debug file and the modules' debug files.
    pub debug: bool,
    /// The source tree.
    pub source: bool,
    /// What out-of-tree modules are built against.
    pub headers: bool,
    /// Fetch the package lists anew even when they are fresh.
    pub update: bool,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct FetchReport {
    /// The kernel, as the cache has it now.
    pub kernel: KernelSet,
    /// Packages fetched by this call; empty when all was there.
    pub fetched: Vec<String>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

/// Fetches what is missing of a kernel. Only apt is spoken; see [`Error::NoProvider`] for what hosts
/// without it are told.
///
/// # Errors
/// When no kernel fits, the disk is too small, a download or an unpacking fails, or the user stops it.
pub fn fetch(cache: &Cache, options: &FetchOptions, progress: &mut dyn Progress) -> Result<FetchReport> {
    provider()?;
    let _lock = cache.lock(progress)?;
    let mut apt = Apt::open(cache.root(), options.arch)?;
    let plan = plan::with_fresh_lists(&mut apt, options, progress)?;
    for note in &plan.left_out {
        progress.note(note);
    }
    let mut meta = start(cache, &plan, options.arch)?;
    room(cache, &plan, &meta)?;
    let dir = cache.kernel_dir(&plan.release);
    fs::create_dir_all(&dir).map_err(Error::io("make", &dir))?;
    let mut fetched = Vec::new();
    let mut work = Work { cache, apt: &apt, meta: &mut meta, fetched: &mut fetched, progress };
    let done = work.all(&plan, options);
    // Gone only when nothing came into it.
    let _ = fs::remove_dir(&dir);
    done?;
    let kernel = cache.resolve(&meta).ok_or_else(|| {
        Error::Unfit(format!("package {} holds no kernel image for {}", plan.image.name, options.arch.name))
    })?;
    Ok(FetchReport { kernel, fetched, left_out: plan.left_out })
}

/// Whether this host's package tools are ones that lkdb speaks.
fn provider() -> Result<()> {
    if tools::find("apt-get").is_some() {
        return Ok(());
    }
    let by_hand = "give the kernel with --kernel and --vmlinux, or its build ID with --build-id";
    Err(Error::NoProvider(if tools::find("dnf").is_some() {
        format!(
            "lkdb fetches kernels through apt only. On this host `dnf download kernel-core` and \
             `dnf debuginfo-install kernel` (package kernel-debuginfo) get them; then {by_hand}"
        )
    } else if tools::find("pacman").is_some() {
        format!(
            "lkdb fetches kernels through apt only. On this host `pacman -Sw linux` gets the image, and \
             https://debuginfod.archlinux.org has the debug file; then {by_hand}"
        )
    } else {
        format!("lkdb fetches kernels through apt, and this host has none: {by_hand}")
    }))
}

/// The kernel's description so far: what the cache has of it, when it is of the same version.
fn start(cache: &Cache, plan: &Plan, arch: &Arch) -> Result<Meta> {
    let dir = cache.kernel_dir(&plan.release);
    if let Some(meta) = cache.meta(&plan.release) {
        if meta.version.as_ref() == Some(&plan.image.version)
            && meta.package.as_ref() == Some(&plan.image.name)
        {
            return Ok(meta);
        }
        // Another build under the same name: nothing of it fits the new one.
        fs::remove_dir_all(&dir).map_err(Error::io("remove", &dir))?;
    }
    Ok(Meta {
        release: plan.release.clone(),
        arch: arch.name.to_owned(),
        package: Some(plan.image.name.clone()),
        version: Some(plan.image.version.clone()),
        ..Meta::default()
    })
}

/// Whether there is room: everything unpacked, and the largest package beside it for a while.
fn room(cache: &Cache, plan: &Plan, meta: &Meta) -> Result<()> {
    let has = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| cache.root().join(path).exists());
    let mut packages: Vec<(&Stanza, u64)> = Vec::new();
    if !has(&meta.image) {
        packages.extend(std::iter::once(&plan.image).chain(&plan.companions).map(|p| (p, p.installed_size)));
    }
    if !has(&meta.vmlinux) {
        packages.extend(plan.debug.iter().map(|package| (package, package.installed_size)));
    }
    if !has(&meta.headers) {
        packages.extend(plan.headers.iter().map(|package| (package, package.installed_size)));
    }
    if !has(&meta.source) {
        packages
            .extend(plan.source.iter().map(|package| (package, package.size.saturating_mul(SOURCE_GROWS))));
    }
    let unpacked: u64 = packages.iter().map(|(_, unpacked)| unpacked).sum();
    let largest = packages.iter().map(|(package, _)| package.size).max().unwrap_or(0);
    if unpacked == 0 {
        return Ok(());
    }
    let hint = " (--no-source and --no-debug need less; `lkdb kernel rm` frees some)";
    disk::require(cache.root(), unpacked.saturating_add(largest), hint)
}

/// One fetch being done.
struct Work<'a> {
    cache: &'a Cache,
    apt: &'a Apt,
    meta: &'a mut Meta,
    fetched: &'a mut Vec<String>,
    progress: &'a mut dyn Progress,
}

impl Work<'_> {
    /// What a session needs first comes first; the source, which takes longest, last.
    fn all(&mut self, plan: &Plan, options: &FetchOptions) -> Result<()> {
        self.image(plan)?;
        self.debug(plan)?;
        self.debuginfod(options)?;
        self.headers(plan)?;
        self.source(plan)
    }

    fn image(&mut self, plan: &Plan) -> Result<()> {
        if self.has(self.meta.image.as_ref()) {
            return Ok(());
        }
        let target = self.part("image");
        let partial = Partial::beside(&target)?;
        for package in std::iter::once(&plan.image).chain(&plan.companions) {
            self.unpack(package, partial.path())?;
        }
        // Merged-/usr packages keep modules in usr/lib; depmod and guests look in lib.
        if !partial.path().join("lib").exists() && partial.path().join("usr/lib/modules").is_dir() {
            let lib = partial.path().join("lib");
            std::os::unix::fs::symlink("usr/lib", &lib).map_err(Error::io("make", &lib))?;
        }
        if partial.path().join("lib/modules").join(&plan.release).is_dir() {
            unpack::depmod(partial.path(), &plan.release, self.progress)?;
        }
        partial.finish()?;
        let boot = |name: &str| target.join("boot").join(format!("{name}-{}", plan.release));
        self.meta.image = self.relative(&boot("vmlinuz"));
        self.meta.config = self.relative(&boot("config"));
        // Debian's is a stub in this package that says where the true one is.
        self.meta.system_map = self.relative(&boot("System.map")).filter(|map| self.length(map) > 4096);
        self.meta.build_id = self.image_build_id();
        self.meta.modules = self.relative(&target.join("lib/modules").join(&plan.release));
        self.enter(std::iter::once(&plan.image).chain(&plan.companions))
    }

    fn debug(&mut self, plan: &Plan) -> Result<()> {
        let Some(package) = plan.debug.as_ref().filter(|_| !self.has(self.meta.vmlinux.as_ref())) else {
            return Ok(());
        };
        let target = self.part("debug");
        let partial = Partial::beside(&target)?;
        self.unpack(package, partial.path())?;
        partial.finish()?;
        let files = target.join("usr/lib/debug");
        let release = &plan.release;
        let vmlinux = [format!("boot/vmlinux-{release}"), format!("lib/modules/{release}/vmlinux")];
        let vmlinux = vmlinux.iter().find_map(|name| existing(files.join(name)));
        let vmlinux =
            vmlinux.ok_or_else(|| Error::Unfit(format!("package {} holds no vmlinux", package.name)))?;
        let facts = elf::facts(&vmlinux)?;
        let of_vmlinux = facts.build_id.as_ref().map(ToString::to_string);
        if let (Some(image), Some(vmlinux)) = (&self.meta.build_id, &of_vmlinux)
            && image != vmlinux
        {
            let (one, other) = (&plan.image.name, &package.name);
            return Err(Error::Unfit(format!(
                "{other} (build ID {vmlinux}) is not the debug package of {one} (build ID {image})"
            )));
        }
        self.meta.build_id = of_vmlinux.or(self.meta.build_id.take());
        self.meta.vmlinux = self.relative(&vmlinux);
        self.meta.source_from = source::built_in(&facts, None);
        let map = self.relative(&files.join(format!("boot/System.map-{release}")));
        self.meta.system_map = map.or(self.meta.system_map.take());
        self.meta.debug_modules = self.relative(&files.join("lib/modules").join(release));
        self.enter(std::iter::once(package))
    }

    fn headers(&mut self, plan: &Plan) -> Result<()> {
        if plan.headers.is_empty() || self.has(self.meta.headers.as_ref()) {
            return Ok(());
        }
        let target = self.part("headers");
        let partial = Partial::beside(&target)?;
        for package in &plan.headers {
            self.unpack(package, partial.path())?;
        }
        for compiler in headers::mend(partial.path(), &plan.release)? {
            self.progress.note(&format!(
                "this kernel's modules are built with {compiler}, which is not installed: apt install {compiler}"
            ));
        }
        partial.finish()?;
        self.meta.headers = self.relative(&headers::build_dir(&target, &plan.release));
        self.enter(plan.headers.iter())
    }

    fn source(&mut self, plan: &Plan) -> Result<()> {
        let Some(package) = plan.source.as_ref().filter(|_| !self.has(self.meta.source.as_ref())) else {
            return Ok(());
        };
        let target = self.cache.sources_dir().join(format!("{}_{}", package.name, package.version));
        if !target.is_dir() {
            let boxed = Partial::beside(&target.with_extension("package"))?;
            self.unpack(package, boxed.path())?;
            let archive = source_archive(&boxed.path().join("usr/src"), &package.name)?;
            let partial = Partial::beside(&target)?;
            unpack::tar(&archive, partial.path(), self.progress)?;
            partial.finish()?;
        }
        self.meta.source = self.relative(&target);
        self.enter(std::iter::once(package))
    }

    /// Downloads and unpacks a package, and drops the file.
    fn unpack(&mut self, package: &Stanza, into: &Path) -> Result<()> {
        let file = self.apt.download(package, self.progress)?;
        unpack::deb(&file, into, self.progress)?;
        fs::remove_file(&file).map_err(Error::io("remove", &file))
    }

    fn enter<'b>(&mut self, packages: impl Iterator<Item = &'b Stanza>) -> Result<()> {
        self.fetched.extend(packages.map(|package| format!("{} {}", package.name, package.version)));
        self.cache.store(self.meta)
    }

    /// An image that keeps its build ID to itself is fetched all the same.
    fn image_build_id(&self) -> Option<String> {
        let image = self.cache.root().join(self.meta.image.as_ref()?);
        let id = build::image_build_id(&image).inspect_err(|error| tracing::info!(%error)).ok()??;
        Some(id.to_string())
    }

    /// The debug file from a debuginfod server, when no package has it and the user named servers.
    fn debuginfod(&mut self, options: &FetchOptions) -> Result<()> {
        if !options.debug
            || self.has(self.meta.vmlinux.as_ref())
            || std::env::var_os("DEBUGINFOD_URLS").is_none()
        {
            return Ok(());
        }
        let Some(id) = self.meta.build_id.as_deref().and_then(|id| id.parse::<BuildId>().ok()) else {
            return Ok(());
        };
        let got = Servers::from_env()
            .and_then(|servers| servers.get_locked(self.cache, &id, Artifact::Debuginfo, self.progress));
        match got {
            Ok(file) => {
                self.cache.adopt(&id, &file)?;
                *self.meta = self.cache.meta(&self.meta.release).unwrap_or_else(|| self.meta.clone());
                self.fetched.push(format!("debug file of build ID {id}"));
                Ok(())
            }
            Err(Error::Unfit(reason)) => {
                self.progress.note(&reason);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn part(&self, name: &str) -> PathBuf {
        self.cache.kernel_dir(&self.meta.release).join(name)
    }

    fn has(&self, path: Option<&PathBuf>) -> bool {
        path.is_some_and(|path| self.cache.root().join(path).exists())
    }

    fn relative(&self, path: &Path) -> Option<PathBuf> {
        let inside = path.strip_prefix(self.cache.root()).ok()?;
        path.exists().then(|| inside.to_owned())
    }

    fn length(&self, path: &Path) -> u64 {
        fs::metadata(self.cache.root().join(path)).map_or(0, |meta| meta.len())
    }
}

/// `linux-source-6.1.tar.xz` in the package's folder.
fn source_archive(dir: &Path, package: &str) -> Result<PathBuf> {
    let names = ["tar.xz", "tar.bz2", "tar.gz", "tar.zst"].map(|suffix| format!("{package}.{suffix}"));
    let in_folder = names.iter().map(|name| dir.join(package).join(name));
    let mut files = names.iter().map(|name| dir.join(name)).chain(in_folder);
    files
        .find(|file| file.is_file())
        .ok_or_else(|| Error::Unfit(format!("package {package} holds no {}", names.join(" or "))))
}
