//! Which accelerator to use: KVM only where a guest has been seen to run under it.
//!
//! There are hosts where /dev/kvm opens and guests never run, or QEMU aborts on `-cpu host` (an MSR the
//! outer hypervisor refuses). So a probe decides; its outcome is kept until the host boots again, or
//! QEMU changes.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, Qemu, Result, probe};

const CACHE: &str = "kvm-probe.json";

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// KVM where it works, else TCG.
    Auto,
    /// KVM or an error.
    Kvm,
    /// TCG.
    Tcg,
}

/// An accelerator of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// Emulation; always there.
    Tcg,
    /// The host's processor, which guests see in full or as QEMU's default model.
    Kvm {
        /// Whether `-cpu host` works.
        cpu_host: bool,
    },
}

impl Accel {
    /// Its name on QEMU's command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Accel::Tcg => "tcg",
            Accel::Kvm { .. } => "kvm",
        }
    }

    /// What `-cpu` should say, where QEMU's default will not do.
    #[must_use]
    pub fn cpu(&self) -> Option<&'static str> {
        match self {
            Accel::Kvm { cpu_host: true } => Some("host"),
            _ => None,
        }
    }
}

/// The accelerator to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// It.
    pub accel: Accel,
    /// With [`Wanted::Auto`]: why it is not KVM, when it isn't.
    pub why_not_kvm: Option<String>,
    /// Whether that was found out just now; else users have been told since this host booted.
    pub news: bool,
}

/// Decides what to start `qemu` with. The probe's outcome is kept in the directory `cache`.
///
/// # Errors
/// When KVM is wanted and does not work.
pub fn accel(qemu: &Qemu, wanted: Wanted, cache: &Path) -> Result<Choice> {
    if wanted == Wanted::Tcg {
        return Ok(Choice { accel: Accel::Tcg, why_not_kvm: None, news: false });
    }
    let (kvm, news) = kvm(qemu, cache);
    match (kvm, wanted) {
        (Kvm::Works { cpu_host }, _) => {
            Ok(Choice { accel: Accel::Kvm { cpu_host }, why_not_kvm: None, news: false })
        }
        (Kvm::Broken(why), Wanted::Kvm) => Err(Error::NoKvm(why)),
        (Kvm::Broken(why), _) => Ok(Choice { accel: Accel::Tcg, why_not_kvm: Some(why), news }),
    }
}

/// What is known about KVM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kvm {
    /// A guest ran.
    Works {
        /// With `-cpu host`; else with QEMU's default model only.
        cpu_host: bool,
    },
    /// Why it cannot be used.
    Broken(String),
}

/// Probes KVM for guests of `qemu`, or recalls the probe since this host booted; the latter gives false.
pub fn kvm(qemu: &Qemu, cache: &Path) -> (Kvm, bool) {
    if let Err(why) = possible(qemu) {
        return (Kvm::Broken(why), true);
    }
    let key = Key::of(qemu);
    let file = cache.join(CACHE);
    if let Some(kept) = recall(&file, &key) {
        return (kept, false);
    }
    let kvm = if qemu.accelerators().iter().any(|name| name == "kvm") {
        probe::kvm(&qemu.path)
    } else {
        Kvm::Broken(format!("{} was built without it", qemu.path.display()))
    };
    if let Err(error) = keep(cache, &file, &Kept { key, kvm: kvm.clone() }) {
        tracing::debug!(%error, file = %file.display(), "the outcome of the KVM probe is not kept");
    }
    (kvm, true)
}

/// The reasons that are found at once.
fn possible(qemu: &Qemu) -> Result<(), String> {
    let host = rustix::system::uname().machine().to_string_lossy().into_owned();
    if host != qemu.arch.name {
        return Err(format!("the guest is {}, and this host is {host}", qemu.arch.name));
    }
    if qemu.arch.name != super::sector::ARCH {
        return Err(format!("lkdb has no probe guest for {host} yet"));
    }
    match fs::File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(
            "you may not open /dev/kvm: join its group with `sudo usermod -aG kvm $USER` and log in again"
                .into(),
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(
            "there is no /dev/kvm: virtualisation is off in the firmware, or in the hypervisor this host \
                 runs under"
                .into(),
        ),
        Err(error) => Err(format!("cannot open /dev/kvm: {error}")),
    }
}

/// What the outcome hangs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    boot_id: String,
    qemu: PathBuf,
    version: String,
}

impl Key {
    fn of(qemu: &Qemu) -> Self {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            boot_id: boot_id.trim().to_owned(),
            qemu: qemu.path.clone(),
            version: qemu.version.to_string(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    key: Key,
    kvm: Kvm,
}

/// The kept outcome, if it still holds. A file that can't be read is one that isn't there.
fn recall(file: &Path, key: &Key) -> Option<Kvm> {
    let kept: Kept = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    (kept.key == *key && !key.boot_id.is_empty()).then_some(kept.kvm)
}

fn keep(cache: &Path, file: &Path, kept: &Kept) -> io::Result<()> {
    fs::create_dir_all(cache)?;
    let mut new = tempfile::NamedTempFile::new_in(cache)?;
    serde_json::to_writer(&mut new, kept)?;
    new.flush()?;
    new.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(boot_id: &str) -> Key {
        Key { boot_id: boot_id.into(), qemu: "/q".into(), version: "7.2.0".into() }
    }

    #[test]
    fn an_outcome_holds_until_the_host_boots_or_qemu_changes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(CACHE);
        let broken = Kvm::Broken("no sign of life".into());
        keep(dir.path(), &file, &Kept { key: key("a"), kvm: broken.clone() }).unwrap();
        assert_eq!(recall(&file, &key("a")), Some(broken));
        assert_eq!(recall(&file, &key("b")), None);
        assert_eq!(recall(&file, &Key { version: "8.0.0".into(), ..key("a") }), None);
        fs::write(&file, "{").unwrap();
        assert_eq!(recall(&file, &key("a")), None);
    }

    #[test]
    fn what_goes_on_the_command_line() {
        let kvm = |cpu_host| Accel::Kvm { cpu_host };
        let words = |accel: Accel| (accel.name(), accel.cpu());
        assert_eq!(words(Accel::Tcg), ("tcg", None));
        assert_eq!(words(kvm(true)), ("kvm", Some("host")));
        assert_eq!(words(kvm(false)), ("kvm", None));
    }
}
