//! Names of the debug info, found without an index: which DIEs a name means, in all files of a session.
//!
//! What was found is kept: one command asks for the same name several times.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use gimli::UnitOffset;
use lkdb_symbols::names::{self, Extent, Kinds, Raw, Units};
use lkdb_symbols::{DieRef, Dwarf, Object, ObjectId};

/// A file's sections and units, as the search wants them.
type Searchable<'d> = Rc<(Raw<'d>, Units)>;
/// What a name of some kinds means.
type Known = HashMap<(String, Kinds), Rc<[Named]>>;

/// A DIE of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its file.
    pub(crate) object: ObjectId,
    /// The DIE.
    pub(crate) die: DieRef,
    /// What the search said of it.
    pub(crate) found: names::Found,
}

/// What was found so far.
#[derive(Default)]
pub(crate) struct Names<'d> {
    files: RefCell<HashMap<ObjectId, Option<Searchable<'d>>>>,
    known: RefCell<Known>,
}

impl<'d> Names<'d> {
    /// Forgets everything: files came or went.
    pub(crate) fn forget(&self) {
        self.files.borrow_mut().clear();
        self.known.borrow_mut().clear();
    }

    /// The DIEs of file scope of a name and kinds: definitions, in the files' order.
    pub(crate) fn find<'o>(
        &self,
        objects: impl Iterator<Item = &'o Rc<Object<'d>>>,
        name: &str,
        kinds: Kinds,
    ) -> Rc<[Named]>
    where
        'd: 'o,
    {
        let key = (name.to_owned(), kinds);
        if let Some(known) = self.known.borrow().get(&key) {
            return Rc::clone(known);
        }
        let mut all = Vec::new();
        for object in objects {
            let (Some(dwarf), Some(file)) = (object.dwarf(), self.file(object)) else { continue };
            let (raw, units) = &*file;
            for found in names::find(raw, units, name, kinds, Extent::All) {
                if let Some(die) = die(dwarf, found.offset) {
                    all.push(Named { object: object.id, die, found });
                }
            }
        }
        let all: Rc<[Named]> = all.into();
        self.known.borrow_mut().insert(key, Rc::clone(&all));
        all
    }

    /// The DIEs with a function's code: its own, and its inlined copies.
    pub(crate) fn instances(&self, object: &Object<'d>, function: &names::Found) -> Vec<(DieRef, bool)> {
        let (Some(dwarf), Some(file)) = (object.dwarf(), self.file(object)) else { return Vec::new() };
        let (raw, units) = &*file;
        let all = names::instances(raw, units, function).into_iter();
        all.filter_map(|one| Some((die(dwarf, one.offset)?, one.inlined))).collect()
    }

    fn file(&self, object: &Object<'d>) -> Option<Searchable<'d>> {
        if let Some(known) = self.files.borrow().get(&object.id) {
            return known.clone();
        }
        let read = || {
            let raw = Raw::of(object.dwarf()?.sections()).ok()?;
            let units = Units::read(&raw).ok()?;
            Some(Rc::new((raw, units)))
        };
        let file = read();
        self.files.borrow_mut().insert(object.id, file.clone());
        file
    }
}

fn die(dwarf: &Dwarf<'_>, offset: u64) -> Option<DieRef> {
    let die = dwarf.die_at(offset).ok()?;
    let DieRef { unit, offset: UnitOffset(offset) } = die;
    Some(DieRef { unit, offset: UnitOffset(offset) })
}
