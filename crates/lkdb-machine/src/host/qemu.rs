//! Finding QEMU and asking its version.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lkdb_base::Arch;

use super::{Error, Result};

/// The oldest QEMU that works: memory-backend-memfd came with it.
pub const MINIMUM: Version = Version(2, 12, 0);
/// Where Red Hat's systems keep the one emulator they have, outside PATH and under its own name.
const RED_HAT: [&str; 2] = ["/usr/libexec/qemu-kvm", "/usr/bin/qemu-kvm"];

/// A version of QEMU: major, minor, micro.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Version {
    /// Reads the first line of `qemu --version`: `QEMU emulator version 7.2.22 (Debian …)`.
    fn of_banner(text: &str) -> Option<Self> {
        let (_, rest) = text.lines().next()?.split_once("emulator version ")?;
        let numbers = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        let mut parts = numbers.split('.').map(str::parse);
        let mut next = || parts.next().and_then(Result::ok);
        Some(Self(next()?, next()?, next().unwrap_or(0)))
    }
}

/// A QEMU system emulator that lkdb can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
    /// The guests it runs.
    pub arch: &'static Arch,
}

impl Qemu {
    /// The accelerators this QEMU was built with, as `-accel help` lists them.
    #[must_use]
    pub fn accelerators(&self) -> Vec<String> {
        let output = Command::new(&self.path).args(["-accel", "help"]).stdin(Stdio::null()).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let lines = text.unwrap_or_default();
        lines.lines().skip(1).map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    }
}

/// The QEMU for guests of this architecture: the first on PATH, else where Red Hat's systems keep it.
///
/// # Errors
/// When there is none, or it is too old.
pub fn qemu(arch: &'static Arch) -> Result<Qemu> {
    qemu_told(arch, banner)
}

/// The same, where somebody else may know what [`banner`] would give.
///
/// # Errors
/// When there is none, or it is too old.
pub fn qemu_told(arch: &'static Arch, banner: impl FnOnce(&Path) -> Result<String>) -> Result<Qemu> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find(arch, &path, &RED_HAT.map(Path::new), banner)
}

fn find(
    arch: &'static Arch,
    path: &OsStr,
    red_hat: &[&Path],
    banner: impl FnOnce(&Path) -> Result<String>,
) -> Result<Qemu> {
    let on_path = std::env::split_paths(path).map(|dir| dir.join(arch.qemu));
    // Red Hat's runs guests of the host's own architecture.
    let native = rustix::system::uname().machine().to_str() == Ok(arch.name);
    let red_hat = red_hat.iter().filter(|_| native).map(|path| path.to_path_buf());
    let found = on_path.chain(red_hat).find(|file| is_program(file));
    let path =
        found.ok_or(Error::NoQemu { arch: arch.name, program: arch.qemu, package: debian_package(arch) })?;
    let said = banner(&path)?;
    let version = Version::of_banner(&said).ok_or(Error::NotQemu { path: path.clone(), said })?;
    if version < MINIMUM {
        return Err(Error::TooOld { path, version });
    }
    Ok(Qemu { path, version, arch })
}

/// The line that a QEMU says its version with.
///
/// # Errors
/// When it cannot be run, or says something else.
pub fn banner(path: &Path) -> Result<String> {
    let not_qemu = |said: String| Error::NotQemu { path: path.to_owned(), said };
    let output = Command::new(path).arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| not_qemu(error.to_string()))?;
    let [text, errors] =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    let line = text.lines().chain(errors.lines()).next().unwrap_or("it says nothing").to_owned();
    if Version::of_banner(&line).is_some() { Ok(line) } else { Err(not_qemu(line)) }
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn debian_package(arch: &Arch) -> &'static str {
    match arch.kernel_dir {
        "x86" => "qemu-system-x86",
        _ => "qemu-system-arm",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lkdb_base::arch::X86_64;

    use super::*;
    use crate::host::testing::program;

    fn fake(dir: &Path, name: &str, says: &str) -> PathBuf {
        program(dir, name, &format!("echo '{says}'"))
    }

    #[test]
    fn banners_of_several_distributions() {
        let version = |text| Version::of_banner(text);
        assert_eq!(
            version("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright"),
            Some(Version(7, 2, 22))
        );
        assert_eq!(version("QEMU emulator version 2.12.0 (qemu-kvm-2.12.0-99.el8)"), Some(Version(2, 12, 0)));
        assert_eq!(version("QEMU emulator version 11.0.50"), Some(Version(11, 0, 50)));
        assert_eq!(version("QEMU emulator version 10.1-rc2"), Some(Version(10, 1, 0)));
        assert_eq!(version("qemu-img version 7.2.22"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn path_comes_before_libexec_and_both_work() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let native = Arch::by_name(rustix::system::uname().machine().to_str().unwrap()).unwrap();
        let libexec = fake(dir.path(), "qemu-kvm", "QEMU emulator version 6.2.0 (qemu-kvm-6.2.0-1.el9)");
        let found = find(native, bin.as_os_str(), &[&libexec], banner).unwrap();
        assert_eq!((found.path, found.version), (libexec.clone(), Version(6, 2, 0)));
        let first = fake(&bin, native.qemu, "QEMU emulator version 7.2.1");
        assert_eq!(find(native, bin.as_os_str(), &[&libexec], banner).unwrap().path, first);
    }

    #[test]
    fn what_is_missing_old_or_foreign_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let look = || find(&X86_64, dir.path().as_os_str(), &[], banner).unwrap_err().to_string();
        assert!(look().contains("install qemu-system-x86 "), "{}", look());
        fake(dir.path(), X86_64.qemu, "QEMU emulator version 2.11.1");
        assert!(look().contains("QEMU 2.11.1, and lkdb needs 2.12.0"), "{}", look());
        fake(dir.path(), X86_64.qemu, "hello");
        assert!(look().ends_with("as QEMU does: hello"), "{}", look());
    }
}
