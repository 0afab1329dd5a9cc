//! What a kernel image says that its initramfs must suit: release, architecture, configuration.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lkdb_base::{Arch, arch};
use lkdb_image::config::Config;
use lkdb_image::kernel::{self, BzImage};

use crate::kernel_config;

/// What is known of a kernel.
#[derive(Debug, Clone)]
pub(crate) struct KernelFacts {
    /// What it runs on.
    pub(crate) arch: &'static Arch,
    /// Its release (`uname -r`).
    pub(crate) release: Option<String>,
    /// Its configuration: beside the image, else embedded.
    pub(crate) config: Option<Config>,
}

impl KernelFacts {
    /// Reads them from an image. It is unpacked only where the facts cannot be had otherwise.
    pub(crate) fn of_image(path: &Path) -> anyhow::Result<Self> {
        let bytes = lkdb_map::map(path)?;
        let failed = || format!("cannot use the kernel {}", path.display());
        if BzImage::is_one(&bytes) {
            let header = BzImage::parse(&bytes).with_context(failed)?;
            let release =
                header.version.as_deref().and_then(|text| text.split(' ').next()).map(str::to_owned);
            if let (Some(release), Some((config, _))) =
                (&release, kernel_config::beside(path, release.as_deref()))
            {
                return Ok(Self {
                    arch: &arch::X86_64,
                    release: Some(release.clone()),
                    config: Some(config),
                });
            }
        }
        let info = kernel::describe(&bytes).with_context(failed)?;
        let arch = Arch::by_name(info.arch).with_context(failed)?;
        let config = info
            .config
            .or_else(|| kernel_config::beside(path, info.release.as_deref()).map(|(config, _)| config));
        Ok(Self { arch, release: info.release, config })
    }
}

/// Where the modules of a kernel are likely to be: beside it as a package has them, in its build tree,
/// or installed on this host.
pub(crate) fn modules_of(image: &Path, release: Option<&str>) -> Option<PathBuf> {
    let dir = image.canonicalize().ok()?.parent()?.to_owned();
    let build = [dir.clone(), dir.join("../../..")];
    let mut places: Vec<PathBuf> =
        build.into_iter().filter(|dir| dir.join("include/config/kernel.release").is_file()).collect();
    if let Some(release) = release {
        let installed =
            ["../lib/modules", "../usr/lib/modules", ".."].map(|below| dir.join(below).join(release));
        places.extend(installed);
        places.push(Path::new("/lib/modules").join(release));
    }
    places.into_iter().find(|place| place.is_dir())
}
