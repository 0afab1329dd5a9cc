//! The packages that the demo and the tests need: installed through apt by root, else named.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

use crate::run;

/// How to see that a package is there. By what it brings, not by its name: a host may have it from
/// elsewhere, and then apt must not replace it.
#[derive(Debug, Clone, Copy)]
enum Brings {
    Program(&'static str),
    File(&'static str),
    /// A program that is static.
    Static(&'static str),
}

/// What is needed, and Debian's package for it.
const NEEDS: &[(&str, Brings)] = &[
    // Machines and debuggers.
    ("qemu-system-x86", Brings::Program("qemu-system-x86_64")),
    ("seabios", Brings::File("/usr/share/seabios/bios-256k.bin")),
    ("gdb", Brings::Program("gdb")),
    ("busybox-static", Brings::Static("/bin/busybox")),
    ("debuginfod", Brings::Program("debuginfod")),
    // What the agent inside guests is linked with, and what kernels and modules are built with.
    ("gcc", Brings::Program("gcc")),
    ("libc6-dev", Brings::File("/usr/include/stdio.h")),
    ("binutils", Brings::Program("ld")),
    ("make", Brings::Program("make")),
    ("flex", Brings::Program("flex")),
    ("bison", Brings::Program("bison")),
    ("bc", Brings::Program("bc")),
    ("perl", Brings::Program("perl")),
    ("libelf-dev", Brings::File("/usr/include/gelf.h")),
    ("libssl-dev", Brings::File("/usr/include/openssl/ssl.h")),
    ("dpkg-dev", Brings::Program("dpkg-source")),
    ("dwarves", Brings::Program("pahole")),
    ("kmod", Brings::Program("depmod")),
    // What archives and images are compared with.
    ("cpio", Brings::Program("cpio")),
    ("gzip", Brings::Program("gzip")),
    ("pigz", Brings::Program("pigz")),
    ("zstd", Brings::Program("zstd")),
    ("xz-utils", Brings::Program("xz")),
    ("bzip2", Brings::Program("bzip2")),
    ("lz4", Brings::Program("lz4")),
    ("lzop", Brings::Program("lzop")),
    // Tests bisect with it; the house rules ask it for the files.
    ("git", Brings::Program("git")),
];

/// Installs what is missing, or fails with the line that does.
pub(crate) fn run() -> anyhow::Result<()> {
    let missing: Vec<&str> =
        NEEDS.iter().filter(|(_, brings)| !is_there(*brings)).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !run::has_program("apt-get") {
        bail!("these are missing, by Debian's names: {names}; install them with this system's package tool");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("packages are missing; run this, then the same task again:\n{}", line(&missing));
    }
    run::headline(&format!("installing {names}"));
    run::run(Command::new("apt-get").args(["-q", "update"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run::run(install.args(["-q", "install", "--yes", "--no-install-recommends"]).args(&missing))?;
    let still: Vec<&str> = NEEDS
        .iter()
        .filter(|(package, brings)| missing.contains(package) && !is_there(*brings))
        .map(|(package, _)| *package)
        .collect();
    if !still.is_empty() {
        bail!("installed, but what they should bring is not there: {}", still.join(" "));
    }
    Ok(())
}

/// What a user with sudo runs.
fn line(packages: &[&str]) -> String {
    let install = format!("sudo apt-get install --yes --no-install-recommends {}", packages.join(" "));
    format!("sudo apt-get update && {install}")
}

fn is_there(brings: Brings) -> bool {
    match brings {
        Brings::Program(name) => run::has_program(name),
        Brings::File(path) => Path::new(path).exists(),
        Brings::Static(path) => std::fs::read(path).is_ok_and(|bytes| is_static(&bytes)),
    }
}

/// Whether no dynamic linker is named in the program: its path would be there as text.
fn is_static(elf: &[u8]) -> bool {
    const LINKERS: [&[u8]; 3] = [b"/ld-linux", b"/ld-musl", b"/ld64.so"];
    elf.starts_with(b"\x7fELF")
        && LINKERS.iter().all(|name| !elf.windows(name.len()).any(|text| text == *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_installs_all_that_is_missing() {
        let line = line(&["gdb", "cpio"]);
        assert_eq!(
            line,
            "sudo apt-get update && sudo apt-get install --yes --no-install-recommends gdb cpio"
        );
    }

    #[test]
    fn a_dynamic_program_is_not_static() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&own));
        assert!(is_static(b"\x7fELF and nothing else"));
        assert!(!is_static(b"#!/bin/sh"));
    }

    #[test]
    fn what_is_there_is_found() {
        assert!(is_there(Brings::Program("sh")));
        assert!(is_there(Brings::File("/")));
        assert!(!is_there(Brings::Program("no-such-program")));
    }
}
