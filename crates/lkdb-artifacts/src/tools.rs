//! The programs that building and fetching need, and the packages they come in.
//!
//! `lkdb doctor` shows this table; the work itself asks it what to name when a program is missing.

use std::path::PathBuf;

/// One program, or a file a compiler must find, and the packages that bring it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// The program's name.
    pub program: &'static str,
    /// What lkdb wants it for.
    pub purpose: &'static str,
    /// Package on Debian and Ubuntu.
    pub debian: &'static str,
    /// Package on Fedora, RHEL and CentOS.
    pub fedora: &'static str,
    /// Package on Arch.
    pub arch: &'static str,
}

const fn tool(
    program: &'static str,
    purpose: &'static str,
    [debian, fedora, arch]: [&'static str; 3],
) -> Tool {
    Tool { program, purpose, debian, fedora, arch }
}

/// What `lkdb kernel fetch` runs on Debian and its relatives.
pub const FETCH: [Tool; 5] = [
    tool("apt-get", "fetching kernels", ["apt", "", ""]),
    tool("apt-cache", "fetching kernels", ["apt", "", ""]),
    tool("dpkg-deb", "unpacking packages", ["dpkg", "", ""]),
    tool("tar", "unpacking sources", ["tar", "tar", "tar"]),
    tool("depmod", "indexing modules", ["kmod", "kmod", "kmod"]),
];

/// What building a kernel runs.
pub const BUILD: [Tool; 8] = [
    tool("make", "building kernels", ["make", "make", "make"]),
    tool("gcc", "building kernels", ["gcc", "gcc", "gcc"]),
    tool("ld", "building kernels", ["binutils", "binutils", "binutils"]),
    tool("flex", "configuring kernels", ["flex", "flex", "flex"]),
    tool("bison", "configuring kernels", ["bison", "bison", "bison"]),
    tool("bc", "building kernels", ["bc", "bc", "bc"]),
    tool("perl", "building kernels", ["perl", "perl-interpreter", "perl"]),
    tool("xz", "unpacking sources", ["xz-utils", "xz", "xz"]),
];

/// Needed only with BTF.
pub const PAHOLE: Tool = tool("pahole", "making BTF", ["dwarves", "dwarves", "pahole"]);

/// Where a program is, by `PATH`; the folders of administration programs are looked in too.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|file| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file())
}

/// The sentence that says how to get a program.
pub(crate) fn remedy(program: &str) -> String {
    let known = FETCH.iter().chain(&BUILD).chain([&PAHOLE]).find(|tool| tool.program == program);
    match known {
        Some(tool) if tool.fedora.is_empty() => {
            format!("it comes with Debian and its relatives (package {})", tool.debian)
        }
        Some(tool) => format!(
            "install {} (Debian), {} (Fedora, RHEL) or {} (Arch)",
            tool.debian, tool.fedora, tool.arch
        ),
        None => "install it, or put it on PATH".into(),
    }
}
