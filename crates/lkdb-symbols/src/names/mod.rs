//! Names found without an index: what a fresh process asks of a vmlinux nobody has indexed yet.
//!
//! A DIE refers to its name by a four-byte offset into `.debug_str`, where the linker keeps each name once. So
//! a name is found in three searches for bytes, which run at memory speed, in place of a parse of
//! all DIEs: (1) the name in `.debug_str`, as a whole string or, where linkers share tails, as the end of
//! longer ones; (2) its offset in `.debug_info`; (3) at each hit, in that one unit: is there an
//! abbreviation that puts a name of the wanted kind here, and does the chain of DIEs from the unit's start
//! come by here? Only the third makes it true; the others make it quick.
//!
//! Compilers write names of up to three bytes into the DIE itself (`DW_FORM_string`): those are searched for
//! there. Clang goes through `.debug_str_offsets` (`DW_FORM_strx`): that tells the units to go through.
//!
//! What a DIE says beyond its kind and name is not read here. All offsets are into `.debug_info`.

pub(crate) mod abbrev;
mod copies;
pub(crate) mod cursor;
pub(crate) mod form;
pub(crate) mod leb;
#[cfg(test)]
pub(crate) mod made;
mod needle;
mod scan;
mod search;
#[cfg(test)]
mod tests;
pub(crate) mod unit;
mod work;

pub use copies::{Instance, instances};
pub use unit::Error;

use gimli::SectionId;
use unit::Head;

use crate::dwarf::{SectionError, Sections};

/// The debug sections that names need, unpacked and relocated. An absent section is an empty slice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw<'d> {
    /// `.debug_info`.
    pub info: &'d [u8],
    /// `.debug_abbrev`.
    pub abbrev: &'d [u8],
    /// `.debug_str`.
    pub str: &'d [u8],
    /// `.debug_line_str`.
    pub line_str: &'d [u8],
    /// `.debug_str_offsets`.
    pub str_offsets: &'d [u8],
    /// `.debug_line`.
    pub line: &'d [u8],
    /// `.debug_addr`.
    pub addr: &'d [u8],
    /// `.debug_ranges`, of DWARF 4 and before.
    pub ranges: &'d [u8],
    /// `.debug_rnglists`.
    pub rnglists: &'d [u8],
    /// Where in `info` the units of `.debug_types` begin, if there are any.
    pub types: Option<usize>,
    /// Nothing of the file is at address 0: what is said to be there was dropped by the linker.
    pub nothing_at_zero: bool,
}

impl<'d> Raw<'d> {
    /// The sections of a file, unpacked where that is needed. Only a file whose sections lie compressed
    /// takes time here.
    ///
    /// # Errors
    /// When a section cannot be unpacked.
    pub fn of(sections: &Sections<'d>) -> Result<Self, SectionError> {
        Ok(Self {
            info: sections.get(SectionId::DebugInfo)?,
            abbrev: sections.get(SectionId::DebugAbbrev)?,
            str: sections.get(SectionId::DebugStr)?,
            line_str: sections.get(SectionId::DebugLineStr)?,
            str_offsets: sections.get(SectionId::DebugStrOffsets)?,
            line: sections.get(SectionId::DebugLine)?,
            addr: sections.get(SectionId::DebugAddr)?,
            ranges: sections.get(SectionId::DebugRanges)?,
            rnglists: sections.get(SectionId::DebugRngLists)?,
            types: sections.types_at(),
            nothing_at_zero: sections.nothing_at_zero(),
        })
    }
}

/// The headers of a file's units.
#[derive(Debug, Clone, Default)]
pub struct Units {
    pub(crate) heads: Vec<Head>,
}

impl Units {
    /// Reads the headers, and nothing else of the units.
    ///
    /// # Errors
    /// When a header is damaged, or of the 64-bit format.
    pub fn read(raw: &Raw<'_>) -> Result<Self, Error> {
        Ok(Self { heads: unit::heads_and_types(raw.info, raw.types)? })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Where each begins, in order.
    pub fn starts(&self) -> impl Iterator<Item = u64> + '_ {
        self.heads.iter().map(|head| head.start as u64)
    }
}

/// Kinds of named things, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kinds(u16);

impl Kinds {
    /// Structs (and classes, which Rust and C++ write).
    pub const STRUCT: Self = Self(1);
    /// Unions.
    pub const UNION: Self = Self(2);
    /// Enumerations.
    pub const ENUM: Self = Self(4);
    /// Typedefs.
    pub const TYPEDEF: Self = Self(8);
    /// Base types.
    pub const BASE: Self = Self(16);
    /// Functions: definitions, declarations, and the abstract ones that are only inlined.
    pub const FUNCTION: Self = Self(32);
    /// Variables of file scope.
    pub const VARIABLE: Self = Self(64);
    /// Enumerators.
    pub const ENUMERATOR: Self = Self(128);
    /// Every kind of type.
    pub const TYPES: Self = Self(1 | 2 | 4 | 8 | 16);
    /// Everything.
    pub const ALL: Self = Self(255);

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets have a kind in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The kind of a DIE's tag; the empty set for tags that name nothing of these.
    #[must_use]
    pub const fn of_tag(tag: u16) -> Self {
        match tag {
            0x02 | 0x13 => Self::STRUCT,
            0x17 => Self::UNION,
            0x04 => Self::ENUM,
            0x16 => Self::TYPEDEF,
            0x24 | 0x3b => Self::BASE,
            0x2e => Self::FUNCTION,
            0x34 => Self::VARIABLE,
            0x28 => Self::ENUMERATOR,
            _ => Self(0),
        }
    }
}

/// How many are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The first definition in the file's order: units of one C program agree on their types.
    First,
    /// Every definition: statics of one name in many files, each unit's own copy of a type.
    All,
}

/// A named DIE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Found {
    /// Where its unit begins.
    pub unit: u64,
    /// Where it is.
    pub offset: u64,
    /// `DW_TAG_*`.
    pub tag: u16,
    /// It only declares; the definition is in no unit, or was not looked for.
    pub declaration: bool,
    /// Where the DIE that it is in lies: the unit's own, or for an enumerator its enumeration.
    pub parent: u64,
}

/// The DIEs of file scope of a name and of some kinds, in the file's order: definitions, or where there is
/// none the first declaration. A variable that a declaration names and another DIE defines
/// (`DW_AT_specification`) is that other DIE.
#[must_use]
pub fn find(raw: &Raw<'_>, units: &Units, name: &str, kinds: Kinds, extent: Extent) -> Vec<Found> {
    if name.is_empty() || name.contains('\0') {
        return Vec::new();
    }
    search::find(raw, &units.heads, name.as_bytes(), kinds, extent)
}
