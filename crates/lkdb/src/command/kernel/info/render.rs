//! `lkdb kernel info` as text.

use std::io::{self, Write};

use lkdb_base::size::human;
use lkdb_image::kernel::{BzImage, Contents, Dwarf, Finding, Info, Purpose, Want};

use super::Report;
use crate::output::Render;

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
        if let Some(vmlinux) = &self.vmlinux {
            let dwarf = debug_information(vmlinux.contents.dwarf.as_ref());
            let path = vmlinux.file.display();
            line(out, "vmlinux", &format!("{path}, {}, of the same build", human(vmlinux.size)))?;
            line(out, "  its DWARF", &dwarf)?;
        }
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
    let dwarf = debug_information(contents.dwarf.as_ref());
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

/// What debug information there is, in words.
fn debug_information(dwarf: Option<&Dwarf>) -> String {
    let Some(dwarf) = dwarf else {
        return "none: no source lines, no locals from this file".to_owned();
    };
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

#[cfg(test)]
mod tests {
    use lkdb_image::config::Value;

    use super::*;

    #[test]
    fn debug_information_is_put_in_words() {
        let mut dwarf = Dwarf {
            version: Some(5),
            size: 218_900_000,
            compression: None,
            locations: Some(true),
            split: false,
        };
        assert_eq!(debug_information(Some(&dwarf)), "version 5, 218.9 MB");
        dwarf.compression = Some("zstd");
        dwarf.locations = Some(false);
        let reduced = "version 5, 218.9 MB, compressed with zstd, reduced: no locations of variables";
        assert_eq!(debug_information(Some(&dwarf)), reduced);
        dwarf.locations = None;
        dwarf.split = true;
        assert!(debug_information(Some(&dwarf)).ends_with("split: the bulk is in .dwo files"));
    }

    #[test]
    fn a_finding_says_what_to_set_and_what_it_costs() {
        let mut out = Vec::new();
        let finding = Finding {
            options: &["NET_9P_VIRTIO", "VIRTIO_FS"],
            is: Value::Absent,
            want: Want::On,
            purpose: Purpose::Convenience,
            cost: "nothing can be shared",
        };
        write_finding(&mut out, &finding).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "  NET_9P_VIRTIO=y or m (or VIRTIO_FS): nothing can be shared\n");
    }
}
