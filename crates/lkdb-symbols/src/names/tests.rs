//! The name search on a small program, and on damaged ones.

use proptest::prelude::*;

use super::made::program;
use super::{Error, Extent, Found, Kinds, Raw, Units, find, instances};

fn all(raw: &Raw<'_>, name: &str, kinds: Kinds) -> Vec<Found> {
    find(raw, &Units::read(raw).unwrap(), name, kinds, Extent::All)
}

#[test]
fn every_kind_is_found_once_a_unit() {
    for version in [4, 5] {
        let made = program(version);
        let raw = made.raw();
        for (name, kinds, count) in [
            ("page", Kinds::STRUCT, 2),
            ("page", Kinds::UNION, 0),
            ("state", Kinds::ENUM, 2),
            ("RUNNING", Kinds::ENUMERATOR, 2),
            ("caller", Kinds::FUNCTION, 1),
            ("two_only", Kinds::FUNCTION, 1),
            ("shared_name", Kinds::VARIABLE, 2),
            ("nowhere", Kinds::ALL, 0),
            ("", Kinds::ALL, 0),
            ("pa", Kinds::ALL, 0),
            ("one.c", Kinds::ALL, 0),
        ] {
            let found = all(&raw, name, kinds);
            assert_eq!(found.len(), count, "{name} in DWARF {version}: {found:?}");
            assert!(found.iter().all(|found| !found.declaration));
        }
    }
}

#[test]
fn names_within_the_dies_are_found_and_members_are_not() {
    let made = program(5);
    let found = all(&made.raw(), "pid", Kinds::ALL);
    assert_eq!(found.iter().map(|found| found.tag).collect::<Vec<_>>(), [0x16, 0x16]);
}

#[test]
fn what_is_in_a_function_is_not_of_file_scope() {
    assert_eq!(all(&program(5).raw(), "hidden", Kinds::VARIABLE), []);
}

#[test]
fn what_is_in_a_namespace_has_a_longer_name() {
    assert_eq!(all(&program(5).raw(), "of_rust", Kinds::ALL), []);
}

#[test]
fn a_variable_is_where_it_is_defined() {
    let made = program(5);
    let found = all(&made.raw(), "counter", Kinds::VARIABLE);
    let [found] = found.as_slice() else { panic!("{found:?}") };
    let second = Units::read(&made.raw()).unwrap().starts().nth(1).unwrap();
    assert!(!found.declaration && found.unit == second);
}

#[test]
fn one_declaration_stands_for_what_nobody_defines() {
    let found = all(&program(4).raw(), "unknown", Kinds::STRUCT);
    assert!(matches!(found.as_slice(), [Found { declaration: true, .. }]));
}

#[test]
fn copies_of_a_function_are_where_it_was_inlined() {
    let made = program(5);
    let units = Units::read(&made.raw()).unwrap();
    let helpers = all(&made.raw(), "helper", Kinds::FUNCTION);
    let copies: Vec<_> = helpers.iter().map(|helper| instances(&made.raw(), &units, helper)).collect();
    assert!(matches!(copies.as_slice(), [one, two] if one.len() == 1 && one[0].inlined && two.is_empty()));
}

#[test]
fn the_64_bit_format_is_refused_by_name() {
    let raw = Raw { info: &[0xff; 64], ..Raw::default() };
    assert_eq!(Units::read(&raw).unwrap_err(), Error::Dwarf64(0));
}

#[test]
fn tails_of_longer_strings_are_names() {
    let mut made = program(5);
    // The linker merged "page" into the end of "homepage": the offset moves, the string does not exist alone.
    let at = memchr::memmem::find(&made.str, b"page\0").unwrap();
    let new = made.str.len() + 4;
    made.str[at] = b'q';
    made.str.extend(b"homepage\0");
    let (old, new) = (u32::try_from(at).unwrap().to_le_bytes(), u32::try_from(new).unwrap().to_le_bytes());
    let places: Vec<usize> = memchr::memmem::find_iter(&made.info, &old).collect();
    for place in places {
        made.info[place..place + 4].copy_from_slice(&new);
    }
    assert_eq!(all(&made.raw(), "page", Kinds::STRUCT).len(), 2);
}

proptest! {
    #[test]
    fn damage_is_survived(flips in prop::collection::vec((0usize..4096, any::<u8>(), 0u8..3), 1..12)) {
        let mut made = program(5);
        made.damage(&flips);
        let raw = made.raw();
        if let Ok(units) = Units::read(&raw) {
            for name in ["page", "pid", "counter", "helper", "RUNNING"] {
                for found in find(&raw, &units, name, Kinds::ALL, Extent::All) {
                    prop_assert!(found.offset < raw.info.len() as u64);
                    let _ = instances(&raw, &units, &found);
                }
            }
        }
    }
}
