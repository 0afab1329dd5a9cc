//! What a module (`.ko`) says of itself in its `.modinfo` section: `key=value`, each ended by a NUL
//! (`include/linux/moduleparam.h`).

use super::elf::Elf;
use super::{Format, Kernel};

/// A module's own words.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Module {
    /// Its name as `lsmod` shows it.
    pub name: Option<String>,
    /// The kernel release and the properties that it must match to be loaded.
    pub vermagic: Option<String>,
    /// The modules it needs.
    pub depends: Vec<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its licence.
    pub license: Option<String>,
    /// A sum of its sources, where the kernel was built so.
    pub srcversion: Option<String>,
    /// Whether it comes from the kernel's own tree.
    pub intree: bool,
    /// Whether a signature follows it.
    pub signed: bool,
}

impl Module {
    /// The kernel release in `vermagic`.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.vermagic.as_deref()?.split(' ').next()
    }
}

impl Kernel<'_> {
    /// What a module says of itself; `None` for a kernel.
    #[must_use]
    pub fn module(&self) -> Option<Module> {
        if self.format != Format::Module {
            return None;
        }
        let elf = Elf::parse(self.bytes()).ok()?;
        let section = elf.section(".modinfo").map_or(&[][..], |section| section.data);
        let text = String::from_utf8_lossy(section);
        let value = |key: &str| {
            let mut entries = text.split('\0').filter_map(|entry| entry.split_once('='));
            entries.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
        };
        let depends = value("depends").unwrap_or_default();
        Some(Module {
            name: value("name"),
            vermagic: value("vermagic"),
            depends: depends.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            description: value("description"),
            license: value("license"),
            srcversion: value("srcversion"),
            intree: value("intree").is_some(),
            signed: self.bytes().ends_with(b"~Module signature appended~\n"),
        })
    }
}
