//! The files that are to go into an archive, by path: parents made, later ones replacing earlier ones.
//!
//! Holds no bytes of the format; see [`super::newc`] for those.

use std::collections::BTreeMap;
use std::io::{self, Write};

/// What a file holds: bytes in memory, or something that can produce them when they are written.
pub trait Content {
    /// Its length in bytes, known before it is written (the header comes first).
    fn size(&self) -> u64;
    /// Writes exactly [`Content::size`] bytes.
    ///
    /// # Errors
    /// Those of reading the content and of `out`.
    fn copy_to(&self, out: &mut dyn Write) -> io::Result<()>;
}

impl<T: AsRef<[u8]>> Content for T {
    fn size(&self) -> u64 {
        self.as_ref().len() as u64
    }
    fn copy_to(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.as_ref())
    }
}

/// One file, of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<D> {
    /// Permission bits, set-id and sticky bits (07777); the type is in `kind`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time in seconds since 1970.
    pub mtime: u32,
    /// What it is.
    pub kind: Kind<D>,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind<D> {
    /// A regular file.
    File(D),
    /// A directory.
    Dir,
    /// A symbolic link to this text.
    Symlink(Vec<u8>),
    /// A character device with major and minor number.
    CharDevice(u32, u32),
    /// A block device with major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// Another name of the regular file that has this path in the tree.
    HardLink(Vec<u8>),
}

impl<D> Entry<D> {
    /// An entry of root's, dated 1970, which is what makes archives come out the same each time.
    pub fn new(mode: u32, kind: Kind<D>) -> Self {
        Self { mode, uid: 0, gid: 0, mtime: 0, kind }
    }
    /// A regular file.
    pub fn file(mode: u32, content: impl Into<D>) -> Self {
        Self::new(mode, Kind::File(content.into()))
    }
    /// A directory that everyone may enter.
    #[must_use]
    pub fn dir() -> Self {
        Self::new(0o755, Kind::Dir)
    }
    /// A symbolic link.
    pub fn symlink(to: impl Into<Vec<u8>>) -> Self {
        Self::new(0o777, Kind::Symlink(to.into()))
    }
}

/// Why an entry cannot be put into a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The path is empty, climbs with `..`, or holds a NUL byte.
    #[error("`{0}` is no path for a file in the archive: it must name something below the root")]
    BadPath(String),
    /// A parent of the path is no directory.
    #[error("`{path}` cannot be put into the archive: `{parent}` there is no directory")]
    NotADirectory {
        /// The path that was to be added.
        path: String,
        /// The part of it that is something else.
        parent: String,
    },
    /// A directory with entries would be replaced.
    #[error("`{0}` in the archive is a directory with files in it and cannot be replaced by something else")]
    NotEmpty(String),
    /// Symbolic links lead in a circle.
    #[error("`{0}` cannot be put into the archive: its parent directories are a loop of symbolic links")]
    LinkLoop(String),
    /// The file a hard link names isn't a regular file of the tree.
    #[error("`{path}` cannot be a hard link to `{to}`: that is no file in the archive")]
    NoLinkTarget {
        /// The link.
        path: String,
        /// What it names.
        to: String,
    },
}

/// The files of an archive by path, in the order they are written: sorted by bytes, parents first.
#[derive(Debug, Clone)]
pub struct Tree<D> {
    entries: BTreeMap<Vec<u8>, Entry<D>>,
    mtime: u32,
    has_links: bool,
}

impl<D> Default for Tree<D> {
    fn default() -> Self {
        Self::new(0)
    }
}

/// As many links as the kernel follows in one path (MAXSYMLINKS).
const MAX_LINKS: usize = 40;

impl<D> Tree<D> {
    /// An empty tree, in which directories that come about by need are dated `mtime`.
    #[must_use]
    pub fn new(mtime: u32) -> Self {
        Self { entries: BTreeMap::new(), mtime, has_links: false }
    }

    /// Adds a file; leading `/` and `./` fall away. Missing parents are made (0755, root's), parents
    /// that are symbolic links are followed, as the kernel does while it unpacks. What was there
    /// before is replaced, but a directory with files in it only by a directory. Gives the path that
    /// it has in the tree, for hard links to name.
    ///
    /// # Errors
    /// If the path leads nowhere below the root, or through something that is no directory.
    pub fn insert(&mut self, path: impl AsRef<[u8]>, entry: Entry<D>) -> Result<Vec<u8>, TreeError> {
        let shown = || String::from_utf8_lossy(path.as_ref()).into_owned();
        let parts = normalise(path.as_ref()).ok_or_else(|| TreeError::BadPath(shown()))?;
        let Some((name, parents)) = parts.split_last() else {
            // The root itself: it has no entry of its own.
            let dir = matches!(entry.kind, Kind::Dir);
            return if dir { Ok(Vec::new()) } else { Err(TreeError::BadPath(shown())) };
        };
        let mut full = self.directory(parents, path.as_ref())?;
        push(&mut full, name);
        if let Kind::HardLink(to) = &entry.kind {
            let target = self.entries.get(to).map(|target| &target.kind);
            if !matches!(target, Some(Kind::File(_))) || *to == full {
                let to = String::from_utf8_lossy(to).into_owned();
                return Err(TreeError::NoLinkTarget { path: shown(), to });
            }
        }
        if !matches!(entry.kind, Kind::Dir) && self.has_children(&full) {
            return Err(TreeError::NotEmpty(String::from_utf8_lossy(&full).into_owned()));
        }
        let links = matches!(entry.kind, Kind::HardLink(_));
        if let Some(replaced) = self.entries.insert(full.clone(), entry) {
            self.keep_other_names(&full, replaced);
        }
        self.has_links |= links;
        Ok(full)
    }

    /// As [`Tree::insert`], but a directory does not replace a symbolic link to one: what is in it goes
    /// where the link leads, as with `bin` and `lib` where they are links into `usr`.
    ///
    /// # Errors
    /// As [`Tree::insert`].
    pub fn merge(&mut self, path: impl AsRef<[u8]>, entry: Entry<D>) -> Result<Vec<u8>, TreeError> {
        if matches!(entry.kind, Kind::Dir)
            && let Some(parts) = normalise(path.as_ref())
            && let Some((name, parents)) = parts.split_last()
        {
            let mut full = self.directory(parents, path.as_ref())?;
            push(&mut full, name);
            if self.entries.get(&full).is_some_and(|there| matches!(there.kind, Kind::Symlink(_))) {
                return self.directory(&parts, path.as_ref());
            }
        }
        self.insert(path, entry)
    }

    /// A file that was replaced lives on under its other names: the first of them becomes the file.
    fn keep_other_names(&mut self, path: &[u8], replaced: Entry<D>) {
        if !self.has_links || !matches!(replaced.kind, Kind::File(_)) {
            return;
        }
        let mut names = self.entries.iter_mut().filter_map(|(name, entry)| match &mut entry.kind {
            Kind::HardLink(to) if to == path => Some((name, to)),
            _ => None,
        });
        let Some((heir, _)) = names.next() else { return };
        let heir = heir.clone();
        names.for_each(|(_, to)| to.clone_from(&heir));
        self.entries.insert(heir, replaced);
    }

    /// Walks `parents` from the root, making directories and following links; gives the real path.
    fn directory(&mut self, parents: &[&[u8]], whole: &[u8]) -> Result<Vec<u8>, TreeError> {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut left: Vec<Vec<u8>> = parents.iter().rev().map(|part| part.to_vec()).collect();
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == b".." {
                let cut = at.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                at.truncate(cut);
                continue;
            }
            let mut next = at.clone();
            push(&mut next, &part);
            match self.entries.get(&next).map(|entry| &entry.kind) {
                Some(Kind::Dir) => at = next,
                Some(Kind::Symlink(to)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(TreeError::LinkLoop(shown(whole)));
                    }
                    if to.first() == Some(&b'/') {
                        at.clear();
                    }
                    let steps =
                        to.split(|&byte| byte == b'/').filter(|step| !step.is_empty() && *step != b".");
                    let steps: Vec<_> = steps.map(<[u8]>::to_vec).collect();
                    left.extend(steps.into_iter().rev());
                }
                Some(_) => {
                    return Err(TreeError::NotADirectory { path: shown(whole), parent: shown(&next) });
                }
                None => {
                    self.entries.insert(next.clone(), Entry { mtime: self.mtime, ..Entry::dir() });
                    at = next;
                }
            }
        }
        Ok(at)
    }

    fn has_children(&self, path: &[u8]) -> bool {
        let mut below = path.to_vec();
        below.push(b'/');
        self.entries.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
    }

    /// The entry at a path, spelt as the archive has it (`bin/sh`).
    #[must_use]
    pub fn get(&self, path: impl AsRef<[u8]>) -> Option<&Entry<D>> {
        self.entries.get(path.as_ref())
    }

    /// The content of the regular file at a path.
    pub fn content_mut(&mut self, path: impl AsRef<[u8]>) -> Option<&mut D> {
        match &mut self.entries.get_mut(path.as_ref())?.kind {
            Kind::File(content) => Some(content),
            _ => None,
        }
    }

    /// Takes one entry out, and nothing that may be below it: for what the reader of the archive has
    /// already.
    pub fn take(&mut self, path: impl AsRef<[u8]>) -> Option<Entry<D>> {
        self.entries.remove(path.as_ref())
    }

    /// All entries, in archive order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Entry<D>)> {
        self.entries.iter().map(|(path, entry)| (path.as_slice(), entry))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<D> IntoIterator for Tree<D> {
    type Item = (Vec<u8>, Entry<D>);
    type IntoIter = std::collections::btree_map::IntoIter<Vec<u8>, Entry<D>>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

fn push(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

/// The parts of a path below the root; `None` where it climbs or cannot be a path.
fn normalise(path: &[u8]) -> Option<Vec<&[u8]>> {
    if path.is_empty() || path.contains(&0) {
        return None;
    }
    let parts: Vec<_> =
        path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    (!parts.contains(&b"..".as_slice())).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(tree: &Tree<Vec<u8>>) -> Vec<String> {
        tree.iter().map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect()
    }

    #[test]
    fn parents_come_about_and_come_first() {
        let mut tree = Tree::<Vec<u8>>::default();
        tree.insert("/a/b/./c", Entry::file(0o644, *b"x")).unwrap();
        tree.insert("./a-", Entry::dir()).unwrap();
        assert_eq!(paths(&tree), ["a", "a-", "a/b", "a/b/c"]);
    }

    #[test]
    fn links_to_directories_are_followed() {
        let mut tree = Tree::<Vec<u8>>::default();
        tree.insert("usr/bin", Entry::dir()).unwrap();
        tree.insert("bin", Entry::symlink("usr/bin")).unwrap();
        tree.insert("usr/lib", Entry::symlink("../up/./lib")).unwrap();
        tree.insert("bin/sh", Entry::symlink("busybox")).unwrap();
        tree.insert("usr/lib/x", Entry::dir()).unwrap();
        assert_eq!(
            paths(&tree),
            ["bin", "up", "up/lib", "up/lib/x", "usr", "usr/bin", "usr/bin/sh", "usr/lib"]
        );
    }

    #[test]
    fn a_replaced_file_lives_on_under_its_other_names() {
        let mut tree = Tree::<Vec<u8>>::default();
        tree.insert("a", Entry::file(0o600, *b"old")).unwrap();
        for name in ["b", "c"] {
            tree.insert(name, Entry::new(0, Kind::HardLink(b"a".to_vec()))).unwrap();
        }
        tree.insert("a", Entry::file(0o644, *b"new")).unwrap();
        assert_eq!(tree.get("a"), Some(&Entry::file(0o644, *b"new")));
        assert_eq!(tree.get("b"), Some(&Entry::file(0o600, *b"old")));
        assert_eq!(tree.get("c").unwrap().kind, Kind::HardLink(b"b".to_vec()));
    }

    #[test]
    fn what_cannot_be_a_path_is_refused() {
        let mut tree = Tree::<Vec<u8>>::default();
        for bad in ["", "..", "a/../../b", "/", "a\0b"] {
            let refused = tree.insert(bad, Entry::file(0o644, *b""));
            assert!(matches!(refused, Err(TreeError::BadPath(_))), "{bad:?}: {refused:?}");
        }
        tree.insert("f", Entry::file(0o644, *b"")).unwrap();
        assert!(matches!(tree.insert("f/g", Entry::dir()), Err(TreeError::NotADirectory { .. })));
        tree.insert("loop", Entry::symlink("loop")).unwrap();
        assert!(matches!(tree.insert("loop/g", Entry::dir()), Err(TreeError::LinkLoop(_))));
        tree.insert("d/e", Entry::dir()).unwrap();
        assert!(matches!(tree.insert("d", Entry::symlink("f")), Err(TreeError::NotEmpty(_))));
        let link = Entry::new(0o644, Kind::HardLink(b"none".to_vec()));
        assert!(matches!(tree.insert("l", link), Err(TreeError::NoLinkTarget { .. })));
    }
}
