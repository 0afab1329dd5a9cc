//! Debug files by build ID, from debuginfod servers.
//!
//! The protocol is plain HTTP (debuginfod(8), "WEBAPI"): `GET URL/buildid/HEX/debuginfo` answers with an
//! ELF file whose DWARF belongs to that build ID, `…/executable` with the program itself; 404 means that
//! the server does not know it. `DEBUGINFOD_URLS` lists servers, separated by blanks, and
//! `DEBUGINFOD_TIMEOUT` is how many seconds one may be silent.
//!
//! A file that came half is gone on with by a `Range` request, from the same server only; servers that
//! cannot do that (elfutils' own) answer with the whole. Whatever comes must be an ELF file with the
//! build ID asked for before it gets its name.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use lkdb_base::BuildId;
use ureq::http::{Response, header};
use ureq::{Agent, Body};

use crate::{Cache, Error, Progress, Result, disk, elf};

/// No debug file is larger; a server that sends more is not believed.
const LARGEST: u64 = 8 << 30;
const CHUNK: usize = 256 << 10;
const CONNECT: Duration = Duration::from_secs(10);
/// elfutils' default for `DEBUGINFOD_TIMEOUT`.
const SILENCE: Duration = Duration::from_secs(90);
const TICK: Duration = Duration::from_millis(100);

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artifact {
    /// The file with the DWARF.
    Debuginfo,
    /// The program itself.
    Executable,
}

impl Artifact {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debuginfo => "debuginfo",
            Self::Executable => "executable",
        }
    }
}

/// The servers to ask, and for how long.
#[derive(Debug, Clone)]
pub struct Servers {
    urls: Vec<String>,
    silence: Duration,
}

/// Why one server did not give the file.
enum Refusal {
    /// It does not have it.
    Unknown,
    /// Anything else, in words.
    Because(String),
    /// Not its fault: the disk, the user.
    Fatal(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

impl Servers {
    /// From `DEBUGINFOD_URLS` and `DEBUGINFOD_TIMEOUT`.
    ///
    /// # Errors
    /// When no server is named.
    pub fn from_env() -> Result<Self> {
        let urls = std::env::var("DEBUGINFOD_URLS").unwrap_or_default();
        let silence = std::env::var("DEBUGINFOD_TIMEOUT").ok().and_then(|text| text.trim().parse().ok());
        Self::new(&urls, silence.filter(|seconds| *seconds > 0).map_or(SILENCE, Duration::from_secs))
    }

    /// From a list of URLs separated by blanks.
    ///
    /// # Errors
    /// When it is empty.
    pub fn new(urls: &str, silence: Duration) -> Result<Self> {
        let urls: Vec<String> =
            urls.split_whitespace().map(|url| url.trim_end_matches('/').to_owned()).collect();
        if urls.is_empty() {
            return Err(Error::Unfit(
                "DEBUGINFOD_URLS names no server: set it, for example to https://debuginfod.elfutils.org"
                    .into(),
            ));
        }
        Ok(Self { urls, silence })
    }

    /// Gets a file into the cache, unless it is there already, and returns its path.
    ///
    /// # Errors
    /// When no server has it (each one's reason is in the error), what came is not the file asked for,
    /// the disk is full, or the user stops it.
    pub fn get(
        &self,
        cache: &Cache,
        id: &BuildId,
        artifact: Artifact,
        progress: &mut dyn Progress,
    ) -> Result<PathBuf> {
        let target = cache.build_id_file(id, artifact);
        if target.is_file() {
            return Ok(target);
        }
        let _lock = cache.lock(progress)?;
        self.get_locked(cache, id, artifact, progress)
    }

    /// The same for callers that hold the cache's lock.
    pub(crate) fn get_locked(
        &self,
        cache: &Cache,
        id: &BuildId,
        artifact: Artifact,
        progress: &mut dyn Progress,
    ) -> Result<PathBuf> {
        let target = cache.build_id_file(id, artifact);
        if target.is_file() {
            return Ok(target);
        }
        let dir = target.parent().unwrap_or(cache.root());
        fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
        let mut reasons = Vec::new();
        for url in &self.urls {
            match self.ask(url, id, artifact, &target, progress) {
                Ok(()) => return Ok(target),
                Err(Refusal::Unknown) => reasons.push(format!("{url} does not know it")),
                Err(Refusal::Because(reason)) => reasons.push(format!("{url}: {reason}")),
                Err(Refusal::Fatal(error)) => return Err(error),
            }
        }
        let _ = fs::remove_dir(dir);
        let what = artifact.name();
        Err(Error::Unfit(format!("no {what} for build ID {id}: {}", reasons.join("; "))))
    }

    fn ask(
        &self,
        url: &str,
        id: &BuildId,
        artifact: Artifact,
        target: &Path,
        progress: &mut dyn Progress,
    ) -> std::result::Result<(), Refusal> {
        let mut partial = Half::open(target, url)?;
        let request_url = format!("{url}/buildid/{id}/{}", artifact.name());
        let response = self.request(&request_url, partial.length, progress)?;
        match response.status().as_u16() {
            200 => partial.restart(url)?,
            206 if starts_at(&response) == Some(partial.length) => {}
            404 => return Err(Refusal::Unknown),
            // What we have is longer than the file: it is not a part of it.
            206 | 416 => {
                partial.discard();
                return Err(Refusal::Because("what was there does not fit; try again".into()));
            }
            status => return Err(Refusal::Because(format!("it answered with HTTP status {status}"))),
        }
        let total = total(&response, partial.length);
        if total.is_some_and(|total| total > LARGEST) {
            return Err(Refusal::Because("it offers more than 8 GiB".into()));
        }
        if let Some(total) = total {
            let dir = target.parent().unwrap_or(target);
            disk::require(dir, total.saturating_sub(partial.length), "")?;
        }
        progress.step(&format!("{} of {id}", artifact.name()), total);
        let received = self.receive(response, &mut partial, progress);
        progress.end();
        received?;
        if total.is_some_and(|total| total != partial.length) {
            return Err(Refusal::Because(
                "the connection ended early; run the command again to go on".into(),
            ));
        }
        partial.verify(id)?;
        Ok(partial.finish(target)?)
    }

    /// Sends the request from a thread of its own: a server may take long to find the file, and the
    /// user may not want to wait.
    fn request(
        &self,
        url: &str,
        have: u64,
        progress: &mut dyn Progress,
    ) -> std::result::Result<Response<Body>, Refusal> {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(self.silence))
            .user_agent(concat!("lkdb/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let mut request = agent.get(url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let (sender, answer) = sync_channel(1);
        thread::spawn(move || drop(sender.send(request.call().map_err(|error| error.to_string()))));
        loop {
            match answer.recv_timeout(TICK) {
                Ok(result) => return result.map_err(Refusal::Because),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Refusal::Because("the request failed".into()));
                }
                Err(RecvTimeoutError::Timeout) if progress.cancelled() => {
                    return Err(Error::Cancelled.into());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Writes the body as it comes. It is read in a thread of its own, so that a silent server can be
    /// given up and the user's wish to stop is seen.
    fn receive(
        &self,
        response: Response<Body>,
        partial: &mut Half,
        progress: &mut dyn Progress,
    ) -> std::result::Result<(), Refusal> {
        let (sender, chunks) = sync_channel(4);
        let body = response.into_body().into_reader();
        thread::spawn(move || send_chunks(body, &sender));
        let mut heard = Instant::now();
        loop {
            match chunks.recv_timeout(TICK) {
                Ok(Ok(chunk)) => {
                    heard = Instant::now();
                    partial.append(&chunk)?;
                    progress.at(partial.length);
                    if partial.length > LARGEST {
                        partial.discard();
                        return Err(Refusal::Because("it sent more than 8 GiB".into()));
                    }
                }
                Ok(Err(error)) => return Err(Refusal::Because(error.to_string())),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) if heard.elapsed() > self.silence => {
                    let seconds = self.silence.as_secs();
                    return Err(Refusal::Because(format!("it was silent for {seconds} s")));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if progress.cancelled() {
                return Err(Error::Cancelled.into());
            }
        }
    }
}

fn send_chunks(mut body: impl Read, sender: &SyncSender<std::io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = body.read(&mut chunk).map(|length| {
            chunk.truncate(length);
            chunk
        });
        let last = read.as_ref().map_or(true, Vec::is_empty);
        if matches!(&read, Ok(chunk) if chunk.is_empty()) || sender.send(read).is_err() || last {
            return;
        }
    }
}

/// The first byte's place by `Content-Range: bytes 100-199/200`.
fn starts_at(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// The whole file's length, where the server tells it: elfutils' own header, else what HTTP has.
fn total(response: &Response<Body>, have: u64) -> Option<u64> {
    let number = |name: &str| response.headers().get(name)?.to_str().ok()?.parse::<u64>().ok();
    let encoded = response.headers().contains_key(header::CONTENT_ENCODING);
    number("content-length").filter(|_| !encoded).map(|rest| rest.saturating_add(have))
}

/// A file that is not whole yet, and the note of which server it is from.
#[derive(Debug)]
struct Half {
    path: PathBuf,
    origin: PathBuf,
    file: File,
    length: u64,
    /// Whether there is nothing in it, from whatever server.
    empty: bool,
}

impl Half {
    /// What an earlier try got from this server; what another server sent counts for nothing, but stays
    /// until this one has the file.
    fn open(target: &Path, url: &str) -> Result<Self> {
        let (path, origin) = (target.with_extension("partial"), target.with_extension("from"));
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let mut file = file.map_err(Error::io("write", &path))?;
        let mut length = file.seek(SeekFrom::End(0)).map_err(Error::io("read", &path))?;
        let ours = fs::read_to_string(&origin).is_ok_and(|from| from == url);
        let empty = length == 0;
        if !ours {
            length = 0;
        }
        Ok(Self { path, origin, file, length, empty })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))?;
        self.length = self.length.saturating_add(bytes.len() as u64);
        self.empty = false;
        Ok(())
    }

    fn restart(&mut self, url: &str) -> Result<()> {
        (self.length, self.empty) = (0, true);
        self.file.set_len(0).map_err(Error::io("write", &self.path))?;
        fs::write(&self.origin, url).map_err(Error::io("write", &self.origin))
    }

    fn discard(&self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.origin);
    }

    fn verify(&self, id: &BuildId) -> std::result::Result<(), Refusal> {
        let reason = match elf::facts(&self.path) {
            Ok(facts) if facts.build_id.as_ref() == Some(id) => return Ok(()),
            Ok(facts) => match facts.build_id {
                Some(other) => format!("it sent a file with build ID {other}"),
                None => "it sent a file without a build ID".into(),
            },
            Err(_) => "what it sent is no ELF file".into(),
        };
        self.discard();
        Err(Refusal::Because(reason))
    }

    fn finish(mut self, target: &Path) -> Result<()> {
        self.empty = false;
        fs::rename(&self.path, target).map_err(Error::io("rename", &self.path))?;
        let _ = fs::remove_file(&self.origin);
        Ok(())
    }
}

impl Drop for Half {
    /// Nothing worth going on with leaves nothing behind.
    fn drop(&mut self) {
        if self.empty {
            self.discard();
        }
    }
}

/// What a build ID brought.
#[derive(Debug, Clone, serde::Serialize)]
pub struct BuildIdReport {
    /// The build ID asked for.
    pub build_id: BuildId,
    /// The debug file.
    pub vmlinux: PathBuf,
    /// The program itself, where a server had it.
    pub executable: Option<PathBuf>,
    /// The fetched kernel that it belongs to, which has it as vmlinux from now on.
    pub kernel: Option<String>,
}

/// Gets the debug file of a build ID, and the program where there is one; a fetched kernel with that
/// build ID and no vmlinux gets it as such.
///
/// # Errors
/// As [`Servers::get`], for the debug file.
pub fn fetch_build_id(
    cache: &Cache,
    servers: &Servers,
    id: &BuildId,
    progress: &mut dyn Progress,
) -> Result<BuildIdReport> {
    let vmlinux = servers.get(cache, id, Artifact::Debuginfo, progress)?;
    let executable = match servers.get(cache, id, Artifact::Executable, progress) {
        Ok(path) => Some(path),
        Err(Error::Unfit(reason)) => {
            progress.note(&reason);
            None
        }
        Err(error) => return Err(error),
    };
    let kernel = cache.adopt(id, &vmlinux)?;
    Ok(BuildIdReport { build_id: id.clone(), vmlinux, executable, kernel })
}
