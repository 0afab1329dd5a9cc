//! The script that gdb is started with: what it loads, in which order, and how.
//!
//! gdb reads the user's own start-up files first, then this script (`-x`), then what the user asked for.
//! Nothing in it asks a question, and nothing needs more than gdb 7.4; newer commands are guarded by the
//! version. With Python the commands run through `lkdb_gdb.py`, which keeps their chatter off the screen
//! and ends gdb with one line if a needed one fails.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use lkdb_base::{Arch, LinkAddr, Slide};
use lkdb_symbols::{Elf, Section};

use super::find::{Gdb, Version};
use crate::whole_file;

const PYTHON: &str = include_str!("lkdb_gdb.py");

/// Everything that gdb is told.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    /// The file with the symbols.
    pub(crate) vmlinux: &'a Path,
    /// The same, parsed.
    pub(crate) elf: &'a Elf<'a>,
    /// `_text` to `_end`: link addresses that slide.
    pub(crate) sliding: Range<LinkAddr>,
    /// How far they slid.
    pub(crate) slide: Slide,
    pub(crate) arch: &'static Arch,
    /// What stands behind `target remote`: a socket's path, or `| COMMAND`.
    pub(crate) remote: &'a str,
    /// Where sources were when the kernel was built, and where they are.
    pub(crate) sources: &'a [(PathBuf, PathBuf)],
    /// Module files that win over the directories.
    pub(crate) module_files: &'a [PathBuf],
    /// Directories with module files, better (debug info) before worse.
    pub(crate) module_dirs: &'a [PathBuf],
    /// Where gdb may keep its index of vmlinux: saves 12 s of gdb 13's first look-up of a type.
    pub(crate) index_cache: Option<&'a Path>,
    /// The kernel runs already: add the modules that are loaded.
    pub(crate) running: bool,
}

/// One command for gdb, and whether there is a point in going on without it.
struct Step {
    command: String,
    needed: bool,
}

/// Writes the script and the Python file into `dir`; returns the script's path, for `gdb -q -x`.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write_script(setup: &Setup<'_>, gdb: &Gdb, dir: &Path) -> anyhow::Result<PathBuf> {
    let python = dir.join("lkdb_gdb.py");
    write(&python, PYTHON)?;
    let script = dir.join("setup.gdb");
    let text = if gdb.python { with_python(setup, gdb, &python)? } else { without_python(setup, gdb) };
    write(&script, &text)?;
    Ok(script)
}

fn write(path: &Path, text: &str) -> anyhow::Result<u64> {
    whole_file::write(path, |file| Ok(file.write_all(text.as_bytes())?))
}

const HEADER: &str = "# Written by lkdb for one start of gdb. Changes are lost at the next.\n";

fn with_python(setup: &Setup<'_>, gdb: &Gdb, python: &Path) -> anyhow::Result<String> {
    let steps: Vec<(String, bool)> =
        steps(setup, gdb).into_iter().map(|step| (step.command, step.needed)).collect();
    let strings = |paths: &[PathBuf]| -> Vec<String> {
        paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    };
    let mut text = HEADER.to_owned();
    // A JSON value of strings, numbers, lists and objects is a Python literal too.
    writeln!(text, "python")?;
    writeln!(text, "LKDB = {{}}")?;
    writeln!(text, "LKDB[\"module_files\"] = {}", serde_json::to_string(&strings(setup.module_files))?)?;
    writeln!(text, "LKDB[\"module_dirs\"] = {}", serde_json::to_string(&strings(setup.module_dirs))?)?;
    writeln!(text, "LKDB[\"argument\"] = {}", serde_json::to_string(first_argument(setup.arch))?)?;
    writeln!(text, "LKDB[\"running\"] = {}", i32::from(setup.running))?;
    writeln!(text, "LKDB[\"steps\"] = [")?;
    for (command, needed) in &steps {
        writeln!(text, "  [{}, {}],", serde_json::to_string(command)?, i32::from(*needed))?;
    }
    writeln!(text, "]")?;
    writeln!(text, "end")?;
    writeln!(text, "source {}", python.display())?;
    Ok(text)
}

fn without_python(setup: &Setup<'_>, gdb: &Gdb) -> String {
    let mut text = HEADER.to_owned();
    text.push_str("set pagination off\n");
    for step in steps(setup, gdb) {
        text.push_str(&step.command);
        text.push('\n');
    }
    text.push_str("echo lkdb: this gdb has no Python: modules are not followed\\n\n");
    text
}

/// The register that holds a function's first argument at its entry.
fn first_argument(arch: &Arch) -> &'static str {
    if *arch == lkdb_base::arch::AARCH64 { "$x0" } else { "$rdi" }
}

fn steps(setup: &Setup<'_>, gdb: &Gdb) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |needed: bool, command: String| steps.push(Step { command, needed });
    // Before connecting: a gdb that guesses i386 breaks off with "Remote 'g' packet reply is too long".
    step(true, format!("set architecture {}", setup.arch.gdb));
    step(false, "set breakpoint pending on".to_owned());
    step(false, "set remotetimeout 30".to_owned());
    // Every traced function begins with a call of it; nobody wants to step into it.
    step(false, "skip function __fentry__".to_owned());
    for (from, to) in setup.sources {
        step(false, format!("set substitute-path {} {}", quote(from), quote(to)));
        // Newer kernels are built so that most names are relative to the source tree.
        step(false, format!("directory {}", quote(to)));
    }
    if let Some(cache) = setup.index_cache.filter(|_| gdb.version >= Version { major: 8, minor: 3 }) {
        let on = if gdb.version.major >= 12 { "enabled on" } else { "on" };
        step(false, format!("set index-cache directory {}", cache.display()));
        step(false, format!("set index-cache {on}"));
    }
    if gdb.version >= (Version { major: 7, minor: 5 }) {
        for path in kernel_scripts(setup.vmlinux) {
            step(false, format!("add-auto-load-safe-path {}", path.display()));
        }
    }
    step(true, load_vmlinux(setup));
    step(true, format!("target remote {}", setup.remote));
    steps
}

/// The kernel's own `vmlinux-gdb.py`, which gdb loads by itself if it lies beside vmlinux and is called
/// safe; in a build tree it is a link, and gdb asks about either end.
fn kernel_scripts(vmlinux: &Path) -> Vec<PathBuf> {
    let mut name = vmlinux.file_name().unwrap_or_default().to_owned();
    name.push("-gdb.py");
    let script = vmlinux.with_file_name(name);
    let Ok(real) = script.canonicalize() else { return Vec::new() };
    let mut paths = vec![script];
    if !paths.contains(&real) {
        paths.push(real);
    }
    paths
}

/// The command that loads vmlinux, every section where it is now.
///
/// Not `symbol-file -o`: that would shift per-CPU symbols too, which do not slide. A section at address
/// 0, as `.data..percpu` was until 6.15, needs a trick: gdb takes address 0 for "not given" and shifts the
/// section like the one named before it (`addr_info_make_relative`). So one that nobody looks at goes
/// before it, at its link address.
fn load_vmlinux(setup: &Setup<'_>) -> String {
    let vmlinux = quote(setup.vmlinux);
    if setup.slide == Slide(0) {
        return format!("symbol-file {vmlinux}");
    }
    let all: Vec<Section<'_>> = setup.elf.sections().filter(|section| section.allocated).collect();
    let text =
        all.iter().find(|section| section.name == ".text").map_or(setup.sliding.start, |text| text.address);
    let mut command = format!("add-symbol-file {vmlinux} {}", setup.slide.apply(text));
    let unshifted = ["__kcrctab", ".smp_locks", ".altinstructions", "__ex_table", ".pci_fixup"]
        .iter()
        .find_map(|name| all.iter().find(|section| section.name == *name));
    let at_zero = all.iter().filter(|section| section.address == LinkAddr(0));
    for section in unshifted.into_iter().chain(at_zero) {
        let _ = write!(command, " -s {} {}", section.name, section.address);
    }
    for section in &all {
        let placed = section.address == LinkAddr(0) || unshifted.is_some_and(|lie| lie.name == section.name);
        if placed || section.name == ".text" {
            continue;
        }
        let runtime = if setup.sliding.contains(&section.address) {
            setup.slide.apply(section.address).0
        } else {
            section.address.0
        };
        let _ = write!(command, " -s {} {runtime:#x}", section.name);
    }
    command
}

/// A path as one word of a gdb command.
fn quote(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c)) {
        return text.into_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lkdb_testkit::elf::ElfMaker;

    const TEXT: u64 = 0xffff_ffff_8100_0000;

    fn script(slide: u64, version: Version, python: bool) -> String {
        let file = ElfMaker::new(62, 0)
            .section(".text", TEXT, true, &[0; 16])
            .section(".smp_locks", TEXT + 0x1000, false, &[0; 16])
            .section(".data..percpu", 0, false, &[0; 16])
            .section(".data", TEXT + 0x2000, false, &[0; 16])
            .make();
        let elf = Elf::parse(&file).unwrap();
        let setup = Setup {
            vmlinux: Path::new("/a b/vmlinux"),
            elf: &elf,
            sliding: LinkAddr(TEXT)..LinkAddr(TEXT + 0x3000),
            slide: Slide(slide),
            arch: &lkdb_base::arch::X86_64,
            remote: "| lkdb stub-pipe x",
            sources: &[("/build/linux".into(), "/src/linux".into())],
            module_files: &["/m/it\"s.ko".into()],
            module_dirs: &[],
            index_cache: Some(Path::new("/cache")),
            running: false,
        };
        let dir = tempfile::tempdir().unwrap();
        let gdb = Gdb { program: "gdb".into(), version, python };
        std::fs::read_to_string(write_script(&setup, &gdb, dir.path()).unwrap()).unwrap()
    }

    const NEW: Version = Version { major: 13, minor: 1 };

    #[test]
    fn sections_slide_one_by_one_and_per_cpu_ones_do_not() {
        let text = script(0x20_0000, NEW, false);
        let load = text.lines().find(|line| line.starts_with("add-symbol-file")).unwrap();
        assert_eq!(
            load,
            "add-symbol-file \"/a b/vmlinux\" 0xffffffff81200000 -s .smp_locks 0xffffffff81001000 \
             -s .data..percpu 0x0 -s .data 0xffffffff81202000"
        );
        assert!(script(0, NEW, false).contains("\nsymbol-file \"/a b/vmlinux\"\n"), "nothing slid");
    }

    #[test]
    fn the_architecture_is_set_before_connecting() {
        let text = script(0, NEW, false);
        let place = |words: &str| text.find(words).unwrap();
        assert!(place("set architecture i386:x86-64") < place("target remote | lkdb stub-pipe x"));
        assert!(text.contains("set substitute-path /build/linux /src/linux"));
    }

    #[test]
    fn older_gdbs_are_told_only_what_they_know() {
        let oldest = script(0, Version { major: 7, minor: 4 }, true);
        assert!(!oldest.contains("index-cache") && !oldest.contains("safe-path"));
        assert!(script(0, Version { major: 10, minor: 1 }, true).contains("[\"set index-cache on\", 0]"));
        assert!(script(0, NEW, true).contains("[\"set index-cache enabled on\", 0]"));
        assert!(script(0, NEW, true).contains(r#"["/m/it\"s.ko"]"#));
    }
}
