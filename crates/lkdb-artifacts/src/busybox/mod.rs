//! Building a static BusyBox from source, in a copy: the user's tree stays as it was.
//!
//! Where the source comes from is `source`'s; which options this host's headers break is `probes`'.

mod probes;
mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Serialize;

use crate::kconfig::dotconfig::{self, DotConfig};
use crate::unpack::Partial;
use crate::{Cache, Error, Progress, Result, make, run, tools};

pub use source::fetch_source;

/// Where the result goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Into the cache.
    Cache,
    /// The program alone, as this file.
    File(PathBuf),
    /// The whole tree with its links, as this folder, which must not be there yet or be empty.
    Install(PathBuf),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct BusyboxOptions {
    /// A source tree, an archive of one, or a Debian source package (`.dsc`).
    pub source: PathBuf,
    /// Where the result goes.
    pub output: Output,
    /// How many jobs at once; by default one for each CPU.
    pub jobs: Option<usize>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct BusyboxReport {
    /// The program, or the folder with the tree.
    pub path: PathBuf,
    /// What it calls itself: `1.35.0`.
    pub version: String,
    /// Bytes of the program.
    pub size: u64,
    /// Options that were switched off, and why.
    pub switched_off: Vec<(String, String)>,
    /// How long it took.
    pub seconds: u64,
    /// make's whole output.
    pub log: PathBuf,
}

/// Builds it: the default configuration, static, without /usr.
///
/// # Errors
/// When the source is none, a tool or the static C library is missing, the build fails, or the result
/// is not static.
pub fn build(cache: &Cache, options: &BusyboxOptions, progress: &mut dyn Progress) -> Result<BusyboxReport> {
    tools::require(tools::BUSYBOX.iter())?;
    writable(&options.output)?;
    let root = cache.root();
    fs::create_dir_all(root).map_err(Error::io("make", root))?;
    let scratch = tempfile::Builder::new().prefix(".busybox-").tempdir_in(root);
    let scratch = scratch.map_err(Error::io("write in", root))?;
    probes::static_libc(scratch.path())?;
    let started = Instant::now();
    let work = Work {
        tree: scratch.path().join("source"),
        jobs: options.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        log: root.join("busybox-build.log"),
    };
    source::copy(&options.source, &work.tree, progress)?;
    let version = source::version(&work.tree)?;
    let switched_off = work.configure(progress)?;
    work.build(progress)?;
    let program = work.tree.join("busybox");
    let size = check(&program)?;
    let path = work.deliver(&options.output, cache, progress)?;
    let seconds = started.elapsed().as_secs();
    Ok(BusyboxReport { path, version, size, switched_off, seconds, log: work.log })
}

/// Fails before the work when its result could not be put in place.
fn writable(output: &Output) -> Result<()> {
    let (path, what) = match output {
        Output::Cache => return Ok(()),
        Output::File(file) => (std::path::absolute(file).map_err(Error::io("find", file))?, "file"),
        Output::Install(dir) => (std::path::absolute(dir).map_err(Error::io("find", dir))?, "folder"),
    };
    if what == "folder" && fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::Unfit(format!("{} is not empty: name a new folder", path.display())));
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    rustix::fs::access(parent, rustix::fs::Access::WRITE_OK)
        .map_err(|e| Error::io("write in", parent)(e.into()))
}

/// Whether the program is what a guest can run; returns its size.
fn check(program: &Path) -> Result<u64> {
    let bytes = fs::read(program).map_err(Error::io("read", program))?;
    lkdb_image::archive::busybox::check(&bytes, None)
        .map_err(|reason| Error::Unfit(format!("the BusyBox that was built cannot be used: {reason}")))?;
    Ok(bytes.len() as u64)
}

/// One build, in a copy of the source.
struct Work {
    tree: PathBuf,
    jobs: usize,
    log: PathBuf,
}

impl Work {
    fn make(&self) -> Command {
        let mut command = Command::new("make");
        command.env("LC_ALL", "C.UTF-8").env_remove("MAKEFLAGS").env_remove("MFLAGS");
        command.arg("-C").arg(&self.tree);
        command
    }

    /// Returns the options that had to be switched off.
    fn configure(&self, progress: &mut dyn Progress) -> Result<Vec<(String, String)>> {
        let path = self.tree.join(".config");
        let read = || fs::read_to_string(&path).map_err(Error::io("read", &path));
        progress.step("configuring", None);
        if path.exists() {
            run::text(self.make().args(["-s", "mrproper"]), "cleaning the copy", progress)?;
        }
        run::text(self.make().args(["-s", "defconfig"]), "make defconfig", progress)?;
        let text = read()?;
        let config = DotConfig::parse(&text);
        let broken: Vec<_> =
            probes::broken().into_iter().filter(|probe| config.is_on(probe.option)).collect();
        let wanted = [("STATIC", "y"), ("INSTALL_NO_USR", "y")];
        let values = wanted.into_iter().chain(broken.iter().map(|probe| (probe.option, "n")));
        fs::write(&path, dotconfig::merged(&text, values)).map_err(Error::io("write", &path))?;
        self.old_config(progress)?;
        progress.end();
        let config = DotConfig::parse(&read()?);
        for (option, _) in wanted {
            if !config.is_on(option) {
                return Err(Error::Unfit(format!(
                    "this BusyBox has no option CONFIG_{option} that can be set"
                )));
            }
        }
        Ok(broken.iter().map(|probe| (probe.option.to_owned(), probe.why.to_owned())).collect())
    }

    /// `oldconfig` asks about what is new: a return at each question takes the default.
    fn old_config(&self, progress: &mut dyn Progress) -> Result<()> {
        let answers = self.tree.join(".lkdb-answers");
        fs::write(&answers, "\n".repeat(4096)).map_err(Error::io("write", &answers))?;
        let answers = fs::File::open(&answers).map_err(Error::io("read", &answers))?;
        let mut command = self.make();
        let output = run::fed(command.args(["-s", "oldconfig"]), Stdio::from(answers), progress)?;
        if output.status.success() { Ok(()) } else { Err(run::failed(&command, "make oldconfig", &output)) }
    }

    fn build(&self, progress: &mut dyn Progress) -> Result<()> {
        let mut command = self.make();
        command.arg(format!("-j{}", self.jobs.max(1))).arg("busybox");
        make::run(&mut command, "building BusyBox", &self.log, false, progress).map(drop)
    }

    fn deliver(&self, output: &Output, cache: &Cache, progress: &mut dyn Progress) -> Result<PathBuf> {
        match output {
            Output::Cache => {
                let file = cache.busybox_file();
                let dir = file.parent().unwrap_or(cache.root());
                fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
                self.copy_to(&file)
            }
            Output::File(file) => self.copy_to(file),
            Output::Install(dir) => {
                let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
                let partial = Partial::beside(&dir)?;
                let mut command = self.make();
                command.arg(format!("CONFIG_PREFIX={}", partial.path().display())).arg("install");
                make::run(&mut command, "installing BusyBox", &self.log, true, progress)?;
                partial.finish()?;
                Ok(dir)
            }
        }
    }

    /// Under a temporary name beside it first, and renamed when whole.
    fn copy_to(&self, file: &Path) -> Result<PathBuf> {
        let file = std::path::absolute(file).map_err(Error::io("find", file))?;
        let dir = file.parent().unwrap_or(Path::new("/"));
        let temporary = tempfile::NamedTempFile::new_in(dir).map_err(Error::io("write in", dir))?;
        fs::copy(self.tree.join("busybox"), temporary.path()).map_err(Error::io("write", &file))?;
        temporary.persist(&file).map_err(|error| Error::io("write", &file)(error.error))?;
        Ok(file)
    }
}
