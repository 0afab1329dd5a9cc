//! The indexes of a session's files: used where there is one on disk, built when a question needs one.
//!
//! What an index is, and where it lies, is [`crate::index_cache`]'s.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use lkdb_symbols::index::{BuildError, Index};
use lkdb_symbols::names::Raw;
use lkdb_symbols::{Object, ObjectId};

use crate::index_cache::{FileIndex, IndexCache, Key};
use crate::{Error, Result, Session};

/// The indexes of the files.
#[derive(Default)]
pub(crate) struct Indexes<'d> {
    root: Option<PathBuf>,
    listener: Option<Listener>,
    files: RefCell<HashMap<ObjectId, Option<Rc<FileIndex<'d>>>>>,
}

/// How far a long piece of work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub what: &'static str,
    /// How much of it.
    pub done: usize,
    /// How much there is in all; 0 when that is not known.
    pub all: usize,
}

/// Hears of work that takes long, at times, and with nothing when it is over.
pub type Listener = Box<dyn Fn(Option<Progress>)>;

/// Work is told of when it takes longer.
const LONG: Duration = Duration::from_secs(1);

impl<'d> Session<'d> {
    /// Tells `listener` of work that takes over a second.
    pub fn listen(&mut self, listener: Listener) {
        self.indexes.listener = Some(listener);
    }

    fn tell_progress(&self, progress: Option<Progress>) {
        if let Some(listener) = &self.indexes.listener {
            listener(progress);
        }
    }

    /// Keeps indexes in the cache at `root`, and uses those that are there.
    pub fn keep_indexes(&mut self, root: &Path) {
        self.indexes.root = Some(root.to_owned());
        for object in self.symbols().objects() {
            self.use_ready_index(object);
        }
    }

    /// Uses the index of an object, if there is one on disk. Debug info that lies packed is left alone: to
    /// unpack it takes longer than most questions.
    pub(crate) fn use_ready_index(&self, object: &Rc<Object<'d>>) {
        let packed = object.elf.section(".debug_info").is_none_or(|section| object.elf.packed(&section));
        if self.indexes.root.is_none() || packed || object.index().is_some() {
            return;
        }
        if let Some(index) = self.file_index(object).and_then(|file| file.ready()) {
            object.use_index(index);
        }
    }

    /// The index of an object, built now if it must be; none for a file without debug info.
    ///
    /// # Errors
    /// When the user wants no more, or the debug info is damaged.
    pub fn index(&self, object: &Rc<Object<'d>>) -> Result<Option<Rc<Index<'d>>>> {
        let Some(file) = self.file_index(object) else { return Ok(None) };
        let begun = Instant::now();
        let mut progress = |done: usize, all: usize| {
            if begun.elapsed() >= LONG {
                self.tell_progress(Some(Progress { what: "indexing names", done, all }));
            }
            match self.interrupt().is_set() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let built = file.ensure(&mut progress);
        self.tell_progress(None);
        let index = built.map_err(|error| match error {
            BuildError::Stopped => Error::Interrupted,
            other => Error::say(other.to_string()),
        })?;
        if let Some(note) = file.note() {
            tracing::warn!("{note}");
        }
        object.use_index(Rc::clone(&index));
        Ok(Some(index))
    }

    fn file_index(&self, object: &Rc<Object<'d>>) -> Option<Rc<FileIndex<'d>>> {
        if let Some(known) = self.indexes.files.borrow().get(&object.id) {
            return known.clone();
        }
        let made = object.dwarf().and_then(|dwarf| {
            let raw = Raw::of(dwarf.sections()).ok()?;
            let path = self.path_of(object.id).unwrap_or(Path::new(""));
            let mut key = Key::new(object.elf.build_id().as_ref(), path);
            if let Some(parts) = dwarf.sections().split_fingerprint() {
                key = key.with_parts(parts);
            }
            let cache = self.indexes.root.as_deref().map(IndexCache::new);
            Some(Rc::new(FileIndex::new(raw, key, cache, self.files(), self.store())))
        });
        self.indexes.files.borrow_mut().insert(object.id, made.clone());
        made
    }
}
