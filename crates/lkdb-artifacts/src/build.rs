//! Building a kernel tree, and making sure that what came out can be debugged.
//!
//! The configuration is `config`'s business; that image and vmlinux are of one build is checked here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lkdb_base::BuildId;
use serde::Serialize;

use crate::kconfig::dotconfig::DotConfig;
use crate::kernel_set::INSTALLED;
use crate::tools::{self, Tool};
use crate::tree::BuildTree;
use crate::unpack::Partial;
use crate::{Error, KernelSet, Progress, Result, elf, make};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// A configured source or build tree.
    pub dir: PathBuf,
    /// How many jobs at once; by default one for each CPU.
    pub jobs: Option<usize>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct BuildReport {
    /// The kernel.
    pub kernel: KernelSet,
    /// Whether `vmlinux-gdb.py` is there.
    pub gdb_scripts: bool,
    /// Objects that were made by this call.
    pub objects: u64,
    /// How long it took.
    pub seconds: u64,
    /// make's whole output.
    pub log: PathBuf,
}

/// Builds image, vmlinux, modules and gdb scripts, installs the modules inside the build tree, and
/// checks the result.
///
/// # Errors
/// When the tree is not configured, a tool is missing, the build fails, or what it made has no DWARF
/// or an image and a vmlinux of different builds.
pub fn build(options: &BuildOptions, progress: &mut dyn Progress) -> Result<BuildReport> {
    let tree = BuildTree::open(&options.dir, None)?;
    let config = configuration(&tree)?;
    tools::missing(lacking(&config).iter())?;
    let started = Instant::now();
    let log = tree.build.join("lkdb-build.log");
    let jobs = options.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let command = || {
        let mut command = tree.make();
        command.arg(format!("-j{}", jobs.max(1)));
        command
    };
    let made = make::run(command().arg("all"), "building", &log, false, progress)?;
    let gdb_scripts = tree.build.join("vmlinux-gdb.py");
    if config.is_on("GDB_SCRIPTS") && !gdb_scripts.exists() {
        // Not a part of `all` before 5.1 or so, and then made on demand only.
        make::run(command().arg("scripts_gdb"), "making gdb scripts", &log, true, progress)?;
    }
    if config.is_on("MODULES") && has_modules(&tree.build) {
        let target = tree.build.join(INSTALLED);
        let partial = Partial::beside(&target)?;
        let mut install = command();
        install.arg(format!("INSTALL_MOD_PATH={}", partial.path().display())).arg("modules_install");
        make::run(&mut install, "installing modules", &log, true, progress)?;
        partial.finish()?;
    }
    let mut kernel = KernelSet::from_build_tree(&tree.build)?;
    kernel.build_id = Some(verify(&kernel, &config)?);
    Ok(BuildReport {
        kernel,
        gdb_scripts: gdb_scripts.exists(),
        objects: made.objects,
        seconds: started.elapsed().as_secs(),
        log: made.log,
    })
}

fn configuration(tree: &BuildTree) -> Result<DotConfig> {
    let path = tree.build.join(".config");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(DotConfig::parse(&text)),
        Err(_) => Err(Error::Unfit(format!(
            "{} is not configured: run `lkdb kernel config {0}` first",
            tree.build.display()
        ))),
    }
}

fn has_modules(build: &Path) -> bool {
    fs::metadata(build.join("modules.order")).is_ok_and(|meta| meta.len() > 0)
}

/// The tools and headers this configuration needs and this host has not.
fn lacking(config: &DotConfig) -> Vec<Tool> {
    let pahole: &[Tool] = if config.is_on("DEBUG_INFO_BTF") { &[tools::PAHOLE] } else { &[] };
    let programs = tools::CONFIGURE.iter().chain(&tools::BUILD).chain(pahole);
    let compressors =
        tools::COMPRESSORS.iter().filter(|(option, _)| config.is_on(option)).map(|(_, tool)| tool);
    let mut lacking: Vec<Tool> =
        programs.chain(compressors).filter(|tool| tools::find(tool.program).is_none()).copied().collect();
    let [libelf, openssl] = &tools::BUILD_HEADERS;
    let objtool = ["OBJTOOL", "STACK_VALIDATION", "UNWINDER_ORC", "DEBUG_INFO_BTF"];
    let signing = ["MODULE_SIG", "SYSTEM_TRUSTED_KEYRING", "MODULE_SIG_FORMAT"];
    for (options, header) in [(objtool.as_slice(), libelf), (signing.as_slice(), openssl)] {
        if options.iter().any(|option| config.is_on(option)) && !tools::has_header(header.program) {
            lacking.push(*header);
        }
    }
    lacking
}

/// Whether the vmlinux can be debugged with, and is the image's. Returns their build ID.
fn verify(kernel: &KernelSet, config: &DotConfig) -> Result<BuildId> {
    let vmlinux =
        kernel.vmlinux.as_deref().ok_or_else(|| Error::Unfit("the build left no vmlinux".into()))?;
    let facts = elf::facts(vmlinux)?;
    if !facts.has_dwarf {
        let why = if config.is_on("DEBUG_INFO") {
            "although DEBUG_INFO is on"
        } else {
            "because DEBUG_INFO is off: run `lkdb kernel config` on the tree and build again"
        };
        return Err(Error::Unfit(format!("{} has no DWARF, {why}", vmlinux.display())));
    }
    same_build(&kernel.image, vmlinux, facts.build_id)
}

/// Compares the build IDs of an image and its vmlinux.
///
/// # Errors
/// When one has none, they differ, or the image can't be read.
pub(crate) fn same_build(image: &Path, vmlinux: &Path, of_vmlinux: Option<BuildId>) -> Result<BuildId> {
    let of_image = image_build_id(image)?;
    match (of_image, of_vmlinux) {
        (Some(of_image), Some(of_vmlinux)) if of_image == of_vmlinux => Ok(of_image),
        (Some(of_image), Some(of_vmlinux)) => Err(Error::Unfit(format!(
            "{} (build ID {of_image}) and {} (build ID {of_vmlinux}) are of different builds",
            image.display(),
            vmlinux.display()
        ))),
        (of_image, _) => {
            let without = if of_image.is_none() { image } else { vmlinux };
            Err(Error::Unfit(format!("{} carries no build ID", without.display())))
        }
    }
}

/// The build ID inside a boot image.
pub(crate) fn image_build_id(image: &Path) -> Result<Option<BuildId>> {
    let bytes = fs::read(image).map_err(Error::io("read", image))?;
    lkdb_image::kernel::build_id(&bytes)
        .map_err(|error| Error::Unfit(format!("{}: {error}", image.display())))
}
