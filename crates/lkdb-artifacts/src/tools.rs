//! The programs that building and fetching need, and the packages they come in.
//!
//! `lkdb doctor` shows this table; the work itself asks it what to name when a program is missing.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{Error, Result};

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

/// What configuring a kernel runs.
pub const CONFIGURE: [Tool; 5] = [
    tool("make", "building kernels", ["make", "make", "make"]),
    tool("gcc", "building kernels", ["gcc", "gcc", "gcc"]),
    tool("ld", "building kernels", ["binutils", "binutils", "binutils"]),
    tool("flex", "configuring kernels", ["flex", "flex", "flex"]),
    tool("bison", "configuring kernels", ["bison", "bison", "bison"]),
];

/// What building a kernel runs beyond that.
pub const BUILD: [Tool; 2] = [
    tool("bc", "building kernels", ["bc", "bc", "bc"]),
    tool("perl", "building kernels", ["perl", "perl-interpreter", "perl"]),
];

/// What compresses the image, by the option that asks for it.
pub const COMPRESSORS: [(&str, Tool); 5] = [
    ("KERNEL_BZIP2", tool("bzip2", "compressing kernels", ["bzip2", "bzip2", "bzip2"])),
    ("KERNEL_XZ", tool("xz", "compressing kernels", ["xz-utils", "xz", "xz"])),
    ("KERNEL_LZO", tool("lzop", "compressing kernels", ["lzop", "lzop", "lzop"])),
    ("KERNEL_LZ4", tool("lz4", "compressing kernels", ["lz4", "lz4", "lz4"])),
    ("KERNEL_ZSTD", tool("zstd", "compressing kernels", ["zstd", "zstd", "zstd"])),
];

/// What building BusyBox runs.
pub const BUSYBOX: [Tool; 4] = [
    tool("make", "building BusyBox", ["make", "make", "make"]),
    tool("gcc", "building BusyBox", ["gcc", "gcc", "gcc"]),
    tool("ld", "building BusyBox", ["binutils", "binutils", "binutils"]),
    tool("tar", "unpacking sources", ["tar", "tar", "tar"]),
];

/// Needed only to unpack Debian's source packages.
pub const DPKG_SOURCE: Tool =
    tool("dpkg-source", "unpacking source packages", ["dpkg-dev", "dpkg-dev", "dpkg"]);

/// Headers that the kernel's own build programs include; `program` is what the compiler must find.
pub const BUILD_HEADERS: [Tool; 2] = [
    tool("libelf.h", "building objtool", ["libelf-dev", "elfutils-libelf-devel", "libelf"]),
    tool("openssl/opensslv.h", "signing modules", ["libssl-dev", "openssl-devel", "openssl"]),
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

/// Whether the compiler finds a header.
#[must_use]
pub fn has_header(header: &str) -> bool {
    let mut command = Command::new("gcc");
    command.args(["-E", "-x", "c", "-o", "/dev/null", "-"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.is_ok_and(|mut child| {
        let line = format!("#include <{header}>\n");
        let written = child.stdin.take().is_some_and(|mut stdin| stdin.write_all(line.as_bytes()).is_ok());
        child.wait().is_ok_and(|status| status.success()) && written
    })
}

/// Fails when any of these programs is missing, naming all that are.
pub(crate) fn require<'a>(tools: impl Iterator<Item = &'a Tool>) -> Result<()> {
    missing(tools.filter(|tool| find(tool.program).is_none()))
}

/// Fails when there are any, naming them and the packages to install.
pub(crate) fn missing<'a>(tools: impl Iterator<Item = &'a Tool>) -> Result<()> {
    let tools: Vec<&Tool> = tools.collect();
    if tools.is_empty() {
        return Ok(());
    }
    let join = |package: fn(&Tool) -> &'static str| {
        let names: Vec<&str> = tools.iter().map(|tool| package(tool)).collect();
        names.join(" ")
    };
    let program = join(|tool| tool.program).replace(' ', ", ");
    let remedy = format!(
        "apt install {} (Debian), dnf install {} (Fedora, RHEL), pacman -S {} (Arch)",
        join(|tool| tool.debian),
        join(|tool| tool.fedora),
        join(|tool| tool.arch)
    );
    Err(Error::NoProgram { program, remedy })
}

/// The sentence that says how to get a program.
pub(crate) fn remedy(program: &str) -> String {
    let known =
        FETCH.iter().chain(&CONFIGURE).chain(&BUILD).chain([&PAHOLE]).find(|tool| tool.program == program);
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
