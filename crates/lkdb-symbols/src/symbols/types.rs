//! Types of all objects: each from the DWARF or BTF it is numbered in, kept for a while.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Symbols;
use crate::btf::{Btf, Kind};
use crate::types::{CompositeKind, ObjectId, Type, TypeError, TypeId, TypeSource};

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

    fn define(&self, id: TypeId) -> Option<TypeId> {
        let ty = self.get(id).ok()?;
        let (name, kinds): (_, &[Kind]) = match &*ty {
            Type::Composite(composite) if composite.declaration => match composite.kind {
                CompositeKind::Struct => (composite.name.as_deref()?, &[Kind::Struct]),
                CompositeKind::Union => (composite.name.as_deref()?, &[Kind::Union]),
            },
            Type::Enum(declared) if declared.declaration => {
                (declared.name.as_deref()?, &[Kind::Enum, Kind::Enum64])
            }
            _ => return None,
        };
        if let TypeId::Dwarf(object, offset) = id {
            let dwarf = self.object(object)?.dwarf()?;
            if let Ok(Some(found)) = dwarf.definition_in_unit(offset) {
                return dwarf.type_id(found).ok();
            }
        }
        self.defined_in_btf(id, name, kinds)
    }

    /// BTF that defines a tag: the object's own, the kernel's, any.
    fn defined_in_btf(&self, id: TypeId, name: &str, kinds: &[Kind]) -> Option<TypeId> {
        let own = match id {
            TypeId::Dwarf(object, _) | TypeId::Btf(object, _) => self.object(object),
            TypeId::Void | TypeId::Made(_) => None,
        };
        own.into_iter().chain(self.objects()).find_map(|object| {
            let btf = self.btf(object.id)?;
            let found = btf.find(name, kinds);
            let whole = |number: &u32| match btf.get(*number) {
                Ok(Type::Composite(composite)) => !composite.declaration,
                Ok(Type::Enum(found)) => !found.declaration,
                _ => false,
            };
            found.into_iter().find(whole).map(|number| btf.id(number))
        })
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
