//! What this host's compiler and headers can do, found by compiling a few lines, not by versions.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Error, Result, run};

/// An option that needs something newer headers may have taken away.
#[derive(Debug)]
pub(crate) struct Probe {
    /// Without `CONFIG_`.
    pub(crate) option: &'static str,
    /// What must compile for it.
    code: &'static str,
    /// What to tell when it does not.
    pub(crate) why: &'static str,
}

/// Linux 6.8 took the CBQ scheduler out of its headers (commit 33241dca4862),
/// and `tc` of BusyBox up to 1.36 uses them with no option of its own.
const PROBES: [Probe; 1] = [Probe {
    option: "TC",
    code: "#include <linux/pkt_sched.h>\nint x = TCA_CBQ_MAX;\n",
    why: "the kernel headers here know no CBQ (TCA_CBQ_MAX), which its tc.c uses",
}];

/// The options that would not compile here.
pub(crate) fn broken() -> Vec<&'static Probe> {
    PROBES.iter().filter(|probe| !compiles(&["-fsyntax-only"], probe.code).unwrap_or(true)).collect()
}

/// Fails when programs can't be linked statically here.
pub(crate) fn static_libc(scratch: &Path) -> Result<()> {
    let program = scratch.join("probe").display().to_string();
    if compiles(&["-static", "-o", &program], "int main(void) { return 0; }\n")? {
        return Ok(());
    }
    Err(Error::Unfit(
        "there is no static C library to link BusyBox with: install libc6-dev (Debian), glibc-static \
         (Fedora, RHEL) or glibc (Arch)"
            .into(),
    ))
}

fn compiles(options: &[&str], code: &str) -> Result<bool> {
    let mut command = Command::new("gcc");
    command.args(options).args(["-x", "c", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| run::not_started(&command, error))?;
    let written = child.stdin.take().is_some_and(|mut stdin| stdin.write_all(code.as_bytes()).is_ok());
    let status = child.wait().map_err(Error::io("run", Path::new("gcc")))?;
    Ok(status.success() && written)
}
