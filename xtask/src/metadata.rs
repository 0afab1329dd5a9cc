//! What `cargo metadata` says of the workspace, as far as tasks ask.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Deserialize;

use crate::run;

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dev`, `build`, or nothing for a normal one.
    pub(crate) kind: Option<String>,
}

impl Metadata {
    /// Our own packages.
    pub(crate) fn of_workspace() -> anyhow::Result<Self> {
        Self::ask(&["--no-deps"])
    }

    /// Every package that is built on this host, ours and others'.
    pub(crate) fn of_everything() -> anyhow::Result<Self> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let about = run::output(std::process::Command::new(rustc).arg("-vV"))?;
        let host = about.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("`rustc -vV` does not name its host")?;
        Self::ask(&["--filter-platform", host])
    }

    fn ask(options: &[&str]) -> anyhow::Result<Self> {
        let json = run::output(run::cargo(["metadata", "--format-version", "1"]).args(options))?;
        serde_json::from_str(&json).context("cannot read what `cargo metadata` wrote")
    }
}
