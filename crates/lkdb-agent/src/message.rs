//! The messages: what the host asks ([`Request`]) and what the agent reports ([`Report`]).
//!
//! The life of a command: the host picks a channel number not in use and sends `Spawn`. The agent answers
//! `Started` (or `Failed`, which ends the channel with a shell's status: 127 not found, 126 not
//! executable). Then stream data flows both ways under the windows of [`credit`](crate::credit); each
//! output stream ends with `Eof`, and `Exited` tells how the command itself ended. The channel is over
//! after `Exited` and both `Eof`, in any order: a daemon that keeps stdout open keeps the channel.
//! A host that no longer listens sends `Close`: the command gets SIGHUP, its output is thrown away.
//!
//! The life of the line: the agent says `Hello` when it starts and whenever the host says `Hello`, which
//! ends all earlier channels. A `Hello` with another `instance` means a new agent: everything is gone.
//!
//! Integers are little-endian; a string is its length (u32) and its bytes, which need not be UTF-8.

/// One direction's messages.
pub trait Message: Sized {
    /// Whether these come from the guest.
    const FROM_GUEST: bool;
    /// Appends the payload to `out` and returns the kind.
    fn write(&self, out: &mut Vec<u8>) -> u8;
    /// Reads a payload.
    fn parse(kind: u8, payload: &[u8]) -> Result<Self, Malformed>;
    /// Whether the numbering of frames starts anew with this message.
    fn restarts(&self) -> bool;
}

/// A payload that is not what its kind promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message of kind {kind:#04x} on the agent's line")]
pub struct Malformed {
    /// The frame's kind.
    pub kind: u8,
}

/// A standard stream of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spawn {
    /// The command and its arguments; the first is searched in PATH when it has no slash.
    pub argv: Vec<Vec<u8>>,
    /// Variables set over the agent's defaults (PATH, HOME, TERM).
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Directory to run in; empty for `/`.
    pub cwd: Vec<u8>,
    /// Whether `Stdin` follows; else the command's stdin is at its end at once.
    pub stdin: bool,
}

/// What the host asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A host is here: end the channels of an earlier one, and say `Hello`. On channel 0.
    Hello,
    /// Answer `Pong` with the same number. On channel 0.
    Ping(u64),
    /// Run this on a new channel.
    Spawn(Spawn),
    /// Bytes for the command's stdin.
    Stdin(Vec<u8>),
    /// Its stdin ends.
    StdinEof,
    /// So many more bytes of that stream may be sent.
    Credit(Stream, u32),
    /// Send this signal to the command's process group.
    Kill(i32),
    /// Nobody listens to this channel any more.
    Close,
}

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// Tells one start of the agent from the next.
    pub instance: u64,
    /// The agent's version, as `0.1.0`.
    pub version: String,
    /// The guest kernel's release, as `uname -r` prints it.
    pub release: String,
    /// `/proc/sys/kernel/random/boot_id`, or empty where there is none.
    pub boot_id: String,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It returned this status.
    Status(u8),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// The exit status a shell would give: 128 and the signal's number for a signal.
    #[must_use]
    pub fn shell_status(self) -> u8 {
        match self {
            Exit::Status(status) => status,
            Exit::Signal(signal) => u8::try_from(signal.saturating_add(128)).unwrap_or(255),
        }
    }
}

/// What the agent reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The agent is here. On channel 0.
    Hello(Hello),
    /// The answer to `Ping`. On channel 0.
    Pong(u64),
    /// Bytes of frames received since the host's `Hello`, that frame not counted. On channel 0.
    Received(u64),
    /// The command runs, under this process ID.
    Started(u32),
    /// Bytes it wrote.
    Output(Stream, Vec<u8>),
    /// That stream has ended.
    Eof(Stream),
    /// So many more bytes of stdin may be sent.
    Credit(u32),
    /// It ended.
    Exited(Exit),
    /// The channel is over because of this.
    Failed {
        /// The exit status a shell would give: 127 not found, 126 could not be run, 125 the line failed.
        status: u8,
        /// One line that says why.
        text: String,
    },
}

impl Message for Request {
    const FROM_GUEST: bool = false;

    fn restarts(&self) -> bool {
        matches!(self, Request::Hello)
    }

    fn write(&self, out: &mut Vec<u8>) -> u8 {
        match self {
            Request::Hello => 0x00,
            Request::Ping(number) => put(out, &number.to_le_bytes(), 0x01),
            Request::Spawn(spawn) => {
                write_spawn(spawn, out);
                0x02
            }
            Request::Stdin(bytes) => put(out, bytes, 0x03),
            Request::StdinEof => 0x04,
            Request::Credit(stream, bytes) => {
                out.push(stream_code(*stream));
                put(out, &bytes.to_le_bytes(), 0x05)
            }
            Request::Kill(signal) => put(out, &signal.to_le_bytes(), 0x06),
            Request::Close => 0x07,
        }
    }

    fn parse(kind: u8, payload: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input(payload);
        let request = match kind {
            0x00 => Some(Request::Hello),
            0x01 => input.u64().map(Request::Ping),
            0x02 => parse_spawn(&mut input).map(Request::Spawn),
            0x03 => Some(Request::Stdin(input.rest().to_vec())),
            0x04 => Some(Request::StdinEof),
            0x05 => input.stream().and_then(|stream| Some(Request::Credit(stream, input.u32()?))),
            0x06 => input.u32().map(|signal| Request::Kill(signal.cast_signed())),
            0x07 => Some(Request::Close),
            _ => None,
        };
        input.finish(request, kind)
    }
}

impl Message for Report {
    const FROM_GUEST: bool = true;

    fn restarts(&self) -> bool {
        matches!(self, Report::Hello(_))
    }

    fn write(&self, out: &mut Vec<u8>) -> u8 {
        match self {
            Report::Hello(hello) => {
                out.extend_from_slice(&hello.instance.to_le_bytes());
                for text in [&hello.version, &hello.release, &hello.boot_id] {
                    put_string(out, text.as_bytes());
                }
                0x80
            }
            Report::Pong(number) => put(out, &number.to_le_bytes(), 0x81),
            Report::Received(bytes) => put(out, &bytes.to_le_bytes(), 0x82),
            Report::Started(pid) => put(out, &pid.to_le_bytes(), 0x83),
            Report::Output(stream, bytes) => {
                out.push(stream_code(*stream));
                put(out, bytes, 0x84)
            }
            Report::Eof(stream) => put(out, &[stream_code(*stream)], 0x85),
            Report::Credit(bytes) => put(out, &bytes.to_le_bytes(), 0x86),
            Report::Exited(Exit::Status(status)) => put(out, &[0, *status, 0, 0, 0], 0x87),
            Report::Exited(Exit::Signal(signal)) => {
                out.push(1);
                put(out, &signal.to_le_bytes(), 0x87)
            }
            Report::Failed { status, text } => {
                out.push(*status);
                put_string(out, text.as_bytes());
                0x88
            }
        }
    }

    fn parse(kind: u8, payload: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input(payload);
        let report = match kind {
            0x80 => parse_hello(&mut input).map(Report::Hello),
            0x81 => input.u64().map(Report::Pong),
            0x82 => input.u64().map(Report::Received),
            0x83 => input.u32().map(Report::Started),
            0x84 => input.stream().map(|stream| Report::Output(stream, input.rest().to_vec())),
            0x85 => input.stream().map(Report::Eof),
            0x86 => input.u32().map(Report::Credit),
            0x87 => parse_exit(&mut input).map(Report::Exited),
            0x88 => input.u8().and_then(|status| Some(Report::Failed { status, text: input.text()? })),
            _ => None,
        };
        input.finish(report, kind)
    }
}

fn stream_code(stream: Stream) -> u8 {
    match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8], kind: u8) -> u8 {
    out.extend_from_slice(bytes);
    kind
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    // What does not fit a u32 does not fit a frame either: the encoder refuses it by its length.
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn write_spawn(spawn: &Spawn, out: &mut Vec<u8>) {
    out.push(u8::from(spawn.stdin));
    put_string(out, &spawn.cwd);
    put_count(out, spawn.argv.len());
    for argument in &spawn.argv {
        put_string(out, argument);
    }
    put_count(out, spawn.env.len());
    for (name, value) in &spawn.env {
        put_string(out, name);
        put_string(out, value);
    }
}

fn parse_spawn(input: &mut Input<'_>) -> Option<Spawn> {
    let stdin = input.u8()? != 0;
    let cwd = input.string()?.to_vec();
    let mut spawn = Spawn { stdin, cwd, ..Spawn::default() };
    // A count that lies runs into the payload's end at once: each item takes bytes.
    for _ in 0..input.u32()? {
        spawn.argv.push(input.string()?.to_vec());
    }
    for _ in 0..input.u32()? {
        let name = input.string()?.to_vec();
        spawn.env.push((name, input.string()?.to_vec()));
    }
    Some(spawn)
}

fn parse_hello(input: &mut Input<'_>) -> Option<Hello> {
    let instance = input.u64()?;
    Some(Hello { instance, version: input.text()?, release: input.text()?, boot_id: input.text()? })
}

fn parse_exit(input: &mut Input<'_>) -> Option<Exit> {
    let by_signal = input.u8()?;
    let value = input.u32()?;
    match by_signal {
        0 => u8::try_from(value).ok().map(Exit::Status),
        1 => Some(Exit::Signal(value.cast_signed())),
        _ => None,
    }
}

/// A payload being read from its front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn stream(&mut self) -> Option<Stream> {
        match self.u8()? {
            1 => Some(Stream::Stdout),
            2 => Some(Stream::Stderr),
            _ => None,
        }
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.string()?).into_owned())
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn finish<T>(self, parsed: Option<T>, kind: u8) -> Result<T, Malformed> {
        parsed.filter(|_| self.0.is_empty()).ok_or(Malformed { kind })
    }
}
