//! Configuring a kernel tree: lkdb's options merged into its `.config`, checked, put in place at once.
//!
//! Which options is `options`' business, which of them give way is `request`'s; `make olddefconfig` does
//! the rest, on a copy. The `.config` itself is replaced only when every option stuck.

mod options;
mod request;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use lkdb_base::Arch;
use serde::Serialize;

use crate::config::options::Need;
use crate::config::request::{Origin, Requests};
use crate::kconfig::dotconfig::{self, DotConfig};
use crate::kconfig::reason;
use crate::kconfig::tree::{Kind, Tree};
use crate::tree::BuildTree;
use crate::{Error, Progress, Result, run, tools};

/// What to start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The smallest configuration the tree knows (its `tinyconfig`).
    Tiny,
    /// The architecture's `defconfig`.
    Def,
    /// A configuration file.
    File(PathBuf),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ConfigOptions {
    /// The source tree, or a build tree made from one.
    pub dir: PathBuf,
    /// Build there, apart from the source (make's `O=`).
    pub out: Option<PathBuf>,
    /// Start from this; by default from the `.config` there is, else from defconfig.
    pub base: Option<Base>,
    /// DWARF without types (DEBUG_INFO_REDUCED).
    pub reduced: bool,
    /// BTF beside DWARF.
    pub btf: bool,
    /// `--set`: option and value, with or without `CONFIG_`.
    pub set: Vec<(String, String)>,
    /// Files with lines of a `.config`.
    pub fragments: Vec<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigReport {
    /// The `.config`.
    pub config: PathBuf,
    /// Whether it was replaced: every option stuck.
    pub written: bool,
    /// Options that have another value than before.
    pub changed: Vec<Change>,
    /// Options lkdb would have liked, and why they are off.
    pub left_out: Vec<(String, String)>,
    /// Options that did not stick.
    pub failed: Vec<Failure>,
    /// What the result will not do, though every option took.
    pub notes: Vec<String>,
}

/// An option with a new value.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Without `CONFIG_`.
    pub option: String,
    /// What it was.
    pub from: String,
    /// What it is.
    pub to: String,
}

/// An option that did not take the value asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Without `CONFIG_`.
    pub option: String,
    /// What was asked for.
    pub wanted: String,
    /// What it is.
    pub got: String,
    /// What prevented it.
    pub because: String,
}

/// Configures a tree.
///
/// # Errors
/// When the tree, a tool or a file is missing, options exclude each other, or `make` fails. Options that
/// did not stick are in the report.
pub fn configure(options: &ConfigOptions, progress: &mut dyn Progress) -> Result<ConfigReport> {
    let place = BuildTree::open(&options.dir, options.out.as_deref())?;
    let arch = place.arch()?;
    let tree = Tree::read(&place.source, arch.kernel_dir)?;
    let mut requests = gather(options, &tree, arch)?;
    if requests.asks_for("DEBUG_INFO_REDUCED")
        && let Some(reason) = scripts_want_types(&place)
    {
        requests.give_up("GDB_SCRIPTS", reason);
    }
    requests.settle(&tree)?;
    let pahole: &[tools::Tool] = if options.btf { &[tools::PAHOLE] } else { &[] };
    tools::require(tools::CONFIGURE.iter().chain(pahole))?;
    fs::create_dir_all(&place.build).map_err(Error::io("make", &place.build))?;
    let scratch = tempfile::Builder::new().prefix(".lkdb-config-").tempdir_in(&place.build);
    let scratch = scratch.map_err(Error::io("write in", &place.build))?;
    let work =
        Work { place: &place, tree: &tree, requests: &requests, config: scratch.path().join("config") };
    progress.step("configuring", None);
    let done = work.run(options, progress);
    progress.end();
    let (before, after) = done?;
    let report = work.report(&before, &after);
    if report.failed.is_empty() {
        fs::rename(&work.config, &report.config).map_err(Error::io("replace", &report.config))?;
    }
    Ok(report)
}

fn gather(options: &ConfigOptions, tree: &Tree, arch: &Arch) -> Result<Requests> {
    let mut requests = Requests::default();
    for want in options::wanted(arch.kernel_dir).into_iter().chain(options::dwarf(tree)) {
        requests.add(tree, want.name, want.value, Origin::Lkdb(want.need))?;
    }
    if options.reduced {
        requests.add(tree, "DEBUG_INFO_REDUCED", "y", Origin::Flag("--reduced"))?;
    } else {
        requests.add(tree, "DEBUG_INFO_REDUCED", "n", Origin::Lkdb(Need::Must))?;
    }
    if options.btf {
        requests.add(tree, "BPF_SYSCALL", "y", Origin::Lkdb(Need::Must))?;
        requests.add(tree, "DEBUG_INFO_BTF", "y", Origin::Flag("--btf"))?;
    }
    for file in &options.fragments {
        let text = fs::read_to_string(file).map_err(Error::io("read", file))?;
        for (name, value) in dotconfig::assignments(&text) {
            let origin = Origin::Fragment(file.display().to_string());
            requests.add(tree, &name, dotconfig::unquote(&value), origin)?;
        }
    }
    for (name, value) in &options.set {
        requests.add(tree, name, dotconfig::unquote(value), Origin::Set)?;
    }
    Ok(requests)
}

/// Newer trees' gdb scripts refuse to load with reduced debug info, and their Kconfig does not tell.
fn scripts_want_types(place: &BuildTree) -> Option<String> {
    let script = place.source.join("scripts/gdb/vmlinux-gdb.py");
    let text = fs::read_to_string(&script).ok()?;
    text.contains("DEBUG_INFO_REDUCED").then(|| {
        "this tree's scripts/gdb/vmlinux-gdb.py refuses to load with DEBUG_INFO_REDUCED, which leaves \
         the types out that lx-* commands need"
            .to_owned()
    })
}

/// One configuration being made, in a file of its own.
struct Work<'a> {
    place: &'a BuildTree,
    tree: &'a Tree,
    requests: &'a Requests,
    config: PathBuf,
}

impl Work<'_> {
    /// Returns the configuration as it was, and as it came out.
    fn run(&self, options: &ConfigOptions, progress: &mut dyn Progress) -> Result<(DotConfig, DotConfig)> {
        let lines = self.requests.lines(self.tree);
        let values = || lines.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let existing = self.place.build.join(".config");
        let before = fs::read_to_string(&existing).unwrap_or_default();
        let base = match &options.base {
            Some(Base::Tiny) => {
                self.tiny(&lines, progress)?;
                self.read()?
            }
            Some(Base::File(file)) => fs::read_to_string(file).map_err(Error::io("read", file))?,
            None if existing.is_file() => before.clone(),
            Some(Base::Def) | None => {
                self.make("defconfig", &[], progress)?;
                self.read()?
            }
        };
        self.write(&dotconfig::merged(&base, values()))?;
        self.make("olddefconfig", &[], progress)?;
        Ok((DotConfig::parse(&before), DotConfig::parse(&self.read()?)))
    }

    /// Everything off but what the tree's own tiny configuration and the requests need. All in one go:
    /// what a request makes visible is off by that, too, instead of at its default.
    fn tiny(&self, lines: &[(String, String)], progress: &mut dyn Progress) -> Result<()> {
        let arch = self.place.arch()?.kernel_dir;
        let files = [
            "kernel/configs/tiny-base.config".to_owned(),
            "kernel/configs/tiny.config".to_owned(),
            format!("arch/{arch}/configs/tiny.config"),
        ];
        let text: String =
            files.iter().filter_map(|file| fs::read_to_string(self.place.source.join(file)).ok()).collect();
        let values = lines.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all = self.config.with_extension("all");
        fs::write(&all, dotconfig::merged(&text, values)).map_err(Error::io("write", &all))?;
        let assignment = format!("KCONFIG_ALLCONFIG={}", all.display());
        self.make("allnoconfig", &[assignment], progress)
    }

    fn make(&self, target: &str, more: &[String], progress: &mut dyn Progress) -> Result<()> {
        let mut command: Command = self.place.make();
        command.arg("-s").arg(format!("KCONFIG_CONFIG={}", self.config.display())).args(more).arg(target);
        run::text(&mut command, &format!("make {target}"), progress).map(drop)
    }

    fn read(&self) -> Result<String> {
        fs::read_to_string(&self.config).map_err(Error::io("read", &self.config))
    }

    fn write(&self, text: &str) -> Result<()> {
        fs::write(&self.config, text).map_err(Error::io("write", &self.config))
    }

    fn report(&self, before: &DotConfig, after: &DotConfig) -> ConfigReport {
        let mut left_out = self.requests.left_out.clone();
        let mut failed = Vec::new();
        for (name, request) in self.requests.iter() {
            let got = after.get(name);
            if self.same(name, &request.value, got) {
                continue;
            }
            let because = reason::why(self.tree, after, name, &request.value);
            if request.origin == Origin::Lkdb(Need::Good) {
                left_out.push((name.to_owned(), because));
            } else {
                let (option, wanted, got) = (name.to_owned(), request.value.clone(), got.to_owned());
                failed.push(Failure { option, wanted, got, because });
            }
        }
        let changed = self.requests.iter().map(|(name, _)| name).filter_map(|name| {
            let (from, to) = (before.get(name), after.get(name));
            let change = || Change { option: name.into(), from: from.into(), to: to.into() };
            (from != to).then(change)
        });
        ConfigReport {
            config: self.place.build.join(".config"),
            written: failed.is_empty(),
            changed: changed.collect(),
            left_out,
            failed,
            notes: notes(after),
        }
    }

    /// Numbers may be written in several ways.
    fn same(&self, name: &str, wanted: &str, got: &str) -> bool {
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        let numeric = self.tree.get(name).is_some_and(|symbol| symbol.kind == Kind::Number);
        wanted == got || (numeric && number(wanted).is_some_and(|wanted| number(got) == Some(wanted)))
    }
}

/// Combinations that a tree allows and that yet disappoint.
fn notes(config: &DotConfig) -> Vec<String> {
    let mut notes = Vec::new();
    if config.is_on("DEBUG_INFO_REDUCED") && config.is_on("GDB_SCRIPTS") {
        notes.push(
            "with DEBUG_INFO_REDUCED most structures have no type in vmlinux: lines and functions are there, \
             but GDB scripts (lx-ps, lx-symbols) and `print` of structures fail"
                .into(),
        );
    }
    notes
}
