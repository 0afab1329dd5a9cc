//! All the files a session has symbols of, as one: the vmlinux and the modules that are loaded.
//!
//! Takes runtime addresses to the object they are in and back. What is known of an address or name within
//! one object is asked of the object.

mod named;
mod types;

use std::rc::Rc;

use lkdb_base::{LinkAddr, RuntimeAddr};

use crate::elf::Elf;
use crate::object::Object;
use crate::store::Store;
use crate::types::{MadeTypes, Memo, ObjectId};

pub use named::OtherDefinition;

/// An address in one of the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Located {
    /// The object.
    pub object: ObjectId,
    /// The address in it.
    pub address: LinkAddr,
}

/// All objects. Numbers are never given twice: what belongs to an unloaded module stays unknown.
#[derive(Debug)]
pub struct Symbols<'d> {
    store: &'d Store,
    objects: Vec<Option<Rc<Object<'d>>>>,
    made: MadeTypes,
    memo: Memo,
    definitions: types::Definitions,
    found: named::Found,
}

impl<'d> Symbols<'d> {
    /// No object yet. Bytes that must be made go to `store`.
    #[must_use]
    pub fn new(store: &'d Store) -> Self {
        Self {
            store,
            objects: Vec::new(),
            made: MadeTypes::default(),
            memo: Memo::default(),
            definitions: types::Definitions::default(),
            found: named::Found::default(),
        }
    }

    /// Adds a file; the kernel comes first. None when there are too many.
    pub fn add(&mut self, name: &str, elf: Elf<'d>) -> Option<ObjectId> {
        self.add_with(name, elf, |_| {})
    }

    /// Adds a file after `set` has told the object more: where it runs, which file has its code.
    pub fn add_with(
        &mut self,
        name: &str,
        elf: Elf<'d>,
        set: impl FnOnce(&mut Object<'d>),
    ) -> Option<ObjectId> {
        let id = ObjectId(u16::try_from(self.objects.len()).ok()?);
        let mut object = Object::new(id, name, elf, self.store);
        set(&mut object);
        self.objects.push(Some(Rc::new(object)));
        // What nothing defined so far, this file may define.
        self.definitions.borrow_mut().clear();
        self.found.borrow_mut().clear();
        Some(id)
    }

    /// Forgets an object: a module that was unloaded.
    pub fn remove(&mut self, id: ObjectId) {
        if let Some(slot) = self.objects.get_mut(usize::from(id.0)) {
            *slot = None;
        }
        self.definitions.borrow_mut().clear();
        self.found.borrow_mut().clear();
    }

    /// An object by its number.
    #[must_use]
    pub fn object(&self, id: ObjectId) -> Option<&Rc<Object<'d>>> {
        self.objects.get(usize::from(id.0))?.as_ref()
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> Option<&Rc<Object<'d>>> {
        self.object(ObjectId(0))
    }

    /// Every object, the kernel first.
    pub fn objects(&self) -> impl Iterator<Item = &Rc<Object<'d>>> {
        self.objects.iter().flatten()
    }

    /// The object that an address of the target is in, and where in it. Modules are asked before the
    /// kernel, which claims every address that nothing moved.
    #[must_use]
    pub fn locate(&self, address: RuntimeAddr) -> Option<Located> {
        let modules = self.objects.iter().skip(1).flatten();
        modules.chain(self.kernel()).find_map(|object| {
            let link = object.link(address)?;
            Some(Located { object: object.id, address: link })
        })
    }

    /// Where an address of an object runs; none when it is not in memory.
    #[must_use]
    pub fn runtime(&self, located: Located) -> Option<RuntimeAddr> {
        self.object(located.object)?.runtime(located.address)
    }
}
