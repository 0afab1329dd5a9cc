//! Types of DWARF made to order, in the forms that compilers of all ages use.

#![allow(clippy::unwrap_used)] // tests

use std::rc::Rc;

use gimli::write::{AttributeValue, EndianVec, LineProgram, Sections, Unit, UnitEntryId};
use gimli::{DwAt, DwTag, Encoding as Format, LittleEndian, constants};
use lkdb_testkit::elf::ElfMaker;
use proptest::prelude::*;

use crate::types::{Composite, Count, Enum, Type, TypeError, TypeId, TypeSource};
use crate::{Elf, Store, Symbols};

/// A unit of DIEs that are added one by one.
struct Maker {
    dwarf: gimli::write::Dwarf,
    unit: gimli::write::UnitId,
}

impl Maker {
    fn new(version: u16) -> Self {
        let encoding = Format { format: gimli::Format::Dwarf32, version, address_size: 8 };
        let mut dwarf = gimli::write::Dwarf::default();
        let unit = dwarf.units.add(Unit::new(encoding, LineProgram::none()));
        let mut maker = Self { dwarf, unit };
        maker.language(constants::DW_LANG_C99);
        maker
    }

    fn language(&mut self, language: gimli::DwLang) {
        let root = self.unit().root();
        self.unit().get_mut(root).set(constants::DW_AT_language, AttributeValue::Language(language));
    }

    fn unit(&mut self) -> &mut Unit {
        self.dwarf.units.get_mut(self.unit)
    }

    /// A DIE below `parent` (the unit's own without one) of a name (none if empty).
    fn add(
        &mut self,
        parent: Option<UnitEntryId>,
        tag: DwTag,
        name: &str,
        attributes: &[(DwAt, AttributeValue)],
    ) -> UnitEntryId {
        let unit = self.unit();
        let parent = parent.unwrap_or(unit.root());
        let id = unit.add(parent, tag);
        let entry = unit.get_mut(id);
        if !name.is_empty() {
            entry.set(constants::DW_AT_name, AttributeValue::String(name.into()));
        }
        for (at, value) in attributes {
            entry.set(*at, value.clone());
        }
        id
    }

    fn base(&mut self, name: &str, size: u8, encoding: gimli::DwAte) -> UnitEntryId {
        let size = (constants::DW_AT_byte_size, AttributeValue::Data1(size));
        let encoding = (constants::DW_AT_encoding, AttributeValue::Encoding(encoding));
        self.add(None, constants::DW_TAG_base_type, name, &[size, encoding])
    }

    /// Every type under the root as the engine reads it, by its place among the root's children.
    fn read(mut self) -> Vec<(TypeId, Result<Rc<Type>, TypeError>)> {
        let file = self.file();
        types_of(&file, |symbols, id| symbols.get(id))
    }

    fn file(&mut self) -> Vec<u8> {
        let mut sections = Sections::new(EndianVec::new(LittleEndian));
        self.dwarf.write(&mut sections).unwrap();
        ElfMaker::new(62, 0)
            .section(".debug_info", 0, false, sections.debug_info.slice())
            .section(".debug_abbrev", 0, false, sections.debug_abbrev.slice())
            .make()
    }
}

/// What `ask` says of every child of the first unit's root.
fn types_of<T>(file: &[u8], ask: impl Fn(&Symbols<'_>, TypeId) -> T) -> Vec<(TypeId, T)> {
    let store = Store::new();
    let mut symbols = Symbols::new(&store);
    let object = symbols.add("vmlinux", Elf::parse(file).unwrap()).unwrap();
    let Some(dwarf) = symbols.object(object).and_then(|object| object.dwarf()) else { return Vec::new() };
    let (mut ids, Ok(units)) = (Vec::new(), dwarf.units()) else { return Vec::new() };
    for id in units.ids() {
        let Ok(unit) = dwarf.unit(id) else { continue };
        let _ = unit.children(unit.root(), |child| {
            let die = crate::DieRef { unit: id, offset: child.offset() };
            ids.extend(dwarf.type_id(die));
            Ok(true)
        });
    }
    ids.into_iter().map(|id| (id, ask(&symbols, id))).collect()
}

fn one(made: &[(TypeId, Result<Rc<Type>, TypeError>)], at: usize) -> Rc<Type> {
    Rc::clone(made[at].1.as_ref().unwrap())
}

fn composite(made: &[(TypeId, Result<Rc<Type>, TypeError>)], at: usize) -> Composite {
    let Type::Composite(composite) = (*one(made, at)).clone() else { panic!("no struct") };
    composite
}

#[test]
fn counts_are_read_in_every_form() {
    let mut maker = Maker::new(5);
    let int = maker.base("int", 4, constants::DW_ATE_signed);
    let ty = (constants::DW_AT_type, AttributeValue::UnitRef(int));
    let array = |maker: &mut Maker, dimensions: &[Option<(DwAt, AttributeValue)>]| {
        let array = maker.add(None, constants::DW_TAG_array_type, "", std::slice::from_ref(&ty));
        for dimension in dimensions {
            let bound: Vec<_> = dimension.clone().into_iter().collect();
            maker.add(Some(array), constants::DW_TAG_subrange_type, "", &bound);
        }
    };
    let upper = |value| Some((constants::DW_AT_upper_bound, value));
    array(&mut maker, &[upper(AttributeValue::Data1(255))]);
    array(&mut maker, &[upper(AttributeValue::Data4(99_999))]);
    array(&mut maker, &[upper(AttributeValue::Sdata(-1))]);
    array(&mut maker, &[Some((constants::DW_AT_count, AttributeValue::Data1(0)))]);
    array(&mut maker, &[None]);
    array(&mut maker, &[]);
    array(&mut maker, &[upper(AttributeValue::Exprloc(gimli::write::Expression::new()))]);
    array(&mut maker, &[upper(AttributeValue::Data1(1)), upper(AttributeValue::Data1(2))]);
    let made = maker.read();
    let counts: Vec<Count> = (1..9)
        .map(|at| match &*one(&made, at) {
            Type::Array { count, .. } => *count,
            other => panic!("{other:?}"),
        })
        .collect();
    let fixed = Count::Fixed;
    let expected =
        [fixed(256), fixed(100_000), fixed(0), fixed(0), Count::Open, Count::Open, Count::Variable, fixed(2)];
    assert_eq!(counts, expected);
    let Type::Array { element: TypeId::Made(_), .. } = &*one(&made, 8) else {
        panic!("the second dimension is an element")
    };
}

#[test]
fn bit_fields_of_old_and_new_dwarf_are_at_one_place() {
    let mut maker = Maker::new(4);
    let unsigned = maker.base("unsigned int", 4, constants::DW_ATE_unsigned);
    let ty = (constants::DW_AT_type, AttributeValue::UnitRef(unsigned));
    let bits = |bits| (constants::DW_AT_bit_size, AttributeValue::Data1(bits));
    let at = |at| (constants::DW_AT_data_member_location, AttributeValue::Data1(at));
    let size = (constants::DW_AT_byte_size, AttributeValue::Data1(8));
    let whole = maker.add(None, constants::DW_TAG_structure_type, "s", std::slice::from_ref(&size));
    let new = (constants::DW_AT_data_bit_offset, AttributeValue::Data1(35));
    maker.add(Some(whole), constants::DW_TAG_member, "new", &[ty.clone(), bits(3), new]);
    // The same counted from the highest bit of 4 bytes at 4.
    let old = (constants::DW_AT_bit_offset, AttributeValue::Data1(26));
    maker.add(Some(whole), constants::DW_TAG_member, "old", &[ty.clone(), bits(3), old, at(4)]);
    let fixed = (constants::DW_AT_external, AttributeValue::Flag(true));
    maker.add(Some(whole), constants::DW_TAG_member, "fixed", &[ty.clone(), fixed]);
    maker.add(Some(whole), constants::DW_TAG_member, "far", &[ty, at(200)]);
    let made = maker.read();
    let read = composite(&made, 1);
    let places: Vec<_> = read.members.iter().map(|member| (member.bit_offset, member.bit_size)).collect();
    assert_eq!(places, [(35, Some(3)), (35, Some(3)), (1600, None)]);
    assert_eq!((read.size, read.name.as_deref()), (8, Some("s")));
}

#[test]
fn enumerators_have_a_sign_where_their_form_has() {
    let mut maker = Maker::new(5);
    let size = (constants::DW_AT_byte_size, AttributeValue::Data1(4));
    for values in [&[AttributeValue::Sdata(-1), AttributeValue::Data1(255)][..], &[AttributeValue::Udata(7)]]
    {
        let state = maker.add(None, constants::DW_TAG_enumeration_type, "e", std::slice::from_ref(&size));
        for value in values {
            let value = (constants::DW_AT_const_value, value.clone());
            maker.add(Some(state), constants::DW_TAG_enumerator, "V", &[value]);
        }
    }
    let made = maker.read();
    let read = |at| match &*one(&made, at) {
        Type::Enum(Enum { signed, values, .. }) => {
            (*signed, values.iter().map(|(_, value)| *value).collect::<Vec<_>>())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(read(0), (true, vec![-1, 255]));
    assert_eq!(read(1), (false, vec![7]));
}

#[test]
fn functions_take_what_their_instances_say() {
    let mut maker = Maker::new(5);
    let long = maker.base("long int", 8, constants::DW_ATE_signed);
    let ty = (constants::DW_AT_type, AttributeValue::UnitRef(long));
    let prototyped = (constants::DW_AT_prototyped, AttributeValue::Flag(true));
    let general = maker.add(None, constants::DW_TAG_subprogram, "f", &[ty.clone(), prototyped]);
    let parameter = maker.add(Some(general), constants::DW_TAG_formal_parameter, "p", &[ty]);
    let origin = |of| (constants::DW_AT_abstract_origin, AttributeValue::UnitRef(of));
    let own = maker.add(None, constants::DW_TAG_subprogram, "", &[origin(general)]);
    maker.add(Some(own), constants::DW_TAG_formal_parameter, "", &[origin(parameter)]);
    maker.add(None, constants::DW_TAG_subroutine_type, "", &[]);
    let made = maker.read();
    let Type::Function(instance) = &*one(&made, 2) else { panic!("no function") };
    assert!(instance.prototyped && !instance.variadic);
    assert_eq!(instance.result, made[0].0);
    assert_eq!((instance.parameters[0].name.as_deref(), instance.parameters[0].ty), (Some("p"), made[0].0));
    let Type::Function(old) = &*one(&made, 3) else { panic!("no function") };
    assert!(!old.prototyped && old.result == TypeId::Void);
}

#[test]
fn an_assemblers_functions_have_prototypes_and_aliases() {
    let mut maker = Maker::new(5);
    maker.language(constants::DW_LANG_Mips_Assembler);
    let low = |at| (constants::DW_AT_low_pc, AttributeValue::Address(gimli::write::Address::Constant(at)));
    let high = (constants::DW_AT_high_pc, AttributeValue::Udata(16));
    for (name, at) in [("__memcpy", 0x1000), ("memcpy_erms", 0x1010), ("memcpy", 0x1000)] {
        maker.add(None, constants::DW_TAG_subprogram, name, &[low(at), high.clone()]);
    }
    let root = maker.unit().root();
    maker.unit().get_mut(root).set(constants::DW_AT_low_pc, low(0x1000).1);
    maker.unit().get_mut(root).set(constants::DW_AT_high_pc, AttributeValue::Udata(32));
    let file = maker.file();
    let made = types_of(&file, |symbols, id| symbols.get(id));
    let Type::Function(function) = &*one(&made, 0) else { panic!("no function") };
    assert!(function.prototyped);
    let store = Store::new();
    let object = crate::Object::new(crate::ObjectId(0), "vmlinux", Elf::parse(&file).unwrap(), &store);
    let dwarf = object.dwarf().unwrap();
    let around = dwarf.function_at(lkdb_base::LinkAddr(0x1004)).unwrap().unwrap();
    assert_eq!(around.name, "memcpy", "the last of those that begin together");
    assert_eq!(dwarf.alias(&around, "__memcpy").unwrap().unwrap().entry, around.entry);
    assert_eq!(dwarf.alias(&around, "memcpy_erms").unwrap(), None);
}

#[test]
fn a_declaration_is_what_another_unit_defines() {
    let mut maker = Maker::new(5);
    let declaration = (constants::DW_AT_declaration, AttributeValue::Flag(true));
    maker.add(None, constants::DW_TAG_structure_type, "page", &[declaration]);
    let encoding = Format { format: gimli::Format::Dwarf32, version: 5, address_size: 8 };
    maker.unit = maker.dwarf.units.add(Unit::new(encoding, LineProgram::none()));
    let size = (constants::DW_AT_byte_size, AttributeValue::Data1(64));
    maker.add(None, constants::DW_TAG_structure_type, "page", &[size]);
    let file = maker.file();
    let made = types_of(&file, |symbols, id| (symbols.complete(id), symbols.size(id)));
    assert_eq!(made[0].1, (made[1].0, Ok(64)));
    assert_eq!(made[1].1, (made[1].0, Ok(64)));
}

#[test]
fn what_is_no_type_says_so() {
    let mut maker = Maker::new(5);
    maker.add(None, constants::DW_TAG_variable, "v", &[]);
    let own = maker.add(None, constants::DW_TAG_const_type, "", &[]);
    maker.unit().get_mut(own).set(constants::DW_AT_type, AttributeValue::UnitRef(own));
    let file = maker.file();
    let made = types_of(&file, |symbols, id| (symbols.get(id).err(), symbols.resolved(id).err()));
    let Some(TypeError::Damaged { object, why, .. }) = &made[0].1.0 else { panic!("{:?}", made[0].1) };
    assert_eq!((object.as_str(), why.as_str()), ("vmlinux", "DW_TAG_variable is no type of C"));
    assert_eq!(made[1].1.1, Some(TypeError::Endless));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damage_is_an_answer(at in any::<prop::sample::Index>(), byte: u8) {
        let mut maker = Maker::new(5);
        let int = maker.base("int", 4, constants::DW_ATE_signed);
        let ty = (constants::DW_AT_type, AttributeValue::UnitRef(int));
        let array = maker.add(None, constants::DW_TAG_array_type, "", std::slice::from_ref(&ty));
        maker.add(Some(array), constants::DW_TAG_subrange_type, "", &[]);
        let whole = maker.add(None, constants::DW_TAG_structure_type, "s", &[]);
        maker.add(Some(whole), constants::DW_TAG_member, "m", std::slice::from_ref(&ty));
        let mut file = maker.file();
        // The debug sections lie between the file's header and its section table.
        let at = 64 + at.index(160.min(file.len() - 64));
        file[at] = byte;
        let _ = types_of(&file, |symbols, id| (symbols.resolved(id).is_ok(), symbols.size(id).is_ok()));
    }
}
