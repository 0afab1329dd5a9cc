//! Names of DWARF, its index, and the patterns they are compared with.

use lkdb_symbols::index::{Index, Pattern, Progress, build, reseal};
use lkdb_symbols::names::{Extent, Kinds, Raw, Units, find, instances};

/// DWARF sections, each behind its length in two bytes: names are searched, an index is built and asked.
pub fn names(data: &[u8]) {
    let mut rest = data;
    let mut section = || {
        let (length, behind) = rest.split_first_chunk::<2>().unwrap_or((&[0, 0], &[]));
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (section, behind) = behind.split_at(length);
        rest = behind;
        section
    };
    let raw = Raw {
        info: section(),
        abbrev: section(),
        str: section(),
        line: section(),
        str_offsets: section(),
        rnglists: section(),
        ranges: section(),
        ..Raw::default()
    };
    let Ok(units) = Units::read(&raw) else { return };
    for name in ["page", "pid", "a"] {
        for found in find(&raw, &units, name, Kinds::ALL, Extent::All) {
            assert!(found.offset < raw.info.len() as u64);
            let _ = instances(&raw, &units, &found);
        }
    }
    let Ok(mut bytes) = build(&raw, b"fuzz", 1, &Progress::default()) else { return };
    assert!(Index::open(&bytes, &raw, b"fuzz").is_some_and(|index| whole(&index)));
    // The rest of the input damages the index, whose checksums then say that nothing happened.
    for change in rest.as_chunks::<3>().0 {
        let [low, high, value] = *change;
        let length = bytes.len();
        if let Some(byte) = bytes.get_mut(usize::from(u16::from_le_bytes([low, high])) % length.max(1)) {
            *byte = value;
        }
    }
    if reseal(&mut bytes).is_some()
        && let Some(index) = Index::open(&bytes, &raw, b"fuzz")
    {
        let _ = whole(&index);
    }
}

/// Asks an index everything. Whether all could be answered.
fn whole(index: &Index<'_>) -> bool {
    let Ok(every) = Pattern::new("") else { return false };
    let Ok(entries) = index.matching(&every, Kinds::ALL) else { return false };
    for entry in entries.iter().filter(|entry| !entry.name.is_empty()).take(64) {
        if !index.named(entry.name, Kinds::ALL).is_ok_and(|named| !named.is_empty()) {
            return false;
        }
    }
    let lined = |file| index.file(file).and_then(|_| index.units_with_lines(file)).is_ok();
    index.file_count().is_ok_and(|count| (0..count.min(64)).all(lined))
        && index.units().is_ok()
        && index.unit_at(0).is_ok()
        && index.unit_of(0).is_ok()
        && index.listing(&every, Kinds::ALL).is_ok()
}

/// A pattern, as the user types it.
pub fn pattern(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(pattern) = Pattern::new(&text) {
        let _ = pattern.matches(b"vfs_read");
    }
}
