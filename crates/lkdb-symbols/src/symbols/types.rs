//! Types of all objects: each from the DWARF or BTF it is numbered in, kept for a while.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Symbols;
use crate::btf::{Btf, Kind};
use crate::names::{Extent, Kinds};
use crate::object::Object;
use crate::types::{CompositeKind, ObjectId, Type, TypeError, TypeId, TypeSource, spellings};

/// Declarations asked about so far, with what defines them. Some thousands in a long session: few bytes each.
pub(super) type Definitions = RefCell<HashMap<TypeId, TypeId>>;

impl<'d> Symbols<'d> {
    /// The BTF of an object.
    #[must_use]
    pub fn btf(&self, id: ObjectId) -> Option<&Rc<Btf<'d>>> {
        let object = self.object(id)?;
        let kernel = self.kernel().filter(|kernel| kernel.id != id).and_then(|kernel| kernel.btf(None));
        object.btf(kernel)
    }

    /// The definition of a struct, union or enumeration by its tag: the first in the order of the objects and
    /// of their units, from DWARF, else from BTF. A declaration where nothing defines it. `kinds` is one or
    /// more of [`Kinds::STRUCT`], [`Kinds::UNION`], [`Kinds::ENUM`].
    ///
    /// gdb takes the first unit as well, when it has an index and has not read another of the units yet; else
    /// whichever its hash tables give. [`Symbols::all_tagged`] tells of the others.
    #[must_use]
    pub fn tagged(&self, kinds: Kinds, name: &str) -> Option<TypeId> {
        self.first(kinds, name)
    }

    /// A typedef or base type by its name, in any of a base type's spellings.
    #[must_use]
    pub fn type_named(&self, name: &str) -> Option<TypeId> {
        let base = || spellings(name).find_map(|spelling| self.first(Kinds::BASE, spelling));
        // Of the names that both may have only base types' are written in several words.
        if name.contains(' ') { base() } else { self.first(Kinds::TYPEDEF, name).or_else(base) }
    }

    /// Every definition of a type in DWARF: each unit has its own, and most are the same.
    #[must_use]
    pub fn all_tagged(&self, kinds: Kinds, name: &str) -> Vec<TypeId> {
        let of = |object: &Rc<Object<'d>>| {
            let dies = object.dies_named(name, kinds, Extent::All);
            let id = object.id;
            dies.into_iter().map(move |die| TypeId::Dwarf(id, die))
        };
        self.objects().flat_map(of).collect()
    }

    /// Every type of a tag in the kernel's BTF, which has each once unless files define different ones.
    #[must_use]
    pub fn all_in_btf(&self, kinds: Kinds, name: &str) -> Vec<TypeId> {
        let btf = self.kernel().and_then(|kernel| self.btf(kernel.id));
        let found = btf.map(|btf| btf.find(name, &btf_kinds(kinds)).into_iter().map(|number| btf.id(number)));
        found.into_iter().flatten().collect()
    }

    fn first(&self, kinds: Kinds, name: &str) -> Option<TypeId> {
        let mut declared = None;
        for object in self.objects() {
            let Some(die) = object.dies_named(name, kinds, Extent::First).first().copied() else { continue };
            let id = TypeId::Dwarf(object.id, die);
            if !self.declares(id) {
                return Some(id);
            }
            declared = declared.or(Some(id));
        }
        self.first_in_btf(None, kinds, name).or(declared)
    }

    /// Whether a type is but a declaration, or cannot be read.
    fn declares(&self, id: TypeId) -> bool {
        match self.get(id).as_deref() {
            Ok(Type::Composite(composite)) => composite.declaration,
            Ok(Type::Enum(declared)) => declared.declaration,
            Ok(_) => false,
            Err(_) => true,
        }
    }

    fn read(&self, id: TypeId) -> Result<Type, TypeError> {
        let unknown = TypeError::Unknown(id);
        let found = match id {
            TypeId::Void => Ok(Type::Void),
            TypeId::Made(_) => return self.made.get(id).map(|ty| (*ty).clone()),
            TypeId::Dwarf(object, offset) => {
                let object = self.object(object).ok_or(unknown.clone())?;
                object.dwarf().ok_or(unknown)?.type_at(offset, &self.made)
            }
            TypeId::Btf(object, number) => self.btf(object).ok_or(unknown)?.get(number),
        };
        found.map_err(|error| self.named(error, id))
    }

    /// Errors of a file call it by its number; users know its name.
    fn named(&self, error: TypeError, id: TypeId) -> TypeError {
        let (TypeId::Dwarf(object, _) | TypeId::Btf(object, _)) = id else { return error };
        match (error, self.object(object)) {
            (TypeError::Damaged { at, why, .. }, Some(object)) => {
                TypeError::Damaged { object: object.name.clone(), at, why }
            }
            (error, _) => error,
        }
    }

    /// The definition of what `id` declares: in the same unit, the same object, any.
    fn define(&self, id: TypeId) -> Option<TypeId> {
        let ty = self.get(id).ok()?;
        let (name, kinds) = match &*ty {
            Type::Composite(composite) if composite.declaration => match composite.kind {
                CompositeKind::Struct => (composite.name.as_deref()?, Kinds::STRUCT),
                CompositeKind::Union => (composite.name.as_deref()?, Kinds::UNION),
            },
            Type::Enum(declared) if declared.declaration => (declared.name.as_deref()?, Kinds::ENUM),
            _ => return None,
        };
        let own = match id {
            TypeId::Dwarf(object, _) | TypeId::Btf(object, _) => self.object(object),
            TypeId::Void | TypeId::Made(_) => None,
        };
        if let (Some(object), TypeId::Dwarf(_, offset)) = (own, id) {
            let dwarf = object.dwarf()?;
            if let Ok(Some(found)) = dwarf.definition_in_unit(offset) {
                return dwarf.type_id(found).ok();
            }
        }
        if let TypeId::Btf(..) = id {
            return self.first_in_btf(own, kinds, name);
        }
        for object in own.into_iter().chain(self.objects()) {
            let die = object.dies_named(name, kinds, Extent::First).first().copied();
            let found = die.map(|die| TypeId::Dwarf(object.id, die)).filter(|id| !self.declares(*id));
            if found.is_some() {
                return found;
            }
        }
        self.first_in_btf(own, kinds, name)
    }

    /// BTF that defines a type: the object's own, the kernel's, any.
    fn first_in_btf(&self, own: Option<&Rc<Object<'d>>>, wanted: Kinds, name: &str) -> Option<TypeId> {
        let kinds = btf_kinds(wanted);
        own.into_iter().chain(self.objects()).find_map(|object| {
            let btf = self.btf(object.id)?;
            let found = btf.find(name, &kinds).into_iter().map(|number| btf.id(number));
            found.into_iter().find(|id| !self.declares(*id))
        })
    }
}

/// What BTF calls kinds of types.
fn btf_kinds(wanted: Kinds) -> Vec<Kind> {
    let all = [
        (Kinds::STRUCT, Kind::Struct),
        (Kinds::UNION, Kind::Union),
        (Kinds::ENUM, Kind::Enum),
        (Kinds::ENUM, Kind::Enum64),
        (Kinds::TYPEDEF, Kind::Typedef),
        (Kinds::BASE, Kind::Int),
        (Kinds::BASE, Kind::Float),
    ];
    all.into_iter().filter(|(kinds, _)| kinds.meets(wanted)).map(|(_, kind)| kind).collect()
}

impl TypeSource for Symbols<'_> {
    fn get(&self, id: TypeId) -> Result<Rc<Type>, TypeError> {
        if let TypeId::Made(_) = id {
            return self.made.get(id);
        }
        if let Some(ty) = self.memo.get(id) {
            return Ok(ty);
        }
        let ty = self.read(id)?;
        Ok(self.memo.keep(id, ty))
    }

    fn complete(&self, id: TypeId) -> TypeId {
        if let Some(found) = self.definitions.borrow().get(&id) {
            return *found;
        }
        let found = self.define(id).unwrap_or(id);
        self.definitions.borrow_mut().insert(id, found);
        found
    }

    fn make(&self, ty: Type) -> TypeId {
        self.made.make(ty)
    }
}
