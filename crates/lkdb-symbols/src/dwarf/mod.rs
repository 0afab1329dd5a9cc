//! DWARF of one file: its units, found from their headers alone and parsed when something is asked of them.
//!
//! Versions 4 and 5, of GCC and clang, linked (a vmlinux) or relocatable (a module). Here are the units and
//! the ways to them; lines, functions, scopes and locations have files of their own. What a DIE means as a C
//! type is in `types`, names are found in `names`. What debug info has in other files and in `.debug_types` is put
//! behind the rest by `split`.

mod attribute;
mod blocks;
mod callsite;
mod declaration;
mod describe;
mod die;
mod follow;
mod function;
mod gaps;
mod inline;
mod line;
mod location;
mod order;
mod ranges;
mod scope;
mod sections;
mod split;
mod types;
mod unit;
mod units;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

pub use gimli::SectionId;
use gimli::{DebugInfoOffset, EndianSlice, LittleEndian, UnitOffset};
use lkdb_base::LinkAddr;

pub use callsite::{CallParameter, CallSite};
pub use declaration::{Declaration, DeclarationKind};
pub use describe::{DescribeError, Described, Describer, Length};
pub use follow::{Declared, Found};
pub use function::{Function, FunctionRange};
pub use gaps::Gap;
pub use inline::{InlinedCopy, Instance};
pub use line::{LineAt, LinePlaces, LineSpan, Lines, Row, SourceFile, UnitFile};
pub use location::{Constant, Expression, ListEntry, LocationDescription, LocationList};
pub use scope::{Block, Inlined, Scopes};
pub use sections::{SectionError, Sections};
pub use split::SplitUnit;
pub use unit::{Attribute, Entry, Unit};
pub use units::UnitTable;

use crate::elf::Elf;
use crate::store::Store;
use crate::types::ObjectId;

/// What gimli reads from: the bytes of a section. Both architectures are little-endian.
pub type Reader<'d> = EndianSlice<'d, LittleEndian>;

/// The number of a unit: its place in the order of `.debug_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitId(pub u32);

/// Names a DIE: its unit and its offset from that unit's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DieRef {
    /// The unit.
    pub unit: UnitId,
    /// The offset.
    pub offset: UnitOffset,
}

/// Why DWARF cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A whole section.
    #[error(transparent)]
    Section(#[from] SectionError),
    /// A unit or what belongs to it.
    #[error("the debug info of the unit at {unit:#x} is damaged: {why}")]
    Unit {
        /// Where in `.debug_info` it begins.
        unit: u64,
        /// What is wrong.
        why: gimli::Error,
    },
    /// An offset that no unit has.
    #[error("no DIE is at {0:#x} of .debug_info")]
    NoDie(u64),
}

/// How many parsed units are kept: what one stop and a few questions touch. A parsed unit of a kernel
/// takes some hundred kilobytes.
const UNITS_KEPT: usize = 48;

/// The DWARF of one file.
#[derive(Debug)]
pub struct Dwarf<'d> {
    object: ObjectId,
    sections: Sections<'d>,
    units: OnceCell<Result<UnitTable<'d>, Error>>,
    parsed: RefCell<Parsed<'d>>,
    tables: RefCell<Option<Rc<LineTables>>>,
}

/// Units by the offset of their line table.
type LineTables = HashMap<usize, Vec<UnitId>>;

/// Units parsed so far, each with when it was last asked for.
#[derive(Debug, Default)]
struct Parsed<'d> {
    units: HashMap<UnitId, (u64, Rc<Unit<'d>>)>,
    clock: u64,
}

impl<'d> Dwarf<'d> {
    /// The DWARF of `elf`, which is object number `object`; none when it has none.
    #[must_use]
    pub fn new(elf: &Elf<'d>, store: &'d Store, object: ObjectId) -> Option<Self> {
        let sections = Sections::new(elf, store);
        (sections.has(SectionId::DebugInfo) && sections.has(SectionId::DebugAbbrev)).then(|| Self {
            object,
            sections,
            units: OnceCell::new(),
            parsed: RefCell::default(),
            tables: RefCell::default(),
        })
    }

    /// Which file it is of.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// Its sections.
    #[must_use]
    pub fn sections(&self) -> &Sections<'d> {
        &self.sections
    }

    /// What its debug info keeps elsewhere, so that answers lack it.
    #[must_use]
    pub fn gaps(&self, elf: &Elf<'d>) -> Vec<Gap> {
        gaps::of(elf, &self.sections)
    }

    /// Every unit's header. Reads no DIE.
    ///
    /// # Errors
    /// When `.debug_info` cannot be unpacked.
    pub fn units(&self) -> Result<&UnitTable<'d>, Error> {
        let table = self.units.get_or_init(|| UnitTable::new(&self.sections));
        table.as_ref().map_err(Clone::clone)
    }

    /// A unit, parsed as far as its first DIE.
    ///
    /// # Errors
    /// When it is damaged, or there is none of that number.
    pub fn unit(&self, id: UnitId) -> Result<Rc<Unit<'d>>, Error> {
        let mut parsed = self.parsed.borrow_mut();
        parsed.clock += 1;
        let now = parsed.clock;
        if let Some((used, unit)) = parsed.units.get_mut(&id) {
            *used = now;
            return Ok(Rc::clone(unit));
        }
        let header = self.units()?.header(id).ok_or(Error::NoDie(u64::MAX))?;
        let start = self.units()?.start(id).unwrap_or(0);
        let unit = Rc::new(Unit::new(&self.sections, id, start, header)?);
        if parsed.units.len() >= UNITS_KEPT
            && let Some((oldest, _)) = parsed.units.iter().min_by_key(|(_, (used, _))| *used)
        {
            let oldest = *oldest;
            parsed.units.remove(&oldest);
        }
        parsed.units.insert(id, (now, Rc::clone(&unit)));
        Ok(unit)
    }

    /// The unit whose code or data `address` is in: by `.debug_aranges` where the unit is listed there,
    /// else by what the units themselves say (clang writes no such section).
    ///
    /// # Errors
    /// When the units cannot be listed. A damaged unit is passed over.
    pub fn unit_at(&self, address: LinkAddr) -> Result<Option<UnitId>, Error> {
        self.units()?.unit_at(&self.sections, address)
    }

    /// The DIE at an offset of `.debug_info` ([`crate::TypeId::Dwarf`], `DW_FORM_ref_addr`).
    ///
    /// # Errors
    /// When no unit has that offset.
    pub fn die_at(&self, offset: u64) -> Result<DieRef, Error> {
        let missing = Error::NoDie(offset);
        let at = usize::try_from(offset).map_err(|_| missing.clone())?;
        let units = self.units()?;
        let unit = units.unit_of(DebugInfoOffset(at)).ok_or_else(|| missing.clone())?;
        let start = units.start(unit).ok_or(missing)?;
        Ok(DieRef { unit, offset: UnitOffset(at - start) })
    }

    /// The offset of a DIE in `.debug_info`.
    ///
    /// # Errors
    /// When there is no such unit.
    pub fn offset_of(&self, die: DieRef) -> Result<u64, Error> {
        let start = self.units()?.start(die.unit).ok_or(Error::NoDie(u64::MAX))?;
        Ok(start.saturating_add(die.offset.0) as u64)
    }
}
