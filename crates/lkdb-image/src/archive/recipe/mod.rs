//! The root that lkdb makes for a guest: a pure function from BusyBox and a few wishes to a tree.
//!
//! What comes besides (added files, overlays, modules) the caller inserts into the tree, later and
//! therefore over what is here.

mod files;

use super::busybox::Applet;
use super::{Entry, Kind, Tree, TreeError};

/// What the root is to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes<D> {
    /// The terminal on which the shell runs, as /dev names it: `ttyS0`. A real one, not `console`:
    /// only a real terminal can be a shell's controlling terminal, which job control and Ctrl-C need.
    pub console: String,
    /// The machine's name.
    pub hostname: String,
    /// What the kernel's config says of `DEVTMPFS`; `None` when it isn't known.
    pub devtmpfs: Option<bool>,
    /// What the kernel's config says of `VT`, the screen and keyboard; `None` when it isn't known.
    pub vt: Option<bool>,
    /// Modules for insmod, in order: the path in the guest and the module's parameters.
    pub modules: Vec<(String, String)>,
    /// 9p shares to mount: the tag and where.
    pub shares: Vec<(String, String)>,
    /// lkdb's agent, put at sbin/lkdb-agent and kept running.
    pub agent: Option<D>,
    /// What all files are dated, in seconds since 1970.
    pub mtime: u32,
}

/// Why no root can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// BusyBox was built without something that the root hangs on.
    #[error("this BusyBox has no `{0}` applet, and the guest cannot come up without it: build one with it")]
    NoApplet(&'static str),
    /// An applet's name makes no path.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A name that would break the line it is written on.
    #[error(
        "`{0}` cannot be written into the guest's files: it is empty or has spaces or control characters"
    )]
    BadWord(String),
}

/// The directories of the root, besides those that files bring along.
const DIRS: &[&str] = &[
    "bin",
    "sbin",
    "dev/pts",
    "dev/shm",
    "etc/init.d",
    "etc/lkdb",
    "lib",
    "mnt",
    "proc",
    "root",
    "run",
    "sys",
];

/// Without these, no shell is reached.
const NEEDED: &[&str] = &["init", "sh", "mount"];

/// Makes the root.
///
/// # Errors
/// If BusyBox lacks what a root needs, or a wish cannot be written down.
pub fn root<D: From<Vec<u8>>>(
    busybox: D,
    applets: &[Applet],
    wishes: Wishes<D>,
) -> Result<Tree<D>, RecipeError> {
    check(applets, &wishes)?;
    let mut root = Root { tree: Tree::new(wishes.mtime), mtime: wishes.mtime };
    for dir in DIRS {
        root.put(dir, Entry::dir())?;
    }
    root.put("tmp", Entry::new(0o1777, Kind::Dir))?;
    root.put("root", Entry::new(0o700, Kind::Dir))?;
    root.put("dev/console", Entry::new(0o600, Kind::CharDevice(5, 1)))?;
    root.put("dev/null", Entry::new(0o666, Kind::CharDevice(1, 3)))?;
    root.put("bin/busybox", Entry::new(0o755, Kind::File(busybox)))?;
    root.applets(applets)?;
    root.put("init", Entry::symlink("sbin/init"))?;
    for (path, mode, text) in files::texts(&wishes) {
        root.put(path, Entry::file(mode, text.into_bytes()))?;
    }
    if let Some(agent) = wishes.agent {
        root.put("sbin/lkdb-agent", Entry::new(0o755, Kind::File(agent)))?;
    }
    Ok(root.tree)
}

fn check<D>(applets: &[Applet], wishes: &Wishes<D>) -> Result<(), RecipeError> {
    if let Some(missing) = NEEDED.iter().find(|name| !applets.iter().any(|applet| applet.name == **name)) {
        return Err(RecipeError::NoApplet(missing));
    }
    let words = [&wishes.console, &wishes.hostname].into_iter();
    let words = words.chain(wishes.modules.iter().map(|(path, _)| path));
    let words = words.chain(wishes.shares.iter().flat_map(|(tag, at)| [tag, at]));
    let bad = |word: &str| word.is_empty() || word.contains(|c: char| c.is_whitespace() || c.is_control());
    if let Some(word) = words.into_iter().find(|word| bad(word)) {
        return Err(RecipeError::BadWord(word.clone()));
    }
    match wishes.modules.iter().find(|(_, parameters)| parameters.contains(char::is_control)) {
        Some((_, parameters)) => Err(RecipeError::BadWord(parameters.clone())),
        None => Ok(()),
    }
}

struct Root<D> {
    tree: Tree<D>,
    mtime: u32,
}

impl<D: From<Vec<u8>>> Root<D> {
    fn put(&mut self, path: &str, entry: Entry<D>) -> Result<(), TreeError> {
        self.tree.insert(path, Entry { mtime: self.mtime, ..entry }).map(drop)
    }

    fn applets(&mut self, applets: &[Applet]) -> Result<(), TreeError> {
        for applet in applets {
            let (path, to) = match applet.dir {
                "" => (applet.name.clone(), "bin/busybox"),
                "bin" => (format!("bin/{}", applet.name), "busybox"),
                dir => (format!("{dir}/{}", applet.name), "../bin/busybox"),
            };
            self.put(&path, Entry::symlink(to))?;
        }
        // init and sh may be installed elsewhere, and `linuxrc` is an option of BusyBox: without it the
        // name would be an unknown applet.
        self.put("sbin/init", Entry::symlink("../bin/busybox"))?;
        self.put("bin/sh", Entry::symlink("busybox"))?;
        if !applets.iter().any(|applet| applet.name == "linuxrc") {
            let script = "#!/bin/sh\nexec /sbin/init \"$@\"\n";
            self.put("linuxrc", Entry::file(0o755, script.as_bytes().to_vec()))?;
        }
        Ok(())
    }
}
