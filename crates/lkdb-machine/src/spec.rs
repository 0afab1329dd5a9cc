//! What a machine is to be, and the QEMU command line that makes it: a pure function.
//!
//! Nothing here looks at the host: paths are taken as given, the accelerator is decided by
//! [`crate::host`]. The wiring differs between a supervised machine, whose sockets the supervisor
//! listens on before QEMU starts (QEMU connects to them, so nobody waits for a file to appear), and
//! the line that `--dry-run` shows for people to run by hand.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A directory of the host that the guest mounts over 9p.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The directory on the host.
    pub host: PathBuf,
    /// Where the guest mounts it.
    pub guest: String,
    /// The mount tag that ties both together.
    pub tag: String,
}

/// The guest's port to `lkdb-agent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentPort {
    /// The second serial port: every kernel has its driver.
    Serial,
    /// A virtio port: many times as fast, where the kernel can.
    Virtio,
}

/// Everything that decides a machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MachineSpec {
    /// Its name, and that of its state directory.
    pub name: String,
    /// The QEMU system emulator.
    pub qemu: PathBuf,
    /// QEMU's machine type: `pc`, `q35`, `microvm`.
    pub machine_type: String,
    /// `tcg` or `kvm`.
    pub accel: String,
    /// QEMU's `-cpu`, where its default will not do.
    pub cpu: Option<String>,
    /// The number of processors.
    pub smp: u32,
    /// Guest RAM in bytes.
    pub memory: u64,
    /// The image a boot loader starts.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initrd: Option<PathBuf>,
    /// The kernel command line.
    pub append: String,
    /// Start with the processors stopped before their first instruction.
    pub frozen: bool,
    /// End QEMU when the guest resets, rather than boot again.
    pub end_on_reset: bool,
    /// Where commands are run through.
    pub agent_port: AgentPort,
    /// Directories the guest may mount.
    pub shares: Vec<Share>,
    /// Further arguments for QEMU, last so that they win.
    pub qemu_args: Vec<String>,
    /// The kernel's release, as far as known; for `lkdb ls`.
    pub release: Option<String>,
    /// The vmlinux that goes with the image; for debuggers that attach later.
    pub vmlinux: Option<PathBuf>,
}

/// How QEMU's ends are wired.
#[derive(Debug, Clone, Copy)]
pub enum Wiring<'a> {
    /// Sockets in this state directory; the supervisor listens on all but the stub's.
    Supervised(&'a Path),
    /// Console and monitor on the terminal, the stub at this path: for `--dry-run`.
    ByHand(&'a Path),
}

/// The supervisor's end of QMP.
pub(crate) const QMP_SOCKET: &str = "qmp.sock";
/// The supervisor's end of the guest's first serial port.
pub(crate) const CONSOLE_SOCKET: &str = "console.sock";
/// The supervisor's end of the guest's second serial port, where `lkdb-agent` answers.
pub(crate) const AGENT_SOCKET: &str = "agent.sock";
/// QEMU's gdb stub. QEMU listens here, since a stub's client may come and go.
pub(crate) const STUB_SOCKET: &str = "gdb.sock";

impl MachineSpec {
    /// The arguments for QEMU, the program itself first.
    #[must_use]
    pub fn command_line(&self, wiring: Wiring<'_>) -> Vec<OsString> {
        let mut line = Line(vec![self.qemu.clone().into()]);
        self.hardware(&mut line);
        self.boot(&mut line);
        self.ends(&mut line, wiring);
        for share in &self.shares {
            line.option("-virtfs", |value| {
                value.push("local,security_model=none,multidevs=remap,path=");
                value.push(escaped(&share.host));
                value.push(format!(",mount_tag={}", share.tag));
            });
        }
        line.0.extend(self.qemu_args.iter().map(OsString::from));
        line.0
    }

    fn hardware(&self, line: &mut Line) {
        line.text("-name", &format!("lkdb-{}", self.name));
        line.text("-machine", &format!("{},accel={},memory-backend=ram", self.machine_type, self.accel));
        if let Some(cpu) = &self.cpu {
            line.text("-cpu", cpu);
        }
        line.text("-smp", &self.smp.to_string());
        line.text("-m", &format!("{}K", self.memory >> 10));
        // A shared memfd, so that a debugger can map guest RAM instead of asking for it.
        let backend = format!("memory-backend-memfd,id=ram,size={}K,share=on", self.memory >> 10);
        line.text("-object", &backend);
        for flag in ["-no-user-config", "-nodefaults"] {
            line.0.push(flag.into());
        }
        line.text("-display", "none");
        if self.end_on_reset {
            line.0.push("-no-reboot".into());
        }
    }

    fn boot(&self, line: &mut Line) {
        line.option("-kernel", |value| value.push(&self.kernel));
        if let Some(initrd) = &self.initrd {
            line.option("-initrd", |value| value.push(initrd));
        }
        line.text("-append", &self.append);
        if self.frozen {
            line.0.push("-S".into());
        }
    }

    fn ends(&self, line: &mut Line, wiring: Wiring<'_>) {
        match wiring {
            Wiring::Supervised(dir) => {
                let socket = |value: &mut OsString, id: &str, name: &str, more: &str| {
                    value.push(format!("socket,id={id}{more},path="));
                    value.push(escaped(&dir.join(name)));
                };
                line.option("-chardev", |v| socket(v, "qmp", QMP_SOCKET, ""));
                line.text("-mon", "chardev=qmp,mode=control");
                line.option("-chardev", |v| socket(v, "console", CONSOLE_SOCKET, ""));
                line.text("-serial", "chardev:console");
                line.option("-chardev", |v| socket(v, "agent", AGENT_SOCKET, ""));
                match self.agent_port {
                    AgentPort::Serial => line.text("-serial", "chardev:agent"),
                    AgentPort::Virtio => {
                        line.text("-device", "virtio-serial-pci");
                        // The name by which lkdb-agent finds it.
                        line.text("-device", "virtserialport,chardev=agent,name=lkdb.agent");
                    }
                }
                line.option("-chardev", |v| socket(v, "gdb", STUB_SOCKET, ",server=on,wait=off"));
                line.text("-gdb", "chardev:gdb");
            }
            Wiring::ByHand(stub) => {
                line.text("-serial", "mon:stdio");
                line.option("-gdb", |value| {
                    value.push("unix:");
                    value.push(escaped(stub));
                    value.push(",server=on,wait=off");
                });
            }
        }
    }
}

/// QEMU's option parser takes a comma as a separator unless it is doubled.
fn escaped(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::with_capacity(path.as_os_str().len());
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

struct Line(Vec<OsString>);

impl Line {
    fn text(&mut self, option: &str, value: &str) {
        self.0.push(option.into());
        self.0.push(value.into());
    }

    fn option(&mut self, option: &str, value: impl FnOnce(&mut OsString)) {
        self.0.push(option.into());
        let mut text = OsString::new();
        value(&mut text);
        self.0.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> MachineSpec {
        MachineSpec {
            name: "t".into(),
            qemu: "/usr/bin/qemu-system-x86_64".into(),
            machine_type: "pc".into(),
            accel: "tcg".into(),
            cpu: None,
            smp: 2,
            memory: 1 << 30,
            kernel: "/k/bzImage".into(),
            initrd: Some("/k/initrd,with comma".into()),
            append: "console=ttyS0 quiet".into(),
            frozen: true,
            end_on_reset: false,
            agent_port: AgentPort::Serial,
            shares: vec![Share { host: "/a,b".into(), guest: "/mnt".into(), tag: "lkdb0".into() }],
            qemu_args: vec!["-cpu".into(), "max".into()],
            release: None,
            vmlinux: None,
        }
    }

    fn line(wiring: Wiring<'_>) -> Vec<String> {
        spec().command_line(wiring).into_iter().map(|arg| arg.into_string().unwrap()).collect()
    }

    #[test]
    fn a_supervised_machine_opens_no_tcp_port_and_lets_the_user_have_the_last_word() {
        let line = line(Wiring::Supervised(Path::new("/run/lkdb/t")));
        assert!(!line.iter().any(|arg| arg.contains("tcp") || arg == "-s"));
        assert!(line.contains(&"-S".to_owned()));
        assert!(line.contains(&"socket,id=gdb,server=on,wait=off,path=/run/lkdb/t/gdb.sock".to_owned()));
        assert_eq!(line[line.len() - 2..], ["-cpu", "max"]);
    }

    #[test]
    fn commas_are_doubled_only_where_qemu_splits_at_them() {
        let line = line(Wiring::ByHand(Path::new("/run/g,db")));
        assert!(line.contains(&"unix:/run/g,,db,server=on,wait=off".to_owned()));
        assert!(line.contains(&"/k/initrd,with comma".to_owned()));
        assert!(line.iter().any(|arg| arg.ends_with("path=/a,,b,mount_tag=lkdb0")));
    }
}
