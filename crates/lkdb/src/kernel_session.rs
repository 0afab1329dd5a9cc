//! A session on a kernel's files: its symbols, its sources, and the indexes kept of it. No machine yet.

use std::path::Path;

use anyhow::Context as _;
use lkdb_artifacts::{Cache, KernelSet};
use lkdb_map::Files;
use lkdb_session::Session;
use lkdb_symbols::Store;

/// A session without a file yet.
pub(crate) fn empty<'d>(files: &'d Files, store: &'d Store) -> anyhow::Result<Session<'d>> {
    let here = std::env::current_dir().context("cannot tell the working directory")?;
    let mut session = Session::new(files, store, here);
    if let Ok(cache) = Cache::open() {
        session.keep_indexes(cache.root());
    }
    Ok(session)
}

/// A session with a kernel's symbols and sources.
pub(crate) fn on<'d>(files: &'d Files, store: &'d Store, kernel: &KernelSet) -> anyhow::Result<Session<'d>> {
    let mut session = empty(files, store)?;
    let vmlinux = kernel.vmlinux.as_ref().with_context(|| no_vmlinux(&kernel.image))?;
    session.add_file(vmlinux)?;
    know_sources(&mut session, kernel);
    Ok(session)
}

/// Tells a session where a kernel's sources are.
pub(crate) fn know_sources(session: &mut Session<'_>, kernel: &KernelSet) {
    if let Some(source) = &kernel.source {
        session.sources_mut().add_tree(source.clone());
        if let Some(from) = &kernel.source_from {
            session.sources_mut().substitute(from, &source.to_string_lossy());
        }
    }
}

/// What is missing for an image alone, and where to get it.
pub(crate) fn no_vmlinux(image: &Path) -> String {
    format!(
        "there is no vmlinux with symbols for {}; name it with --vmlinux FILE, or get a kernel that has one \
         with `lkdb kernel fetch`",
        image.display()
    )
}
