//! Finding and opening the port the host listens at: a serial port, or a virtio port named `lkdb.agent`.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::termios::{ControlModes, OptionalActions, SpecialCodeIndex};

use crate::kernel;

/// The name of the virtio port, on QEMU's command line too.
const VIRTIO_NAME: &str = "lkdb.agent";
/// Serial drivers' major number and first minor (Documentation/admin-guide/devices.txt).
const SERIAL: [(&str, u32, u32); 2] = [("ttyS", 4, 64), ("ttyAMA", 204, 64)];
/// How often a missing or unconnected port is looked at again: nothing announces it.
const RETRY: Duration = Duration::from_millis(200);

/// An open port; reading and writing may go on at once.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    file: Arc<OwnedFd>,
    /// Reads nothing while the host is not connected, where a terminal's end means it is gone.
    virtio: bool,
}

impl Port {
    /// Reads what is there, waiting for at least a byte; 0 when the port is gone.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::io::read(&self.file, &mut *buffer) {
                Ok(0) if self.virtio => thread::sleep(RETRY),
                Err(rustix::io::Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Writes all of it.
    pub(crate) fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.file, bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Opens the port as soon as it is there. `named` is a device's name or path; without it the kernel's
/// command line tells (`lkdb.agent=ttyS1`), else a virtio port is looked for.
pub(crate) fn wait_for(named: Option<&str>) -> Port {
    loop {
        if let Some(port) = find(named) {
            return port;
        }
        thread::sleep(RETRY);
    }
}

fn find(named: Option<&str>) -> Option<Port> {
    let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    match named.or_else(|| kernel::parameter(&command_line, "lkdb.agent")) {
        Some(name) if name != "virtio" => open(&Path::new("/dev").join(name), false).ok(),
        _ => open(&virtio_node()?, true).ok(),
    }
}

/// The device node of the virtio port with our name.
fn virtio_node() -> Option<PathBuf> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    let ours = ports.flatten().find(|port| {
        fs::read_to_string(port.path().join("name")).is_ok_and(|name| name.trim() == VIRTIO_NAME)
    })?;
    let node = Path::new("/dev").join(ours.file_name());
    if !node.exists() {
        let number = fs::read_to_string(ours.path().join("dev")).ok()?;
        let (major, minor) = number.trim().split_once(':')?;
        make_node(&node, major.parse().ok()?, minor.parse().ok()?).ok()?;
    }
    Some(node)
}

/// Makes the driver take 14 bytes an interrupt instead of 8: what limits the way into the guest is its
/// interrupts. Only some drivers have the setting (serial_core's `rx_trig_bytes`), and only with sysfs.
fn widen_interrupts(path: &Path) {
    if let Some(name) = path.file_name() {
        let _ = fs::write(Path::new("/sys/class/tty").join(name).join("rx_trig_bytes"), "14");
    }
}

fn open(path: &Path, virtio: bool) -> io::Result<Port> {
    let file = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    if !virtio {
        make_raw(file.as_fd())?;
        widen_interrupts(path);
    }
    Ok(Port { file: Arc::new(file), virtio })
}

/// Opens serial port `name` by a device node of our own in `directory`, for a guest with no /dev yet.
pub(crate) fn open_privately(name: &str, directory: &Path) -> io::Result<OwnedFd> {
    let node = directory.join(name);
    if !node.exists() {
        let (major, minor) = serial_number(name).ok_or(io::ErrorKind::NotFound)?;
        make_node(&node, major, minor)?;
    }
    let file = rustix::fs::open(&node, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    make_raw(file.as_fd())?;
    Ok(file)
}

/// The port that process 1 has opened for this process.
pub(crate) fn on_stdin() -> io::Result<Port> {
    let file = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    Ok(Port { file: Arc::new(file), virtio: false })
}

fn serial_number(name: &str) -> Option<(u32, u32)> {
    SERIAL.iter().find_map(|(driver, major, first)| {
        let index: u32 = name.strip_prefix(driver)?.parse().ok()?;
        Some((*major, first.checked_add(index)?))
    })
}

fn make_node(path: &Path, major: u32, minor: u32) -> io::Result<()> {
    let device = rustix::fs::makedev(major, minor);
    let mode = Mode::RUSR | Mode::WUSR;
    Ok(rustix::fs::mknodat(rustix::fs::CWD, path, FileType::CharacterDevice, mode, device)?)
}

/// Every byte as it is, no echo, no signals, no modem lines. A serial device whose port the machine
/// lacks fails here.
fn make_raw(file: BorrowedFd<'_>) -> io::Result<()> {
    let mut settings = rustix::termios::tcgetattr(file)?;
    settings.make_raw();
    settings.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    settings.control_modes &= !(ControlModes::CRTSCTS | ControlModes::HUPCL);
    settings.special_codes[SpecialCodeIndex::VMIN] = 1;
    settings.special_codes[SpecialCodeIndex::VTIME] = 0;
    // QEMU's line is as fast as the guest is, but the driver's time-outs follow the speed.
    settings.set_speed(115_200)?;
    Ok(rustix::termios::tcsetattr(file, OptionalActions::Now, &settings)?)
}

#[cfg(test)]
mod tests {
    use super::serial_number;

    #[test]
    fn serial_ports_have_their_numbers() {
        assert_eq!(serial_number("ttyS1"), Some((4, 65)));
        assert_eq!(serial_number("ttyAMA0"), Some((204, 64)));
        assert_eq!(serial_number("tty1"), None);
        assert_eq!(serial_number("ttyS"), None);
    }
}
