//! `lkdb kernel info FILE`: what a kernel image, vmlinux or module is, what it carries, and what a
//! debugger misses in it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lkdb_base::Arch;
use lkdb_base::size::human;
use lkdb_image::kernel::{self, BzImage, Contents, Finding, Format, Info, Purpose, Want};
use serde::Serialize;

use crate::output::{Context, Render, Status};
use crate::{kernel_config, mapped};

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A bzImage, arm64 Image, EFI zboot image, vmlinux or module, compressed or not
    file: PathBuf,
    /// The kernel's configuration (default: the one it carries, else the file beside it)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<Status> {
    let file = mapped::map(&args.file)?;
    let info = kernel::describe(&file).with_context(|| args.file.display().to_string())?;
    let report = Report::new(&args.file, info, args.config.as_deref())?;
    context.show(&report)?;
    Ok(Status::OK)
}

/// What is shown.
#[derive(Debug, Serialize)]
struct Report {
    file: PathBuf,
    #[serde(flatten)]
    info: Info,
    config: Option<ConfigSource>,
    /// The gdb scripts that the build left beside a vmlinux.
    gdb_scripts: Option<PathBuf>,
    /// Options that are not as a debugger wants them.
    findings: Vec<Finding>,
}

/// Where the configuration was found.
#[derive(Debug, Serialize)]
struct ConfigSource {
    /// `None`: in the image itself.
    file: Option<PathBuf>,
    options: usize,
}

impl Report {
    fn new(file: &Path, mut info: Info, config: Option<&Path>) -> anyhow::Result<Self> {
        let found = match (config, info.config.take()) {
            (Some(path), _) => Some((kernel_config::read(path)?, Some(path.to_owned()))),
            (None, Some(config)) => Some((config, None)),
            (None, None) if info.format == Format::Module => None,
            (None, None) => kernel_config::beside(file, info.release.as_deref())
                .map(|(config, path)| (config, Some(path))),
        };
        let arch = Arch::by_name(info.arch);
        let findings = match (&found, arch) {
            (Some((config, _)), Some(arch)) => kernel::advise(config, arch),
            _ => Vec::new(),
        };
        Ok(Self {
            file: file.to_owned(),
            gdb_scripts: Some(file.with_file_name("vmlinux-gdb.py")).filter(|path| path.exists()),
            config: found.map(|(config, file)| ConfigSource { file, options: config.len() }),
            info,
            findings,
        })
    }
}

impl Render for Report {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        self.identity(out)?;
        if let Some(module) = &self.info.module {
            line(out, "module", module.name.as_deref().unwrap_or("(unnamed)"))?;
            if let Some(description) = &module.description {
                line(out, "description", description)?;
            }
            line(out, "vermagic", module.vermagic.as_deref().unwrap_or("none"))?;
            let depends = module.depends.join(", ");
            line(out, "depends on", if depends.is_empty() { "nothing" } else { &depends })?;
        }
        contents(out, &self.info.contents, &self.info)?;
        if let Some(scripts) = &self.gdb_scripts {
            line(out, "gdb scripts", &scripts.display().to_string())?;
        }
        if let Some(bzimage) = &self.info.bzimage {
            line(out, "boot header", &boot_header(bzimage))?;
        }
        if self.info.module.is_none() {
            self.configuration(out)?;
        }
        Ok(())
    }
}

impl Report {
    fn identity(&self, out: &mut dyn Write) -> io::Result<()> {
        let info = &self.info;
        let mut format = info.format.to_string();
        if let Some(packing) = info.packing {
            format = format!("{format}, packed with {packing}");
        }
        if let Some(wrapping) = info.wrapping {
            format = format!("{format}, compressed as a whole with {wrapping}");
        }
        line(out, "format", &format)?;
        line(out, "architecture", info.arch)?;
        let unpacked = match info.unpacked_size == info.size {
            true => String::new(),
            false => format!(", {} unpacked", human(info.unpacked_size)),
        };
        let alone = if info.contents.code { "" } else { ", debug information alone, without code and data" };
        line(out, "size", &format!("{}{unpacked}{alone}", human(info.size)))?;
        line(out, "release", info.release.as_deref().unwrap_or("unknown"))?;
        if let Some(banner) = &info.banner {
            line(out, "banner", banner)?;
        }
        let build_id = info.build_id.as_ref().map(ToString::to_string);
        line(out, "build ID", build_id.as_deref().unwrap_or("none: it cannot be tied to debug information"))
    }

    fn configuration(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(config) = &self.config else {
            let text = "none in it or beside it; name one with --config to have its options judged";
            return line(out, "configuration", text);
        };
        let source = match &config.file {
            Some(file) => file.display().to_string(),
            None => "in the image".to_owned(),
        };
        line(out, "configuration", &format!("{source}, {} options", config.options))?;
        if self.findings.is_empty() {
            return line(out, "for debugging", "nothing is missing");
        }
        for (purpose, title) in [
            (Purpose::Debugging, "missing for debugging"),
            (Purpose::Booting, "missing for booting with lkdb's archives and consoles"),
            (Purpose::Convenience, "missing for convenience"),
        ] {
            let findings: Vec<_> =
                self.findings.iter().filter(|finding| finding.purpose == purpose).collect();
            if !findings.is_empty() {
                writeln!(out, "{title}:")?;
            }
            for finding in findings {
                write_finding(out, finding)?;
            }
        }
        Ok(())
    }
}

fn line(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{label:<14} {text}")
}

fn write_finding(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let option = finding.options.first().copied().unwrap_or_default();
    let others = match finding.options.len() {
        0 | 1 => String::new(),
        _ if finding.want == Want::Off => String::new(),
        _ => format!(" (or {})", finding.options.get(1..).unwrap_or_default().join(", ")),
    };
    let want = match finding.want {
        Want::BuiltIn => "=y",
        Want::On => "=y or m",
        Want::Off => " off",
    };
    writeln!(out, "  {option}{want}{others}: {}", finding.cost)
}

fn contents(out: &mut dyn Write, contents: &Contents, info: &Info) -> io::Result<()> {
    let kernel = info.module.is_none();
    let dwarf = match &contents.dwarf {
        Some(dwarf) => {
            let mut text = match dwarf.version {
                Some(version) => format!("version {version}, {}", human(dwarf.size)),
                None => human(dwarf.size),
            };
            if let Some(compression) = dwarf.compression {
                text = format!("{text}, compressed with {compression}");
            }
            if dwarf.locations == Some(false) {
                text.push_str(", reduced: no locations of variables");
            }
            if dwarf.split {
                text.push_str(", split: the bulk is in .dwo files");
            }
            text
        }
        None => "none: no source lines, no locals from this file".to_owned(),
    };
    line(out, "DWARF", &dwarf)?;
    let btf = contents.btf.map(human);
    line(out, "BTF", btf.as_deref().unwrap_or("none"))?;
    if info.arch == lkdb_base::arch::X86_64.name {
        let orc = contents.orc.map(human);
        line(out, "ORC", orc.as_deref().unwrap_or("none"))?;
    }
    if kernel {
        line(out, "kallsyms", if contents.kallsyms { "yes" } else { "none" })?;
    }
    let symbols = contents.symbols.map(|count| format!("{count} entries"));
    line(out, ".symtab", symbols.as_deref().unwrap_or("none"))
}

fn boot_header(image: &BzImage) -> String {
    format!(
        "protocol {}.{:02}, payload {} at {:#x} of the protected-mode code, needs {} from {:#x}{}",
        image.protocol >> 8,
        image.protocol & 0xff,
        human(u64::from(image.payload_length)),
        image.payload_offset,
        human(u64::from(image.init_size)),
        image.pref_address,
        if image.relocatable { ", relocatable" } else { ", not relocatable" },
    )
}
