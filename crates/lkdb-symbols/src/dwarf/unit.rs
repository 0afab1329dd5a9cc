//! One unit: its abbreviations, the facts that its first DIE gives, and what has been made of the rest so far.
//!
//! The bases among those facts are what its attributes count from when they refer to other sections. Its DIEs
//! are read in `die`, what their attributes hold in `attribute`, `ranges` and `location`.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugAddrBase, DebugLineOffset, DebugLocListsBase,
    DebugRngListsBase, DebugStrOffsetsBase, DebuggingInformationEntry, DwAt, DwarfFileType, Encoding,
    LittleEndian, SectionId, UnitHeader, UnitOffset, constants,
};

use super::function::{self, FunctionRange};
use super::inline::{self, InlinedCopy};
use super::{Error, Lines, Reader, Scopes, Sections, UnitId, UnitTable};

/// The value of an attribute.
pub type Attribute<'d> = AttributeValue<Reader<'d>>;

/// A DIE with its attributes.
pub type Entry<'d> = DebuggingInformationEntry<Reader<'d>>;

/// One unit.
#[derive(Debug)]
pub struct Unit<'d> {
    /// Its number.
    pub id: UnitId,
    /// Where in `.debug_info` it begins.
    pub start: usize,
    /// Its header.
    pub header: UnitHeader<Reader<'d>>,
    /// Its abbreviations.
    pub abbreviations: Rc<Abbreviations>,
    /// `DW_AT_name`: the source file as the compiler was told.
    pub name: &'d str,
    /// `DW_AT_comp_dir`: the directory the compiler ran in.
    pub directory: &'d str,
    /// `DW_AT_producer`: the compiler and its options.
    pub producer: &'d str,
    /// `DW_AT_low_pc`: what offsets in range and location lists count from; 0 when not given.
    pub low_pc: u64,
    /// `DW_AT_stmt_list`: its line table.
    pub line_program: Option<DebugLineOffset>,
    line_table: OnceCell<Result<Rc<Lines>, Error>>,
    function_table: OnceCell<Result<Rc<[FunctionRange]>, Error>>,
    inlined_table: OnceCell<Result<Rc<[InlinedCopy]>, Error>>,
    locations_hold: OnceCell<bool>,
    scopes: RefCell<HashMap<UnitOffset, Rc<Scopes<'d>>>>,
    language: u64,
    /// It lay in a file of its own.
    joined: bool,
    pub(super) high_pc: Option<Attribute<'d>>,
    pub(super) range_list: Option<Attribute<'d>>,
    pub(super) str_offsets_base: DebugStrOffsetsBase,
    pub(super) addr_base: DebugAddrBase,
    pub(super) loclists_base: DebugLocListsBase,
    pub(super) rnglists_base: DebugRngListsBase,
}

impl<'d> Unit<'d> {
    /// Parses a unit's abbreviations and its first DIE.
    ///
    /// # Errors
    /// When either is damaged, or a section they need cannot be unpacked.
    pub fn new(
        sections: &Sections<'d>,
        id: UnitId,
        start: usize,
        header: &UnitHeader<Reader<'d>>,
    ) -> Result<Self, Error> {
        let wrong = |why| Error::Unit { unit: start as u64, why };
        let abbrev = DebugAbbrev::new(sections.get(SectionId::DebugAbbrev)?, LittleEndian);
        let abbreviations = header.abbreviations(&abbrev).map_err(wrong)?;
        let mut cursor = header.entries(&abbreviations);
        cursor.next_entry().map_err(wrong)?;
        let root = cursor.current().cloned().unwrap_or_else(Entry::null);
        let (encoding, whole) = (header.encoding(), DwarfFileType::Main);
        let mut unit = Self {
            id,
            start,
            header: *header,
            abbreviations: Rc::default(),
            name: "",
            directory: "",
            producer: "",
            low_pc: 0,
            line_program: None,
            line_table: OnceCell::new(),
            function_table: OnceCell::new(),
            inlined_table: OnceCell::new(),
            locations_hold: OnceCell::new(),
            scopes: RefCell::default(),
            language: language(&root),
            joined: false,
            high_pc: root.attr_value(constants::DW_AT_high_pc),
            range_list: root.attr_value(constants::DW_AT_ranges),
            str_offsets_base: DebugStrOffsetsBase::default_for_encoding_and_file(encoding, whole),
            addr_base: DebugAddrBase(0),
            loclists_base: DebugLocListsBase::default_for_encoding_and_file(encoding, whole),
            rnglists_base: DebugRngListsBase::default_for_encoding_and_file(encoding, whole),
        };
        unit.read_root(sections, &root)?;
        unit.abbreviations = Rc::new(abbreviations);
        Ok(unit)
    }

    /// Takes from the first DIE what the rest needs: the bases first.
    fn read_root(&mut self, sections: &Sections<'d>, root: &Entry<'d>) -> Result<(), Error> {
        for attribute in root.attrs() {
            if let AttributeValue::Sdata(given) = attribute.raw_value() {
                self.read_joined(attribute.name(), given);
            }
            match attribute.value() {
                AttributeValue::DebugStrOffsetsBase(base) => self.str_offsets_base = base,
                AttributeValue::DebugAddrBase(base) => self.addr_base = base,
                AttributeValue::DebugLocListsBase(base) => self.loclists_base = base,
                AttributeValue::DebugRngListsBase(base) => self.rnglists_base = base,
                AttributeValue::DebugLineRef(offset) => self.line_program = Some(offset),
                _ => {}
            }
        }
        let text = |unit: &Self, name| match root.attr_value(name) {
            Some(value) => unit.string(sections, value).map(Option::unwrap_or_default),
            None => Ok(""),
        };
        self.name = text(self, constants::DW_AT_name)?;
        self.directory = text(self, constants::DW_AT_comp_dir)?;
        if let Some(Attribute::Sdata(at)) = root.attr_value(constants::DW_AT_comp_dir) {
            let at = gimli::DebugStrOffset(usize::try_from(at).unwrap_or(usize::MAX));
            self.directory = self.string(sections, Attribute::DebugStrRef(at))?.unwrap_or_default();
        }
        self.producer = text(self, constants::DW_AT_producer)?;
        if let Some(value) = root.attr_value(constants::DW_AT_low_pc) {
            self.low_pc = self.address(sections, value)?.unwrap_or(self.low_pc);
        }
        Ok(())
    }

    /// Takes what a split unit was given as a constant, when it was joined to the file.
    fn read_joined(&mut self, name: DwAt, given: i64) {
        let Ok(at) = usize::try_from(given) else {
            if name == constants::DW_AT_low_pc {
                self.low_pc = given.cast_unsigned();
            }
            return;
        };
        match name {
            constants::DW_AT_str_offsets_base => {
                self.str_offsets_base = DebugStrOffsetsBase(at);
                self.joined = true;
            }
            constants::DW_AT_addr_base => self.addr_base = DebugAddrBase(at),
            constants::DW_AT_loclists_base => self.loclists_base = DebugLocListsBase(at),
            constants::DW_AT_rnglists_base => self.rnglists_base = DebugRngListsBase(at),
            constants::DW_AT_stmt_list => self.line_program = Some(DebugLineOffset(at)),
            constants::DW_AT_low_pc => self.low_pc = given.cast_unsigned(),
            _ => {}
        }
    }

    /// Its line table.
    ///
    /// # Errors
    /// When the table's header or what it refers to is damaged.
    pub fn lines(&self, sections: &Sections<'d>) -> Result<Rc<Lines>, Error> {
        self.line_table.get_or_init(|| Lines::new(sections, self).map(Rc::new)).clone()
    }

    /// The pieces of its functions' code, by address.
    ///
    /// # Errors
    /// When its DIEs are damaged.
    pub fn functions(&self, sections: &Sections<'d>) -> Result<Rc<[FunctionRange]>, Error> {
        self.function_table.get_or_init(|| function::list(sections, self).map(Rc::from)).clone()
    }

    pub(super) fn inlined(
        &self,
        sections: &Sections<'d>,
        units: &UnitTable<'d>,
    ) -> Result<Rc<[InlinedCopy]>, Error> {
        self.inlined_table.get_or_init(|| inline::list(sections, units, self).map(Rc::from)).clone()
    }

    pub(super) fn kept_scopes(&self, function: UnitOffset) -> Option<Rc<Scopes<'d>>> {
        self.scopes.borrow().get(&function).cloned()
    }

    pub(super) fn keep_scopes(&self, function: UnitOffset, scopes: &Rc<Scopes<'d>>) {
        self.scopes.borrow_mut().insert(function, Rc::clone(scopes));
    }

    /// GCC made it, 4.5 or later.
    #[must_use]
    pub fn is_gcc(&self) -> bool {
        gcc_since_4_5(self.producer)
    }

    /// Its locations hold from a function's first instruction on: GCC since 4.5 with location lists. A
    /// breakpoint need not skip the prologue then.
    #[must_use]
    pub fn locations_hold_at_entry(&self) -> bool {
        *self.locations_hold.get_or_init(|| self.is_gcc() && self.has_location_lists())
    }

    /// Whether any variable's place is a list, as the abbreviations tell.
    fn has_location_lists(&self) -> bool {
        let list = [constants::DW_FORM_sec_offset, constants::DW_FORM_loclistx];
        let mut codes = 1..;
        let abbreviations = std::iter::from_fn(|| self.abbreviations.get(codes.next()?));
        abbreviations.into_iter().any(|abbreviation| {
            let variable = [constants::DW_TAG_variable, constants::DW_TAG_formal_parameter];
            let mut attributes = abbreviation.attributes().iter();
            variable.contains(&abbreviation.tag())
                && attributes.any(|at| at.name() == constants::DW_AT_location && list.contains(&at.form()))
        })
    }

    /// It is C, where functions are not in namespaces or types.
    #[must_use]
    pub fn is_c(&self) -> bool {
        // DW_LANG_C89, _C, _C99, _C11, _C17.
        matches!(self.language, 0x1 | 0x2 | 0xc | 0x1d | 0x2c)
    }

    /// It is assembly source (`DW_LANG_Mips_Assembler`, which assemblers give for all machines).
    #[must_use]
    pub fn is_assembly(&self) -> bool {
        self.language == 0x8001
    }

    /// DWARF version, address size and offset format.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.header.encoding()
    }

    /// What `why` means for this unit.
    #[must_use]
    pub fn wrong(&self, why: gimli::Error) -> Error {
        Error::Unit { unit: self.start as u64, why }
    }

    /// Its lists have the form that `.dwo` files had before version 5.
    pub(super) fn has_old_split_lists(&self) -> bool {
        self.joined && self.encoding().version < 5
    }

    /// The base of the unit's entries in `.debug_addr` (`DW_OP_addrx`).
    #[must_use]
    pub fn addr_base(&self) -> DebugAddrBase {
        self.addr_base
    }
}

fn language(root: &Entry<'_>) -> u64 {
    match root.attr_value(constants::DW_AT_language) {
        Some(AttributeValue::Language(language)) => u64::from(language.0),
        _ => 0,
    }
}

/// Whether a unit's producer is GCC 4.5 or later: `GNU C11 12.2.0 -m64 …`. Not the assembler (`GNU AS`).
fn gcc_since_4_5(producer: &str) -> bool {
    let Some(rest) = producer.strip_prefix("GNU ") else { return false };
    let version = rest.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let mut numbers = version.unwrap_or("").split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    !rest.starts_with("AS ") && (major, minor) >= (4, 5)
}

#[cfg(test)]
mod tests {
    use super::gcc_since_4_5;

    #[test]
    fn compilers_are_told_by_what_they_say_of_themselves() {
        assert!(gcc_since_4_5("GNU C11 12.2.0 -mno-sse -O2"));
        assert!(gcc_since_4_5("GNU C 4.8.5 20150623"));
        assert!(!gcc_since_4_5("GNU C 4.4.7"));
        assert!(!gcc_since_4_5("GNU AS 2.40"));
        assert!(!gcc_since_4_5("Debian clang version 14.0.6"));
        assert!(!gcc_since_4_5(""));
    }
}
