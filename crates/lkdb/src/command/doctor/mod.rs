//! `lkdb doctor`: what this host has and lacks, and the command that mends each lack.
//!
//! What is looked at is in `checks`, `qemu` and `gdb`; which package brings what, in `packages`.

mod checks;
mod gdb;
mod packages;
mod qemu;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::output::{Context, Render, Status};
use packages::{Packages, System};

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// As it should be.
    Ok,
    /// Something works less well than it could, or does not concern everybody.
    Note,
    /// lkdb can't do its main work without.
    Lack,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    check: &'static str,
    state: State,
    /// What was found.
    found: String,
    /// What to do on this host.
    mend: Option<String>,
    /// What to install, by system.
    packages: Option<Packages>,
}

impl Finding {
    fn new(check: &'static str, state: State, found: impl Into<String>) -> Self {
        Self { check, state, found: found.into(), mend: None, packages: None }
    }

    fn mend(self, how: impl Into<String>) -> Self {
        Self { mend: Some(how.into()), ..self }
    }

    /// Mended by installing these; `otherwise` where the system has no such package.
    fn install(self, packages: Packages, system: System, otherwise: &str) -> Self {
        let mend = packages.command(system).unwrap_or_else(|| otherwise.to_owned());
        Self { mend: Some(mend), packages: Some(packages), ..self }
    }
}

#[derive(Debug, Serialize)]
struct Report {
    /// Whether nothing essential lacks.
    ok: bool,
    /// The family of systems whose package tools are meant in `mend`.
    system: System,
    findings: Vec<Finding>,
}

impl Render for Report {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        for finding in &self.findings {
            let (mark, color) = match finding.state {
                State::Ok => ("ok", AnsiColor::Green),
                State::Note => ("note", AnsiColor::Yellow),
                State::Lack => ("LACK", AnsiColor::Red),
            };
            let style = Style::new().fg_color(Some(color.into()));
            writeln!(out, "{style}{mark:<5}{style:#} {:<18} {}", finding.check, finding.found)?;
            if let Some(mend) = &finding.mend {
                writeln!(out, "{:<24} -> {mend}", "")?;
            }
            if let Some(packages) = finding.packages.as_ref().filter(|_| self.system == System::Other) {
                writeln!(out, "{:<24}    {packages}", "")?;
            }
        }
        let lacks = self.findings.iter().filter(|finding| finding.state == State::Lack).count();
        match lacks {
            0 => writeln!(out, "\nNothing essential is missing."),
            1 => writeln!(out, "\nOne essential thing is missing."),
            _ => writeln!(out, "\n{lacks} essential things are missing."),
        }
    }
}

pub(crate) fn run(_args: &Args, context: &Context) -> anyhow::Result<Status> {
    let system = System::of_this_host();
    let mut findings = qemu::look(system, context);
    findings.push(gdb::look(system));
    findings.extend(checks::look(system));
    let ok = findings.iter().all(|finding| finding.state != State::Lack);
    context.show(&Report { ok, system, findings })?;
    Ok(if ok { Status::OK } else { Status::FAILED })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(report: &Report) -> String {
        let mut out = Vec::new();
        report.render(&mut out).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn a_lack_is_shown_with_the_command_that_mends_it() {
        let finding = Finding::new("gdb", State::Lack, "not found").install(packages::GDB, System::Arch, "");
        let report = Report { ok: false, system: System::Arch, findings: vec![finding] };
        let text = text(&report);
        assert!(text.contains("LACK  gdb                not found\n"), "{text}");
        assert!(text.contains("-> sudo pacman -S gdb\n"), "{text}");
        assert!(text.ends_with("One essential thing is missing.\n"), "{text}");
    }

    #[test]
    fn an_unknown_system_is_told_every_name() {
        let finding = Finding::new("QEMU", State::Lack, "not found").install(
            packages::QEMU_X86,
            System::Other,
            "install QEMU",
        );
        let text = text(&Report { ok: false, system: System::Other, findings: vec![finding] });
        assert!(text.contains("-> install QEMU\n"), "{text}");
        assert!(text.contains("qemu-kvm (RHEL, CentOS)"), "{text}");
    }
}
