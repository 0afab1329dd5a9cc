//! The index of a file's debug info: every name of file scope, where functions were inlined, which unit is at
//! an address and which units have lines of a file. Built once, in parallel, kept by its caller, used
//! where it lies: opening one reads its header and no more.
//!
//! [`build()`] makes the bytes, [`Index`] answers from them, [`Pattern`] is gdb's kind of regular expression.
//! What a DIE says beyond name, kind and place in the source is read from the DIE, which the index points
//! to. Keeping the bytes on disk is `lkdb-session`'s.

mod build;
mod files;
mod format;
mod gather;
mod pattern;
mod query;
mod ranges;
#[cfg(test)]
mod tests;
mod walk;
mod write;

use std::sync::OnceLock;

pub use build::{ProgressState as Progress, build};
pub use pattern::{Pattern, PatternError};
pub use query::{Entry, Group, SourceFile, UnitInfo};

use crate::names::{self, Kinds, Raw};

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A struct or class.
    Struct = 0,
    /// A union.
    Union = 1,
    /// An enumeration.
    Enum = 2,
    /// A typedef.
    Typedef = 3,
    /// A base type.
    Base = 4,
    /// A function with code of its own.
    Function = 5,
    /// A variable.
    Variable = 6,
    /// An enumerator.
    Enumerator = 7,
}

/// Set beside the kind.
const DECLARATION: u8 = 0x80;
const EXTERNAL: u8 = 0x40;

impl Kind {
    fn code(self) -> u8 {
        self as u8
    }

    fn of_code(code: u8) -> Option<Self> {
        const ALL: [Kind; 8] = [
            Kind::Struct,
            Kind::Union,
            Kind::Enum,
            Kind::Typedef,
            Kind::Base,
            Kind::Function,
            Kind::Variable,
            Kind::Enumerator,
        ];
        ALL.get(usize::from(code & !(DECLARATION | EXTERNAL))).copied()
    }

    /// The same as a set.
    #[must_use]
    pub fn kinds(self) -> Kinds {
        match self {
            Self::Struct => Kinds::STRUCT,
            Self::Union => Kinds::UNION,
            Self::Enum => Kinds::ENUM,
            Self::Typedef => Kinds::TYPEDEF,
            Self::Base => Kinds::BASE,
            Self::Function => Kinds::FUNCTION,
            Self::Variable => Kinds::VARIABLE,
            Self::Enumerator => Kinds::ENUMERATOR,
        }
    }
}

/// Why no index was built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The debug info cannot be indexed.
    #[error(transparent)]
    DebugInfo(#[from] names::Error),
    /// [`Progress::stop`] was called.
    #[error("stopped before the index was done")]
    Stopped,
}

/// The index is damaged: a part's checksum is wrong, or it says what cannot be. Build it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the index of the debug info is damaged")]
pub struct Damaged;

/// For tests of what reads an index: makes the checksums of damaged bytes right again. None where the
/// header is too damaged for that.
pub fn reseal(bytes: &mut [u8]) -> Option<()> {
    format::reseal(bytes)
}

/// An index in use.
#[derive(Debug)]
pub struct Index<'d> {
    raw: Raw<'d>,
    parts: [format::Part<'d>; format::PARTS],
    sound: [OnceLock<bool>; format::PARTS],
}

impl<'d> Index<'d> {
    /// An index from its bytes, if they are one of this very file (the sections in `raw` and the `identity` that
    /// it was built with) by this version of lkdb.
    #[must_use]
    pub fn open(bytes: &'d [u8], raw: &Raw<'d>, identity: &[u8]) -> Option<Self> {
        let sizes = [raw.info.len(), raw.str.len(), raw.line_str.len()];
        let parts = format::parts(bytes, &format::Identity::new(identity, sizes))?;
        Some(Self { raw: *raw, parts, sound: Default::default() })
    }

    /// A part's bytes, whose checksum is compared at the first use.
    fn part(&self, number: usize) -> Result<&'d [u8], Damaged> {
        let (part, sound) = self.parts.get(number).zip(self.sound.get(number)).ok_or(Damaged)?;
        let sound = *sound.get_or_init(|| format::checksum(part.bytes) == part.checksum);
        sound.then_some(part.bytes).ok_or(Damaged)
    }
}
