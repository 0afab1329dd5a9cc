//! What an initramfs of the user's has in it, so that what goes behind it fits in.
//!
//! The kernel makes each directory that an archive names, and where an earlier archive has a link of
//! that name (`lib` to `usr/lib`, say), the link goes. So only what is new may be named, by its path
//! with no link in it.

use std::path::Path;

use anyhow::{Context as _, bail};
use lkdb_image::archive::newc::{Record, file_type};
use lkdb_image::archive::{Entry, Kind, Parts, Tree};
use lkdb_image::config::Config;

use super::Source;

/// A compressed member may unpack to no more than this.
const UNPACKED_LIMIT: usize = 2 << 30;

/// The directories and links of an initramfs; everything else stands as a socket, which no one adds.
#[derive(Debug)]
pub(super) struct Skeleton(Vec<(Vec<u8>, Entry<Source>)>);

impl Skeleton {
    /// Reads one. A compression that the kernel's config lacks is an error.
    pub(super) fn read(path: &Path, config: Option<&Config>) -> anyhow::Result<Self> {
        let failed = || format!("cannot use the initramfs {}", path.display());
        let bytes = lkdb_map::map(path)?;
        let mut tree = Tree::<Source>::default();
        let mut parts = 0;
        for part in Parts::new(&bytes, UNPACKED_LIMIT) {
            let part = part.with_context(failed)?;
            if let (Some(kind), Some(config)) = (part.compression, config) {
                let option = kind.initrd_option();
                if !option.is_some_and(|option| config.is_built_in(option)) {
                    let lack = option.map_or("no kernel can".to_owned(), |option| {
                        format!("its config has no CONFIG_{option}")
                    });
                    bail!("the kernel cannot unpack {}, which is in {kind}: {lack}", path.display());
                }
            }
            for record in part.records() {
                let record = record.with_context(failed)?;
                // What cannot be at a place, the kernel doesn't put there either.
                let _ = tree.insert(record.name, stand_in(&record));
            }
            parts += 1;
        }
        if parts == 0 {
            bail!("cannot use the initramfs {}: there is no archive in it", path.display());
        }
        Ok(Self(tree.into_iter().collect()))
    }

    /// A tree with all this in it.
    pub(super) fn tree(&self, mtime: u32) -> anyhow::Result<Tree<Source>> {
        let mut tree = Tree::new(mtime);
        for (path, entry) in &self.0 {
            tree.insert(path, entry.clone())?;
        }
        Ok(tree)
    }

    /// Takes out of a tree what it has from here.
    pub(super) fn subtract(&self, tree: &mut Tree<Source>) {
        for (path, had) in &self.0 {
            let same = tree.get(path).is_some_and(|has| match (&has.kind, &had.kind) {
                (Kind::Dir, Kind::Dir) => true,
                (Kind::Symlink(has), Kind::Symlink(had)) => has == had,
                (Kind::Socket, Kind::Socket) => true,
                _ => false,
            });
            if same {
                tree.take(path);
            }
        }
    }
}

fn stand_in(record: &Record<'_>) -> Entry<Source> {
    let kind = match record.header.mode & file_type::MASK {
        file_type::DIR => Kind::Dir,
        file_type::SYMLINK => Kind::Symlink(record.data.to_vec()),
        _ => Kind::Socket,
    };
    Entry::new(record.header.mode & 0o7777, kind)
}
