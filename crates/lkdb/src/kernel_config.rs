//! A kernel's configuration on this host: read from a file that is named, or found where packages and
//! builds leave it. The format itself is read by lkdb-image.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use lkdb_image::config::Config;

/// Reads a configuration. Errors name the path; a file that sets no option is one.
pub(crate) fn read(path: &Path) -> anyhow::Result<Config> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let config = Config::parse(&String::from_utf8_lossy(&bytes));
    if config.is_empty() {
        bail!("{} is not a kernel configuration: it sets no CONFIG_ option", path.display());
    }
    Ok(config)
}

/// The configuration that belongs to an image or a vmlinux, and the file it was read from.
pub(crate) fn beside(image: &Path, release: Option<&str>) -> Option<(Config, PathBuf)> {
    let image = image.canonicalize().ok()?;
    let places = places(image.parent()?, release);
    places.into_iter().find_map(|path| read(&path).ok().map(|config| (config, path)))
}

/// Where it may be for an image in `directory`, likeliest first.
fn places(directory: &Path, release: Option<&str>) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(release) = release {
        let name = format!("config-{release}");
        places.push(directory.join(&name));
        // lib/modules/RELEASE holds image and configuration in newer packages.
        if directory.ends_with(release) {
            places.push(directory.join("config"));
        }
        // Debug packages put vmlinux below usr/lib/debug, where the image is without.
        if let Some(debug) = directory.ancestors().find(|parent| parent.ends_with("usr/lib/debug")) {
            let root = debug.ancestors().nth(3).unwrap_or(debug);
            places.push(root.join("boot").join(&name));
            places.extend(
                ["usr/lib/modules", "lib/modules"].map(|below| root.join(below).join(release).join("config")),
            );
        }
    }
    // vmlinux is at the head of a build tree, the image in arch/ARCH/boot of it.
    let heads = [Some(directory), directory.ancestors().nth(3).filter(|_| directory.ends_with("boot"))];
    let trees = heads.into_iter().flatten().filter(|head| head.join("Makefile").is_file());
    places.extend(trees.map(|head| head.join(".config")));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_builds_leave_it_in_their_places() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for (image, config) in [
            ("boot/vmlinuz-6.1.0", "boot/config-6.1.0"),
            ("usr/lib/modules/6.1.0/vmlinuz", "usr/lib/modules/6.1.0/config"),
            ("new/usr/lib/debug/boot/vmlinux-6.1.0", "new/boot/config-6.1.0"),
            ("other/usr/lib/debug/lib/modules/6.1.0/vmlinux", "other/lib/modules/6.1.0/config"),
            ("tree/arch/x86/boot/bzImage", "tree/.config"),
        ] {
            let (image, config) = (root.join(image), root.join(config));
            for file in [&image, &config, &root.join("tree/Makefile")] {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, "CONFIG_X=y\n").unwrap();
            }
            assert_eq!(beside(&image, Some("6.1.0")).map(|found| found.1), Some(config));
        }
    }

    #[test]
    fn another_kernels_configuration_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        for name in ["vmlinuz", "config-6.1.1", ".config"] {
            fs::write(root.path().join(name), "CONFIG_X=y\n").unwrap();
        }
        assert_eq!(beside(&root.path().join("vmlinuz"), Some("6.1.0")), None);
        let error = read(Path::new("/dev/null")).unwrap_err().to_string();
        assert!(error.contains("/dev/null is not a kernel configuration"), "{error}");
    }
}
