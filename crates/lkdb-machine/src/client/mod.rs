//! A front end's hold on a machine: starting one, finding one, and each thing a supervisor serves.

mod lease;
mod watch;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lkdb_base::PhysAddr;
use lkdb_map::{Piece, Ram};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::Value;

use crate::control::{self, RamPiece, Reply, Request, Status};
use crate::spec::MachineSpec;
use crate::state::{Claim, StateDir, StateRoot};
use crate::{Error, Result, supervisor};
pub use lease::StubLease;
pub use watch::Watch;

/// A supervisor answers at once; only `Stop` and `Qmp` wait for QEMU.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// A machine with a living supervisor.
#[derive(Debug, Clone)]
pub struct Machine {
    dir: StateDir,
}

/// The guest's console: what is read comes from the guest, what is written is typed.
pub type Console = UnixStream;

impl Machine {
    /// Starts the machine that `spec` describes under the name that was claimed. `program` is lkdb, which
    /// becomes the supervisor.
    ///
    /// # Errors
    /// When the supervisor or QEMU does not come up: then nothing is left behind.
    pub fn start(claim: Claim, spec: &MachineSpec, program: &Path) -> Result<Self> {
        let dir = claim.dir().clone();
        let path = dir.file(supervisor::SPEC);
        let text = serde_json::to_vec_pretty(spec).map_err(|e| Error::io("cannot write", &path)(e.into()))?;
        fs::write(&path, text).map_err(Error::io("cannot write", &path))?;
        let path = dir.file(supervisor::LOG);
        let log = fs::File::create(&path).map_err(Error::io("cannot write", path))?;
        let lock = claim.hand_over().map_err(Error::io("cannot hand over", dir.path()))?;
        let mut child = Command::new(program)
            .arg("supervise")
            .arg(dir.path())
            .stdin(Stdio::from(lock))
            .stdout(Stdio::piped())
            .stderr(Stdio::from(log))
            .spawn()
            .map_err(Error::io("cannot run", program))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = BufReader::new(stdout.take(control::REQUEST_MAX)).read_line(&mut line);
        }
        let machine = Self { dir };
        match serde_json::from_str(&line) {
            Ok(Reply::Ok(_)) => {
                // It lives on; somebody must wait for it if it ends before we do.
                std::thread::spawn(move || child.wait());
                Ok(machine)
            }
            Ok(Reply::Error(why)) => {
                let _ = child.wait();
                Err(Error::Qemu(why.trim_start_matches("QEMU could not start the machine: ").to_owned()))
            }
            Err(_) => {
                let ended = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
                let _ = fs::remove_dir_all(machine.dir.path());
                Err(machine.nonsense(format!("did not come up ({ended})")))
            }
        }
    }

    /// The machine of this name; without a name, the only one that runs.
    ///
    /// # Errors
    /// When there is no such machine, or no telling which.
    pub fn find(root: &StateRoot, name: Option<&str>) -> Result<Self> {
        let running = root.running()?;
        let names = || running.iter().map(StateDir::name).collect::<Vec<_>>().join(", ");
        let found = match (name, running.as_slice()) {
            (Some(name), running) => {
                root.dir(name)?;
                let found = running.iter().find(|dir| dir.name() == name);
                found.ok_or_else(|| Error::NoSuchMachine(name.to_owned()))?
            }
            (None, [only]) => only,
            (None, []) => return Err(Error::NoMachine),
            (None, several) => several
                .iter()
                .find(|dir| dir.name() == "default")
                .ok_or_else(|| Error::WhichMachine(several.len(), names()))?,
        };
        Ok(Self { dir: found.clone() })
    }

    /// Every machine that runs, by name.
    ///
    /// # Errors
    /// When the state directory can't be read.
    pub fn all(root: &StateRoot) -> Result<Vec<Self>> {
        Ok(root.running()?.into_iter().map(|dir| Self { dir }).collect())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.dir.name()
    }

    /// Its state directory.
    #[must_use]
    pub fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// How it is.
    ///
    /// # Errors
    /// When its supervisor does not answer.
    pub fn status(&self) -> Result<Status> {
        let (_, data) = self.ask(&Request::Status)?;
        serde_json::from_value(data).map_err(|error| self.nonsense(format!("gave no status: {error}")))
    }

    /// How it is, from now on. With `hold`, the machine is stopped when the watch is dropped.
    ///
    /// # Errors
    /// When its supervisor does not answer.
    pub fn watch(&self, hold: bool) -> Result<Watch> {
        let (lines, _) = self.ask(&Request::Watch { hold })?;
        Ok(Watch::new(lines, self.dir.clone()))
    }

    /// Its console; see [`control::Request::Console`].
    ///
    /// # Errors
    /// When its supervisor does not answer.
    pub fn console(&self, replay: bool, lossless: bool) -> Result<(Console, Vec<u8>)> {
        let (reader, _) = self.ask(&Request::Console { replay, lossless })?;
        // What came with the reply is console output already.
        let early = reader.buffer().to_vec();
        Ok((self.endless(reader)?, early))
    }

    /// What is kept of what the guest has written to its console so far.
    ///
    /// # Errors
    /// When its supervisor does not answer.
    pub fn console_log(&self) -> Result<Vec<u8>> {
        let written = self.status()?.console_bytes;
        let (mut console, mut log) = self.console(true, false)?;
        let wanted = usize::try_from(written).unwrap_or(usize::MAX).min(supervisor::CONSOLE_KEPT);
        let mut buffer = vec![0; 64 << 10];
        while log.len() < wanted {
            match console.read(&mut buffer) {
                Ok(length @ 1..) => log.extend_from_slice(buffer.get(..length).unwrap_or_default()),
                _ => break,
            }
        }
        Ok(log)
    }

    /// A connection for `lkdb_agent` frames on [`control::EXEC_CHANNEL`], to run one command.
    ///
    /// # Errors
    /// When its supervisor does not answer.
    pub fn exec(&self) -> Result<UnixStream> {
        let (reader, _) = self.ask(&Request::Exec)?;
        self.endless(reader)
    }

    /// Runs a QMP command.
    ///
    /// # Errors
    /// When QEMU refuses it.
    pub fn qmp(&self, execute: &str, arguments: Value) -> Result<Value> {
        Ok(self.ask(&Request::Qmp { execute: execute.to_owned(), arguments })?.1)
    }

    /// Lets the processors run.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn resume(&self) -> Result<()> {
        self.qmp("cont", Value::Null).map(drop)
    }

    /// Ends QEMU; returns when it is gone and the name is free.
    ///
    /// # Errors
    /// When its supervisor does not answer.
    pub fn stop(&self) -> Result<()> {
        self.ask(&Request::Stop)?;
        self.dir.wait_until_free();
        Ok(())
    }

    /// Takes the gdb stub. That stops the guest.
    ///
    /// # Errors
    /// When another debugger has it.
    pub fn stub(&self) -> Result<StubLease> {
        let (control, _, fds) = self.borrow(&Request::Stub)?;
        match fds.into_iter().next() {
            Some(stub) => Ok(StubLease::new(stub, control)),
            None => Err(self.nonsense("lent no stub".to_owned())),
        }
    }

    /// Guest RAM, mapped. The guest goes on as it was, and nobody else is kept from anything.
    ///
    /// # Errors
    /// When QEMU does not tell where it is, or mapping fails.
    pub fn ram(&self) -> Result<Ram> {
        let (_, data, fds) = self.borrow(&Request::Ram)?;
        let pieces: Vec<RamPiece> = serde_json::from_value(data)
            .map_err(|error| self.nonsense(format!("lent no guest RAM: {error}")))?;
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Piece {
                physical: PhysAddr(piece.physical),
                size: piece.size,
                file: piece.file,
                offset: piece.offset,
            })
            .collect();
        let files = fds.into_iter().map(File::from).collect();
        Ram::new(files, &pieces).map_err(|error| self.nonsense(format!("lent no guest RAM: {error}")))
    }

    /// Asks for something that comes with descriptors.
    fn borrow(&self, request: &Request) -> Result<(UnixStream, Value, Vec<OwnedFd>)> {
        let mut control = self.connect()?;
        self.send(&mut control, request)?;
        let mut buffer = [0; 16 << 10];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(control::RAM_FILES_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received =
            recvmsg(&control, &mut [IoSliceMut::new(&mut buffer)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
                .map_err(|errno| self.nonsense(format!("lent nothing: {errno}")))?;
        let data = self.understand(buffer.get(..received.bytes).unwrap_or_default())?;
        let mut fds = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(lent) = message {
                fds.extend(lent);
            }
        }
        Ok((control, data, fds))
    }

    fn ask(&self, request: &Request) -> Result<(BufReader<UnixStream>, Value)> {
        let mut stream = self.connect()?;
        self.send(&mut stream, request)?;
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        let read = (&mut reader).take(control::REQUEST_MAX * 4).read_until(b'\n', &mut line);
        read.map_err(|error| self.nonsense(format!("does not answer: {error}")))?;
        let data = self.understand(&line)?;
        Ok((reader, data))
    }

    fn connect(&self) -> Result<UnixStream> {
        let path = self.dir.file(control::SOCKET);
        let stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                Error::NoSuchMachine(self.name().to_owned())
            }
            _ => Error::io("cannot reach", &path)(error),
        })?;
        stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(Error::io("cannot reach", path))?;
        Ok(stream)
    }

    fn send(&self, stream: &mut UnixStream, request: &Request) -> Result<()> {
        let sent = serde_json::to_vec(request).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            stream.write_all(&line)
        });
        sent.map_err(|error| self.nonsense(format!("does not listen: {error}")))
    }

    fn understand(&self, line: &[u8]) -> Result<Value> {
        match serde_json::from_slice(line) {
            Ok(Reply::Ok(data)) => Ok(data),
            Ok(Reply::Error(why)) => Err(Error::Refused(why)),
            Err(_) if line.is_empty() => Err(self.nonsense("ended".to_owned())),
            Err(error) => Err(self.nonsense(format!("answers nonsense: {error}"))),
        }
    }

    /// A stream that is read for as long as it lasts.
    fn endless(&self, reader: BufReader<UnixStream>) -> Result<UnixStream> {
        let stream = reader.into_inner();
        stream.set_read_timeout(None).map_err(|error| self.nonsense(error.to_string()))?;
        Ok(stream)
    }

    fn nonsense(&self, what: String) -> Error {
        Error::Supervisor { name: self.name().to_owned(), what }
    }
}
