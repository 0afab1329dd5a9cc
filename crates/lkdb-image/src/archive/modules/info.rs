//! The `.modinfo` section of a module: `key=value` strings (include/linux/module.h).

use object::Endianness;
use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};

use super::normal;

/// What a module says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleInfo {
    /// Its name, if it says one (since v4.13).
    pub name: Option<String>,
    /// The modules whose symbols it uses, by name.
    pub depends: Vec<String>,
    /// What it was built for: the kernel's release, then flags.
    pub vermagic: Option<String>,
    /// Patterns for which it wants to be loaded.
    pub aliases: Vec<String>,
    /// Names it wants loaded before it, and after it.
    pub softdeps: (Vec<String>, Vec<String>),
}

/// Why a file tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// Not an ELF file.
    #[error("it is no ELF file")]
    NotElf,
    /// No `.modinfo`.
    #[error("it is no kernel module: it has no .modinfo section")]
    NotModule,
}

impl ModuleInfo {
    /// Reads it from a module's bytes (uncompressed).
    ///
    /// # Errors
    /// If they are no module.
    pub fn read(module: &[u8]) -> Result<Self, InfoError> {
        let section = match module.get(4) {
            Some(1) => section::<FileHeader32<Endianness>>(module),
            _ => section::<FileHeader64<Endianness>>(module),
        };
        let strings = section?.ok_or(InfoError::NotModule)?;
        let mut info = Self::default();
        for line in strings.split(|&byte| byte == 0) {
            let line = String::from_utf8_lossy(line);
            if let Some((key, value)) = line.split_once('=') {
                info.take(key, value);
            }
        }
        Ok(info)
    }

    fn take(&mut self, key: &str, value: &str) {
        match key {
            "name" => self.name = Some(normal(value)),
            "depends" => self.depends.extend(value.split(',').filter(|name| !name.is_empty()).map(normal)),
            "vermagic" => self.vermagic = Some(value.to_owned()),
            "alias" => self.aliases.push(value.to_owned()),
            "softdep" => {
                let (pre, post) = softdep(value);
                self.softdeps.0.extend(pre);
                self.softdeps.1.extend(post);
            }
            _ => {}
        }
    }

    /// The release of the kernel it was built for.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.vermagic.as_deref()?.split_whitespace().next()
    }
}

/// The names after `pre:` and those after `post:`.
pub(super) fn softdep(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut pre, mut post) = (Vec::new(), Vec::new());
    let mut after = false;
    for word in text.split_whitespace() {
        match word {
            "pre:" => after = false,
            "post:" => after = true,
            name if after => post.push(normal(name)),
            name => pre.push(normal(name)),
        }
    }
    (pre, post)
}

fn section<H: FileHeader<Endian = Endianness>>(module: &[u8]) -> Result<Option<&[u8]>, InfoError> {
    let header = H::parse(module).map_err(|_| InfoError::NotElf)?;
    let endian = header.endian().map_err(|_| InfoError::NotElf)?;
    let Ok(sections) = header.sections(endian, module) else { return Ok(None) };
    let found = sections.iter().find(|section| sections.section_name(endian, section) == Ok(b".modinfo"));
    Ok(found.and_then(|section| section.data(endian, module).ok()))
}
