//! What `apt-cache show` prints: stanzas of `Field: value`, as deb-control(5) defines them.

/// One version of one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stanza {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    /// Of the package file, in bytes.
    pub(crate) size: u64,
    /// Unpacked, in bytes (the field is in KiB).
    pub(crate) installed_size: u64,
    /// Names of the packages it depends on; of alternatives all, versions left out.
    pub(crate) depends: Vec<String>,
}

impl Stanza {
    /// The name under which `apt-get download` leaves it: the epoch's colon is escaped.
    pub(crate) fn file_name(&self) -> String {
        format!("{}_{}_{}.deb", self.name, self.version.replace(':', "%3a"), self.architecture)
    }
}

/// Reads all stanzas; those without name and version are dropped.
pub(crate) fn parse(text: &str) -> Vec<Stanza> {
    let stanzas = text.split("\n\n").map(one);
    stanzas.filter(|stanza| !stanza.name.is_empty() && !stanza.version.is_empty()).collect()
}

fn one(text: &str) -> Stanza {
    let mut stanza = Stanza::default();
    for line in text.lines().filter(|line| !line.starts_with([' ', '\t'])) {
        let Some((field, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match field {
            "Package" => stanza.name = value.to_owned(),
            "Version" => stanza.version = value.to_owned(),
            "Architecture" => stanza.architecture = value.to_owned(),
            "Size" => stanza.size = value.parse().unwrap_or(0),
            "Installed-Size" => {
                stanza.installed_size = value.parse::<u64>().unwrap_or(0).saturating_mul(1024)
            }
            "Depends" => stanza.depends = names(value),
            _ => {}
        }
    }
    stanza
}

fn names(depends: &str) -> Vec<String> {
    let words = depends.split([',', '|']).filter_map(|one| one.split_whitespace().next());
    words.map(|name| name.split(':').next().unwrap_or(name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
Package: linux-image-6.1.0-56-cloud-amd64
Source: linux-signed-amd64 (6.1.192+2)
Version: 6.1.192-2
Installed-Size: 105548
Architecture: amd64
Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool:any
Description: Linux 6.1 for x86-64 cloud (signed)
 Package: not a field
Size: 26713492

Package: busybox
Version: 1:1.35.0-4
Architecture: amd64
Size: 1

";

    #[test]
    fn the_fields_we_use_are_read() {
        let stanzas = parse(SHOWN);
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0].installed_size, 105_548 * 1024);
        assert_eq!(stanzas[0].size, 26_713_492);
        assert_eq!(stanzas[0].depends, ["kmod", "linux-base", "initramfs-tools", "linux-initramfs-tool"]);
        assert_eq!(stanzas[0].file_name(), "linux-image-6.1.0-56-cloud-amd64_6.1.192-2_amd64.deb");
        assert_eq!(stanzas[1].file_name(), "busybox_1%3a1.35.0-4_amd64.deb");
    }

    #[test]
    fn rubbish_gives_nothing() {
        for text in ["", "\n\n\n", "N: No packages found", "Package: x\n", ":::"] {
            assert_eq!(parse(text), [], "{text:?}");
        }
    }
}
