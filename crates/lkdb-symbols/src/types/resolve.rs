//! Ways through typedefs and qualifiers, which are short in C and may be endless in a damaged file.

use std::rc::Rc;

use super::{Count, Qualifier, Type, TypeError, TypeId, TypeSource};

/// More typedefs, qualifiers or array dimensions in a row than any C code has.
const LEVELS: usize = 64;

/// A type without qualifiers (and, from [`TypeSource::resolved`], without typedefs).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bare {
    /// Its number.
    pub id: TypeId,
    /// What it is.
    pub ty: Rc<Type>,
    /// What was taken off.
    pub qualifiers: Qualifiers,
}

/// A set of qualifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Qualifiers(u8);

impl Qualifiers {
    /// With one more.
    #[must_use]
    pub fn with(self, qualifier: Qualifier) -> Self {
        Self(self.0 | (1 << qualifier as u8))
    }

    /// Both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn has(self, qualifier: Qualifier) -> bool {
        self.0 & (1 << qualifier as u8) != 0
    }
}

pub(super) fn unqualified<S: TypeSource + ?Sized>(types: &S, id: TypeId) -> Result<Bare, TypeError> {
    let (mut id, mut qualifiers) = (id, Qualifiers::default());
    for _ in 0..LEVELS {
        let ty = types.get(id)?;
        let Type::Qualified { qualifier, target } = &*ty else { return Ok(Bare { id, ty, qualifiers }) };
        qualifiers = qualifiers.with(*qualifier);
        id = *target;
    }
    Err(TypeError::Endless)
}

pub(super) fn resolved<S: TypeSource + ?Sized>(types: &S, id: TypeId) -> Result<Bare, TypeError> {
    let (mut id, mut qualifiers) = (id, Qualifiers::default());
    for _ in 0..LEVELS {
        let bare = unqualified(types, id)?;
        qualifiers = qualifiers.union(bare.qualifiers);
        let declaration = match &*bare.ty {
            Type::Typedef { target, .. } => {
                id = *target;
                continue;
            }
            Type::Composite(composite) => composite.declaration,
            Type::Enum(enumeration) => enumeration.declaration,
            _ => false,
        };
        let id = if declaration { types.complete(bare.id) } else { bare.id };
        let ty = if id == bare.id { bare.ty } else { types.get(id)? };
        return Ok(Bare { id, ty, qualifiers });
    }
    Err(TypeError::Endless)
}

pub(super) fn size<S: TypeSource + ?Sized>(types: &S, id: TypeId) -> Result<u64, TypeError> {
    let (mut id, mut elements) = (id, 1_u64);
    for _ in 0..LEVELS {
        let size = match &*resolved(types, id)?.ty {
            Type::Array { element, count, .. } => {
                let count = match count {
                    Count::Fixed(count) => *count,
                    Count::Open | Count::Variable => 0,
                };
                elements = elements.checked_mul(count).ok_or(TypeError::Endless)?;
                id = *element;
                continue;
            }
            Type::Void | Type::Function(_) => 1,
            Type::Base(base) => base.size,
            Type::Pointer { size, .. } => *size,
            Type::Composite(composite) => composite.size,
            Type::Enum(enumeration) => enumeration.size,
            Type::Flags(flags) => flags.size,
            // Taken off by `resolved`.
            Type::Typedef { .. } | Type::Qualified { .. } => return Err(TypeError::Endless),
        };
        return elements.checked_mul(size).ok_or(TypeError::Endless);
    }
    Err(TypeError::Endless)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::MadeTypes;
    use crate::types::{Base, Encoding, Member};

    /// Made types alone.
    #[derive(Default)]
    struct Source(MadeTypes);

    impl TypeSource for Source {
        fn get(&self, id: TypeId) -> Result<Rc<Type>, TypeError> {
            self.0.get(id)
        }

        fn complete(&self, id: TypeId) -> TypeId {
            id
        }

        fn make(&self, ty: Type) -> TypeId {
            self.0.make(ty)
        }
    }

    #[test]
    fn qualifiers_gather_on_the_way_through_typedefs() {
        let types = Source::default();
        let int = types.make(Type::Base(Base { name: "int".into(), size: 4, encoding: Encoding::Signed }));
        let constant = types.make(Type::Qualified { qualifier: Qualifier::Const, target: int });
        let alias = types.make(Type::Typedef { name: "cint".into(), target: constant });
        let both = types.make(Type::Qualified { qualifier: Qualifier::Volatile, target: alias });
        let bare = types.resolved(both).unwrap();
        assert_eq!(bare.id, int);
        assert!(bare.qualifiers.has(Qualifier::Const) && bare.qualifiers.has(Qualifier::Volatile));
        assert!(!bare.qualifiers.has(Qualifier::Atomic));
        assert_eq!(types.unqualified(both).unwrap().id, alias);
    }

    #[test]
    fn sizes_multiply_through_dimensions_and_do_not_overflow() {
        let types = Source::default();
        let int = types.make(Type::Base(Base { name: "int".into(), size: 4, encoding: Encoding::Signed }));
        let row = types.make(Type::Array { element: int, count: Count::Fixed(3), vector: false });
        let rows = types.make(Type::Array { element: row, count: Count::Fixed(5), vector: false });
        assert_eq!(types.size(rows), Ok(60));
        let open = types.make(Type::Array { element: int, count: Count::Open, vector: false });
        assert_eq!(types.size(open), Ok(0));
        let huge = types.make(Type::Array { element: rows, count: Count::Fixed(u64::MAX), vector: false });
        assert_eq!(types.size(huge), Err(TypeError::Endless));
    }

    #[test]
    fn the_same_type_is_made_once() {
        let types = Source::default();
        let int = types.make(Type::Base(Base { name: "int".into(), size: 4, encoding: Encoding::Signed }));
        let pointer = || types.make(Type::Pointer { size: 8, target: int });
        assert_eq!(pointer(), pointer());
        let member = Member { name: None, ty: int, bit_offset: 0, bit_size: None };
        assert_ne!(pointer(), int);
        assert_eq!(member.ty, int);
        assert_eq!(types.get(TypeId::Made(77)), Err(TypeError::Unknown(TypeId::Made(77))));
    }
}
