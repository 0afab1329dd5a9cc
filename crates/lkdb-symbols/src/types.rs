//! C types, one level at a time: whoever asks for a struct gets its members' type numbers, not their types.
//!
//! One model for DWARF, BTF and the types that expressions make (`&x`, casts, literals). How a type is
//! written in C, and how values are laid out on a page, is `lkdb-value`'s affair.

mod made;
mod memo;
mod names;
mod resolve;

use std::rc::Rc;

pub use made::MadeTypes;
pub use memo::Memo;
pub use names::{canonical_name, spellings};
pub use resolve::{Bare, Qualifiers};

/// The number of one of the files a session has symbols of: the vmlinux is 0, then the modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u16);

/// Names a type. Cheap to copy and compare; two numbers may mean the same C type (each unit describes
/// its own `struct file`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TypeId {
    /// `void`.
    Void,
    /// The DIE at this offset in the object's `.debug_info`.
    Dwarf(ObjectId, u64),
    /// The type of this number in the object's BTF.
    Btf(ObjectId, u32),
    /// Made by an expression; see [`TypeSource::make`].
    Made(u32),
}

/// What a type is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// `void`, or a type its source does not name.
    Void,
    /// A number, character or truth value.
    Base(Base),
    /// A pointer.
    Pointer {
        /// Its size in bytes.
        size: u64,
        /// What it points to.
        target: TypeId,
    },
    /// One dimension of an array.
    Array {
        /// What an element is: an array for those with more dimensions.
        element: TypeId,
        /// How many.
        count: Count,
        /// A vector of the machine: `__attribute__ ((vector_size (n)))`.
        vector: bool,
    },
    /// A struct or union.
    Composite(Composite),
    /// An enumeration.
    Enum(Enum),
    /// A register of flags.
    Flags(Flags),
    /// Another name.
    Typedef {
        /// The name.
        name: Rc<str>,
        /// For what.
        target: TypeId,
    },
    /// With a qualifier.
    Qualified {
        /// Which.
        qualifier: Qualifier,
        /// Of what.
        target: TypeId,
    },
    /// A function.
    Function(Function),
}

/// How many elements an array has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// So many; 0 for the old way to write `[]`.
    Fixed(u64),
    /// `[]`: as many as there are.
    Open,
    /// Known at run time alone.
    Variable,
}

impl Count {
    /// The number, where the type has one.
    #[must_use]
    pub fn fixed(self) -> Option<u64> {
        match self {
            Self::Fixed(count) => Some(count),
            Self::Open | Self::Variable => None,
        }
    }
}

/// A number, character or truth value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Base {
    /// Its name, as [`canonical_name`] has it: `unsigned int`, `unsigned long`, `_Bool`, `char`.
    pub name: Rc<str>,
    /// Its size in bytes.
    pub size: u64,
    /// How its bits are read.
    pub encoding: Encoding,
}

/// `DW_AT_encoding`, as far as C has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Two's complement.
    Signed,
    /// A whole number.
    Unsigned,
    /// `char` where it is signed, and `signed char`.
    SignedChar,
    /// `unsigned char`.
    UnsignedChar,
    /// `_Bool`.
    Boolean,
    /// `float`, `double`, `long double`.
    Float,
    /// `_Complex double`: two floating-point numbers.
    Complex,
    /// `char16_t`, `char32_t`.
    Utf,
}

/// A struct or union.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Composite {
    /// Which of the two.
    pub kind: CompositeKind,
    /// Its tag; none for anonymous ones.
    pub name: Option<Rc<str>>,
    /// Its size in bytes.
    pub size: u64,
    /// Only declared here: members and size are elsewhere, see [`TypeSource::complete`].
    pub declaration: bool,
    /// Its members in the source's order.
    pub members: Rc<[Member]>,
}

/// Struct or union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompositeKind {
    /// `struct`.
    Struct,
    /// `union`.
    Union,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// None for an anonymous struct or union, whose members count as the outer one's.
    pub name: Option<Rc<str>>,
    /// Its type.
    pub ty: TypeId,
    /// Where it begins, in bits from the start; for a bit field the place of its lowest bit (little-endian).
    pub bit_offset: u64,
    /// How many bits a bit field has; none for other members.
    pub bit_size: Option<u64>,
}

/// An enumeration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Enum {
    /// Its tag; none for anonymous ones.
    pub name: Option<Rc<str>>,
    /// Its size in bytes.
    pub size: u64,
    /// Whether its values may be negative.
    pub signed: bool,
    /// Only declared here.
    pub declaration: bool,
    /// Names and values in the source's order.
    pub values: Rc<[(Rc<str>, i128)]>,
}

/// A register of flags, as a target describes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flags {
    /// Its name: `x64_eflags`.
    pub name: Rc<str>,
    /// Its size in bytes.
    pub size: u64,
    /// Its flags and numbers, in the description's order.
    pub fields: Rc<[FlagField]>,
}

/// A flag, or a number of some bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlagField {
    /// Empty for bits that mean nothing.
    pub name: Rc<str>,
    /// Its lowest bit.
    pub bit: u32,
    /// How many bits.
    pub bits: u32,
}

/// A qualifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Qualifier {
    /// `const`.
    Const,
    /// `volatile`.
    Volatile,
    /// `restrict`.
    Restrict,
    /// `_Atomic`.
    Atomic,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    /// What it returns.
    pub result: TypeId,
    /// Its parameters.
    pub parameters: Rc<[Parameter]>,
    /// It takes more than its parameters say.
    pub variadic: bool,
    /// It has a prototype: no parameters means `(void)`, not `()`.
    pub prototyped: bool,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// Its name, where the source has one.
    pub name: Option<Rc<str>>,
    /// Its type.
    pub ty: TypeId,
}

/// Why a type is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeError {
    /// The description is damaged, or of a kind that C does not have.
    #[error("the type at {at} of {object} cannot be read: {why}")]
    Damaged {
        /// Which file.
        object: String,
        /// Where in its `.debug_info` or BTF.
        at: u64,
        /// What is wrong.
        why: String,
    },
    /// Its description is in a part of the debug info that is not read: `.debug_types`, another file.
    #[error(
        "the type is not in the .debug_info of {object}, and lkdb does not read the rest of its debug info"
    )]
    Elsewhere {
        /// Which file.
        object: String,
    },
    /// Typedefs or qualifiers that lead nowhere, a struct within itself: more levels than C code has.
    #[error("a type refers to itself, or has more levels than C code has")]
    Endless,
    /// A number that no source has.
    #[error("there is no type {0:?}")]
    Unknown(TypeId),
}

/// Where types come from. One for all the files of a session.
pub trait TypeSource {
    /// What a type is, one level of it.
    ///
    /// # Errors
    /// When its description is damaged.
    fn get(&self, id: TypeId) -> Result<Rc<Type>, TypeError>;

    /// The definition of a struct, union or enum that is only declared at `id`: one of the same unit, else of
    /// the same file, else of any. `id` itself where it is no declaration, or nothing defines it.
    fn complete(&self, id: TypeId) -> TypeId;

    /// A number for a type that an expression made. The same type gives the same number.
    fn make(&self, ty: Type) -> TypeId;

    /// The type without its qualifiers, and those. Typedefs stay.
    ///
    /// # Errors
    /// As [`TypeSource::get`], and [`TypeError::Endless`].
    fn unqualified(&self, id: TypeId) -> Result<Bare, TypeError> {
        resolve::unqualified(self, id)
    }

    /// The type behind typedefs and qualifiers, with all qualifiers on the way; the definition where only a
    /// declaration is there.
    ///
    /// # Errors
    /// As [`TypeSource::get`], and [`TypeError::Endless`].
    fn resolved(&self, id: TypeId) -> Result<Bare, TypeError> {
        resolve::resolved(self, id)
    }

    /// `sizeof`, in bytes: 1 for `void` and functions as GNU C has it, 0 for what is only declared and for
    /// arrays of no fixed length.
    ///
    /// # Errors
    /// As [`TypeSource::get`], and [`TypeError::Endless`].
    fn size(&self, id: TypeId) -> Result<u64, TypeError> {
        resolve::size(self, id)
    }
}
