//! Making a headers package work where it was not installed.
//!
//! Debian's headers for one kernel are three packages that point at each other by absolute paths under
//! /usr/src: links, and an `include` line in a Makefile. Both are made relative, so that
//! `make -C …/build M=$PWD` works in the cache, wherever the cache is moved.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::cache::write_whole;
use crate::{Error, Result, tools};

/// Deeper folders than this are no headers package.
const MAX_DEPTH: usize = 32;

/// Mends the tree unpacked at `root`; returns the compilers it wants that are not here.
pub(crate) fn mend(root: &Path, release: &str) -> Result<Vec<String>> {
    mend_links(root, root, 0)?;
    let dir = build_dir(root, release);
    mend_makefile(&dir.join("Makefile"))?;
    let variables = fs::read_to_string(dir.join(".kernelvariables")).unwrap_or_default();
    Ok(compilers(&variables).into_iter().filter(|name| tools::find(name).is_none()).collect())
}

/// What `make -C` takes.
pub(crate) fn build_dir(root: &Path, release: &str) -> PathBuf {
    root.join("usr/src").join(format!("linux-headers-{release}"))
}

fn mend_links(root: &Path, dir: &Path, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))?.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            mend_links(root, &path, depth + 1)?;
        } else if kind.is_symlink() {
            mend_link(root, &path, depth)?;
        }
    }
    Ok(())
}

/// A link to `/usr/src/x`, `depth` folders below the root, becomes one to `../../usr/src/x`.
fn mend_link(root: &Path, link: &Path, depth: usize) -> Result<()> {
    let target = fs::read_link(link).map_err(Error::io("read", link))?;
    let Ok(inside) = target.strip_prefix("/") else { return Ok(()) };
    if root.join(inside).symlink_metadata().is_err() {
        return Ok(());
    }
    let relative: PathBuf = std::iter::repeat_n("..", depth).collect::<PathBuf>().join(inside);
    fs::remove_file(link).map_err(Error::io("remove", link))?;
    symlink(&relative, link).map_err(Error::io("make", link))
}

fn mend_makefile(path: &Path) -> Result<()> {
    let Ok(text) = fs::read_to_string(path) else { return Ok(()) };
    let mended = text.replace("include /usr/src/", "include $(dir $(lastword $(MAKEFILE_LIST)))../");
    if mended == text { Ok(()) } else { write_whole(path, mended.as_bytes()) }
}

/// `gcc-12` out of `CC = $(CROSS_COMPILE)gcc-12`.
fn compilers(variables: &str) -> Vec<String> {
    let lines = variables.lines().filter_map(|line| line.strip_prefix("CC ").or(line.strip_prefix("CC=")));
    let names = lines.filter_map(|line| {
        let at = line.rfind("gcc").or_else(|| line.rfind("clang"))?;
        let name = line.get(at..)?;
        let end =
            name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.').unwrap_or(name.len());
        Some(name.get(..end)?.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_mended() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let build = build_dir(root, "6.1-x");
        fs::create_dir_all(&build).unwrap();
        fs::create_dir_all(root.join("usr/src/linux-headers-6.1-common")).unwrap();
        fs::create_dir_all(root.join("lib/modules/6.1-x")).unwrap();
        fs::write(build.join("Makefile"), "include /usr/src/linux-headers-6.1-common/Makefile\n").unwrap();
        fs::write(build.join(".kernelvariables"), "CC = $(CROSS_COMPILE)gcc-0\noverride ARCH = x86\n")
            .unwrap();
        let link = root.join("lib/modules/6.1-x/build");
        symlink("/usr/src/linux-headers-6.1-x", &link).unwrap();
        symlink("/usr/nowhere", root.join("usr/foreign")).unwrap();
        assert_eq!(mend(root, "6.1-x").unwrap(), ["gcc-0"]);
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("../../../usr/src/linux-headers-6.1-x"));
        assert_eq!(fs::read_link(root.join("usr/foreign")).unwrap(), Path::new("/usr/nowhere"));
        assert!(link.join("Makefile").is_file());
        let makefile = fs::read_to_string(build.join("Makefile")).unwrap();
        assert_eq!(
            makefile,
            "include $(dir $(lastword $(MAKEFILE_LIST)))../linux-headers-6.1-common/Makefile\n"
        );
    }
}
