//! Puts modules into the guest's tree: those to be loaded with what they need, or all there are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use lkdb_image::archive::modules::{
    Index, Module, ModuleInfo, Step, WhatIs, compression_of_file, name_of_file,
};
use lkdb_image::archive::{Entry, Tree};

use super::tree::{ModuleTree, module_info, read_module};
use crate::initramfs::{Source, host};

/// What is to go in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Names, aliases or files, each with parameters behind a space.
    pub(crate) load: &'a [String],
    /// Whether the whole tree goes in.
    pub(crate) all: bool,
    /// The running kernel's release, if it is known.
    pub(crate) release: Option<&'a str>,
    /// What files are dated.
    pub(crate) mtime: u32,
}

/// What went in.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    /// Paths in the guest and parameters, in the order of loading.
    pub(crate) order: Vec<(String, String)>,
    /// What the user should hear.
    pub(crate) notes: Vec<String>,
}

/// Puts `wanted` into `into`. `tree` may be missing when only files are to be loaded.
pub(crate) fn place(
    into: &mut Tree<Source>,
    tree: Option<&ModuleTree>,
    wanted: Wanted<'_>,
) -> anyhow::Result<Placed> {
    let mut placing = Placing::new(tree, wanted)?;
    let names = placing.names()?;
    let order = placing.order(&names)?;
    match tree {
        Some(tree) if wanted.all => placing.everything(into, tree)?,
        // modprobe and modinfo in the guest look for this file.
        _ if !order.is_empty() => {
            let (dep, _) = placing.depmod(order.iter().map(String::as_str), false)?;
            placing.text(into, "modules.dep", dep)?;
        }
        _ => {}
    }
    placing.loaded(into, &order)?;
    Ok(placing.placed)
}

struct Placing<'a> {
    wanted: Wanted<'a>,
    dir: PathBuf,
    build: bool,
    index: Index,
    /// Modules that were named as files, by name.
    files: BTreeMap<String, PathBuf>,
    parameters: BTreeMap<String, String>,
    infos: BTreeMap<String, ModuleInfo>,
    release: Option<String>,
    placed: Placed,
}

impl<'a> Placing<'a> {
    fn new(tree: Option<&ModuleTree>, wanted: Wanted<'a>) -> anyhow::Result<Self> {
        let of_tree = tree.map(|tree| tree.release.as_str());
        if let (Some(tree), Some(kernel)) = (tree, wanted.release)
            && tree.release != kernel
        {
            bail!(
                "the modules in {} are for the kernel {}, and the kernel is {kernel}: name its own with --modules",
                tree.dir.display(),
                tree.release
            );
        }
        Ok(Self {
            wanted,
            dir: tree.map(|tree| tree.dir.clone()).unwrap_or_default(),
            build: tree.is_some_and(|tree| tree.build),
            index: tree.map(|tree| tree.index.clone()).unwrap_or_default(),
            files: BTreeMap::new(),
            parameters: BTreeMap::new(),
            infos: BTreeMap::new(),
            release: wanted.release.or(of_tree).map(str::to_owned),
            placed: Placed::default(),
        })
    }

    /// The modules that the wishes name, in their order.
    fn names(&mut self) -> anyhow::Result<Vec<String>> {
        let wishes: Vec<(&str, &str)> = self
            .wanted
            .load
            .iter()
            .map(|wish| wish.trim().split_once(char::is_whitespace).unwrap_or((wish.trim(), "")))
            .collect();
        let mut names = Vec::new();
        // Files first: one of them may need another that is named later.
        for (wish, _) in &wishes {
            if is_file(wish) {
                self.file(Path::new(wish))?;
            }
        }
        for (wish, parameters) in wishes {
            let found = match name_of_file(wish).filter(|_| is_file(wish)) {
                Some(name) => vec![name],
                None => self.named(wish)?,
            };
            for name in &found {
                self.parameters.insert(name.clone(), parameters.to_owned());
            }
            names.extend(found);
        }
        Ok(names)
    }

    fn named(&mut self, wish: &str) -> anyhow::Result<Vec<String>> {
        match self.index.what_is(wish) {
            WhatIs::Modules(names) => Ok(names),
            WhatIs::Builtin => {
                self.placed.notes.push(format!("{wish} is built into the kernel: nothing to load"));
                Ok(Vec::new())
            }
            WhatIs::Unknown if self.dir.as_os_str().is_empty() => bail!(
                "cannot load {wish}: no module tree is known; name one with --modules DIR, or the module's file"
            ),
            WhatIs::Unknown => bail!(
                "there is no module {wish} in {} (a file is named with a `/` in it: ./{wish}.ko)",
                self.dir.display()
            ),
        }
    }

    /// A module outside of the tree: it must be for this kernel.
    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let Some(name) = path.to_str().and_then(name_of_file) else {
            bail!("cannot load {}: a module's file is named NAME.ko", path.display());
        };
        let info = module_info(path)?;
        self.same_release(path, &info)?;
        self.index.add(&name, Module { path: path.display().to_string(), depends: None });
        self.files.insert(name.clone(), path.to_owned());
        self.infos.insert(name, info);
        Ok(())
    }

    fn same_release(&mut self, path: &Path, info: &ModuleInfo) -> anyhow::Result<()> {
        match (info.release(), &self.release) {
            (Some(module), Some(kernel)) if module != kernel => bail!(
                "{} was built for the kernel {module}, and the kernel is {kernel}: it cannot be loaded there; \
                 build it against that kernel's headers",
                path.display()
            ),
            (Some(module), None) => self.release = Some(module.to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// What must be loaded for `names`, in order.
    fn order(&mut self, names: &[String]) -> anyhow::Result<Vec<String>> {
        let index = self.index.clone();
        let mut loading = index.load();
        for name in names {
            loading.want(name);
            loop {
                match loading.step() {
                    Step::Done => break,
                    Step::Ask(module) => loading.tell(&self.info(module)?),
                    Step::Missing { module, dependency } => bail!(
                        "the module {module} needs {dependency}, which is neither in the kernel nor in {}: \
                         name its file with --load too",
                        if self.dir.as_os_str().is_empty() {
                            "a module tree".into()
                        } else {
                            self.dir.display().to_string()
                        }
                    ),
                }
            }
        }
        Ok(loading.order().to_vec())
    }

    fn info(&mut self, module: &Module) -> anyhow::Result<ModuleInfo> {
        let name = name_of_file(&module.path).unwrap_or_default();
        if let Some(info) = self.infos.get(&name) {
            return Ok(info.clone());
        }
        let info = module_info(&self.dir.join(&module.path))?;
        self.infos.insert(name, info.clone());
        Ok(info)
    }

    /// Puts the modules to be loaded at their places, uncompressed: what insmod in the guest can
    /// unpack depends on how BusyBox was built.
    fn loaded(&mut self, into: &mut Tree<Source>, order: &[String]) -> anyhow::Result<()> {
        let root = self.root();
        for name in order {
            let Some(module) = self.index.get(name) else { continue };
            let below = self.guest(name, module);
            let host = self.files.get(name).cloned().unwrap_or_else(|| self.dir.join(&module.path));
            let content = if host.to_str().and_then(compression_of_file).is_some() {
                Source::Bytes(read_module(&host)?)
            } else {
                let size =
                    std::fs::metadata(&host).with_context(|| format!("cannot read {}", host.display()))?;
                Source::File(host, size.len())
            };
            let path = format!("{root}/{below}");
            into.insert(&path, Entry { mtime: self.wanted.mtime, ..Entry::file(0o644, content) })?;
            let parameters = self.parameters.get(name).cloned().unwrap_or_default();
            self.placed.order.push((path, parameters));
        }
        Ok(())
    }

    /// Puts in the whole tree, with a modules.dep and modules.alias for modprobe if it has none.
    fn everything(&mut self, into: &mut Tree<Source>, tree: &ModuleTree) -> anyhow::Result<()> {
        let root = self.root();
        let mtime = self.wanted.mtime;
        if tree.build {
            for (_, module) in tree.index.iter() {
                let host = tree.dir.join(&module.path);
                let size = std::fs::metadata(&host)
                    .with_context(|| format!("cannot read {}", host.display()))?
                    .len();
                let path = format!("{root}/{}", below(&module.path, true));
                into.insert(path, Entry { mtime, ..Entry::file(0o644, Source::File(host, size)) })?;
            }
        } else {
            host::overlay(into, &tree.dir, root.as_bytes(), mtime, &["build", "source"])?;
        }
        if !tree.has_dep {
            // An installed tree went in as it is, compressed modules and all.
            let as_is = !tree.build;
            let (dep, alias) = self.depmod(tree.index.iter().map(|(name, _)| name), as_is)?;
            self.text(into, "modules.dep", dep)?;
            self.text(into, "modules.alias", alias)?;
        }
        Ok(())
    }

    /// Puts one of depmod's files in.
    fn text(&self, into: &mut Tree<Source>, name: &str, text: String) -> anyhow::Result<()> {
        let entry = Entry { mtime: self.wanted.mtime, ..Entry::file(0o644, text.into_bytes()) };
        into.insert(format!("{}/{name}", self.root()), entry)?;
        Ok(())
    }

    /// What depmod would write: each module with all it depends on, and for which devices it is.
    /// `as_is`: with the tree's own paths.
    fn depmod<'n>(
        &mut self,
        names: impl Iterator<Item = &'n str>,
        as_is: bool,
    ) -> anyhow::Result<(String, String)> {
        let (mut dep, mut alias) = (String::new(), String::new());
        let index = self.index.clone();
        for name in names {
            let Some(module) = index.get(name) else { continue };
            let depends = self.depends(&index, name)?;
            let _ = write!(dep, "{}:", self.path(name, module, as_is));
            for name in &depends {
                if let Some(module) = index.get(name) {
                    let _ = write!(dep, " {}", self.path(name, module, as_is));
                }
            }
            dep.push('\n');
            for pattern in self.infos.get(name).into_iter().flat_map(|info| &info.aliases) {
                let _ = writeln!(alias, "alias {pattern} {name}");
            }
        }
        Ok((dep, alias))
    }

    /// All that a module depends on; modprobe loads from the last to the first.
    fn depends(&mut self, index: &Index, name: &str) -> anyhow::Result<Vec<String>> {
        let mut loading = index.load();
        loading.want(name);
        // One with something missing cannot be loaded, whatever the list says.
        while let Step::Ask(module) = loading.step() {
            let info = self.info(module)?;
            loading.tell(&ModuleInfo { depends: info.depends, ..ModuleInfo::default() });
        }
        Ok(loading.order().iter().rev().filter(|other| *other != name).cloned().collect())
    }

    fn path(&self, name: &str, module: &Module, as_is: bool) -> String {
        if as_is { module.path.clone() } else { self.guest(name, module) }
    }

    /// Where a module that is loaded at boot is, below the directory of modules.
    fn guest(&self, name: &str, module: &Module) -> String {
        if self.files.contains_key(name) {
            format!("extra/{name}.ko")
        } else {
            below(&module.path, self.build)
        }
    }

    /// The directory of the modules in the guest.
    fn root(&self) -> String {
        format!("/lib/modules/{}", self.release.as_deref().unwrap_or("unknown"))
    }
}

/// Whether a wish means a file rather than a name.
fn is_file(wish: &str) -> bool {
    (wish.contains('/') || name_of_file(wish).is_some()) && Path::new(wish).is_file()
}

/// Where a module of a tree goes, uncompressed, below the guest's directory of modules.
fn below(path: &str, build: bool) -> String {
    let plain = match compression_of_file(path) {
        Some(_) => path.rsplit_once('.').map_or(path, |(stem, _)| stem),
        None => path,
    };
    if build && !plain.starts_with("kernel/") { format!("kernel/{plain}") } else { plain.to_owned() }
}
