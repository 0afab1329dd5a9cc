//! Split debug info (`-gsplit-dwarf`): what lies in `.dwo` files, put behind the file's own debug info, so that
//! everything else sees one file as if it had never been split. Type units that lie in a section of their own (before
//! DWARF 5) come last.
//!
//! The file itself has skeletons: where each unit's code is, its line table, and the name of its `.dwo` file. A
//! skeleton's place in `.debug_info` is taken by the unit of that file. What only the skeleton tells, and where the
//! unit's parts of the joined sections begin, is put into the unit's abbreviations, as constants of the
//! attributes that a whole unit would have: so no byte of `.debug_info` moves against another. The readers take
//! such a constant for the offset or address that it is.
//!
//! Files are mapped by the caller ([`Sections::split_units`] tells which). A unit whose file is not there stays a
//! skeleton: lines, and no types or variables.

mod abbreviations;
mod join;
mod skeleton;

use gimli::SectionId;

use super::{SectionError, Sections};
use crate::elf::Elf;
use crate::names::Raw;
use crate::names::abbrev::Abbrevs;
use crate::names::unit::{self, Reader};
use join::Joiner;
use skeleton::Skeleton;

pub(super) use join::Joined;

/// A unit that lies in another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitUnit {
    /// The other file, as the compiler was told: from [`Self::directory`] on.
    pub name: String,
    /// Where the compiler ran.
    pub directory: String,
    /// What must be equal in both files.
    pub id: u64,
    skeleton: Skeleton,
}

impl<'d> Sections<'d> {
    /// Whether [`Self::join`] has anything to do: units lie in other files, or types in `.debug_types`.
    #[must_use]
    pub fn wants_join(&self) -> bool {
        self.has(SectionId::DebugTypes) || super::gaps::has_split_units(self)
    }

    /// Where in `.debug_info` the units of `.debug_types` were put.
    pub(crate) fn types_at(&self) -> Option<usize> {
        self.joined.get()?.types_at
    }

    /// The units that lie in `.dwo` files. Reads the first DIE of each unit, where the file has skeletons.
    #[must_use]
    pub fn split_units(&self) -> Vec<SplitUnit> {
        if !super::gaps::has_split_units(self) {
            return Vec::new();
        }
        let Ok(raw) = Raw::of(self) else { return Vec::new() };
        let Ok(heads) = unit::heads(raw.info) else { return Vec::new() };
        let mut abbrevs = Abbrevs::default();
        let mut found = Vec::new();
        for head in heads {
            if abbrevs.reparse(raw.abbrev, head.abbrevs, head.encoding).is_some() {
                found.extend(skeleton::read(&raw, &Reader::new(raw.info, head, &abbrevs)));
            }
        }
        found
    }

    /// What tells the joined debug info from the file's own: which `.dwo` files were there. None where none is wanted.
    #[must_use]
    pub fn split_fingerprint(&self) -> Option<u64> {
        self.joined.get().map(|joined| joined.fingerprint)
    }

    /// Puts the `.dwo` files behind this file's own debug info; once, before anything else is read.
    ///
    /// # Errors
    /// When a section of this file cannot be unpacked. A `.dwo` file that cannot be used counts as missing.
    pub fn join(&self, files: &[(SplitUnit, Option<Elf<'d>>)]) -> Result<(), SectionError> {
        let mut joiner = Joiner::new(self)?;
        let own = self.get(SectionId::DebugInfo)?;
        let mut copied = 0;
        for (unit, file) in files {
            let (start, end) = unit.skeleton.head;
            joiner.append(SectionId::DebugInfo, own.get(copied..start).unwrap_or_default());
            copied = start;
            let whole = file.and_then(|file| joiner.part(unit, &Sections::split(&file, self.store)));
            match whole {
                Some(()) => copied = end,
                None => {
                    let (count, first) = joiner.missing.take().unwrap_or((0, unit.name.clone()));
                    joiner.missing = Some((count + 1, first));
                }
            }
        }
        joiner.append(SectionId::DebugInfo, own.get(copied..).unwrap_or_default());
        joiner.append(SectionId::DebugTypes, self.get(SectionId::DebugTypes)?);
        let _ = self.joined.set(joiner.finish(self.store));
        Ok(())
    }
}
