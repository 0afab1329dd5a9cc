//! Whether gdb is there, new enough, and has Python.

use std::path::Path;
use std::process::{Command, Stdio};

use lkdb_artifacts::tools;

use super::packages::{self, System};
use super::{Finding, State};

/// The oldest version whose Python interface has what lkdb's script uses.
const MINIMUM: (u32, u32) = (7, 4);
/// gdb that knows other architectures too comes first where both are there.
const NAMES: [&str; 2] = ["gdb", "gdb-multiarch"];

pub(super) fn look(system: System) -> Finding {
    let Some(path) = NAMES.iter().find_map(|name| tools::find(name)) else {
        return Finding::new("gdb", State::Lack, "not found on PATH").install(
            packages::GDB,
            system,
            "install gdb",
        );
    };
    let banner = ask(&path, &["--version"]).unwrap_or_default();
    let line = banner.lines().next().unwrap_or_default().to_owned();
    let found = format!("{}, {line}", path.display());
    match version(&line) {
        None => Finding::new("gdb", State::Lack, format!("{}: it does not say its version", path.display()))
            .install(packages::GDB, system, "install gdb"),
        Some(version) if version < MINIMUM => Finding::new(
            "gdb",
            State::Lack,
            format!("{found}: {}.{} or newer is needed", MINIMUM.0, MINIMUM.1),
        )
        .mend("install a newer gdb"),
        Some(_) if !has_python(&path) => Finding::new(
            "gdb",
            State::Lack,
            format!("{found}: it was built without Python"),
        )
        .install(packages::GDB, system, "install a gdb with Python"),
        Some(_) => Finding::new("gdb", State::Ok, found),
    }
}

/// The version at the end of `GNU gdb (Debian 13.1-3) 13.1`.
fn version(line: &str) -> Option<(u32, u32)> {
    let last = line.strip_prefix("GNU gdb")?.split_ascii_whitespace().last()?;
    let mut numbers = last.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn has_python(gdb: &Path) -> bool {
    ask(gdb, &["-nx", "-batch", "-ex", "python print('lkdb' + '!')"])
        .is_some_and(|said| said.contains("lkdb!"))
}

fn ask(gdb: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(gdb).args(arguments).stdin(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_of_several_distributions() {
        assert_eq!(version("GNU gdb (Debian 13.1-3) 13.1"), Some((13, 1)));
        assert_eq!(version("GNU gdb (GDB) Fedora Linux 16.3-1.fc42"), Some((16, 3)));
        assert_eq!(version("GNU gdb (GDB) Red Hat Enterprise Linux 8.2-20.el8"), Some((8, 2)));
        assert_eq!(version("GNU gdb (GDB) 17.1"), Some((17, 1)));
        assert_eq!(version("lldb version 19"), None);
    }
}
