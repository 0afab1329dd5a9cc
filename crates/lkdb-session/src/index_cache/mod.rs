//! The index of a file's debug info when it is wanted: in use already, from disk, or built now.
//!
//! Nothing here is done before somebody needs an index: exact names are found without one. What an index holds
//! is `lkdb_symbols::index`'s; where it lies on disk is in [`disk`].

mod disk;

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::Scope;
use std::time::Duration;

use lkdb_map::Files;
use lkdb_symbols::Store;
use lkdb_symbols::index::{BuildError, Index, Progress, build};
use lkdb_symbols::names::Raw;

pub use disk::{IndexCache, Key};

/// How often progress is told.
const TICK: Duration = Duration::from_millis(50);

/// Debug info smaller than this is indexed faster than a file is looked up: most modules.
const WORTH_KEEPING: usize = 4 << 20;

type Built = Result<Vec<u8>, BuildError>;

/// The index of one file, made when it is wanted.
pub struct FileIndex<'d> {
    raw: Raw<'d>,
    key: Key,
    cache: Option<IndexCache>,
    files: &'d Files,
    store: &'d Store,
    index: RefCell<Option<Rc<Index<'d>>>>,
    behind: RefCell<Option<(Arc<Progress>, Receiver<Built>)>>,
    note: RefCell<Option<String>>,
}

impl<'d> FileIndex<'d> {
    /// Of the file with these sections. Without a cache it lives as long as the session.
    #[must_use]
    pub fn new(
        raw: Raw<'d>,
        key: Key,
        cache: Option<IndexCache>,
        files: &'d Files,
        store: &'d Store,
    ) -> Self {
        let cache = cache.filter(|_| raw.info.len() >= WORTH_KEEPING);
        let (index, behind, note) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { raw, key, cache, files, store, index, behind, note }
    }

    /// The index if it is in use, on disk, or was done behind meanwhile. Never waits.
    #[must_use]
    pub fn ready(&self) -> Option<Rc<Index<'d>>> {
        if let Some(index) = self.index.borrow().as_ref() {
            return Some(Rc::clone(index));
        }
        let done = self.behind.borrow().as_ref().and_then(|(_, built)| built.try_recv().ok());
        match done {
            Some(built) => {
                self.behind.replace(None);
                self.use_built(built.ok()?)
            }
            None => self.on_disk(),
        }
    }

    /// The index, built now if it must be. `progress` is told how many bytes of how many are done, some
    /// times a second, and may break the work off.
    ///
    /// # Errors
    /// [`BuildError::Stopped`] when it did; else what is wrong with the debug info.
    pub fn ensure(
        &self,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Rc<Index<'d>>, BuildError> {
        loop {
            if let Some(index) = self.ready() {
                return Ok(index);
            }
            let behind = self.behind.take();
            if let Some((state, built)) = behind {
                match wait(&state, &built, progress) {
                    Some(bytes) => return self.use_built(bytes?).ok_or(BuildError::Stopped),
                    None => continue,
                }
            }
            // Another process may be building the very same.
            let lock = match self.cache.as_ref().map(|cache| cache.lock(&self.key)) {
                Some(Ok(None)) => {
                    pause(progress)?;
                    continue;
                }
                Some(Ok(lock)) => lock,
                Some(Err(error)) => {
                    self.noted(&error);
                    None
                }
                None => None,
            };
            // It may have been done between the look and the lock.
            if let Some(index) = self.on_disk() {
                return Ok(index);
            }
            let bytes = self.build_watched(progress)?;
            self.keep(&bytes);
            drop(lock);
            return self.use_built(bytes).ok_or(BuildError::Stopped);
        }
    }

    /// Builds on a thread while this one tells how far it is.
    fn build_watched(&self, progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>) -> Built {
        let (state, raw, identity) = (Progress::default(), self.raw, self.key.identity());
        std::thread::scope(|scope| {
            let (send, built) = mpsc::channel();
            let state = &state;
            scope.spawn(move || send.send(build(&raw, identity, 0, state)));
            wait(state, &built, progress).unwrap_or(Err(BuildError::Stopped))
        })
    }

    /// Begins to build behind the prompt, on one core, unless there is an index already. `scope` ends with
    /// the session; call [`Self::stop`] before that.
    pub fn build_behind<'scope>(&self, scope: &'scope Scope<'scope, '_>)
    where
        'd: 'scope,
    {
        if self.ready().is_some() || self.behind.borrow().is_some() {
            return;
        }
        let (state, (send, built)) = (Arc::new(Progress::default()), mpsc::channel());
        self.behind.replace(Some((Arc::clone(&state), built)));
        let (raw, identity) = (self.raw, self.key.identity().to_vec());
        let (cache, key) = (self.cache.clone(), self.key.clone());
        scope.spawn(move || {
            let lock = cache.as_ref().map(|cache| cache.lock(&key));
            // Another process is at it; its index will be on disk.
            if matches!(lock, Some(Ok(None))) {
                return;
            }
            let built = build(&raw, &identity, 1, &state);
            if let (Some(cache), Ok(bytes)) = (&cache, &built) {
                let _ = cache.keep(&key, bytes);
            }
            // Whoever wanted it may be gone.
            let _ = send.send(built);
        });
    }

    /// Ends a build behind the prompt soon.
    pub fn stop(&self) {
        if let Some((state, _)) = self.behind.take() {
            state.stop();
        }
    }

    /// After [`lkdb_symbols::index::Damaged`]: the next who wants an index gets a new one.
    pub fn discard(&self) {
        self.index.replace(None);
        if let Some(cache) = &self.cache {
            cache.forget(&self.key);
        }
    }

    /// Why the index could not be kept, once.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        self.note.take()
    }

    fn noted(&self, error: &std::io::Error) {
        let folder = self.cache.as_ref().map(|cache| cache.path(&self.key)).unwrap_or_default();
        let note = format!("The index of the debug info cannot be kept in {}: {error}", folder.display());
        self.note.replace(Some(note));
    }

    fn on_disk(&self) -> Option<Rc<Index<'d>>> {
        let cache = self.cache.as_ref()?;
        let bytes = self.files.map(cache.path(&self.key)).ok()?;
        let index = Rc::new(Index::open(bytes, &self.raw, self.key.identity())?);
        cache.used(&self.key);
        self.index.replace(Some(Rc::clone(&index)));
        Some(index)
    }

    fn keep(&self, bytes: &[u8]) {
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.keep(&self.key, bytes)) {
            self.noted(&error);
        }
    }

    /// Uses fresh bytes: mapped from where they were kept, else in memory.
    fn use_built(&self, bytes: Vec<u8>) -> Option<Rc<Index<'d>>> {
        if let Some(index) = self.on_disk() {
            return Some(index);
        }
        let index = Rc::new(Index::open(self.store.keep(bytes), &self.raw, self.key.identity())?);
        self.index.replace(Some(Rc::clone(&index)));
        Some(index)
    }
}

/// Waits for a build and tells how far it is. None: its thread left it to another process.
fn wait(
    state: &Progress,
    built: &Receiver<Built>,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Option<Built> {
    loop {
        match built.recv_timeout(TICK) {
            Ok(built) => return Some(built),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {
                let (done, total) = state.done();
                if progress(done, total).is_break() {
                    state.stop();
                }
            }
        }
    }
}

/// Waits a little for another process.
fn pause(progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>) -> Result<(), BuildError> {
    std::thread::sleep(TICK);
    if progress(0, 0).is_break() { Err(BuildError::Stopped) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.debug_info` of units without DIEs of interest, long enough to be kept.
    fn section() -> Vec<u8> {
        // DWARF 4: length, version, abbreviations at 0, address size; then a null entry.
        let unit = [8u8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8, 0];
        unit.repeat(WORTH_KEEPING / unit.len() + 1)
    }

    fn go_on(_: usize, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    struct Kept {
        files: Files,
        store: Store,
        info: Vec<u8>,
        root: tempfile::TempDir,
    }

    impl Kept {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            Self { files: Files::new(), store: Store::new(), info: section(), root }
        }

        fn index(&self, root: &std::path::Path) -> FileIndex<'_> {
            let raw = Raw { info: &self.info, abbrev: &[0], ..Raw::default() };
            let key = Key::new(Some(&lkdb_base::BuildId::from_bytes(b"kernel")), root);
            FileIndex::new(raw, key, Some(IndexCache::new(root)), &self.files, &self.store)
        }
    }

    #[test]
    fn what_one_session_built_the_next_one_finds() {
        let kept = Kept::new();
        let first = kept.index(kept.root.path());
        assert!(first.ready().is_none());
        first.ensure(&mut go_on).unwrap();
        assert!(kept.index(kept.root.path()).ready().is_some());
        assert_eq!(first.note(), None);
    }

    #[test]
    fn damage_on_disk_is_built_anew() {
        let kept = Kept::new();
        let first = kept.index(kept.root.path());
        first.ensure(&mut go_on).unwrap();
        let path = IndexCache::new(kept.root.path()).path(&first.key);
        std::fs::write(&path, b"LKDBIDX\nrubbish").unwrap();
        let second = kept.index(kept.root.path());
        assert!(second.ready().is_none());
        second.ensure(&mut go_on).unwrap();
        second.discard();
        assert!(!path.exists() && second.ready().is_none());
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_noted_once() {
        let kept = Kept::new();
        let file = kept.root.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let index = kept.index(&file);
        index.ensure(&mut go_on).unwrap();
        assert!(index.ready().is_some());
        assert!(index.note().unwrap().contains("cannot be kept"));
        assert_eq!(index.note(), None);
    }

    #[test]
    fn it_is_built_behind_the_prompt() {
        let kept = Kept::new();
        let index = kept.index(kept.root.path());
        std::thread::scope(|scope| {
            index.build_behind(scope);
            assert!(index.ensure(&mut go_on).is_ok());
            index.stop();
        });
    }

    #[test]
    fn a_wait_for_another_process_can_be_ended() {
        let kept = Kept::new();
        let index = kept.index(kept.root.path());
        let _lock = IndexCache::new(kept.root.path()).lock(&index.key).unwrap().unwrap();
        let stopped = index.ensure(&mut |_, _| ControlFlow::Break(()));
        assert_eq!(stopped.map(drop), Err(BuildError::Stopped));
    }
}
