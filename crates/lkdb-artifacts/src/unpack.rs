//! Unpacking packages and source archives: into a folder with a leading dot, renamed when whole.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Progress, Result, run};

/// A folder being filled: removed again unless [`Partial::finish`] is reached.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    target: PathBuf,
}

impl Partial {
    /// An empty folder beside `target`.
    pub(crate) fn beside(target: &Path) -> Result<Self> {
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or(OsStr::new("new")));
        name.push(".partial");
        let path = target.with_file_name(name);
        remove(&path)?;
        fs::create_dir_all(&path).map_err(Error::io("make", &path))?;
        Ok(Self { path, target: target.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder is whole: it takes its name, in the place of what had it before.
    pub(crate) fn finish(self) -> Result<()> {
        remove(&self.target)?;
        fs::rename(&self.path, &self.target).map_err(Error::io("rename", &self.path))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = remove(&self.path);
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Unpacks a Debian package's files.
pub(crate) fn deb(file: &Path, into: &Path, progress: &mut dyn Progress) -> Result<()> {
    let mut command = Command::new("dpkg-deb");
    command.arg("--extract").arg(file).arg(into);
    step(&mut command, file, progress)
}

/// Unpacks a source archive without its topmost folder.
pub(crate) fn tar(file: &Path, into: &Path, progress: &mut dyn Progress) -> Result<()> {
    let mut command = Command::new("tar");
    command.args(["--strip-components=1", "--no-same-owner", "-xf"]).arg(file).arg("-C").arg(into);
    step(&mut command, file, progress)
}

fn step(command: &mut Command, file: &Path, progress: &mut dyn Progress) -> Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let what = format!("unpacking {}", name.split('_').next().unwrap_or(&name));
    progress.step(&what, None);
    let done = run::text(command, &what, progress);
    progress.end();
    done.map(drop)
}

/// Makes `modules.dep` and its kin, which packages leave to their install scripts. `root` holds
/// `lib/modules/RELEASE`.
pub(crate) fn depmod(root: &Path, release: &str, progress: &mut dyn Progress) -> Result<()> {
    let program = crate::tools::find("depmod").unwrap_or_else(|| "depmod".into());
    let mut command = Command::new(program);
    command.arg("-b").arg(root).arg(release);
    run::text(&mut command, "indexing modules", progress).map(drop)
}
