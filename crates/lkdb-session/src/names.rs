//! Names of the debug info: which DIEs a name means, in all files of a session, by their indexes or without.
//!
//! What was found is kept: one command asks for the same name several times.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use lkdb_symbols::names::{self, Extent, Kinds};
use lkdb_symbols::{DieRef, Object, ObjectId};

/// What a name of some kinds means.
type Known = HashMap<(String, Kinds, bool), Rc<[Named]>>;

/// A DIE of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its file.
    pub(crate) object: ObjectId,
    /// The DIE.
    pub(crate) die: DieRef,
    /// Where it is in `.debug_info`.
    pub(crate) offset: u64,
}

/// What was found so far.
#[derive(Default)]
pub(crate) struct Names {
    known: RefCell<Known>,
}

impl Names {
    /// Forgets everything: files came or went.
    pub(crate) fn forget(&self) {
        self.known.borrow_mut().clear();
    }

    /// The DIEs of file scope of a name and kinds, in the files' order: definitions, or a declaration where
    /// there is none. With [`Extent::First`] one of each file.
    pub(crate) fn find<'o, 'd: 'o>(
        &self,
        objects: impl Iterator<Item = &'o Rc<Object<'d>>>,
        name: &str,
        kinds: Kinds,
        extent: Extent,
    ) -> Rc<[Named]> {
        let key = (name.to_owned(), kinds, extent == Extent::First);
        if let Some(known) = self.known.borrow().get(&key) {
            return Rc::clone(known);
        }
        let mut all = Vec::new();
        for object in objects {
            let Some(dwarf) = object.dwarf() else { continue };
            for offset in object.dies_named(name, kinds, extent) {
                if let Ok(die) = dwarf.die_at(offset) {
                    all.push(Named { object: object.id, die, offset });
                }
            }
        }
        let all: Rc<[Named]> = all.into();
        self.known.borrow_mut().insert(key, Rc::clone(&all));
        all
    }
}

/// The DIEs with code of the functions of a name: their own (false), and their inlined copies (true).
pub(crate) fn instances(object: &Object<'_>, name: &str) -> Vec<(DieRef, bool)> {
    let Some(dwarf) = object.dwarf() else { return Vec::new() };
    let die = |offset: u64| dwarf.die_at(offset).ok();
    if let Some(Ok(copies)) = object.index().map(|index| index.copies(name)) {
        return copies.into_iter().filter_map(|offset| Some((die(offset)?, true))).collect();
    }
    let Some((raw, units)) = object.names() else { return Vec::new() };
    let functions = names::find(raw, units, name, Kinds::FUNCTION, Extent::All);
    let all = functions.iter().flat_map(|function| names::instances(raw, units, function));
    all.filter_map(|one| Some((die(one.offset)?, one.inlined))).collect()
}

/// The enumeration that an enumerator is of.
pub(crate) fn enumeration_of(object: &Object<'_>, name: &str, enumerator: u64) -> Option<DieRef> {
    let dwarf = object.dwarf()?;
    if let Some(Ok(entries)) = object.index().map(|index| index.named(name, Kinds::ENUMERATOR)) {
        let entry = entries.iter().find(|entry| entry.die == enumerator)?;
        return dwarf.die_at(entry.enumeration?).ok();
    }
    let (raw, units) = object.names()?;
    let found = names::find(raw, units, name, Kinds::ENUMERATOR, Extent::All);
    dwarf.die_at(found.iter().find(|found| found.offset == enumerator)?.parent).ok()
}
