//! The debug sections of a file as plain bytes: unpacked and relocated, each when it is first asked for.
//!
//! A section may lie compressed (`SHF_COMPRESSED` with zlib or zstd, or the older `.zdebug_*` with zlib),
//! and in a relocatable file (a module) its addresses and offsets are still to be filled in. Both make a
//! copy, which the [`Store`] keeps; otherwise a section is the file's own bytes. No DWARF is read here.

use std::sync::OnceLock;

use gimli::SectionId;
use object::read::{CompressedData, CompressionFormat};

use super::split::Joined;
use crate::elf::{Elf, Section};
use crate::relocate::relocated;
use crate::store::Store;

/// Why a debug section cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("section {name} cannot be read: {why}")]
pub struct SectionError {
    /// Which.
    pub name: &'static str,
    /// What is wrong.
    pub why: String,
}

/// The sections that are of use here, in the order of [`Sections::cells`].
const SECTIONS: [SectionId; 16] = [
    SectionId::DebugInfo,
    SectionId::DebugAbbrev,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugAranges,
    SectionId::DebugAddr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugTypes,
    SectionId::DebugFrame,
    SectionId::EhFrame,
    SectionId::DebugMacro,
];

/// The debug sections of one file. Threads may share it.
#[derive(Debug)]
pub struct Sections<'d> {
    elf: Elf<'d>,
    pub(super) store: &'d Store,
    cells: [OnceLock<Result<&'d [u8], SectionError>>; SECTIONS.len()],
    nothing_at_zero: OnceLock<bool>,
    /// The names are those of `.dwo` files.
    split: bool,
    pub(super) joined: OnceLock<Joined<'d>>,
}

impl<'d> Sections<'d> {
    /// The sections of `elf`; copies that must be made go to `store`.
    #[must_use]
    pub fn new(elf: &Elf<'d>, store: &'d Store) -> Self {
        Self {
            elf: *elf,
            store,
            cells: std::array::from_fn(|_| OnceLock::new()),
            nothing_at_zero: OnceLock::new(),
            split: false,
            joined: OnceLock::new(),
        }
    }

    /// The sections of a `.dwo` file.
    pub(super) fn split(elf: &Elf<'d>, store: &'d Store) -> Self {
        Self { split: true, ..Self::new(elf, store) }
    }

    /// The bytes of a section; none for one that the file does not have.
    ///
    /// # Errors
    /// When it cannot be unpacked, or lies outside of the file.
    pub fn get(&self, id: SectionId) -> Result<&'d [u8], SectionError> {
        let Some(cell) = SECTIONS.iter().position(|known| *known == id).and_then(|at| self.cells.get(at))
        else {
            return Ok(&[]);
        };
        if let Some(joined) = self.joined.get().and_then(|joined| joined.get(id)) {
            return Ok(joined);
        }
        cell.get_or_init(|| self.load(id)).clone()
    }

    /// Whether the file has a section, without unpacking it. Sections without contents (a file whose
    /// debug info was split off) do not count.
    #[must_use]
    pub fn has(&self, id: SectionId) -> bool {
        self.find(id).is_some()
    }

    /// Whether nothing of the file can be at address 0: it is linked, and no section begins there. What its
    /// debug info places there was dropped by the linker.
    #[must_use]
    pub fn nothing_at_zero(&self) -> bool {
        *self.nothing_at_zero.get_or_init(|| {
            let at_zero = |section: &Section<'_>| section.allocated && section.address.0 == 0;
            !self.elf.relocatable() && !self.elf.sections().any(|section| at_zero(&section))
        })
    }

    fn find(&self, id: SectionId) -> Option<Section<'d>> {
        self.all(id).next()
    }

    /// Every section of a name: compilers put each type unit of a `.dwo` file into one of its own.
    fn all(&self, id: SectionId) -> impl Iterator<Item = Section<'d>> + use<'d> {
        let name = if self.split { id.dwo_name().unwrap_or_default() } else { id.name() };
        let packed = name.strip_prefix(".debug_");
        let named = move |section: &Section<'_>| {
            section.name == name
                || section.name.strip_prefix(".zdebug_").is_some_and(|rest| Some(rest) == packed)
        };
        self.elf.sections().filter(move |section| named(section) && !section.nobits && section.size > 0)
    }

    fn load(&self, id: SectionId) -> Result<&'d [u8], SectionError> {
        let sections: Vec<Section<'d>> = self.all(id).take(if self.split { usize::MAX } else { 1 }).collect();
        match sections.as_slice() {
            [] => Ok(&[]),
            [one] => self.load_one(id, one),
            many => {
                let parts: Result<Vec<&[u8]>, _> = many.iter().map(|one| self.load_one(id, one)).collect();
                Ok(self.store.keep(parts?.concat()))
            }
        }
    }

    fn load_one(&self, id: SectionId, section: &Section<'d>) -> Result<&'d [u8], SectionError> {
        let wrong = |why: String| SectionError { name: id.name(), why };
        let bytes = self.elf.bytes(section).ok_or_else(|| wrong("the file is cut off".to_owned()))?;
        let packed = self.packed(section, bytes).map_err(|error| wrong(error.to_string()))?;
        let unpacked = match packed {
            None => bytes,
            Some(packed) => self.store.keep(unpack(packed).map_err(wrong)?),
        };
        if !self.elf.relocatable() {
            return Ok(unpacked);
        }
        let made = relocated(&self.elf, section, unpacked).map_err(wrong)?;
        Ok(made.map_or(unpacked, |made| self.store.keep(made)))
    }

    /// How a section is compressed, if it is.
    fn packed(
        &self,
        section: &Section<'_>,
        bytes: &'d [u8],
    ) -> Result<Option<CompressedData<'d>>, object::Error> {
        if section.name.starts_with(".zdebug_") {
            let Some((b"ZLIB", rest)) = bytes.split_at_checked(4) else { return Ok(None) };
            let Some((size, data)) = rest.split_first_chunk::<8>() else { return Ok(None) };
            let uncompressed_size = u64::from_be_bytes(*size);
            return Ok(Some(CompressedData { format: CompressionFormat::Zlib, data, uncompressed_size }));
        }
        self.elf.compression(section)
    }
}

/// Unpacks a section. The length that its header claims is believed only as far as its bytes can hold it.
fn unpack(packed: CompressedData<'_>) -> Result<Vec<u8>, String> {
    // Deflate packs at most 1032 to 1; zstd has no such limit, but debug info is no run of zeros.
    const MOST: u64 = 2048;
    let possible = (packed.data.len() as u64).saturating_mul(MOST);
    if packed.uncompressed_size > possible {
        return Err(format!(
            "its header claims {} bytes, more than {} compressed bytes can hold",
            packed.uncompressed_size,
            packed.data.len()
        ));
    }
    let bytes = packed.decompress().map_err(|error| error.to_string())?;
    Ok(bytes.into_owned())
}
