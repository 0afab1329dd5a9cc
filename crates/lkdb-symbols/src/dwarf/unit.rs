//! One unit: its first DIE's facts, its abbreviations, and how its attributes are read.
//!
//! A unit's attributes refer to other sections through bases that the unit's first DIE gives; every
//! reading of a string, address, range list or reference goes through here.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugAddr, DebugAddrBase, DebugInfoOffset, DebugLineOffset,
    DebugLineStr, DebugLocListsBase, DebugRanges, DebugRngLists, DebugRngListsBase, DebugStr,
    DebugStrOffsets, DebugStrOffsetsBase, DebuggingInformationEntry, DwAt, DwTag, DwarfFileType, Encoding,
    EntriesRaw, LittleEndian, Range, RangeLists, SectionId, UnitHeader, UnitOffset, constants,
};

use super::function::{self, FunctionRange};
use super::inline::{self, InlinedCopy};
use super::{DieRef, Error, Lines, Reader, Scopes, Sections, UnitId, UnitTable};

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
    high_pc: Option<Attribute<'d>>,
    range_list: Option<Attribute<'d>>,
    str_offsets_base: DebugStrOffsetsBase,
    addr_base: DebugAddrBase,
    pub(super) loclists_base: DebugLocListsBase,
    rnglists_base: DebugRngListsBase,
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

    /// Its locations hold from a function's first instruction on: GCC since 4.5 with location lists. A
    /// breakpoint need not skip the prologue then.
    #[must_use]
    pub fn locations_hold_at_entry(&self) -> bool {
        *self.locations_hold.get_or_init(|| gcc_since_4_5(self.producer) && self.has_location_lists())
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

    /// Reads the unit's DIEs from `offset` on; none when that lies outside of it.
    ///
    /// # Errors
    /// When the offset is not in the unit.
    pub fn entries(&self, offset: Option<UnitOffset>) -> Result<EntriesRaw<'_, Reader<'d>>, Error> {
        self.header.entries_raw(&self.abbreviations, offset).map_err(|why| self.wrong(why))
    }

    /// The DIE at an offset.
    ///
    /// # Errors
    /// When it is damaged or the offset is not in the unit.
    pub fn entry(&self, offset: UnitOffset) -> Result<Entry<'d>, Error> {
        self.header.entry(&self.abbreviations, offset).map_err(|why| self.wrong(why))
    }

    /// Calls `visit` with each child of the DIE at `parent`, in order, until it returns false. Children's
    /// children are skipped, by `DW_AT_sibling` where there is one.
    ///
    /// # Errors
    /// When a DIE is damaged.
    pub fn children(
        &self,
        parent: UnitOffset,
        mut visit: impl FnMut(&Entry<'d>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut entries = self.entries(Some(parent))?;
        let mut entry = Entry::null();
        let mut skip_to = None;
        let mut depth = match entries.read_entry(&mut entry) {
            Ok(true) if entry.has_children() => 1,
            Ok(_) => return Ok(()),
            Err(why) => return Err(self.wrong(why)),
        };
        while depth > 0 {
            if let Some(sibling) = skip_to.take() {
                entries = self.entries(Some(sibling))?;
                depth = 1;
            }
            if entries.is_empty() {
                break;
            }
            if !entries.read_entry(&mut entry).map_err(|why| self.wrong(why))? {
                depth -= 1;
                continue;
            }
            if depth == 1 && !visit(&entry)? {
                break;
            }
            if entry.has_children() {
                let here = entry.offset();
                match entry.attr_value(constants::DW_AT_sibling) {
                    Some(AttributeValue::UnitRef(next)) if depth == 1 && next > here => skip_to = Some(next),
                    _ => depth += 1,
                }
            }
        }
        Ok(())
    }

    /// The tag of the DIE at an offset; none when nothing readable is there.
    #[must_use]
    pub fn tag(&self, offset: UnitOffset) -> Option<DwTag> {
        let mut entries = self.entries(Some(offset)).ok()?;
        entries.read_abbreviation().ok().flatten().map(gimli::Abbreviation::tag)
    }

    /// A string attribute; none for attributes that are none.
    ///
    /// # Errors
    /// When it points outside of its section.
    pub fn string(&self, sections: &Sections<'d>, value: Attribute<'d>) -> Result<Option<&'d str>, Error> {
        let bytes = match value {
            AttributeValue::String(bytes) => Ok(bytes),
            AttributeValue::DebugStrRef(offset) => {
                DebugStr::new(sections.get(SectionId::DebugStr)?, LittleEndian).get_str(offset)
            }
            AttributeValue::DebugLineStrRef(offset) => {
                DebugLineStr::new(sections.get(SectionId::DebugLineStr)?, LittleEndian).get_str(offset)
            }
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let bytes = sections.get(SectionId::DebugStrOffsets)?;
                let format = self.encoding().format;
                let strings = DebugStr::new(sections.get(SectionId::DebugStr)?, LittleEndian);
                DebugStrOffsets::from(Reader::new(bytes, LittleEndian))
                    .get_str_offset(format, self.str_offsets_base, index)
                    .and_then(|offset| strings.get_str(offset))
            }
            _ => return Ok(None),
        };
        let bytes = bytes.map_err(|why| self.wrong(why))?;
        Ok(std::str::from_utf8(bytes.slice()).ok())
    }

    /// The name of a DIE, if it has one.
    ///
    /// # Errors
    /// When it points outside of its section.
    pub fn name_of(&self, sections: &Sections<'d>, entry: &Entry<'d>) -> Result<Option<&'d str>, Error> {
        match entry.attr_value(constants::DW_AT_name) {
            Some(value) => self.string(sections, value),
            None => Ok(None),
        }
    }

    /// An address attribute; none for attributes that are none.
    ///
    /// # Errors
    /// When it points outside of `.debug_addr`.
    pub fn address(&self, sections: &Sections<'d>, value: Attribute<'d>) -> Result<Option<u64>, Error> {
        match value {
            AttributeValue::Addr(address) => Ok(Some(address)),
            AttributeValue::DebugAddrIndex(index) => {
                let table = self.addresses(sections)?;
                let size = self.encoding().address_size;
                table.get_address(size, self.addr_base, index).map(Some).map_err(|why| self.wrong(why))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn addresses(&self, sections: &Sections<'d>) -> Result<DebugAddr<Reader<'d>>, Error> {
        Ok(DebugAddr::from(Reader::new(sections.get(SectionId::DebugAddr)?, LittleEndian)))
    }

    /// The DIE that a reference attribute leads to; none for attributes that are none, and for references
    /// into type units.
    #[must_use]
    pub fn reference(&self, units: &UnitTable<'_>, value: Attribute<'d>) -> Option<DieRef> {
        match value {
            AttributeValue::UnitRef(offset) => Some(DieRef { unit: self.id, offset }),
            AttributeValue::DebugInfoRef(DebugInfoOffset(at)) => {
                let unit = units.unit_of(DebugInfoOffset(at))?;
                Some(DieRef { unit, offset: UnitOffset(at.checked_sub(units.start(unit)?)?) })
            }
            _ => None,
        }
    }

    /// The addresses that a DIE covers, by `DW_AT_ranges` or `DW_AT_low_pc` and `DW_AT_high_pc`, in the
    /// file's order; none that are empty.
    ///
    /// # Errors
    /// When what they refer to is damaged.
    pub fn ranges_of(&self, sections: &Sections<'d>, entry: &Entry<'d>) -> Result<Vec<Range>, Error> {
        let (mut low, mut high, mut list) = (None, None, None);
        for attribute in entry.attrs() {
            match attribute.name() {
                constants::DW_AT_low_pc => low = Some(attribute.value()),
                constants::DW_AT_high_pc => high = Some(attribute.value()),
                constants::DW_AT_ranges => list = Some(attribute.value()),
                _ => {}
            }
        }
        let low = low.map(|low| self.address(sections, low)).transpose()?.flatten();
        self.pick(sections, low, high, list)
    }

    /// The addresses of the unit itself.
    ///
    /// # Errors
    /// When its range list is damaged.
    pub fn ranges(&self, sections: &Sections<'d>) -> Result<Vec<Range>, Error> {
        self.pick(sections, Some(self.low_pc), self.high_pc, self.range_list)
    }

    fn pick(
        &self,
        sections: &Sections<'d>,
        low: Option<u64>,
        high: Option<Attribute<'d>>,
        list: Option<Attribute<'d>>,
    ) -> Result<Vec<Range>, Error> {
        if let Some(list) = list {
            return self.range_list(sections, list);
        }
        let (Some(begin), Some(high)) = (low, high) else { return Ok(Vec::new()) };
        let end = match high.udata_value() {
            Some(length) => begin.wrapping_add(length),
            None => self.address(sections, high)?.unwrap_or(begin),
        };
        let dropped = begin == 0 && sections.nothing_at_zero();
        let range = Range { begin, end };
        Ok(if begin < end && !dropped { vec![range] } else { Vec::new() })
    }

    fn range_list(&self, sections: &Sections<'d>, list: Attribute<'d>) -> Result<Vec<Range>, Error> {
        let old = DebugRanges::new(sections.get(SectionId::DebugRanges)?, LittleEndian);
        let new = DebugRngLists::new(sections.get(SectionId::DebugRngLists)?, LittleEndian);
        let lists = RangeLists::new(old, new);
        let wrong = |why| self.wrong(why);
        let offset = match list {
            // Before version 5 those in a .dwo file count from a base of their own; the unit's own do not.
            AttributeValue::RangeListsRef(offset) if self.has_old_split_lists() => {
                gimli::RangeListsOffset(offset.0.saturating_add(self.rnglists_base.0))
            }
            AttributeValue::RangeListsRef(offset) => gimli::RangeListsOffset(offset.0),
            AttributeValue::Sdata(offset) => {
                gimli::RangeListsOffset(usize::try_from(offset).unwrap_or(usize::MAX))
            }
            AttributeValue::DebugRngListsIndex(index) => {
                lists.get_offset(self.encoding(), self.rnglists_base, index).map_err(wrong)?
            }
            _ => return Ok(Vec::new()),
        };
        let addresses = self.addresses(sections)?;
        let mut found = Vec::new();
        let mut entries =
            lists.ranges(offset, self.encoding(), self.low_pc, &addresses, self.addr_base).map_err(wrong)?;
        while let Some(range) = entries.next().map_err(wrong)? {
            if range.begin != 0 || !sections.nothing_at_zero() {
                found.push(range);
            }
        }
        Ok(found)
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

/// Where a unit's line table begins, from its first DIE alone; none where that cannot be read.
pub(super) fn line_table_of<'d>(sections: &Sections<'d>, header: &UnitHeader<Reader<'d>>) -> Option<usize> {
    let abbrev = DebugAbbrev::new(sections.get(SectionId::DebugAbbrev).ok()?, LittleEndian);
    let abbreviations = header.abbreviations(&abbrev).ok()?;
    let mut entries = header.entries_raw(&abbreviations, None).ok()?;
    let abbreviation = entries.read_abbreviation().ok()??;
    for specification in abbreviation.attributes() {
        let attribute = entries.read_attribute(*specification).ok()?;
        if let AttributeValue::DebugLineRef(offset) = attribute.value() {
            return Some(offset.0);
        }
        if let (constants::DW_AT_stmt_list, AttributeValue::Sdata(at)) =
            (attribute.name(), attribute.raw_value())
        {
            return usize::try_from(at).ok();
        }
    }
    None
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
