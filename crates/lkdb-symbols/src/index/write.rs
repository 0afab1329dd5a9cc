//! What the threads gathered, merged, sorted and encoded.

use super::format::{self, Identity};
use super::gather::{FileKey, Gathered, Item, Map, NAME_INFO, NAME_LINE_STR, NO_FILE, UnitFacts};
use super::{BuildError, DECLARATION, EXTERNAL, Kind};
use crate::names::cursor::Cursor;
use crate::names::{Raw, leb};

/// The bytes of an index.
pub(super) fn bytes(
    raw: &Raw<'_>,
    identity: &[u8],
    mut gathered: Vec<Gathered<'_>>,
) -> Result<Vec<u8>, BuildError> {
    let mut strings = Strings::default();
    let files = merge_files(&mut gathered);
    let mut units: Vec<UnitFacts<'_>> =
        gathered.iter_mut().flat_map(|one| std::mem::take(&mut one.units)).collect();
    units.sort_unstable_by_key(|unit| unit.number);
    let (file_table, lined) = encode_files(&files, &units, &mut strings);
    let ranges = encode_ranges(&units);
    let unit_table = encode_units(&units, &mut strings);
    drop(units);
    let (names, entries) = encode_names(raw, gathered)?;
    let parts = [strings.bytes, unit_table, ranges, file_table, lined, names, entries];
    let sizes = [raw.info.len(), raw.str.len(), raw.line_str.len()];
    Ok(format::assemble(&Identity::new(identity, sizes), parts))
}

/// Strings, each once.
struct Strings {
    bytes: Vec<u8>,
    known: Map<Vec<u8>, u32>,
}

impl Default for Strings {
    fn default() -> Self {
        Self { bytes: vec![0], known: Map::default() }
    }
}

impl Strings {
    fn add(&mut self, text: &[u8]) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let at = u32::try_from(self.bytes.len()).unwrap_or(0);
        self.bytes.extend(text);
        self.bytes.push(0);
        self.known.insert(text.to_vec(), at);
        at
    }
}

/// A file's path, as the line table gives it, and the directory its units were compiled in.
type Path<'d> = (Vec<u8>, &'d [u8]);

/// Gives files that several threads met one number, in the order of their paths. The threads' own
/// numbers in items and units are replaced by those.
fn merge_files<'d>(gathered: &mut [Gathered<'d>]) -> Vec<Path<'d>> {
    let path = |(directory, name, comp_dir): &FileKey<'d>| {
        let mut path = directory.to_vec();
        // GCC leaves the slash at directories that `#include "./…"` names.
        if !path.is_empty() && !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend(*name);
        (path, *comp_dir)
    };
    let mut files: Vec<Path<'d>> = gathered.iter().flat_map(|one| one.files.iter().map(path)).collect();
    files.sort_unstable();
    files.dedup();
    for one in gathered.iter_mut() {
        let numbers: Vec<u32> = one
            .files
            .iter()
            .map(|key| files.binary_search(&path(key)).ok().and_then(|at| u32::try_from(at).ok()))
            .map(|number| number.unwrap_or(NO_FILE))
            .collect();
        let renumber = |file: &mut u32| *file = numbers.get(*file as usize).copied().unwrap_or(NO_FILE);
        one.items.iter_mut().for_each(|item| renumber(&mut item.file));
        one.units.iter_mut().flat_map(|unit| &mut unit.files).for_each(renumber);
    }
    files
}

fn put_all(bytes: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
}

fn encode_units(units: &[UnitFacts<'_>], strings: &mut Strings) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.len() * format::UNIT_SIZE);
    for unit in units {
        let (name, comp_dir) = (strings.add(unit.name), strings.add(unit.comp_dir));
        let producer = strings.add(unit.producer);
        put_all(&mut bytes, &[unit.start, name, comp_dir, producer, unit.language.into(), unit.number, 0, 0]);
    }
    bytes
}

fn encode_ranges(units: &[UnitFacts<'_>]) -> Vec<u8> {
    let of_unit = |unit: &UnitFacts<'_>| {
        let number = unit.number;
        unit.ranges.clone().into_iter().map(move |(low, high)| (low, high, number))
    };
    let mut ranges: Vec<(u64, u64, u32)> = units.iter().flat_map(of_unit).collect();
    ranges.sort_unstable();
    let mut bytes = Vec::with_capacity(ranges.len() * format::RANGE_SIZE);
    for (low, high, unit) in ranges {
        bytes.extend(low.to_le_bytes());
        bytes.extend(high.to_le_bytes());
        bytes.extend(unit.to_le_bytes());
    }
    bytes
}

fn encode_files(files: &[Path<'_>], units: &[UnitFacts<'_>], strings: &mut Strings) -> (Vec<u8>, Vec<u8>) {
    let mut lines: Vec<(u32, u32)> =
        units.iter().flat_map(|unit| unit.files.iter().map(|file| (*file, unit.number))).collect();
    lines.sort_unstable();
    lines.dedup();
    let (mut table, mut lined) = (Vec::new(), Vec::new());
    let mut rest = lines.as_slice();
    for (number, (path, comp_dir)) in (0u32..).zip(files) {
        let count = rest.partition_point(|(file, _)| *file <= number);
        let (of_file, behind) = rest.split_at(count);
        rest = behind;
        let place = u32::try_from(lined.len()).unwrap_or(0);
        let mut before = 0;
        for (_, unit) in of_file {
            leb::put_unsigned(&mut lined, u64::from(unit - before));
            before = *unit;
        }
        let count = u32::try_from(count).unwrap_or(0);
        put_all(&mut table, &[strings.add(path), strings.add(comp_dir), place, count]);
    }
    (table, lined)
}

/// The bytes of a name.
pub(super) fn name_at<'d>(raw: &Raw<'d>, place: u32) -> &'d [u8] {
    let (section, at) = match place {
        NAME_INFO.. => (raw.info, place - NAME_INFO),
        NAME_LINE_STR.. => (raw.line_str, place - NAME_LINE_STR),
        _ => (raw.str, place),
    };
    Cursor::new(section, at as usize).string().unwrap_or_default()
}

/// Where names are, in the order of their bytes, each once; and the number of each place in that order.
fn sort_names(raw: &Raw<'_>, gathered: &[Gathered<'_>]) -> (Vec<u32>, Map<u32, u32>) {
    let items = gathered.iter().flat_map(|one| one.items.iter().map(|item| item.name));
    let copies = gathered.iter().flat_map(|one| one.copies.iter().map(|copy| copy.0));
    let mut numbers: Map<u32, u32> = items.chain(copies).map(|place| (place, 0)).collect();
    // The first eight bytes decide most comparisons without a look at the strings.
    let start = |name: &[u8]| {
        let mut start = [0; 8];
        for (to, from) in start.iter_mut().zip(name) {
            *to = *from;
        }
        u64::from_be_bytes(start)
    };
    let keyed = |place: &u32| {
        let name = name_at(raw, *place);
        (start(name), name, *place)
    };
    let mut sorted: Vec<(u64, &[u8], u32)> = numbers.keys().map(keyed).collect();
    sorted.sort_unstable();
    let mut names: Vec<u32> = Vec::with_capacity(sorted.len());
    let mut before: Option<&[u8]> = None;
    for (_, name, place) in sorted {
        // Two places of the same bytes are one name.
        if before != Some(name) {
            names.push(place);
            before = Some(name);
        }
        if let (Some(number), Ok(last)) = (numbers.get_mut(&place), u32::try_from(names.len() - 1)) {
            *number = last;
        }
    }
    (names, numbers)
}

fn encode_names(raw: &Raw<'_>, gathered: Vec<Gathered<'_>>) -> Result<(Vec<u8>, Vec<u8>), BuildError> {
    let (names, numbers) = sort_names(raw, &gathered);
    let number = |place: u32| numbers.get(&place).copied().unwrap_or(u32::MAX);
    let (mut items, mut copies) = (Vec::new(), Vec::new());
    for one in gathered {
        items.extend(one.items.into_iter().map(|item| Item { name: number(item.name), ..item }));
        copies.extend(one.copies.into_iter().map(|(name, die)| (number(name), die)));
    }
    drop(numbers);
    items.sort_unstable_by_key(|item| {
        let declaration = item.flags & DECLARATION != 0;
        // Of declarations the first in the file stays, wherever it is in the source.
        let (file, line) = if declaration { (0, 0) } else { (item.file, item.line) };
        (item.name, item.kind, declaration, file, line, item.die)
    });
    items.dedup_by(|later, first| same(later, first));
    copies.sort_unstable();
    let (mut table, mut entries) = (Vec::with_capacity(names.len() * 8), Vec::new());
    let (mut items, mut copies) = (items.as_mut_slice(), copies.as_slice());
    for (number, place) in (0u32..).zip(names) {
        let at = u32::try_from(entries.len()).map_err(|_| crate::names::Error::TooLarge)?;
        put_all(&mut table, &[place, at]);
        let (of_name, rest) = items.split_at_mut(items.partition_point(|item| item.name <= number));
        items = rest;
        encode_items(of_name, &mut entries);
        let (of_name, rest) = copies.split_at(copies.partition_point(|(name, _)| *name <= number));
        copies = rest;
        leb::put_unsigned(&mut entries, of_name.len() as u64);
        let mut before = 0;
        for (_, die) in of_name {
            leb::put_unsigned(&mut entries, u64::from(die - before));
            before = *die;
        }
    }
    Ok((table, entries))
}

/// Whether two items, neighbours in order, are one and the same thing from two units.
fn same(later: &Item, first: &Item) -> bool {
    let own = matches!(later.kind, Kind::Function | Kind::Variable) && later.flags & DECLARATION == 0;
    let alike = later.name == first.name
        && later.kind == first.kind
        && (later.flags ^ first.flags) & DECLARATION == 0;
    if later.flags & DECLARATION != 0 {
        return alike;
    }
    // The file and line 0 of a base type are its unit's.
    alike && !own && later.file == first.file && later.line == first.line
}

/// One name's entries, in the order of their DIEs. A declaration stays only if nothing of its kind that
/// other units may see is defined.
fn encode_items(items: &mut [Item], entries: &mut Vec<u8>) {
    let defined = |item: &Item| {
        item.flags & DECLARATION != 0
            && items.iter().any(|other| {
                other.kind == item.kind
                    && other.flags & DECLARATION == 0
                    && (item.kind != Kind::Variable || other.flags & EXTERNAL != 0)
            })
    };
    let mut kept: Vec<Item> = items.iter().filter(|item| !defined(item)).copied().collect();
    kept.sort_unstable_by_key(|item| item.die);
    leb::put_unsigned(entries, kept.len() as u64);
    let mut before = 0;
    for item in kept {
        entries.push(item.kind.code() | item.flags);
        leb::put_unsigned(entries, u64::from(item.die - before));
        before = item.die;
        leb::put_unsigned(entries, if item.file == NO_FILE { 0 } else { u64::from(item.file) + 1 });
        leb::put_unsigned(entries, item.line.into());
        if item.kind == Kind::Enumerator {
            leb::put_unsigned(entries, u64::from(item.die.saturating_sub(item.enumeration)));
        }
    }
}
