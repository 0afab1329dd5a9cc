//! Types as expressions need them: typedefs looked through, sizes, alignments, and the types that C
//! expressions make. How a type is written is `declare`'s.

use std::rc::Rc;

use lkdb_symbols::types::{Base, Count, Encoding, Type};
use lkdb_symbols::{TypeError, TypeId, TypeSource};

/// Typedefs, qualifiers and dimensions that C code may pile up; more is damage.
const LEVELS: usize = 64;

/// A source of types, with questions about them.
#[derive(Clone, Copy)]
pub(crate) struct Types<'a>(pub(crate) &'a dyn TypeSource);

impl Types<'_> {
    /// The type behind typedefs and qualifiers, with its definition where it was only declared.
    pub(crate) fn bare(self, id: TypeId) -> Result<Rc<Type>, TypeError> {
        Ok(self.0.resolved(id)?.ty)
    }

    /// Without its outer qualifiers; typedefs stay.
    pub(crate) fn unqualified(self, id: TypeId) -> Result<Rc<Type>, TypeError> {
        Ok(self.0.unqualified(id)?.ty)
    }

    /// `sizeof`, in bytes; 1 for functions and `void`, 0 for what has no size.
    pub(crate) fn size(self, id: TypeId) -> Result<u64, TypeError> {
        self.0.size(id)
    }

    /// `_Alignof`, in bytes: the natural one, since no source tells of others.
    pub(crate) fn alignment(self, id: TypeId) -> Result<u64, TypeError> {
        self.alignment_within(id, LEVELS)
    }

    fn alignment_within(self, id: TypeId, levels: usize) -> Result<u64, TypeError> {
        let Some(levels) = levels.checked_sub(1) else { return Err(TypeError::Endless) };
        Ok(match &*self.bare(id)? {
            Type::Array { element, .. } => self.alignment_within(*element, levels)?,
            Type::Base(base) => base.size.max(1),
            Type::Pointer { size, .. } => *size,
            Type::Enum(one) => one.size.max(1),
            Type::Flags(one) => one.size.max(1),
            Type::Composite(composite) => {
                let mut most = 1;
                for member in composite.members.iter().filter(|member| member.bit_size.is_none()) {
                    // As many levels as a struct nests, whatever their breadth.
                    most = most.max(self.alignment_within(member.ty, levels.min(8))?);
                }
                most
            }
            _ => 1,
        })
    }

    /// `T *`.
    pub(crate) fn pointer_to(self, target: TypeId) -> TypeId {
        self.0.make(Type::Pointer { size: 8, target })
    }

    /// `T [count]`.
    pub(crate) fn array_of(self, element: TypeId, count: u64) -> TypeId {
        self.0.make(Type::Array { element, count: Count::Fixed(count), vector: false })
    }

    /// A base type as C names it: `unsigned long`. None for a name that C does not have.
    pub(crate) fn base(self, name: &str) -> Option<TypeId> {
        use Encoding::{Boolean, Float, Signed, SignedChar, Unsigned, UnsignedChar, Utf};
        let (size, encoding) = match name {
            "void" => return Some(TypeId::Void),
            "char" | "signed char" => (1, SignedChar),
            "unsigned char" => (1, UnsignedChar),
            "short" => (2, Signed),
            "unsigned short" => (2, Unsigned),
            "int" => (4, Signed),
            "unsigned int" => (4, Unsigned),
            "long" | "long long" | "int64_t" => (8, Signed),
            "unsigned long" | "unsigned long long" => (8, Unsigned),
            "__int128" => (16, Signed),
            "unsigned __int128" => (16, Unsigned),
            "_Bool" => (1, Boolean),
            "float" => (4, Float),
            "double" => (8, Float),
            "long double" => (16, Float),
            "int8_t" => (1, Signed),
            "int16_t" => (2, Signed),
            "int32_t" => (4, Signed),
            "char16_t" => (2, Utf),
            "char32_t" | "wchar_t" => (4, Utf),
            _ => return None,
        };
        Some(self.0.make(Type::Base(Base { name: name.into(), size, encoding })))
    }

    /// A base type that C surely has.
    pub(crate) fn known(self, name: &'static str) -> TypeId {
        self.base(name).unwrap_or(TypeId::Void)
    }

    /// What `print` shows as text: one-byte integers, and C's wide characters by their names.
    ///
    /// The size of a textual element and the prefix of its literals (`L`, `u`, `U`, or nothing).
    pub(crate) fn text_width(self, id: TypeId) -> Result<Option<(u64, &'static str)>, TypeError> {
        let mut id = id;
        for _ in 0..LEVELS {
            let ty = self.0.get(id)?;
            let (name, target) = match &*ty {
                Type::Typedef { name, target } => (name, Some(*target)),
                Type::Qualified { target, .. } => {
                    id = *target;
                    continue;
                }
                Type::Base(base) => (&base.name, None),
                _ => return Ok(None),
            };
            let prefix = match &**name {
                "wchar_t" => Some("L"),
                "char16_t" => Some("u"),
                "char32_t" => Some("U"),
                _ => None,
            };
            if let Some(prefix) = prefix {
                return Ok(Some((self.size(id)?, prefix)));
            }
            match (target, &*ty) {
                (Some(target), _) => id = target,
                (None, Type::Base(base)) => {
                    // gdb's own `int8_t` and so on are marked as numbers; so are these.
                    let number = matches!(base.encoding, Encoding::Boolean | Encoding::Float)
                        || matches!(id, TypeId::Made(_)) && &*base.name == "int8_t";
                    return Ok((base.size == 1 && !number).then_some((1, "")));
                }
                _ => return Ok(None),
            }
        }
        Err(TypeError::Endless)
    }
}
