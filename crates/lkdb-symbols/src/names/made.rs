//! For tests: a small program's DWARF, written by gimli, of two units that share a header.

use gimli::write::{Address, AttributeValue, Dwarf, EndianVec, LineProgram, Sections, Unit, UnitEntryId};
use gimli::{
    DW_AT_abstract_origin, DW_AT_byte_size, DW_AT_const_value, DW_AT_declaration, DW_AT_external,
    DW_AT_high_pc, DW_AT_inline, DW_AT_location, DW_AT_low_pc, DW_AT_name, DW_AT_specification, DwTag,
    Encoding, Format, LittleEndian, constants,
};

use super::Raw;

/// Its sections.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) info: Vec<u8>,
    pub(crate) abbrev: Vec<u8>,
    pub(crate) str: Vec<u8>,
    pub(crate) line_str: Vec<u8>,
    pub(crate) line: Vec<u8>,
    pub(crate) ranges: Vec<u8>,
    pub(crate) rnglists: Vec<u8>,
}

impl Made {
    pub(crate) fn raw(&self) -> Raw<'_> {
        Raw {
            info: &self.info,
            abbrev: &self.abbrev,
            str: &self.str,
            line_str: &self.line_str,
            line: &self.line,
            ranges: &self.ranges,
            rnglists: &self.rnglists,
            ..Raw::default()
        }
    }

    /// Changes bytes: each a place, what is written there, and in which of three sections.
    pub(crate) fn damage(&mut self, flips: &[(usize, u8, u8)]) {
        for (at, value, section) in flips {
            let section = match section {
                0 => &mut self.info,
                1 => &mut self.abbrev,
                _ => &mut self.str,
            };
            let at = at % section.len();
            section[at] = *value;
        }
    }
}

struct Maker<'a> {
    dwarf: &'a mut Dwarf,
    unit: gimli::write::UnitId,
}

impl Maker<'_> {
    fn unit(&mut self) -> &mut Unit {
        self.dwarf.units.get_mut(self.unit)
    }

    fn root(&mut self) -> UnitEntryId {
        self.unit().root()
    }

    fn add(&mut self, parent: UnitEntryId, tag: DwTag, name: &str) -> UnitEntryId {
        let id = self.unit().add(parent, tag);
        // As GCC does: short names in the DIE.
        let value = match name.len() {
            0 => return id,
            1..=3 => AttributeValue::String(name.into()),
            _ => AttributeValue::StringRef(self.dwarf.strings.add(name)),
        };
        self.set(id, DW_AT_name, value);
        id
    }

    fn set(&mut self, id: UnitEntryId, at: gimli::DwAt, value: AttributeValue) {
        self.unit().get_mut(id).set(at, value);
    }

    fn flag(&mut self, id: UnitEntryId, at: gimli::DwAt) {
        self.set(id, at, AttributeValue::Flag(true));
    }

    /// What both units have of the header.
    fn header(&mut self) {
        let root = self.root();
        let page = self.add(root, constants::DW_TAG_structure_type, "page");
        self.set(page, DW_AT_byte_size, AttributeValue::Udata(8));
        self.add(page, constants::DW_TAG_member, "flags");
        self.add(page, constants::DW_TAG_member, "pid");
        let state = self.add(root, constants::DW_TAG_enumeration_type, "state");
        let running = self.add(state, constants::DW_TAG_enumerator, "RUNNING");
        self.set(running, DW_AT_const_value, AttributeValue::Sdata(1));
        self.add(root, constants::DW_TAG_typedef, "pid");
        let unknown = self.add(root, constants::DW_TAG_structure_type, "unknown");
        self.flag(unknown, DW_AT_declaration);
    }

    fn declared(&mut self) -> UnitEntryId {
        let root = self.root();
        let counter = self.add(root, constants::DW_TAG_variable, "counter");
        self.flag(counter, DW_AT_declaration);
        self.flag(counter, DW_AT_external);
        counter
    }

    fn function(&mut self, name: &str, start: u64) -> UnitEntryId {
        let root = self.root();
        let function = self.add(root, constants::DW_TAG_subprogram, name);
        self.set(function, DW_AT_low_pc, AttributeValue::Address(Address::Constant(start)));
        self.set(function, DW_AT_high_pc, AttributeValue::Udata(16));
        function
    }

    fn variable(&mut self, parent: UnitEntryId, name: &str) -> UnitEntryId {
        let variable = self.add(parent, constants::DW_TAG_variable, name);
        let mut place = gimli::write::Expression::new();
        place.op_addr(Address::Constant(0x4000));
        self.set(variable, DW_AT_location, AttributeValue::Exprloc(place));
        variable
    }
}

/// `one.c`: an inline function of its own, a caller, a namespace; `two.c`: defines `counter`, has a static too.
pub(crate) fn program(version: u16) -> Made {
    let encoding = Encoding { format: Format::Dwarf32, version, address_size: 8 };
    let mut dwarf = Dwarf::default();
    for name in ["one.c", "two.c"] {
        let unit = dwarf.units.add(Unit::new(encoding, LineProgram::none()));
        let mut maker = Maker { dwarf: &mut dwarf, unit };
        let root = maker.root();
        let value = AttributeValue::StringRef(maker.dwarf.strings.add(name));
        maker.set(root, DW_AT_name, value);
        maker.header();
        let counter = maker.declared();
        let helper = maker.add(root, constants::DW_TAG_subprogram, "helper");
        maker.set(helper, DW_AT_inline, AttributeValue::Udata(1));
        maker.variable(root, "shared_name");
        if name == "one.c" {
            let caller = maker.function("caller", 0x1000);
            maker.variable(caller, "hidden");
            let bindings = maker.add(root, constants::DW_TAG_namespace, "bindings");
            let inner = maker.add(bindings, constants::DW_TAG_namespace, "inner");
            maker.add(inner, constants::DW_TAG_structure_type, "of_rust");
            for tag in [constants::DW_TAG_inlined_subroutine, constants::DW_TAG_variable] {
                let copy = maker.add(caller, tag, "");
                maker.set(copy, DW_AT_abstract_origin, AttributeValue::UnitRef(helper));
            }
        } else {
            maker.function("two_only", 0x2000);
            let defined = maker.variable(root, "");
            maker.set(defined, DW_AT_specification, AttributeValue::UnitRef(counter));
        }
    }
    write(&mut dwarf)
}

fn write(dwarf: &mut Dwarf) -> Made {
    let mut sections = Sections::new(EndianVec::new(LittleEndian));
    dwarf.write(&mut sections).unwrap();
    let mut made = Made::default();
    sections
        .for_each(|id, data| -> gimli::write::Result<()> {
            let bytes = data.slice().to_vec();
            match id {
                gimli::SectionId::DebugInfo => made.info = bytes,
                gimli::SectionId::DebugAbbrev => made.abbrev = bytes,
                gimli::SectionId::DebugStr => made.str = bytes,
                gimli::SectionId::DebugLineStr => made.line_str = bytes,
                gimli::SectionId::DebugLine => made.line = bytes,
                gimli::SectionId::DebugRanges => made.ranges = bytes,
                gimli::SectionId::DebugRngLists => made.rnglists = bytes,
                _ => {}
            }
            Ok(())
        })
        .unwrap();
    made
}
