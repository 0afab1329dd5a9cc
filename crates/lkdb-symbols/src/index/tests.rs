//! The index of a small program; damaged indexes; patterns.

use proptest::prelude::*;

use super::{Index, Kind, Pattern, PatternError, Progress, build};
use crate::names::made::{Made, program};
use crate::names::{Extent, Kinds, Units, find};

fn bytes(made: &Made, threads: usize) -> Vec<u8> {
    build(&made.raw(), b"id", threads, &Progress::default()).unwrap()
}

#[test]
fn an_index_says_what_the_search_finds() {
    for version in [4, 5] {
        let made = program(version);
        let (raw, bytes) = (made.raw(), bytes(&made, 2));
        let index = Index::open(&bytes, &raw, b"id").unwrap();
        let units = Units::read(&raw).unwrap();
        for name in ["page", "pid", "state", "RUNNING", "shared_name", "counter", "unknown", "hidden", "no"] {
            let from_index = index.named(name, Kinds::ALL).unwrap();
            let searched = find(&raw, &units, name, Kinds::ALL, Extent::First);
            assert_eq!(from_index.first().map(|entry| entry.die), searched.first().map(|found| found.offset));
            assert!(from_index.iter().all(|entry| entry.name == name));
        }
        assert_eq!(index.named("shared_name", Kinds::VARIABLE).unwrap().len(), 2);
        let running = index.named("RUNNING", Kinds::ENUMERATOR).unwrap();
        let state = index.named("state", Kinds::ENUM).unwrap();
        assert_eq!(running.first().and_then(|one| one.enumeration), state.first().map(|one| one.die));
        assert_eq!(index.copies("helper").unwrap().len(), 1);
        assert_eq!(index.named("helper", Kinds::ALL).unwrap(), []);
        assert_eq!(index.named("of_rust", Kinds::ALL).unwrap(), []);
    }
}

#[test]
fn units_know_their_names_and_addresses() {
    let made = program(5);
    let (raw, bytes) = (made.raw(), bytes(&made, 1));
    let index = Index::open(&bytes, &raw, b"id").unwrap();
    let units = index.units().unwrap();
    assert_eq!(units.iter().map(|unit| unit.name).collect::<Vec<_>>(), ["one.c", "two.c"]);
    let function = index.named("two_only", Kinds::FUNCTION).unwrap();
    let unit = index.unit_of(function.first().unwrap().die).unwrap();
    assert_eq!(unit.map(|unit| unit.number), Some(1));
}

#[test]
fn any_number_of_threads_makes_the_same_bytes() {
    let made = program(5);
    assert_eq!(bytes(&made, 1), bytes(&made, 7));
}

#[test]
fn a_build_that_is_stopped_says_so() {
    let progress = Progress::default();
    progress.stop();
    let made = program(5);
    assert_eq!(build(&made.raw(), b"id", 1, &progress).unwrap_err(), super::BuildError::Stopped);
}

#[test]
fn the_index_of_another_file_is_not_opened() {
    let (made, other) = (program(5), program(4));
    let bytes = bytes(&made, 1);
    assert!(Index::open(&bytes, &made.raw(), b"other").is_none());
    assert!(Index::open(&bytes, &other.raw(), b"id").is_none());
    assert!(Index::open(&bytes[..bytes.len() - 1], &made.raw(), b"id").is_none());
}

#[test]
fn names_are_completed_and_matched() {
    let made = program(5);
    let (raw, bytes) = (made.raw(), bytes(&made, 1));
    let index = Index::open(&bytes, &raw, b"id").unwrap();
    assert_eq!(index.completions("c", Kinds::ALL, 9).unwrap(), ["caller", "counter"]);
    assert_eq!(index.completions("", Kinds::FUNCTION, 2).unwrap(), ["caller", "helper"]);
    let found = |pattern: &str, kinds| {
        let found = index.matching(&Pattern::new(pattern).unwrap(), kinds).unwrap();
        found.iter().map(|entry| (entry.name, entry.kind)).collect::<Vec<_>>()
    };
    assert_eq!(found("^ca", Kinds::ALL), [("caller", Kind::Function)]);
    assert_eq!(found("unknown", Kinds::ALL), []);
    assert_eq!(found("^page$\\|^pid", Kinds::TYPES), [("page", Kind::Struct), ("pid", Kind::Typedef)]);
}

#[test]
fn patterns_are_those_of_gdb() {
    for (pattern, name, matches) in [
        ("", "anything", true),
        ("a+", "a+b", true),
        ("a+", "aa", false),
        ("a\\+$", "baa", true),
        ("^\\(ab\\|cd\\)$", "cd", true),
        ("(", "x(y", true),
        ("^*x", "*x", true),
        ("^x*", "y", true),
        ("x^y$z", "x^y$z", true),
        ("[]a]b", "]b", true),
        ("[^a-c]x", "bx", false),
        ("[\\]x", "\\x", true),
        ("[[:digit:]]\\{2\\}", "a12", true),
        ("[[:digit:]]\\{2\\}", "a1b2", false),
        ("\\<read", "vfs_read", false),
        ("\\<read", "vfs-read", true),
        ("a\\{,2\\}b", "b", true),
        ("a|b", "a|b", true),
        ("[a&&b]", "&", true),
    ] {
        assert_eq!(Pattern::new(pattern).unwrap().matches(name.as_bytes()), matches, "{pattern} on {name}");
    }
    for (pattern, words) in [
        ("\\(", "Unmatched ( or \\("),
        ("\\)", "Unmatched ) or \\)"),
        ("[a", "Unmatched [, [^, [:, [., or [="),
        ("a\\", "Trailing backslash"),
        ("a\\{2", "Unmatched \\{"),
        ("a\\{3,2\\}", "Invalid content of \\{\\}"),
    ] {
        assert_eq!(Pattern::new(pattern).unwrap_err(), PatternError::Syntax(words), "{pattern}");
    }
}

/// Asks everything.
fn ask(index: &Index<'_>) -> bool {
    let every = Pattern::new("").unwrap();
    let listed = index.listing(&every, Kinds::ALL);
    let counted = index.name_count();
    let units = index.units();
    let files = index.file_count().map(|count| {
        (0..count.min(99)).all(|file| index.file(file).and_then(|_| index.units_with_lines(file)).is_ok())
    });
    let found = index.named("page", Kinds::ALL).is_ok() && index.copies("helper").is_ok();
    let places = index.unit_at(0x1000).and(index.unit_of(77).map(|unit| unit.map(|unit| unit.number)));
    listed.is_ok() && counted.is_ok() && units.is_ok() && files == Ok(true) && found && places.is_ok()
}

proptest! {
    #[test]
    fn a_flipped_bit_is_never_trusted(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let made = program(5);
        let raw = made.raw();
        let mut bytes = bytes(&made, 1);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // Padding between the parts holds nothing.
        let harmless = bytes[at] == 1 << bit;
        if let Some(index) = Index::open(&bytes, &raw, b"id") {
            prop_assert!(!ask(&index) || harmless);
        }
    }

    #[test]
    fn what_passes_the_checksums_is_read_within_its_bounds(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let made = program(5);
        let raw = made.raw();
        let mut bytes = bytes(&made, 1);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if super::reseal(&mut bytes).is_some() && let Some(index) = Index::open(&bytes, &raw, b"id") {
            let _ = ask(&index);
        }
    }

    #[test]
    fn damaged_debug_info_is_indexed_without_a_panic(
        flips in prop::collection::vec((0usize..4096, any::<u8>(), 0u8..3), 1..12),
    ) {
        let mut made = program(5);
        made.damage(&flips);
        let raw = made.raw();
        if let Ok(bytes) = build(&raw, b"id", 2, &Progress::default()) {
            prop_assert!(ask(&Index::open(&bytes, &raw, b"id").unwrap()));
        }
    }

    #[test]
    fn any_text_is_a_pattern_or_an_error(text in "[\\\\(){}|+?*^$\\[\\]a-c,0-3:.&~<>`'-]{0,12}") {
        if let Ok(pattern) = Pattern::new(&text) {
            let _ = pattern.matches(b"abc");
        }
    }
}
