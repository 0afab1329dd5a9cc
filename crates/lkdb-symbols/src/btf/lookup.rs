//! BTF by names: the name is sought in the strings, then its offset in the types, so that nothing else is
//! read.

use memchr::memmem;

use super::{Btf, Kind, Raw};
use crate::types::TypeId;

/// A variable that BTF tells of: per-CPU ones in most kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable<'d> {
    /// Its name.
    pub name: &'d str,
    /// Its type.
    pub ty: TypeId,
    /// The section it lies in: `.data..percpu`.
    pub section: &'d str,
    /// How far into the section.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
}

impl<'d> Btf<'d> {
    /// Its own types of a name (not its base's) that have one of these kinds, in their order.
    #[must_use]
    pub fn find(&self, name: &str, kinds: &[Kind]) -> Vec<u32> {
        self.find_where(name, |raw, offsets| kinds.contains(&raw.kind) && offsets.contains(&raw.name))
    }

    /// Its own enumerations with an enumerator of this name.
    #[must_use]
    pub fn enumerator(&self, name: &str) -> Vec<u32> {
        self.find_where(name, |raw, offsets| match raw.kind {
            Kind::Enum => raw.entries().any(|[name, _]| offsets.contains(&name)),
            Kind::Enum64 => raw.entries().any(|[name, _, _]| offsets.contains(&name)),
            _ => false,
        })
    }

    /// A variable and where it is, by its name.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<Variable<'d>> {
        let number = *self.find(name, &[Kind::Variable]).first()?;
        self.each().filter(|(_, raw)| raw.kind == Kind::DataSection).find_map(|(_, raw)| {
            let mut entries = raw.entries();
            let [_, offset, size] = entries.find(|[variable, _, _]| *variable == number)?;
            self.variable_at(&raw, number, offset, size)
        })
    }

    /// Every variable.
    pub fn variables(&self) -> impl Iterator<Item = Variable<'d>> {
        self.each().filter(|(_, raw)| raw.kind == Kind::DataSection).flat_map(move |(_, raw)| {
            raw.entries()
                .filter_map(move |[number, offset, size]| self.variable_at(&raw, number, offset, size))
        })
    }

    fn variable_at(&self, section: &Raw<'d>, number: u32, offset: u32, size: u32) -> Option<Variable<'d>> {
        let raw = self.raw(number).filter(|raw| raw.kind == Kind::Variable)?;
        let (name, section) = (self.string(raw.name)?, self.string(section.name)?);
        Some(Variable { name, ty: self.id(raw.value), section, offset, size })
    }

    /// Where text lies in the strings, this file's or its base's. More than once where one string is the
    /// end of another.
    fn string_offsets(&self, name: &str) -> Vec<u32> {
        let mut wanted = name.as_bytes().to_vec();
        if wanted.is_empty() || wanted.contains(&0) {
            return Vec::new();
        }
        wanted.push(0);
        let mut offsets = self.base.as_ref().map(|base| base.string_offsets(name)).unwrap_or_default();
        let own = memmem::find_iter(self.strings, &wanted).filter_map(|at| u32::try_from(at).ok());
        offsets.extend(own.filter_map(|at| self.first_string.checked_add(at)));
        offsets
    }

    fn find_where(&self, name: &str, fits: impl Fn(&Raw<'d>, &[u32]) -> bool) -> Vec<u32> {
        let offsets = self.string_offsets(name);
        if offsets.is_empty() {
            return Vec::new();
        }
        self.each().filter(|(_, raw)| fits(raw, &offsets)).map(|(number, _)| number).collect()
    }
}
