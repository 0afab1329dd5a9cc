//! All that can be told of a kernel image at once: what `lkdb kernel info` shows.

use lkdb_base::BuildId;

use crate::compress::Compression;
use crate::config::Config;

use super::{Arm64Header, BzImage, Contents, Format, ImageError, Kernel, Module, release_of, unpack};

/// A kernel image, described.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Info {
    /// What kind of file it is.
    pub format: Format,
    /// What it runs on, as `uname -m` says it.
    pub arch: &'static str,
    /// The compression round the whole file.
    pub wrapping: Option<Compression>,
    /// The compression inside the boot image.
    pub packing: Option<Compression>,
    /// Size of the file in bytes.
    pub size: u64,
    /// Size of the kernel in it, unpacked, in bytes.
    pub unpacked_size: u64,
    /// What it says of itself at boot.
    pub banner: Option<String>,
    /// Its release, as `uname -r` says it; of a module, that of the kernel it is for.
    pub release: Option<String>,
    /// What ties it to its debug information.
    pub build_id: Option<BuildId>,
    /// What it carries.
    pub contents: Contents,
    /// The header of a bzImage.
    pub bzimage: Option<BzImage>,
    /// The header of an arm64 image.
    pub arm64: Option<Arm64Header>,
    /// What a module says of itself.
    pub module: Option<Module>,
    /// The configuration that it carries.
    #[serde(skip)]
    pub config: Option<Config>,
}

/// Describes a kernel image, vmlinux or module. A boot image is unpacked for it.
///
/// # Errors
/// As [`unpack`].
pub fn describe(file: &[u8]) -> Result<Info, ImageError> {
    unpack(file).map(|kernel| of(&kernel, file.len() as u64))
}

fn of(kernel: &Kernel<'_>, size: u64) -> Info {
    let module = kernel.module();
    let banner = if module.is_some() { None } else { kernel.banner() };
    let own = banner.as_deref().and_then(release_of).map(str::to_owned);
    let release = own.or_else(|| {
        let bzimage = || kernel.bzimage.as_ref()?.version.as_deref()?.split(' ').next();
        module.as_ref().and_then(Module::release).or_else(bzimage).map(str::to_owned)
    });
    Info {
        format: kernel.format,
        arch: kernel.arch.name,
        wrapping: kernel.wrapping,
        packing: kernel.packing,
        size,
        unpacked_size: kernel.bytes().len() as u64,
        banner,
        release,
        build_id: kernel.build_id(),
        contents: kernel.contents(),
        bzimage: kernel.bzimage.clone(),
        arm64: kernel.arm64.clone(),
        module,
        config: kernel.config(),
    }
}
