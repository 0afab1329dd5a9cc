//! A bare client of QEMU's gdb stub: the floor that every debugger stands on. It knows packets, and nothing
//! of kernels.

use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// A guest, frozen at its first instruction, whose stub listens on a socket. Ends with this.
pub(super) struct Guest {
    qemu: Child,
    dir: tempfile::TempDir,
}

impl Guest {
    /// Starts one on an image. Without KASLR: other debuggers don't know where the kernel went.
    pub(super) fn start(image: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a folder for a socket")?;
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-M", "q35", "-accel", "tcg"]);
        command.args(["-m", "1G", "-smp", "2", "-S", "-append", "nokaslr", "-kernel"]).arg(image);
        command.args(["-gdb", "chardev:stub", "-chardev"]);
        command.arg(format!("socket,id=stub,server=on,wait=off,path={}", dir.path().join("stub").display()));
        let qemu = command.stdin(Stdio::null()).spawn().context("cannot run qemu-system-x86_64")?;
        Ok(Self { qemu, dir })
    }

    /// Where its stub listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("stub")
    }

    /// Waits until the stub listens, as every client has to. Connecting would make us its client, and the file is
    /// there a moment before it listens: so the system is asked.
    pub(super) fn ready(&self) -> anyhow::Result<()> {
        const LISTENS: &str = "00010000";
        let until = Instant::now() + Duration::from_secs(20);
        let path = self.socket().display().to_string();
        let listens = |line: &str| line.ends_with(&path) && line.split_whitespace().nth(3) == Some(LISTENS);
        while !std::fs::read_to_string("/proc/net/unix")?.lines().any(listens) {
            ensure!(Instant::now() < until, "QEMU opens no stub");
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// A connection to a stub.
pub(super) struct Stub {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Stub {
    pub(super) fn connect(socket: &Path) -> anyhow::Result<Self> {
        let to = UnixStream::connect(socket).context("QEMU's stub does not let us in")?;
        to.set_read_timeout(Some(Duration::from_secs(60)))?;
        let from = BufReader::new(to.try_clone()?);
        Ok(Self { to, from })
    }

    /// Sends a packet and gives the answer's content.
    pub(super) fn ask(&mut self, content: &str) -> anyhow::Result<String> {
        let sum = content.bytes().fold(0_u8, u8::wrapping_add);
        self.to.write_all(format!("${content}#{sum:02x}").as_bytes())?;
        loop {
            match self.byte()? {
                b'+' => {}
                b'$' => break,
                other => bail!("the stub answers with the byte {other:#x}"),
            }
        }
        let mut answer = String::new();
        loop {
            match self.byte()? {
                b'#' => break,
                byte => answer.push(char::from(byte)),
            }
        }
        self.byte()?;
        self.byte()?;
        self.to.write_all(b"+")?;
        Ok(answer)
    }

    /// Runs to an address; a hardware breakpoint, since nothing is there yet.
    pub(super) fn run_to(&mut self, address: u64) -> anyhow::Result<()> {
        self.breakpoint_of_kind("Z1", address)?;
        self.go_on()?;
        self.breakpoint_of_kind("z1", address)
    }

    /// Sets (`Z`) or removes (`z`) a software breakpoint.
    pub(super) fn breakpoint(&mut self, what: char, address: u64) -> anyhow::Result<()> {
        self.breakpoint_of_kind(&format!("{what}0"), address)
    }

    fn breakpoint_of_kind(&mut self, kind: &str, address: u64) -> anyhow::Result<()> {
        let set = self.ask(&format!("{kind},{address:x},1"))?;
        ensure!(set == "OK", "the stub refuses a breakpoint: {set}");
        Ok(())
    }

    /// Lets the guest run to its next stop.
    pub(super) fn go_on(&mut self) -> anyhow::Result<()> {
        self.stops("vCont;c")
    }

    /// One instruction of the first CPU; the others stand.
    pub(super) fn step(&mut self) -> anyhow::Result<()> {
        self.stops("vCont;s:1")
    }

    /// One instruction, and the registers afterwards: without them nobody knows where it led.
    pub(super) fn step_and_look(&mut self) -> anyhow::Result<()> {
        self.step()?;
        let registers = self.ask("g")?;
        ensure!(registers.len() > 16, "the stub tells no registers: {registers}");
        Ok(())
    }

    /// From a breakpoint's address over it, and to the next time.
    pub(super) fn next_hit(&mut self, address: u64) -> anyhow::Result<()> {
        self.breakpoint('z', address)?;
        self.step()?;
        self.breakpoint('Z', address)?;
        self.go_on()
    }

    fn stops(&mut self, resume: &str) -> anyhow::Result<()> {
        let stop = self.ask(resume)?;
        ensure!(stop.starts_with('T'), "the guest does not stop: {stop}");
        Ok(())
    }

    fn byte(&mut self) -> anyhow::Result<u8> {
        let mut byte = [0];
        self.from.read_exact(&mut byte).context("the stub is gone")?;
        Ok(byte[0])
    }
}
