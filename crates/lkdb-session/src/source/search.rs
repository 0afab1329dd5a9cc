//! Finding the file that a compiler named: rules of substitution, then the list of directories, then the
//! trees that lkdb knows of itself.
//!
//! The names that compilers leave are of the host that built: `/build/linux-6.1/init/main.c`, or
//! `./include/linux/fs.h` beside a directory of compilation. A kernel's tree is found again by the tail of such a
//! name, so that a moved, fetched or half unpacked tree serves.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::Text;

/// How the compiler named a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourceName<'a> {
    /// `DW_AT_comp_dir` of the unit, if it has one.
    pub directory: Option<&'a str>,
    /// The file's name, as gdb prints it: relative to that, or absolute.
    pub name: &'a str,
}

/// Where sources are looked for.
#[derive(Debug, Default)]
pub struct Sources {
    /// `directory`'s list, without `$cdir:$cwd` at its end.
    directories: Vec<String>,
    /// `set substitute-path`'s rules, in their order.
    substitutions: Vec<(String, String)>,
    /// Source trees of kernels, as lkdb knows them: `--source`, a fetched tree, a build tree.
    trees: Vec<PathBuf>,
    working_directory: PathBuf,
    kept: RefCell<HashMap<PathBuf, Rc<Text>>>,
}

impl Sources {
    /// With the directory that `$cwd` stands for.
    #[must_use]
    pub fn new(working_directory: PathBuf) -> Self {
        Self { working_directory, ..Self::default() }
    }

    /// What `$cwd` stands for.
    #[must_use]
    pub fn working_directory(&self) -> &Path {
        &self.working_directory
    }

    /// Changes what `$cwd` stands for.
    pub fn set_working_directory(&mut self, directory: PathBuf) {
        self.working_directory = directory;
    }

    /// A tree where a kernel's source is. Whole, or parts of it.
    pub fn add_tree(&mut self, tree: PathBuf) {
        self.trees.push(tree);
    }

    /// `set directories LIST`: colons between; `$cdir` and `$cwd` come at its end by themselves.
    pub fn set_directories(&mut self, list: &str) {
        self.directories = list.split(':').filter(|one| !one.is_empty()).map(str::to_owned).collect();
    }

    /// `directory LIST`: in front of what is there.
    pub fn prepend_directories(&mut self, list: &[String]) {
        self.directories.retain(|one| !list.contains(one));
        self.directories.splice(0..0, list.iter().cloned());
    }

    /// The list as gdb shows it.
    #[must_use]
    pub fn directories(&self) -> String {
        self.search_path().join(":")
    }

    fn search_path(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.directories.iter().map(String::as_str).collect();
        for own in ["$cdir", "$cwd"] {
            if !all.contains(&own) {
                all.push(own);
            }
        }
        all
    }

    /// `set substitute-path FROM TO`. A rule for the same FROM is replaced.
    pub fn substitute(&mut self, from: &str, to: &str) {
        let bare =
            |path: &str| if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path.to_owned() };
        let (from, to) = (bare(from), bare(to));
        self.substitutions.retain(|(other, _)| *other != from);
        self.substitutions.push((from, to));
    }

    /// `unset substitute-path [FROM]`; whether there was such a rule.
    pub fn forget_substitution(&mut self, from: Option<&str>) -> bool {
        let before = self.substitutions.len();
        self.substitutions.retain(|(other, _)| from.is_some_and(|from| from != other));
        from.is_none() || self.substitutions.len() != before
    }

    /// The rules.
    #[must_use]
    pub fn substitutions(&self) -> &[(String, String)] {
        &self.substitutions
    }

    /// Whether lkdb has been told of any place beyond gdb's own two.
    #[must_use]
    pub fn knows_places(&self) -> bool {
        !self.directories.is_empty() || !self.trees.is_empty() || !self.substitutions.is_empty()
    }

    fn substituted(&self, path: &str) -> Option<String> {
        self.substitutions.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(from.as_str())?;
            (rest.is_empty() || rest.starts_with('/') || from.ends_with('/')).then(|| format!("{to}{rest}"))
        })
    }

    /// The file that a name leads to, if it is on this host.
    #[must_use]
    pub fn find(&self, source: SourceName<'_>) -> Option<PathBuf> {
        self.candidates(source).into_iter().find(|path| path.is_file()).map(|path| tidy(&path))
    }

    /// Where a file is looked for, the best place first.
    fn candidates(&self, source: SourceName<'_>) -> Vec<PathBuf> {
        let name = self.substituted(source.name).unwrap_or_else(|| source.name.to_owned());
        let compiled_in = source.directory.map(|dir| self.substituted(dir).unwrap_or_else(|| dir.to_owned()));
        let absolute = name.starts_with('/');
        let mut all = Vec::new();
        if absolute {
            all.push(PathBuf::from(&name));
        }
        for directory in self.search_path() {
            let directory = match (directory, &compiled_in) {
                ("$cdir", Some(dir)) => PathBuf::from(dir),
                ("$cdir", None) => continue,
                ("$cwd", _) => self.working_directory.clone(),
                (other, _) => self.working_directory.join(other),
            };
            // gdb's way with absolute names: the name under the directory, then the last part alone.
            all.push(directory.join(name.trim_start_matches('/')));
        }
        for tree in &self.trees {
            all.extend(tails(&name).map(|tail| tree.join(tail)));
            // A name relative to a directory within the tree, as `O=` builds of subdirectories have.
            if let Some(dir) = compiled_in.as_deref().filter(|_| !absolute) {
                let whole = tidy(&Path::new(dir).join(&name));
                let whole = whole.to_string_lossy();
                all.extend(tails(&whole).map(|tail| tree.join(tail)));
            }
        }
        if let Some(base) = name.rsplit('/').next().filter(|base| name.len() > base.len()) {
            let directories = self.directories.iter().map(|dir| self.working_directory.join(dir));
            all.extend(directories.map(|dir| dir.join(base)));
        }
        all
    }

    /// A file's text, read once.
    ///
    /// # Errors
    /// What the system says.
    pub fn text(&self, path: &Path) -> io::Result<Rc<Text>> {
        if let Some(text) = self.kept.borrow().get(path) {
            return Ok(Rc::clone(text));
        }
        let text = Rc::new(Text::new(fs::read(path)?));
        self.kept.borrow_mut().insert(path.to_owned(), Rc::clone(&text));
        Ok(text)
    }
}

/// The tails of a path, the longest first, its `.` and `..` resolved: what may lie inside a tree.
fn tails(path: &str) -> impl Iterator<Item = PathBuf> {
    let clean = tidy(Path::new(path));
    let parts: Vec<_> = clean
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_owned()),
            _ => None,
        })
        .collect();
    // The file's bare name would be found anywhere, and mean anything.
    let last = parts.len().saturating_sub(1).max(1);
    (0..last).map(move |skip| parts.iter().skip(skip).collect::<PathBuf>())
}

/// A path without `.`, and without `..` where that is plain. Links are left as they are.
fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Sources) {
        let dir = tempfile::tempdir().unwrap();
        for file in ["linux/init/main.c", "linux/include/linux/fs.h", "linux/main.c"] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let sources = Sources::new(dir.path().to_owned());
        (dir, sources)
    }

    fn found(sources: &Sources, directory: Option<&str>, name: &str) -> Option<String> {
        let path = sources.find(SourceName { directory, name })?;
        Some(fs::read_to_string(path).unwrap())
    }

    #[test]
    fn a_tree_serves_names_of_another_host() {
        let (dir, mut sources) = tree();
        let cdir = Some("/build/linux-6.1/debian/build/b");
        assert_eq!(found(&sources, cdir, "init/main.c"), None);
        sources.add_tree(dir.path().join("linux"));
        assert_eq!(found(&sources, cdir, "init/main.c").as_deref(), Some("linux/init/main.c"));
        let absolute = "/build/linux-6.1/init/main.c";
        assert_eq!(found(&sources, cdir, absolute).as_deref(), Some("linux/init/main.c"));
        let up = "/build/linux-6.1/init/../include/linux/fs.h";
        assert_eq!(found(&sources, None, up).as_deref(), Some("linux/include/linux/fs.h"));
        assert_eq!(
            found(&sources, cdir, "./include/linux/fs.h").as_deref(),
            Some("linux/include/linux/fs.h")
        );
        assert_eq!(found(&sources, cdir, "other/main.c"), None, "not by its last part alone");
    }

    #[test]
    fn rules_and_directories_are_gdbs() {
        let (dir, mut sources) = tree();
        let linux = dir.path().join("linux");
        sources.substitute("/build/x/", linux.to_str().unwrap());
        assert_eq!(found(&sources, None, "/build/x/init/main.c").as_deref(), Some("linux/init/main.c"));
        assert_eq!(found(&sources, None, "/build/xy/init/main.c"), None);
        assert_eq!(found(&sources, Some("/build/x"), "init/main.c").as_deref(), Some("linux/init/main.c"));
        assert!(sources.forget_substitution(Some("/build/x")));
        assert!(!sources.forget_substitution(Some("/build/x")));
        assert_eq!(found(&sources, None, "/build/x/init/main.c"), None);
        sources.prepend_directories(&[linux.to_str().unwrap().to_owned()]);
        assert_eq!(sources.directories(), format!("{}:$cdir:$cwd", linux.display()));
        assert_eq!(found(&sources, None, "init/main.c").as_deref(), Some("linux/init/main.c"));
    }
}
