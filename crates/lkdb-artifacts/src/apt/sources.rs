//! The host's list of sources, with source packages in the place of binary ones.
//!
//! Hosts rarely have `deb-src` switched on, and turning it on is a change to the system: so the lists
//! are copied, in both of the forms that sources.list(5) knows, into our own folder.

use std::fs;
use std::path::Path;

use crate::cache::write_whole;
use crate::{Error, Result};

/// Writes the lists of /etc/apt into `into`, turned to source packages.
pub(crate) fn write(into: &Path) -> Result<()> {
    fs::create_dir_all(into).map_err(Error::io("make", into))?;
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let files = std::iter::once("/etc/apt/sources.list".into()).chain(parts.map(|entry| entry.path()));
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let turned = match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => lines(&text),
            Some("sources") => stanzas(&text),
            _ => continue,
        };
        if let Some(name) = file.file_name() {
            write_whole(&into.join(name), turned.as_bytes())?;
        }
    }
    Ok(())
}

/// `deb [options] URI suite component…`, one a line.
fn lines(text: &str) -> String {
    let ours = text.lines().filter_map(|line| line.trim_start().strip_prefix("deb"));
    ours.filter(|rest| rest.starts_with([' ', '\t']))
        .fold(String::new(), |all, rest| all + "deb-src" + rest + "\n")
}

/// deb822 stanzas with `Types: deb`.
fn stanzas(text: &str) -> String {
    let line = |line: &str| match line.split_once(':') {
        Some((field, _)) if field.eq_ignore_ascii_case("types") => "Types: deb-src\n".to_owned(),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_turned() {
        let text =
            "# deb http://x y\ndeb http://a b main\ndeb-src http://a b main\n deb [arch=amd64] http://c d\n";
        assert_eq!(lines(text), "deb-src http://a b main\ndeb-src [arch=amd64] http://c d\n");
        let text = "Types: deb deb-src\nURIs: http://a\n\nTypes: deb\nEnabled: no\n";
        assert_eq!(stanzas(text), "Types: deb-src\nURIs: http://a\n\nTypes: deb-src\nEnabled: no\n");
    }
}
