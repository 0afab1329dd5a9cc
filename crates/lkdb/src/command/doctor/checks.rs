//! BusyBox, disk, ptrace, build tools, and the directories lkdb keeps things in.

use std::fs;
use std::path::{Path, PathBuf};

use lkdb_artifacts::{Cache, tools};
use lkdb_base::arch::X86_64;
use lkdb_base::size;

use super::packages::{self, Packages, System};
use super::{Finding, State};
use crate::initramfs;

/// What a fetched kernel takes, with debug files and source; twice that while it is unpacked.
const ROOM: u64 = 4 << 30;
/// Without this much not even an archive for a guest can be made.
const LEAST: u64 = 256 << 20;

pub(super) fn look(system: System) -> Vec<Finding> {
    let mut findings = vec![busybox(system), cache(), runtime(), ptrace(Path::new("/proc/sys/kernel/yama"))];
    if system == System::Debian {
        findings.push(programs("fetching kernels", &tools::FETCH, system));
    }
    let build: Vec<tools::Tool> = tools::BUILD.into_iter().chain([tools::PAHOLE]).collect();
    findings.push(programs("building kernels", &build, system));
    findings
}

fn busybox(system: System) -> Finding {
    match initramfs::host_busybox(&X86_64) {
        Ok((path, version)) => {
            Finding::new("static BusyBox", State::Ok, format!("{}, {version}", path.display()))
        }
        Err(error) => Finding::new("static BusyBox", State::Lack, format!("{error:#}")).install(
            packages::BUSYBOX,
            system,
            "build one with `lkdb busybox build`",
        ),
    }
}

fn cache() -> Finding {
    let check = "disk space";
    match Cache::open() {
        Ok(cache) => match room(cache.root()) {
            Ok(free) => disk(cache.root(), free),
            Err(error) => Finding::new(check, State::Lack, format!("{}: {error}", cache.root().display()))
                .mend("set XDG_CACHE_HOME to a directory you can write"),
        },
        Err(error) => Finding::new(check, State::Lack, error.to_string()).mend("set XDG_CACHE_HOME"),
    }
}

fn disk(dir: &Path, free: u64) -> Finding {
    let found = format!("{} free for {}", size::human(free), dir.display());
    let mend = "free some with `lkdb kernel rm`, or set XDG_CACHE_HOME to a larger disk";
    if free < LEAST {
        return Finding::new("disk space", State::Lack, found).mend(mend);
    }
    if free < ROOM {
        let found = format!("{found}; a kernel with debug files and source wants {}", size::human(ROOM));
        return Finding::new("disk space", State::Note, found).mend(mend);
    }
    Finding::new("disk space", State::Ok, found)
}

/// Bytes free for this user where `dir` is or would be made, if this user may make it.
fn room(dir: &Path) -> Result<u64, String> {
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    rustix::fs::access(there, rustix::fs::Access::WRITE_OK)
        .map_err(|error| format!("you may not write in {}: {error}", there.display()))?;
    lkdb_artifacts::disk::free(there).map_err(|error| error.to_string())
}

fn runtime() -> Finding {
    let check = "XDG_RUNTIME_DIR";
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from) {
        None => Finding::new(
            check,
            State::Note,
            "not set; the state of machines is kept in the directory for temporary files instead",
        ),
        Some(dir) => match room(&dir) {
            Ok(_) => Finding::new(check, State::Ok, dir.display().to_string()),
            Err(why) => Finding::new(check, State::Lack, why)
                .mend("set XDG_RUNTIME_DIR to a directory of yours, or unset it"),
        },
    }
}

/// Machines that lkdb starts need no ptrace; reading the memory of other QEMUs directly does.
fn ptrace(yama: &Path) -> Finding {
    let scope = fs::read_to_string(yama.join("ptrace_scope")).unwrap_or_default();
    let found = match scope.trim() {
        "" | "0" => return Finding::new("ptrace", State::Ok, "not restricted"),
        "1" => "restricted to child processes (kernel.yama.ptrace_scope is 1)",
        "2" => "restricted to administrators (kernel.yama.ptrace_scope is 2)",
        _ => "forbidden until the host boots again (kernel.yama.ptrace_scope is 3)",
    };
    let consequence = "the memory of a QEMU that lkdb did not start is read through its gdb stub, slower";
    let finding = Finding::new("ptrace", State::Note, format!("{found}: {consequence}"));
    match scope.trim() {
        "1" | "2" => finding.mend("sudo sysctl kernel.yama.ptrace_scope=0, if that matters to you"),
        _ => finding,
    }
}

fn programs(check: &'static str, wanted: &[tools::Tool], system: System) -> Finding {
    let missing: Vec<&tools::Tool> =
        wanted.iter().filter(|tool| tools::find(tool.program).is_none()).collect();
    let names = |tools: &[&tools::Tool]| tools.iter().map(|tool| tool.program).collect::<Vec<_>>().join(", ");
    if missing.is_empty() {
        return Finding::new(check, State::Ok, names(&wanted.iter().collect::<Vec<_>>()));
    }
    let found = format!("not there: {}", names(&missing));
    Finding::new(check, State::Note, found).install(
        Packages::of_tools(missing),
        system,
        "install these programs",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_noted_and_no_room_is_a_lack() {
        let state = |free| disk(Path::new("/c"), free).state;
        assert_eq!(state(100 << 30), State::Ok);
        assert_eq!(state(1 << 30), State::Note);
        assert_eq!(state(1 << 20), State::Lack);
    }

    #[test]
    fn ptrace_limits_are_explained() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ptrace(dir.path()).state, State::Ok);
        for (scope, mends) in [("1\n", true), ("2\n", true), ("3\n", false)] {
            fs::write(dir.path().join("ptrace_scope"), scope).unwrap();
            let finding = ptrace(dir.path());
            assert_eq!((finding.state, finding.mend.is_some()), (State::Note, mends), "{scope}");
        }
    }

    #[test]
    fn missing_programs_are_named_with_their_packages() {
        let tool =
            tools::Tool { program: "no-such-program", purpose: "", debian: "d", fedora: "f", arch: "a" };
        let finding = programs("building", &[tool], System::Fedora);
        assert_eq!(finding.found, "not there: no-such-program");
        assert_eq!(finding.mend.as_deref(), Some("sudo dnf install f"));
    }
}
