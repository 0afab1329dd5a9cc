//! apt, as a source of kernels: private lists and downloads under the cache, the host's own sources
//! and keys, no root, nothing of the system changed.
//!
//! Which packages make up a kernel is `select`'s; what apt prints is `stanza`'s.
//!
//! apt reads its configuration from the host first, then from the file given with `-c`. Ours moves
//! lists, cache and log away from /var, and clears the hooks that an update would run (they want
//! root). Everything else, proxies and mirrors and keyrings, stays what the administrator chose.

pub(crate) mod select;
mod sources;
pub(crate) mod stanza;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use lkdb_base::Arch;

use crate::apt::stanza::Stanza;
use crate::cache::write_whole;
use crate::{Error, Progress, Result, run, tools};

/// Lists older than this are fetched again before a kernel is looked for.
const LISTS_LIVE: Duration = Duration::from_secs(24 * 3600);

/// The host's apt with a state of our own.
#[derive(Debug)]
pub(crate) struct Apt {
    dir: PathBuf,
    conf: PathBuf,
    /// What the last update complained of; shown when what was asked for is not found.
    complaint: Option<String>,
}

impl Apt {
    /// Makes the private state for one architecture under `root`.
    ///
    /// # Errors
    /// When apt or dpkg is not on this host, or the folders can't be made.
    pub(crate) fn open(root: &Path, arch: &Arch) -> Result<Self> {
        tools::require(tools::FETCH.iter())?;
        Self::at(root.join("apt").join(arch.debian), arch, "")
    }

    /// The same, for source packages.
    ///
    /// # Errors
    /// As [`Apt::open`].
    pub(crate) fn open_for_source(root: &Path, arch: &Arch) -> Result<Self> {
        tools::require(tools::FETCH.iter())?;
        let dir = root.join("apt").join("source");
        let lists = dir.join("sources");
        sources::write(&lists)?;
        let more = format!(
            "Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{}/\";\n",
            quotable(&lists)?
        );
        Self::at(dir, arch, &more)
    }

    fn at(dir: PathBuf, arch: &Arch, more: &str) -> Result<Self> {
        for sub in ["lists/partial", "cache/archives/partial", "log", "archives"] {
            let path = dir.join(sub);
            fs::create_dir_all(&path).map_err(Error::io("make", &path))?;
        }
        let conf = dir.join("apt.conf");
        write_whole(&conf, (configuration(&dir, arch)? + more).as_bytes())?;
        Ok(Self { dir, conf, complaint: None })
    }

    /// Where packages are downloaded to.
    pub(crate) fn archives(&self) -> PathBuf {
        self.dir.join("archives")
    }

    /// What the last update complained of, for the error when nothing was found.
    pub(crate) fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// Whether the lists are missing, old, or older than the host's list of sources.
    pub(crate) fn stale(&self) -> bool {
        let Some(updated) = modified(&self.dir.join("updated")) else { return true };
        let old = updated.elapsed().is_ok_and(|age| age > LISTS_LIVE);
        let etc = ["/etc/apt", "/etc/apt/sources.list", "/etc/apt/sources.list.d"];
        let files = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
        let mut sources = etc.into_iter().map(PathBuf::from).chain(files.map(|entry| entry.path()));
        old || sources.any(|path| modified(&path).is_some_and(|time| time > updated))
    }

    /// Fetches the lists. One source that fails does not stop the others; its complaint is kept.
    pub(crate) fn update(&mut self, progress: &mut dyn Progress) -> Result<()> {
        progress.step("package lists", None);
        let mut command = self.command("apt-get");
        command.args(["-q", "-q", "update"]);
        let output = run::output(&mut command, progress, &mut |_| {});
        progress.end();
        let output = output?;
        let stamp = self.dir.join("updated");
        if output.status.success() {
            self.complaint = None;
            fs::write(&stamp, "").map_err(Error::io("write", &stamp))
        } else {
            let error = run::failed(&command, "fetching the package lists", &output);
            tracing::info!(%error);
            self.complaint = Some(error.to_string());
            Ok(())
        }
    }

    /// Every package whose name starts with `prefix`.
    pub(crate) fn names(&self, prefix: &str, progress: &mut dyn Progress) -> Result<Vec<String>> {
        let mut command = self.command("apt-cache");
        command.args(["pkgnames", prefix]);
        let text = run::text(&mut command, "listing packages", progress)?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// All versions of these packages; those that don't exist are passed over.
    pub(crate) fn show(&self, names: &[String], progress: &mut dyn Progress) -> Result<Vec<Stanza>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = self.command("apt-cache");
        command.args(["--all-versions", "show"]).args(names);
        // It fails when none of them exists, which is an answer and not an error here.
        let output = run::output(&mut command, progress, &mut |_| {})?;
        Ok(stanza::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Downloads one package, going on where an earlier try stopped, and returns the file. apt checks it
    /// against the signed lists.
    pub(crate) fn download(&self, package: &Stanza, progress: &mut dyn Progress) -> Result<PathBuf> {
        let file = self.archives().join(package.file_name());
        progress.step(&package.name, Some(package.size));
        let mut command = self.command("apt-get");
        command.args(["-q", "-q", "download"]).arg(format!("{}={}", package.name, package.version));
        command.current_dir(self.archives());
        let length = || fs::metadata(&file).map_or(0, |meta| meta.len());
        let output = run::output(&mut command, progress, &mut |progress| progress.at(length()));
        progress.at(length());
        progress.end();
        let output = output?;
        if !output.status.success() {
            return Err(run::failed(&command, &format!("fetching {}", package.name), &output));
        }
        if !file.is_file() {
            let name = file.display();
            return Err(Error::Unfit(format!("apt-get fetched {} but left no {name}", package.name)));
        }
        Ok(file)
    }

    /// Downloads the files of a source package, and returns its `.dsc`.
    pub(crate) fn download_source(&self, name: &str, progress: &mut dyn Progress) -> Result<PathBuf> {
        let dir = self.archives();
        let mut command = self.command("apt-get");
        command.args(["-q", "-q", "--download-only", "--only-source", "source", name]).current_dir(&dir);
        let what = format!("fetching the source of {name}");
        progress.step(&what, None);
        let done = run::text(&mut command, &what, progress);
        progress.end();
        done.map_err(|error| match (error, self.complaint()) {
            (Error::Program { what, program, status, detail }, Some(complaint)) => {
                Error::Program { what, program, status, detail: format!("{detail} ({complaint})") }
            }
            (error, _) => error,
        })?;
        let files = fs::read_dir(&dir).map_err(Error::io("read", &dir))?.flatten().map(|entry| entry.path());
        let prefix = format!("{name}_");
        let ours = |path: &PathBuf| {
            let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            file.starts_with(&prefix) && file.ends_with(".dsc")
        };
        let newest = files.filter(ours).max_by(|a, b| {
            let version = |path: &Path| path.to_string_lossy().into_owned();
            crate::version::compare(&version(a), &version(b))
        });
        newest.ok_or_else(|| Error::Unfit(format!("apt-get fetched the source of {name} but left no .dsc")))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Messages are read here: they must be apt's own words.
        command.env("LC_ALL", "C.UTF-8").env_remove("APT_CONFIG").arg("-c").arg(&self.conf);
        command
    }
}

/// A path as apt's configuration can have it.
fn quotable(path: &Path) -> Result<&str> {
    path.to_str().filter(|path| !path.contains(['"', '\n', '\\'])).ok_or_else(|| {
        Error::Unfit(format!("apt cannot use the folder {}: its name has quotes in it", path.display()))
    })
}

fn configuration(dir: &Path, arch: &Arch) -> Result<String> {
    let path = quotable(dir)?;
    Ok(format!(
        r#"// Written by lkdb at each run.
#clear APT::Update;
#clear APT::Architectures;
#clear DPkg;
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Sandbox::User "";
Dir::State::lists "{path}/lists/";
Dir::State::extended_states "{path}/extended_states";
Dir::Cache "{path}/cache/";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
Dir::Log "{path}/log/";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Retries "3";
"#,
        arch = arch.debian
    ))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}
