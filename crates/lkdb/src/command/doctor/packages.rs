//! Package names by family of systems, and the command that installs them.

use std::fmt;

use lkdb_artifacts::tools::Tool;
use serde::Serialize;

/// A family of systems that share package names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum System {
    Debian,
    Fedora,
    /// RHEL, CentOS and their rebuilds.
    Rhel,
    Arch,
    Other,
}

impl System {
    pub(super) fn of_this_host() -> Self {
        let text = ["/etc/os-release", "/usr/lib/os-release"];
        let text = text.iter().find_map(|file| std::fs::read_to_string(file).ok());
        Self::of_os_release(&text.unwrap_or_default())
    }

    /// Reads os-release(5): `ID`, then `ID_LIKE` from the nearest relative on.
    fn of_os_release(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let names = format!("{} {}", value("ID"), value("ID_LIKE"));
        let family = |name: &str| match name {
            "debian" | "ubuntu" => Some(System::Debian),
            "rhel" | "centos" => Some(System::Rhel),
            "fedora" => Some(System::Fedora),
            "arch" => Some(System::Arch),
            _ => None,
        };
        names.split_ascii_whitespace().find_map(family).unwrap_or(System::Other)
    }
}

/// The packages that bring something, several separated by spaces; empty where a system has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Packages {
    debian: &'static str,
    fedora: &'static str,
    rhel: &'static str,
    arch: &'static str,
    /// Further ones for tools that came together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    more: Vec<Packages>,
}

pub(super) const QEMU_X86: Packages =
    packages("qemu-system-x86", "qemu-system-x86-core", "qemu-kvm", "qemu-system-x86");
pub(super) const QEMU_ARM: Packages =
    packages("qemu-system-arm", "qemu-system-aarch64-core", "", "qemu-system-aarch64");
pub(super) const GDB: Packages = packages("gdb", "gdb", "gdb", "gdb");
/// Debian's package `busybox` is dynamic; Fedora's and Arch's are static.
pub(super) const BUSYBOX: Packages = packages("busybox-static", "busybox", "", "busybox");

const fn packages(
    debian: &'static str,
    fedora: &'static str,
    rhel: &'static str,
    arch: &'static str,
) -> Packages {
    Packages { debian, fedora, rhel, arch, more: Vec::new() }
}

impl Packages {
    /// Those of all these tools.
    pub(super) fn of_tools<'a>(tools: impl IntoIterator<Item = &'a Tool>) -> Self {
        let more = tools.into_iter().map(|tool| packages(tool.debian, tool.fedora, tool.fedora, tool.arch));
        Self { more: more.collect(), ..packages("", "", "", "") }
    }

    /// The names on a system, each once.
    fn names(&self, system: System) -> Vec<&'static str> {
        let own = match system {
            System::Debian => self.debian,
            System::Fedora => self.fedora,
            System::Rhel => self.rhel,
            System::Arch => self.arch,
            System::Other => "",
        };
        let mut names = Vec::new();
        let all = own.split_ascii_whitespace().chain(self.more.iter().flat_map(|more| more.names(system)));
        for name in all {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The command that installs them.
    pub(super) fn command(&self, system: System) -> Option<String> {
        let tool = match system {
            System::Debian => "apt-get install",
            System::Fedora | System::Rhel => "dnf install",
            System::Arch => "pacman -S",
            System::Other => return None,
        };
        let names = self.names(system);
        (!names.is_empty()).then(|| format!("sudo {tool} {}", names.join(" ")))
    }
}

impl fmt::Display for Packages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let systems = [
            (System::Debian, "Debian"),
            (System::Fedora, "Fedora"),
            (System::Rhel, "RHEL, CentOS"),
            (System::Arch, "Arch"),
        ];
        let parts = systems.map(|(system, name)| (self.names(system).join(" "), name));
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(names, _)| !names.is_empty())
            .map(|(names, system)| format!("{names} ({system})"))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_by_their_os_release() {
        let system = System::of_os_release;
        assert_eq!(system("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"), System::Debian);
        assert_eq!(system("ID=ubuntu\nID_LIKE=debian\n"), System::Debian);
        assert_eq!(system("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), System::Rhel);
        assert_eq!(system("ID=\"centos\"\nID_LIKE=\"rhel fedora\"\n"), System::Rhel);
        assert_eq!(system("ID=fedora\n"), System::Fedora);
        assert_eq!(system("ID=manjaro\nID_LIKE=arch\n"), System::Arch);
        assert_eq!(system("ID=nixos\n"), System::Other);
        assert_eq!(system(""), System::Other);
    }

    #[test]
    fn each_package_is_named_once() {
        let tool = |debian| Tool { program: "x", purpose: "", debian, fedora: "f", arch: "" };
        let all = Packages::of_tools(&[tool("make"), tool("gcc"), tool("make")]);
        assert_eq!(all.command(System::Debian).as_deref(), Some("sudo apt-get install make gcc"));
        assert_eq!(all.command(System::Rhel).as_deref(), Some("sudo dnf install f"));
        assert_eq!(all.command(System::Arch), None);
    }
}
