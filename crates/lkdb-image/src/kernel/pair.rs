//! Whether an image and a vmlinux come out of one build: a debugger with symbols of another build
//! shows wrong lines without a word.

use lkdb_base::BuildId;

use super::{ImageError, Kernel, unpack};

/// Why two files do not belong together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PairError {
    /// Their build IDs differ.
    #[error("image and vmlinux are of different builds: build ID {image} of the image, {vmlinux} of vmlinux")]
    BuildId {
        /// Of the image.
        image: BuildId,
        /// Of the vmlinux.
        vmlinux: BuildId,
    },
    /// One of them has no build ID, and their banners differ.
    #[error("image and vmlinux are of different builds: the image is `{image}`, vmlinux `{vmlinux}`")]
    Banner {
        /// Of the image.
        image: String,
        /// Of the vmlinux.
        vmlinux: String,
    },
    /// They are for different architectures.
    #[error("the image is for {image}, vmlinux for {vmlinux}")]
    Arch {
        /// Of the image, as `uname -m` says it.
        image: &'static str,
        /// Of the vmlinux.
        vmlinux: &'static str,
    },
    /// Neither a build ID nor a banner can be compared.
    #[error(
        "{0} has neither a build ID nor a banner: it cannot be told whether image and vmlinux belong together"
    )]
    Unknown(&'static str),
    /// The image cannot be read.
    #[error("the image: {0}")]
    Image(ImageError),
    /// The vmlinux cannot be read.
    #[error("vmlinux: {0}")]
    Vmlinux(ImageError),
}

/// Checks that an image and a vmlinux (or a file of debug information alone) come out of one build,
/// by their build IDs, by their banners where one has none. Returns the build ID if both have one.
/// Files of the same content pass, so a vmlinux may be its own image.
///
/// # Errors
/// [`PairError`].
pub fn check_pair(image: &[u8], vmlinux: &[u8]) -> Result<Option<BuildId>, PairError> {
    let image = unpack(image).map_err(PairError::Image)?;
    let vmlinux = unpack(vmlinux).map_err(PairError::Vmlinux)?;
    compare(&image, &vmlinux)
}

fn compare(image: &Kernel<'_>, vmlinux: &Kernel<'_>) -> Result<Option<BuildId>, PairError> {
    if image.arch != vmlinux.arch {
        return Err(PairError::Arch { image: image.arch.name, vmlinux: vmlinux.arch.name });
    }
    match (image.build_id(), vmlinux.build_id()) {
        (Some(image), Some(vmlinux)) if image == vmlinux => return Ok(Some(image)),
        (Some(image), Some(vmlinux)) => return Err(PairError::BuildId { image, vmlinux }),
        _ => {}
    }
    match (image.banner(), vmlinux.banner()) {
        (Some(image), Some(vmlinux)) if image == vmlinux => Ok(None),
        (Some(image), Some(vmlinux)) => Err(PairError::Banner { image, vmlinux }),
        (None, _) => Err(PairError::Unknown("the image")),
        (_, None) => Err(PairError::Unknown("vmlinux")),
    }
}
