//! What every test needs: lkdb with a state directory of its own, the fetched kernel, and processes that
//! end with the test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Long enough for a boot on a machine that does three other things; nothing waits that long by design.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// lkdb with machines of its own. Dropping it stops them.
pub(crate) struct Lkdb {
    runtime: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// What a finished command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Lkdb {
    pub(crate) fn new() -> Self {
        Self { runtime: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// The same with a variable set.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.to_owned(), value.as_ref().to_str().unwrap().to_owned()));
        self
    }

    /// Where its machines' state is.
    pub(crate) fn state(&self) -> PathBuf {
        self.runtime.path().join("lkdb")
    }

    /// A directory that ends with this.
    pub(crate) fn scratch(&self) -> &Path {
        self.runtime.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lkdb"));
        command.args(arguments).env("XDG_RUNTIME_DIR", self.runtime.path()).stdin(Stdio::null());
        for name in ["LKDB_MACHINE", "LKDB_LOG", "LKDB_GDB", "DEBUGINFOD_URLS"] {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs lkdb to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        done(self.command(arguments).output().unwrap())
    }

    /// Runs lkdb to its end, which must be a good one; gives its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.status, 0, "lkdb {arguments:?}: {done:#?}");
        done.stdout
    }

    /// Runs lkdb to its end, which must be exit 1 with one line on stderr that holds all of `words`.
    pub(crate) fn refused(&self, arguments: &[&str], words: &[&str]) {
        let done = self.run(arguments);
        assert_eq!(done.status, 1, "lkdb {arguments:?}: {done:#?}");
        let lines: Vec<_> = done.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "lkdb {arguments:?}: {done:#?}");
        assert!(lines[0].starts_with("lkdb: "), "{done:#?}");
        for word in words {
            assert!(lines[0].contains(word), "no `{word}` in: {}", lines[0]);
        }
    }

    /// Runs lkdb to its end with this on standard input.
    pub(crate) fn feed(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join().unwrap();
        output
    }

    /// Starts lkdb and goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::new(self.command(arguments))
    }

    /// Starts lkdb on a terminal of its own (util-linux's `script` makes it) and goes on.
    pub(crate) fn start_on_terminal(&self, arguments: &[&str]) -> Running {
        let plain = self.command(arguments);
        let words: Vec<_> = std::iter::once(plain.get_program()).chain(plain.get_args()).collect();
        let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-f", "-c", &shell_words::join(words), "/dev/null"]);
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Running::new(command)
    }

    /// The names of the machines that run.
    pub(crate) fn machines(&self) -> Vec<String> {
        let listing: serde_json::Value = serde_json::from_str(&self.ok(&["ls", "--json"])).unwrap();
        let name = |machine: &serde_json::Value| machine["name"].as_str().unwrap().to_owned();
        listing.as_array().unwrap().iter().map(name).collect()
    }

    /// What `lkdb ls --json` says of one machine.
    pub(crate) fn machine(&self, name: &str) -> serde_json::Value {
        let listing: serde_json::Value = serde_json::from_str(&self.ok(&["ls", "--json"])).unwrap();
        let found = listing.as_array().unwrap().iter().find(|machine| machine["name"] == name);
        found.unwrap_or_else(|| panic!("no machine {name} in {listing}")).clone()
    }
}

impl Drop for Lkdb {
    fn drop(&mut self) {
        let _ = self.command(&["stop", "--all"]).output();
    }
}

pub(crate) fn done(output: Output) -> Done {
    Done {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A process that is watched while it runs, and killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    seen: String,
    taken: usize,
}

impl Running {
    pub(crate) fn new(command: Command) -> Self {
        Self::fed(command, Stdio::piped())
    }

    /// With a standard input of its own.
    pub(crate) fn fed(mut command: Command, stdin: Stdio) -> Self {
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, output) = channel();
        let sources: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for source in sources {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut source = BufReader::new(source);
                while let Ok(bytes) = source.fill_buf().map(<[u8]>::to_vec) {
                    if bytes.is_empty() || sender.send(bytes.clone()).is_err() {
                        return;
                    }
                    source.consume(bytes.len());
                }
            });
        }
        let stdin = child.stdin.take();
        Self { child, stdin, output, seen: String::new(), taken: 0 }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types something.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the output, behind what was waited for before, holds `words`; gives what came before them.
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        self.taken_to(words, PATIENCE).unwrap_or_else(|| panic!("no `{words}` in:\n{}", self.seen))
    }

    /// The next line of the output, if it comes in time.
    pub(crate) fn line(&mut self, within: Duration) -> Option<String> {
        self.taken_to("\n", within)
    }

    /// What comes before `words`, if they come in time.
    fn taken_to(&mut self, words: &str, within: Duration) -> Option<String> {
        let deadline = Instant::now() + within;
        let mut looked = self.taken;
        loop {
            if let Some(at) = self.seen[looked..].find(words) {
                let before = self.seen[self.taken..looked + at].to_owned();
                self.taken = looked + at + words.len();
                return Some(before);
            }
            let end = self.seen.len().saturating_sub(words.len());
            looked =
                (self.taken..=end).rev().find(|at| self.seen.is_char_boundary(*at)).unwrap_or(self.taken);
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = match self.output.recv_timeout(left) {
                Ok(bytes) => bytes,
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => panic!("it ended; it said:\n{}", self.seen),
            };
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// Waits for its end; gives its status and all it printed.
    pub(crate) fn end(mut self) -> (i32, String) {
        drop(self.stdin.take());
        let deadline = Instant::now() + PATIENCE;
        while let Ok(bytes) = self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), std::mem::take(&mut self.seen))
    }

    /// Sends it a signal.
    pub(crate) fn kill(&self, signal: &str) {
        kill(self.pid(), signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal, by name, to a process.
pub(crate) fn kill(pid: u32, signal: &str) {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits until a condition holds that nothing announces.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process is there.
pub(crate) fn alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie is not alive.
    !stat.is_empty() && !stat.rsplit(") ").next().unwrap_or_default().starts_with('Z')
}

/// One of the fetched kernel's files, as `lkdb kernel list --json` names them.
pub(crate) fn kernel_file(what: &str) -> PathBuf {
    let listing: serde_json::Value =
        serde_json::from_str(&Lkdb::new().ok(&["kernel", "list", "--json"])).unwrap();
    let kernel = &listing[0]["kernel"];
    let path =
        kernel[what].as_str().unwrap_or_else(|| panic!("no {what} in {listing}; run `cargo xtask test`"));
    PathBuf::from(path)
}

/// A program for the guest, from C.
pub(crate) fn built(lkdb: &Lkdb, source: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/programs").join(source);
    let program = lkdb.scratch().join(source.trim_end_matches(".c"));
    let status = Command::new("gcc").args(["-static", "-O2", "-o"]).arg(&program).arg(file).status().unwrap();
    assert!(status.success());
    program
}

/// Starts a machine without KASLR, so that its code is where its file says; gives that file, its vmlinux. It is the
/// fetched kernel's, or that of `LKDB_TEST_KERNEL` (a boot image) and `LKDB_TEST_VMLINUX`; `LKDB_TEST_APPEND` is for
/// its command line.
pub(crate) fn boot_any_kernel(lkdb: &Lkdb, name: &str, more: &[&str]) -> PathBuf {
    let variable = |name: &str| std::env::var(name).ok();
    let append = format!("nokaslr {}", variable("LKDB_TEST_APPEND").unwrap_or_default());
    let mut arguments = vec!["boot", "-d", "--name", name, "--append", append.trim_end()];
    arguments.extend(more);
    let Some(kernel) = variable("LKDB_TEST_KERNEL") else {
        lkdb.ok(&arguments);
        return kernel_file("vmlinux");
    };
    let vmlinux = variable("LKDB_TEST_VMLINUX").expect("LKDB_TEST_KERNEL needs its LKDB_TEST_VMLINUX");
    arguments.extend(["--kernel", &kernel, "--vmlinux", &vmlinux]);
    lkdb.ok(&arguments);
    PathBuf::from(vmlinux)
}

/// A file system of a size that is not enough. Gone when dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one, which needs root: `None` (and a word about it) for others.
    pub(crate) fn mount(at: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("not run: mounting a small file system needs root");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
