//! A kernel source tree and where it is built: the same folder, or one apart (make's `O=`).

use std::path::{Path, PathBuf};
use std::process::Command;

use lkdb_base::Arch;

use crate::{Error, Result};

/// Where source and objects are.
#[derive(Debug, Clone)]
pub(crate) struct BuildTree {
    pub(crate) source: PathBuf,
    pub(crate) build: PathBuf,
}

impl BuildTree {
    /// `dir` is a source tree, built in `out` or in itself; or a build tree, which names its source.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn open(dir: &Path, out: Option<&Path>) -> Result<Self> {
        let dir = dir.canonicalize().map_err(Error::io("open", dir))?;
        if is_source(&dir) {
            let build = match out {
                Some(out) => std::path::absolute(out).map_err(Error::io("find", out))?,
                None => dir.clone(),
            };
            return Ok(Self { source: dir, build });
        }
        match dir.join("source").canonicalize() {
            Ok(source) if is_source(&source) && out.is_none() => Ok(Self { source, build: dir }),
            _ => Err(Error::Unfit(format!(
                "{} is no kernel source tree (it has no Kconfig and arch/), nor a build tree of one",
                dir.display()
            ))),
        }
    }

    /// The architecture it is built for: `ARCH` as make would see it, else this host's.
    pub(crate) fn arch(&self) -> Result<&'static Arch> {
        let named = std::env::var("ARCH").ok().filter(|name| !name.is_empty());
        let name = named.as_deref().unwrap_or(std::env::consts::ARCH);
        let all = lkdb_base::arch::ALL;
        all.into_iter().find(|arch| arch.name == name || arch.kernel_dir == name).ok_or_else(|| {
            Error::Unfit(format!("lkdb knows no architecture `{name}` (ARCH is one of x86, arm64)"))
        })
    }

    /// `make` on this tree, for the caller to add targets to.
    pub(crate) fn make(&self) -> Command {
        let mut command = Command::new("make");
        // The words of make and gcc are read here, and a jobserver of a make around us is not ours.
        command.env("LC_ALL", "C.UTF-8").env_remove("MAKEFLAGS").env_remove("MFLAGS");
        command.arg("-C").arg(&self.source);
        if self.build != self.source {
            command.arg(format!("O={}", self.build.display()));
        }
        command
    }
}

fn is_source(dir: &Path) -> bool {
    dir.join("Kconfig").is_file() && dir.join("arch").is_dir()
}
