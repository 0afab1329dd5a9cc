//! The debuggers that lkdb is measured against: the host's gdb, and a newer gdb and lldb from a newer Debian
//! suite, unpacked apart. Nothing is installed, and no root is needed.
//!
//! apt is given a state of its own, an empty list of installed packages (so that the libraries come too,
//! down to libc), and the host's own sources with the suite's name changed. The programs run through the
//! dynamic linker that came with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::run;

/// Debian 13, whose gdb is 16 and whose lldb is 19.
const SUITE: &str = "trixie";
const PACKAGES: [&str; 2] = ["gdb", "lldb"];

/// A debugger that can be run.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// `gdb 16.3`.
    pub(super) name: String,
    pub(super) kind: Kind,
    program: PathBuf,
    /// What goes before its own arguments.
    arguments: Vec<String>,
    /// Where its Python lies, if not where its build thinks.
    python: Option<PathBuf>,
}

/// What language it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gdb,
    Lldb,
}

impl Peer {
    /// Its command, with what it needs to run where it lies.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_remove("DEBUGINFOD_URLS");
        if let Some(home) = &self.python {
            command.env("PYTHONHOME", home);
        }
        command
    }

    fn named(mut self) -> anyhow::Result<Self> {
        let said = run::output(self.command().arg("--version"))?;
        let first = said.lines().next().unwrap_or_default();
        let version = first.split_whitespace().rfind(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let version = version.with_context(|| format!("`{first}` names no version"))?;
        self.name = format!("{} {version}", self.name);
        Ok(self)
    }
}

/// The host's gdb, then those from the newer suite; a word on stderr about each that cannot be had.
pub(super) fn all() -> anyhow::Result<Vec<Peer>> {
    let host = Peer {
        name: "gdb".to_owned(),
        kind: Kind::Gdb,
        program: "gdb".into(),
        arguments: Vec::new(),
        python: None,
    };
    let mut peers = vec![host.named()?];
    match unpacked() {
        Ok(root) => {
            for peer in [gdb_in(&root), lldb_in(&root)] {
                match peer.and_then(Peer::named) {
                    Ok(peer) => peers.push(peer),
                    Err(error) => eprintln!("not measured, of {SUITE}: {error:#}"),
                }
            }
        }
        Err(error) => eprintln!("gdb and lldb of {SUITE} are not measured: {error:#}"),
    }
    Ok(peers)
}

fn gdb_in(root: &Path) -> anyhow::Result<Peer> {
    let data = root.join("usr/share/gdb");
    inside(root, "gdb", Kind::Gdb, &root.join("usr/bin/gdb"), &["--data-directory", &data.to_string_lossy()])
}

fn lldb_in(root: &Path) -> anyhow::Result<Peer> {
    let program = entries(&root.join("usr/lib")).into_iter().map(|dir| dir.join("bin/lldb"));
    let program = program.filter(|path| path.exists()).max().context("no lldb was unpacked")?;
    inside(root, "lldb", Kind::Lldb, &program, &[])
}

/// A program under `root`, run through the dynamic linker there.
fn inside(root: &Path, name: &str, kind: Kind, program: &Path, more: &[&str]) -> anyhow::Result<Peer> {
    let libraries = entries(&root.join("usr/lib"));
    let triplets = libraries.iter().filter(|dir| dir.to_string_lossy().contains("-linux-gnu")).cloned();
    let llvm =
        libraries.iter().filter(|dir| dir.to_string_lossy().contains("llvm-")).map(|dir| dir.join("lib"));
    let path = std::env::join_paths(triplets.chain(llvm)).context("a folder with a colon")?;
    let linkers = ["usr/lib64", "usr/lib"].into_iter().flat_map(|dir| entries(&root.join(dir)));
    let is_linker =
        |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("ld-linux"));
    let linker = linkers.into_iter().find(is_linker).context("no dynamic linker was unpacked")?;
    let mut arguments =
        vec!["--library-path".to_owned(), path.to_string_lossy().into_owned(), program.display().to_string()];
    arguments.extend(more.iter().map(|&word| word.to_owned()));
    Ok(Peer { name: name.to_owned(), kind, program: linker, arguments, python: Some(root.join("usr")) })
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

/// The tree with the newer suite's debuggers, made if it is not there.
fn unpacked() -> anyhow::Result<PathBuf> {
    let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = caches.or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?.join("lkdb");
    let whole = cache.join(format!("peers-{SUITE}"));
    if whole.is_dir() {
        return Ok(whole);
    }
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let work =
        tempfile::Builder::new().prefix(".peers").tempdir_in(&cache).context("cannot make a folder")?;
    run::headline(&format!("fetching {} of {SUITE}, which are unpacked apart", PACKAGES.join(" and ")));
    let archives = download(work.path())?;
    let root = work.path().join("root");
    for archive in &archives {
        run::run(Command::new("dpkg").arg("-x").arg(archive).arg(&root))?;
    }
    fs::rename(&root, &whole).with_context(|| format!("cannot make {}", whole.display()))?;
    Ok(whole)
}

fn download(work: &Path) -> anyhow::Result<Vec<PathBuf>> {
    for dir in ["lists/partial", "cache/archives/partial", "log", "sources"] {
        fs::create_dir_all(work.join(dir))?;
    }
    let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let name = name.context("/etc/os-release names no suite, so this is no Debian")?.trim_matches('"');
    let mut sources = 0;
    for file in
        std::iter::once("/etc/apt/sources.list".into()).chain(entries(Path::new("/etc/apt/sources.list.d")))
    {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let ending =
            if file.extension().is_some_and(|ending| ending == "sources") { "sources" } else { "list" };
        let changed = if ending == "sources" { stanzas(&text, name) } else { one_liners(&text, name) };
        if !changed.is_empty() {
            fs::write(work.join(format!("sources/{sources}.{ending}")), changed)?;
            sources += 1;
        }
    }
    ensure!(sources > 0, "no source of apt's names the suite {name}");
    fs::write(work.join("status"), "")?;
    fs::write(work.join("apt.conf"), configuration(work)?)?;
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("LC_ALL", "C.UTF-8").env_remove("APT_CONFIG").arg("-c").arg(work.join("apt.conf"));
        command.args(["-q", "-q"]);
        command
    };
    run::run(apt().arg("update"))?;
    let install = ["--yes", "--download-only", "--no-install-recommends", "install"];
    run::run(apt().args(install).args(PACKAGES))?;
    let archives = entries(&work.join("cache/archives"));
    Ok(archives.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "deb")).collect())
}

fn configuration(work: &Path) -> anyhow::Result<String> {
    let dir = work.to_str().filter(|path| !path.contains(['"', '\n', '\\']));
    let dir = dir.with_context(|| format!("apt cannot use the folder {}", work.display()))?;
    Ok(format!(
        "#clear APT::Update;\n#clear DPkg;\nAPT::Sandbox::User \"\";\n\
         Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{dir}/sources/\";\n\
         Dir::State::lists \"{dir}/lists/\";\nDir::State::status \"{dir}/status\";\n\
         Dir::State::extended_states \"{dir}/extended_states\";\nDir::Cache \"{dir}/cache/\";\n\
         Dir::Log \"{dir}/log/\";\nAcquire::Languages \"none\";\nAcquire::Retries \"3\";\n"
    ))
}

/// The stanzas of a `.sources` file that are about the host's suite, for [`SUITE`].
fn stanzas(text: &str, host: &str) -> String {
    let mut changed = String::new();
    for stanza in text.split("\n\n") {
        let suites = stanza.lines().find_map(|line| line.strip_prefix("Suites:"));
        if !suites.is_some_and(|suites| suites.split_whitespace().any(|suite| suite == host)) {
            continue;
        }
        for line in stanza.lines() {
            let line = if line.starts_with("Suites:") { format!("Suites: {SUITE}") } else { line.to_owned() };
            changed.push_str(&line);
            changed.push('\n');
        }
        changed.push('\n');
    }
    changed
}

/// The same of a `.list` file.
fn one_liners(text: &str, host: &str) -> String {
    let about = |line: &&str| line.starts_with("deb ") && line.split_whitespace().any(|word| word == host);
    let changed = |line: &str| {
        line.split_whitespace()
            .map(|word| if word == host { SUITE } else { word })
            .collect::<Vec<_>>()
            .join(" ")
            + "\n"
    };
    text.lines().filter(about).map(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hosts_own_suite_becomes_the_newer_one() {
        let text = "Types: deb\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n\
                    Types: deb\nURIs: http://m/security\nSuites: bookworm-security\nComponents: main\n";
        assert_eq!(
            stanzas(text, "bookworm"),
            "Types: deb\nURIs: http://m/debian\nSuites: trixie\nComponents: main\n\n"
        );
        let text = "# deb http://m/debian bookworm main\ndeb [arch=amd64] http://m/debian bookworm main\n\
                    deb-src http://m/debian bookworm main\ndeb http://other stable main\n";
        assert_eq!(one_liners(text, "bookworm"), "deb [arch=amd64] http://m/debian trixie main\n");
    }
}
