//! QEMU and its accelerators.

use lkdb_artifacts::Cache;
use lkdb_base::arch::{AARCH64, X86_64};
use lkdb_machine::host::{self, Kvm, Qemu};

use super::packages::{self, System};
use super::{Finding, State};
use crate::output::Context;

/// Looks at QEMU for both architectures, and at what makes guests fast.
pub(super) fn look(system: System, context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    match host::qemu(&X86_64) {
        Ok(qemu) => {
            findings.push(Finding::new("QEMU", State::Ok, words(&qemu)));
            findings.extend(accelerators(&qemu, context));
        }
        Err(error) => findings.push(Finding::new("QEMU", State::Lack, error.to_string()).install(
            packages::QEMU_X86,
            system,
            "install QEMU",
        )),
    }
    findings.push(match host::qemu(&AARCH64) {
        Ok(qemu) => Finding::new("QEMU for arm64", State::Ok, words(&qemu)),
        Err(error) => Finding::new("QEMU for arm64", State::Note, format!("only for arm64 guests: {error}"))
            .install(packages::QEMU_ARM, system, "install QEMU for aarch64"),
    });
    findings
}

fn words(qemu: &Qemu) -> String {
    format!("{}, version {} ({} or newer is needed)", qemu.path.display(), qemu.version, host::MINIMUM)
}

fn accelerators(qemu: &Qemu, context: &Context) -> Vec<Finding> {
    let bar = context.progress("trying a guest under KVM", None);
    let cache = Cache::open().map(|cache| cache.root().to_owned());
    // With no place to keep it, the outcome is found out anew each time.
    let (kvm, _) = host::kvm(qemu, &cache.unwrap_or_else(|_| "/nonexistent".into()));
    bar.finish_and_clear();
    let works = matches!(kvm, Kvm::Works { .. });
    let kvm = match kvm {
        Kvm::Works { cpu_host: true } => Finding::new("KVM", State::Ok, "a guest ran under it"),
        Kvm::Works { cpu_host: false } => {
            Finding::new("KVM", State::Note, "a guest ran under it, though not with -cpu host")
        }
        Kvm::Broken(why) => Finding::new("KVM", State::Note, why)
            .mend("nothing need be done: guests run under TCG, slower, and everything works there"),
    };
    let tcg = qemu.accelerators().iter().any(|name| name == "tcg");
    let tcg = match (tcg, works) {
        (true, _) => Finding::new("TCG", State::Ok, "there"),
        (false, true) => Finding::new("TCG", State::Note, "this QEMU was built without it"),
        (false, false) => {
            Finding::new("TCG", State::Lack, "this QEMU was built without it, and KVM does not work")
                .mend("install a QEMU that can emulate")
        }
    };
    vec![kvm, tcg]
}
