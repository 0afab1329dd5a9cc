//! BTF, the kernel's own description of its types: every kernel built with `CONFIG_DEBUG_INFO_BTF` has it in
//! its image, with no debug package. Here: the header, where each type lies, and raw access to one.
//!
//! The format (`Documentation/bpf/btf.rst`, `include/uapi/linux/btf.h`): a header, a block of types, a block
//! of strings. A type is 12 bytes (name offset; `info` with kind in bits 24-28, a flag in bit 31 and a count
//! in bits 0-15; size or another type's number) and what its kind appends. Types have no offsets in the
//! file: their numbers are their order, from 1 on, and 0 is `void`. So the block is walked once, by kinds
//! alone; types are read when asked for. A module's BTF is *split*: its numbers and string offsets go on
//! where its base's (the kernel's) end. Since Linux 6.11 a module may bring a `.BTF.base` of its own, with
//! the few base types it refers to, where structs have a name and a size but no members (*distilled*).
//!
//! What BTF does not tell, and DWARF does: dimensions (pahole writes `int a[2][3]` as six), `[]` from `[0]`,
//! variables other than per-CPU ones, which unit a type is of.

mod convert;
mod lookup;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::rc::Rc;

use crate::types::{ObjectId, TypeError, TypeId};

pub use lookup::Variable;

/// `0xeb9f` as it lies in a little-endian file.
const MAGIC: [u8; 2] = [0x9f, 0xeb];

/// Why bytes are no BTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not the magic number of BTF.
    #[error("not BTF: it does not begin with its magic number")]
    Magic,
    /// A big-endian machine's.
    #[error("big-endian BTF, which lkdb does not read")]
    BigEndian,
    /// The kernel has had one version so far.
    #[error("BTF of version {0}; lkdb knows version 1")]
    Version(u8),
    /// Cut off, or a header that points outside.
    #[error("the BTF header points outside of its section")]
    Header,
}

/// The kinds of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "BTF_KIND_* by name, see btf.rst")]
pub enum Kind {
    Int,
    Pointer,
    Array,
    Struct,
    Union,
    Enum,
    Forward,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Function,
    FunctionPrototype,
    Variable,
    DataSection,
    Float,
    DeclarationTag,
    TypeTag,
    Enum64,
}

impl Kind {
    const ALL: [Self; 19] = [
        Self::Int,
        Self::Pointer,
        Self::Array,
        Self::Struct,
        Self::Union,
        Self::Enum,
        Self::Forward,
        Self::Typedef,
        Self::Volatile,
        Self::Const,
        Self::Restrict,
        Self::Function,
        Self::FunctionPrototype,
        Self::Variable,
        Self::DataSection,
        Self::Float,
        Self::DeclarationTag,
        Self::TypeTag,
        Self::Enum64,
    ];

    /// From a type's `info`.
    fn of(info: u32) -> Option<Self> {
        let number = ((info >> 24) & 0x1f) as usize;
        Self::ALL.get(number.checked_sub(1)?).copied()
    }

    /// How many bytes follow the first 12, with `count` entries.
    fn appended(self, count: usize) -> usize {
        match self {
            Self::Int | Self::Variable | Self::DeclarationTag => 4,
            Self::Array => 12,
            Self::Struct | Self::Union | Self::DataSection | Self::Enum64 => 12 * count,
            Self::Enum | Self::FunctionPrototype => 8 * count,
            Self::Pointer
            | Self::Forward
            | Self::Typedef
            | Self::Volatile
            | Self::Const
            | Self::Restrict
            | Self::Function
            | Self::Float
            | Self::TypeTag => 0,
        }
    }
}

/// One type as it lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Raw<'d> {
    kind: Kind,
    name: u32,
    /// Bit 31 of `info`: bit fields for structs, signed for enums, a union for forward declarations.
    flag: bool,
    /// Size or type.
    value: u32,
    /// What the kind appends.
    rest: &'d [u8],
}

impl<'d> Raw<'d> {
    /// The type at the start of `bytes`, and its length there.
    fn read(bytes: &'d [u8]) -> Option<(Self, usize)> {
        let info = word(bytes, 4)?;
        let kind = Kind::of(info)?;
        let length = 12 + kind.appended((info & 0xffff) as usize);
        let raw = Self {
            kind,
            name: word(bytes, 0)?,
            flag: info >> 31 != 0,
            value: word(bytes, 8)?,
            rest: bytes.get(12..length)?,
        };
        Some((raw, length))
    }

    /// Word `index` of what follows.
    fn word(&self, index: usize) -> Option<u32> {
        word(self.rest, index.checked_mul(4)?)
    }

    /// Its entries, of `N` words each.
    fn entries<const N: usize>(&self) -> impl Iterator<Item = [u32; N]> + use<'d, N> {
        self.rest
            .chunks_exact(4 * N)
            .map(|entry| std::array::from_fn(|index| word(entry, 4 * index).unwrap_or_default()))
    }
}

/// The 32-bit number at `at`.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// One file's BTF: a kernel's, or a module's on that of its kernel.
#[derive(Debug)]
pub struct Btf<'d> {
    object: ObjectId,
    base: Option<Rc<Btf<'d>>>,
    /// Structs without members are declarations: see the file's head.
    distilled: bool,
    types: &'d [u8],
    strings: &'d [u8],
    /// The number of its first type, and the offset of its first string.
    first: u32,
    first_string: u32,
    /// Where each type begins in `types`.
    offsets: OnceCell<Box<[u32]>>,
}

impl<'d> Btf<'d> {
    /// Reads the header of a `.BTF` section. For a module give the kernel's BTF as `base`.
    ///
    /// # Errors
    /// When it is no BTF, or its header makes no sense.
    pub fn parse(data: &'d [u8], object: ObjectId, base: Option<Rc<Self>>) -> Result<Self, Error> {
        match data.get(..2) {
            Some(magic) if magic == MAGIC => {}
            Some([0xeb, 0x9f]) => return Err(Error::BigEndian),
            _ => return Err(Error::Magic),
        }
        if let Some(version) = data.get(2).filter(|version| **version != 1) {
            return Err(Error::Version(*version));
        }
        let header = word(data, 4).and_then(|length| data.get(length as usize..)).ok_or(Error::Header)?;
        let block = |at: usize| {
            let (start, length) = (word(data, at)? as usize, word(data, at + 4)? as usize);
            header.get(start..start.checked_add(length)?)
        };
        let (types, strings) = (block(8).ok_or(Error::Header)?, block(16).ok_or(Error::Header)?);
        let (first, first_string) = base.as_ref().map_or((1, 0), |base| (base.end(), base.end_of_strings()));
        let offsets = OnceCell::new();
        Ok(Self { object, base, distilled: false, types, strings, first, first_string, offsets })
    }

    /// Reads a module's `.BTF.base`, to be given as base of its `.BTF`.
    ///
    /// # Errors
    /// As [`Btf::parse`].
    pub fn parse_distilled(data: &'d [u8], object: ObjectId) -> Result<Self, Error> {
        Ok(Self { distilled: true, ..Self::parse(data, object, None)? })
    }

    /// The file it is of.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// The numbers of the types that are its own and not its base's.
    #[must_use]
    pub fn numbers(&self) -> std::ops::Range<u32> {
        self.first..self.end()
    }

    /// The kind of a type; none for `void` and numbers it does not have.
    #[must_use]
    pub fn kind(&self, number: u32) -> Option<Kind> {
        self.raw(number).map(|raw| raw.kind)
    }

    /// The name of a type; none where it has none.
    #[must_use]
    pub fn name(&self, number: u32) -> Option<&'d str> {
        self.string(self.raw(number)?.name)
    }

    /// How other rooms call a type: those of a kernel that a module refers to are the kernel's.
    #[must_use]
    pub fn id(&self, number: u32) -> TypeId {
        match &self.base {
            _ if number == 0 => TypeId::Void,
            Some(base) if number < self.first => base.id(number),
            _ => TypeId::Btf(self.object, number),
        }
    }

    /// One above the last number.
    fn end(&self) -> u32 {
        let count = u32::try_from(self.offsets().len()).unwrap_or(u32::MAX);
        self.first.saturating_add(count)
    }

    fn end_of_strings(&self) -> u32 {
        self.first_string.saturating_add(u32::try_from(self.strings.len()).unwrap_or(u32::MAX))
    }

    /// Where each type begins, up to the first that makes no sense.
    fn offsets(&self) -> &[u32] {
        self.offsets.get_or_init(|| {
            let (mut at, mut offsets) = (0, Vec::with_capacity(self.types.len() / 32));
            while let Some((_, length)) = self.types.get(at..).and_then(Raw::read) {
                let Ok(offset) = u32::try_from(at) else { break };
                offsets.push(offset);
                at += length;
            }
            offsets.into_boxed_slice()
        })
    }

    /// Its own types with their numbers, in their order, without the table of where they are.
    fn each(&self) -> impl Iterator<Item = (u32, Raw<'d>)> + use<'d> {
        let (types, first) = (self.types, self.first);
        let mut at = 0;
        let raws = std::iter::from_fn(move || {
            let (raw, length) = Raw::read(types.get(at..)?)?;
            at += length;
            Some(raw)
        });
        (first..u32::MAX).zip(raws)
    }

    fn raw(&self, number: u32) -> Option<Raw<'d>> {
        if number < self.first {
            return self.base.as_ref()?.raw(number);
        }
        let at = *self.offsets().get((number - self.first) as usize)?;
        Raw::read(self.types.get(at as usize..)?).map(|(raw, _)| raw)
    }

    /// A string; none for the empty one, and for bytes that are no text.
    fn string(&self, offset: u32) -> Option<&'d str> {
        let Some(own) = offset.checked_sub(self.first_string) else {
            return self.base.as_ref()?.string(offset);
        };
        let bytes = self.strings.get(own as usize..)?;
        let end = memchr::memchr(0, bytes)?;
        std::str::from_utf8(bytes.get(..end)?).ok().filter(|text| !text.is_empty())
    }

    fn damaged(&self, number: u32, why: &str) -> TypeError {
        let object = format!("file {}", self.object.0);
        TypeError::Damaged { object, at: u64::from(number), why: why.to_owned() }
    }
}
