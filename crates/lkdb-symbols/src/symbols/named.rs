//! Types by their names, in all objects: one definition for a name, and whether there are others.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Symbols;
use crate::btf::Kind;
use crate::names::{Extent, Kinds};
use crate::object::Object;
use crate::types::{Type, TypeId, TypeSource, spellings};

/// Names asked for so far: an expression asks for the same one several times.
pub(super) type Found = RefCell<HashMap<(Kinds, String), Option<TypeId>>>;

/// More definitions of one tag are not compared: each unit that includes a header has one.
const DEFINITIONS: usize = 4096;

/// A definition that is not the one that a tag means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherDefinition {
    /// The type.
    pub id: TypeId,
    /// The source file whose unit has it.
    pub file: String,
}

/// What tells one struct from another of its tag: names, places and sizes, not the types' numbers.
type Line = (Option<Rc<str>>, i128, Option<u64>);

impl<'d> Symbols<'d> {
    /// The definition of a struct, union or enumeration by its tag: the first in the order of the objects and
    /// of their units, from DWARF, else from BTF. A declaration where nothing defines it. `kinds` is one or
    /// more of [`Kinds::STRUCT`], [`Kinds::UNION`], [`Kinds::ENUM`].
    ///
    /// gdb 13 takes the first unit as well, if it has an index and has not read another of the units yet;
    /// without an index whichever its sorting brings to the front. [`Symbols::other_definitions`] tells of the others.
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

    /// What other files define under the tag of `chosen` with other members or sizes: the first of each kind.
    ///
    /// BTF, which has each type once, tells at once that there is none. Without BTF only an index is asked: a
    /// search for all definitions of a common struct would take longer than the answer is worth.
    #[must_use]
    pub fn other_definitions(&self, kinds: Kinds, name: &str, chosen: TypeId) -> Vec<OtherDefinition> {
        let alone = self.kernel().is_some_and(|kernel| self.btf(kernel.id).is_some())
            && self.all_in_btf(kinds, name).len() <= 1;
        let mut others: Vec<OtherDefinition> = Vec::new();
        if alone {
            return others;
        }
        let mut shapes: Vec<Vec<Line>> = self.get(chosen).iter().map(|ty| shape(ty)).collect();
        for object in self.objects() {
            let Some(dwarf) = object.dwarf() else { continue };
            if object.index().is_none() && self.btf(object.id).is_none() {
                continue;
            }
            for die in object.dies_named(name, kinds, Extent::All).into_iter().take(DEFINITIONS) {
                let id = TypeId::Dwarf(object.id, die);
                let Ok(ty) = self.get(id) else { continue };
                let shape = shape(&ty);
                if self.declares(id) || shapes.contains(&shape) {
                    continue;
                }
                shapes.push(shape);
                let unit = dwarf.die_at(die).and_then(|die| dwarf.unit(die.unit));
                others.extend(unit.map(|unit| OtherDefinition { id, file: unit.name.to_owned() }));
            }
        }
        others
    }

    /// Every type of a tag in the kernel's BTF, which has each once unless files define different ones.
    #[must_use]
    pub fn all_in_btf(&self, kinds: Kinds, name: &str) -> Vec<TypeId> {
        let btf = self.kernel().and_then(|kernel| self.btf(kernel.id));
        let found = btf.map(|btf| btf.find(name, &btf_kinds(kinds)).into_iter().map(|number| btf.id(number)));
        found.into_iter().flatten().collect()
    }

    fn first(&self, kinds: Kinds, name: &str) -> Option<TypeId> {
        let key = (kinds, name.to_owned());
        if let Some(known) = self.found.borrow().get(&key) {
            return *known;
        }
        let found = self.search(kinds, name);
        self.found.borrow_mut().insert(key, found);
        found
    }

    fn search(&self, kinds: Kinds, name: &str) -> Option<TypeId> {
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
    pub(super) fn declares(&self, id: TypeId) -> bool {
        match self.get(id).as_deref() {
            Ok(Type::Composite(composite)) => composite.declaration,
            Ok(Type::Enum(declared)) => declared.declaration,
            Ok(_) => false,
            Err(_) => true,
        }
    }

    /// BTF that defines a type: the object's own, the kernel's, any.
    pub(super) fn first_in_btf(
        &self,
        own: Option<&Rc<Object<'d>>>,
        wanted: Kinds,
        name: &str,
    ) -> Option<TypeId> {
        let kinds = btf_kinds(wanted);
        own.into_iter().chain(self.objects()).find_map(|object| {
            let btf = self.btf(object.id)?;
            let found = btf.find(name, &kinds).into_iter().map(|number| btf.id(number));
            found.into_iter().find(|id| !self.declares(*id))
        })
    }
}

/// A type's own size and its members or values.
fn shape(ty: &Type) -> Vec<Line> {
    match ty {
        Type::Composite(one) => {
            let members = one
                .members
                .iter()
                .map(|member| (member.name.clone(), i128::from(member.bit_offset), member.bit_size));
            std::iter::once((None, i128::from(one.size), None)).chain(members).collect()
        }
        Type::Enum(one) => {
            let values = one.values.iter().map(|(name, value)| (Some(Rc::clone(name)), *value, None));
            std::iter::once((None, i128::from(one.size), None)).chain(values).collect()
        }
        _ => Vec::new(),
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
