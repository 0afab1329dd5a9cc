//! What there is in a module tree: by depmod's files, or by the module files' names alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{closure::Loading, info, name_of_file, normal};

/// One module of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its file, below the tree's directory.
    pub path: String,
    /// All it depends on, by name; `None` when no depmod has said, and the file must be asked.
    pub depends: Option<Vec<String>>,
}

/// The modules of a tree.
#[derive(Debug, Clone, Default)]
pub struct Index {
    modules: BTreeMap<String, Module>,
    builtin: BTreeSet<String>,
    softdeps: BTreeMap<String, (Vec<String>, Vec<String>)>,
    aliases: Vec<(String, String)>,
}

/// What a name that a user typed stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhatIs {
    /// These modules (an alias may stand for several).
    Modules(Vec<String>),
    /// Part of the kernel image: nothing to load.
    Builtin,
    /// Nothing here.
    Unknown,
}

impl Index {
    /// From `modules.dep`: lines of `path: path path …`. Lines of another form are passed over.
    #[must_use]
    pub fn from_dep(text: &str) -> Self {
        let mut index = Self::default();
        for line in text.lines() {
            let Some((path, depends)) = line.split_once(':') else { continue };
            let Some(name) = name_of_file(path) else { continue };
            let depends = Some(depends.split_whitespace().filter_map(name_of_file).collect());
            index.modules.entry(name).or_insert_with(|| Module { path: path.trim().to_owned(), depends });
        }
        index
    }

    /// From the paths of module files alone.
    pub fn from_paths(paths: impl IntoIterator<Item = String>) -> Self {
        let mut index = Self::default();
        for path in paths {
            if let Some(name) = name_of_file(&path) {
                index.modules.entry(name).or_insert(Module { path, depends: None });
            }
        }
        index
    }

    /// Adds one module, in place of one of this name.
    pub fn add(&mut self, name: &str, module: Module) {
        self.modules.insert(normal(name), module);
    }

    /// Adds `modules.builtin`: a path a line.
    pub fn add_builtin(&mut self, text: &str) {
        self.builtin.extend(text.lines().filter_map(name_of_file));
    }

    /// Adds `modules.softdep`: lines of `softdep NAME pre: … post: …`.
    pub fn add_softdep(&mut self, text: &str) {
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("softdep ") else { continue };
            if let Some((name, rest)) = rest.trim().split_once(char::is_whitespace) {
                self.softdeps.insert(normal(name), info::softdep(rest));
            }
        }
    }

    /// Adds `modules.alias`: lines of `alias PATTERN NAME`.
    pub fn add_aliases(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some("alias"), Some(pattern), Some(name)) = (words.next(), words.next(), words.next()) {
                self.aliases.push((pattern.to_owned(), normal(name)));
            }
        }
    }

    /// What `name` is: a module's name (with `-` or `_`), its file's, or an alias.
    #[must_use]
    pub fn what_is(&self, name: &str) -> WhatIs {
        let module = name_of_file(name).unwrap_or_else(|| normal(name));
        if self.modules.contains_key(&module) {
            return WhatIs::Modules(vec![module]);
        }
        if self.builtin.contains(&module) {
            return WhatIs::Builtin;
        }
        let mut found: Vec<String> = Vec::new();
        for (pattern, target) in &self.aliases {
            if glob(pattern.as_bytes(), name.as_bytes()) && !found.contains(target) {
                found.push(target.clone());
            }
        }
        match found.as_slice() {
            [] => WhatIs::Unknown,
            names if names.iter().all(|name| self.builtin.contains(name)) => WhatIs::Builtin,
            _ => WhatIs::Modules(found),
        }
    }

    /// The module of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Module> {
        self.modules.get(name)
    }

    /// Whether it is part of the kernel image.
    #[must_use]
    pub fn is_builtin(&self, name: &str) -> bool {
        self.builtin.contains(name)
    }

    /// All modules, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Module)> {
        self.modules.iter().map(|(name, module)| (name.as_str(), module))
    }

    /// What a module wants before and after it without needing its symbols.
    pub(super) fn softdeps(&self, name: &str) -> Option<&(Vec<String>, Vec<String>)> {
        self.softdeps.get(name)
    }

    /// Begins to find out what must be loaded, in which order.
    #[must_use]
    pub fn load(&self) -> Loading<'_> {
        Loading::new(self)
    }
}

/// Whether `text` fits `pattern`, in which `*` is any bytes, `?` one byte, `[a-c]` one of them.
/// Takes time in proportion to the product of the lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (pattern, text);
    // Where to go on after the last `*`, should this way fail.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (p.split_first(), t.split_first()) {
            (Some((b'*', rest)), _) => {
                star = Some((rest, t));
                p = rest;
                continue;
            }
            (None, None) => return true,
            (Some((b'?', rest)), Some((_, left))) => Some((rest, left)),
            (Some((b'[', rest)), Some((&byte, left))) => {
                class(rest, byte).and_then(|(fits, rest)| fits.then_some((rest, left)))
            }
            (Some((one, rest)), Some((byte, left))) if one == byte => Some((rest, left)),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => (p, t) = next,
            (None, Some((after, from))) => {
                let Some((_, from)) = from.split_first() else { return false };
                star = Some((after, from));
                (p, t) = (after, from);
            }
            (None, None) => return false,
        }
    }
}

/// Whether `byte` is in the class whose `[` was just read, and what follows its `]`.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let end = pattern.iter().position(|&byte| byte == b']')?;
    let (mut members, rest) = (pattern.get(..end)?, pattern.get(end + 1..)?);
    let mut fits = false;
    loop {
        match members {
            [low, b'-', high, more @ ..] => {
                fits |= (low..=high).contains(&&byte);
                members = more;
            }
            [one, more @ ..] => {
                fits |= *one == byte;
                members = more;
            }
            [] => return Some((fits, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_patterns() {
        assert!(glob(b"virtio:d00000003v*", b"virtio:d00000003v00001af4"));
        assert!(glob(b"a*b*c", b"aXbYbZc"));
        assert!(!glob(b"a*b*c", b"aXbYbZ"));
        assert!(glob(b"usb:v?d[0-9a]*", b"usb:v1da"));
        assert!(!glob(b"usb:v?d[0-9a]", b"usb:v1db"));
        assert!(!glob(b"[", b"["));
    }

    #[test]
    fn names_are_told_apart() {
        let mut index = Index::from_dep("kernel/a/x-y.ko.xz: kernel/b/z.ko\nkernel/b/z.ko:\nnonsense\n");
        index.add_builtin("kernel/fs/ext4/ext4.ko\n");
        index.add_aliases("# comment\nalias fs-9p x_y\nalias net-pf-40-* z\nalias fs-ext2 ext4\n");
        for name in ["x-y", "x_y", "kernel/a/x-y.ko.xz", "fs-9p"] {
            assert_eq!(index.what_is(name), WhatIs::Modules(vec!["x_y".into()]), "{name}");
        }
        assert_eq!(index.what_is("net-pf-40-1"), WhatIs::Modules(vec!["z".into()]));
        assert_eq!(index.what_is("ext4"), WhatIs::Builtin);
        assert_eq!(index.what_is("fs-ext2"), WhatIs::Builtin);
        assert_eq!(index.what_is("nope"), WhatIs::Unknown);
    }
}
