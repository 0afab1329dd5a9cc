//! Types of all objects: each from the DWARF or BTF it is numbered in, kept for a while.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Symbols;
use crate::btf::Btf;
use crate::names::{Extent, Kinds};
use crate::types::{Base, CompositeKind, Encoding, ObjectId, Type, TypeError, TypeId, TypeSource};

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

    /// The type of a variable whose debug info says `id`: with little debug info (`-g1`) it says none, which gdb takes
    /// for `int`.
    #[must_use]
    pub fn type_of_variable(&self, id: TypeId) -> TypeId {
        match id {
            TypeId::Void => {
                self.made.make(Type::Base(Base { name: "int".into(), size: 4, encoding: Encoding::Signed }))
            }
            id => id,
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
            (TypeError::Elsewhere { .. }, Some(object)) => {
                TypeError::Elsewhere { object: object.name.clone() }
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
