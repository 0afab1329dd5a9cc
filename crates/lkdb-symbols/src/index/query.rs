//! Questions to an index.

use std::collections::BTreeMap;
use std::ops::Range;

use super::format::{self, ENTRIES, FILES, LINED, NAMES, RANGES, STRINGS, UNITS};
use super::{DECLARATION, Damaged, EXTERNAL, Index, Kind, Pattern, write};
use crate::names::Kinds;
use crate::names::cursor::Cursor;
use crate::types::canonical_name;

/// A named thing of file scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'d> {
    /// Its name.
    pub name: &'d str,
    /// What it is.
    pub kind: Kind,
    /// Nothing in the file defines it.
    pub declaration: bool,
    /// Other units see it (`DW_AT_external`); for functions and variables.
    pub external: bool,
    /// Its DIE's offset in `.debug_info`.
    pub die: u64,
    /// For an enumerator its enumeration's DIE.
    pub enumeration: Option<u64>,
    /// The number of the file it is declared in.
    pub file: Option<u32>,
    /// The line there; 0 for none. An enumerator's file and line are its enumeration's.
    pub line: u32,
}

/// A source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFile<'d> {
    /// Its number.
    pub number: u32,
    /// Its path as the line table has it, often relative.
    pub path: &'d str,
    /// What that is relative to.
    pub comp_dir: &'d str,
}

/// A unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitInfo<'d> {
    /// Its number in the file's order.
    pub number: u32,
    /// Where it begins in `.debug_info`.
    pub start: u64,
    /// `DW_AT_name`: the source file as it was given to the compiler.
    pub name: &'d str,
    /// `DW_AT_comp_dir`.
    pub comp_dir: &'d str,
    /// `DW_AT_producer`.
    pub producer: &'d str,
    /// `DW_AT_language`.
    pub language: u16,
}

/// What a pattern found in one file, as gdb's `info functions|variables|types` list it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'d> {
    /// The file. What says no place is in its unit's own (base types, the assembler's functions); none
    /// for types that say none.
    pub file: Option<SourceFile<'d>>,
    /// What is there: external ones first, then by name.
    pub entries: Vec<Entry<'d>>,
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Damaged> {
    Cursor::new(bytes, at).u32().ok_or(Damaged)
}

impl<'d> Index<'d> {
    /// How many different names there are.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn name_count(&self) -> Result<usize, Damaged> {
        Ok(self.part(NAMES)?.len() / format::NAME_SIZE)
    }

    fn name(&self, number: usize) -> Result<&'d [u8], Damaged> {
        let place = u32_at(self.part(NAMES)?, number * format::NAME_SIZE)?;
        Ok(write::name_at(&self.raw, place))
    }

    /// The number of the first name for which `before` is false.
    fn partition(&self, before: impl Fn(&[u8]) -> bool) -> Result<usize, Damaged> {
        let (mut low, mut high) = (0, self.name_count()?);
        while low < high {
            let middle = low + (high - low) / 2;
            if before(self.name(middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The numbers of the names that begin with `prefix`.
    fn beginning(&self, prefix: &[u8]) -> Result<Range<usize>, Damaged> {
        let first = self.partition(|name| name < prefix)?;
        Ok(first..self.partition(|name| name < prefix || name.starts_with(prefix))?)
    }

    /// A name's entries, and its copies.
    fn entries(&self, number: usize) -> Result<(Vec<Entry<'d>>, Vec<u64>), Damaged> {
        let bytes = self.part(ENTRIES)?;
        let place = u32_at(self.part(NAMES)?, number * format::NAME_SIZE + 4)?;
        let name = std::str::from_utf8(self.name(number)?).unwrap_or_default();
        let mut cursor = Cursor::new(bytes, place as usize);
        let all = (|| {
            let mut entries = Vec::new();
            let mut die = 0u64;
            for _ in 0..cursor.uleb()? {
                let code = cursor.u8()?;
                let kind = Kind::of_code(code)?;
                die = die.checked_add(cursor.uleb()?)?;
                let file = u32::try_from(cursor.uleb()?).ok()?.checked_sub(1);
                let line = u32::try_from(cursor.uleb()?).ok()?;
                let enumeration = match kind {
                    Kind::Enumerator => Some(die.checked_sub(cursor.uleb()?)?),
                    _ => None,
                };
                entries.push(Entry {
                    name,
                    kind,
                    declaration: code & DECLARATION != 0,
                    external: code & EXTERNAL != 0,
                    die,
                    enumeration,
                    file,
                    line,
                });
            }
            let (mut copies, mut copy) = (Vec::new(), 0u64);
            for _ in 0..cursor.uleb()? {
                copy = copy.checked_add(cursor.uleb()?)?;
                copies.push(copy);
            }
            Some((entries, copies))
        })();
        all.ok_or(Damaged)
    }

    fn number(&self, name: &str) -> Result<Option<usize>, Damaged> {
        let number = self.partition(|other| other < name.as_bytes())?;
        let found = number < self.name_count()? && self.name(number)? == name.as_bytes();
        Ok(found.then_some(number))
    }

    /// What has a name, of some kinds: definitions first.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn named(&self, name: &str, kinds: Kinds) -> Result<Vec<Entry<'d>>, Damaged> {
        let Some(number) = self.number(name)? else { return Ok(Vec::new()) };
        let (mut entries, _) = self.entries(number)?;
        entries.retain(|entry| entry.kind.kinds().meets(kinds));
        entries.sort_by_key(|entry| entry.declaration);
        Ok(entries)
    }

    /// The DIEs (`DW_TAG_inlined_subroutine`) where the functions of a name were inlined, in the file's order.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn copies(&self, name: &str) -> Result<Vec<u64>, Damaged> {
        match self.number(name)? {
            Some(number) => Ok(self.entries(number)?.1),
            None => Ok(Vec::new()),
        }
    }

    /// Names of some kinds that begin with `prefix`, in order, at most `most`: for completion.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn completions(&self, prefix: &str, kinds: Kinds, most: usize) -> Result<Vec<&'d str>, Damaged> {
        let mut found = Vec::new();
        for number in self.beginning(prefix.as_bytes())? {
            if found.len() >= most {
                break;
            }
            let (entries, copies) = self.entries(number)?;
            let inlined = kinds.meets(Kinds::FUNCTION) && !copies.is_empty();
            if inlined || entries.iter().any(|entry| entry.kind.kinds().meets(kinds)) {
                found.extend(std::str::from_utf8(self.name(number)?));
            }
        }
        Ok(found)
    }

    /// What has a name that a pattern matches, of some kinds, in the order of names. No declarations.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn matching(&self, pattern: &Pattern, kinds: Kinds) -> Result<Vec<Entry<'d>>, Damaged> {
        let mut found = Vec::new();
        for number in self.beginning(pattern.prefix().as_bytes())? {
            if pattern.matches(self.name(number)?) {
                let (entries, _) = self.entries(number)?;
                let wanted = |entry: &Entry<'_>| !entry.declaration && entry.kind.kinds().meets(kinds);
                found.extend(entries.into_iter().filter(wanted));
            }
        }
        Ok(found)
    }

    /// The same as gdb's `info functions|variables|types` list it: by file, in the order of paths; in a file
    /// external ones first, then by name, each name once. What has no place in the source comes last.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn listing(&self, pattern: &Pattern, kinds: Kinds) -> Result<Vec<Group<'d>>, Damaged> {
        let mut files: BTreeMap<Option<&str>, (Option<SourceFile<'d>>, Vec<Entry<'d>>)> = BTreeMap::new();
        let mut found = self.matching(pattern, kinds)?;
        if kinds.meets(Kinds::BASE) {
            // gdb knows base types by its own names alone.
            found.retain(|entry| entry.kind != Kind::Base);
            found.extend(self.base_types(pattern)?);
        }
        for entry in found {
            let file = match entry.file {
                Some(number) => Some(self.file(number)?),
                None => None,
            };
            let group = files.entry(file.map(|file| file.path)).or_insert((file, Vec::new()));
            group.1.push(entry);
        }
        let group = |(file, mut entries): (Option<SourceFile<'d>>, Vec<Entry<'d>>)| {
            entries.sort_by_key(|entry| (!entry.external, entry.name));
            entries.dedup_by_key(|entry| (entry.external, entry.name, entry.kind));
            Group { file, entries }
        };
        let placeless = files.remove(&None);
        Ok(files.into_values().chain(placeless).map(group).collect())
    }

    /// The base types whose names, as gdb has them, match; under these names, and each in the first unit alone:
    /// every one has them.
    fn base_types(&self, pattern: &Pattern) -> Result<Vec<Entry<'d>>, Damaged> {
        let mut found: BTreeMap<&str, Entry<'d>> = BTreeMap::new();
        for number in 0..self.name_count()? {
            let name = std::str::from_utf8(self.name(number)?).unwrap_or_default();
            let shown = canonical_name(name);
            if !pattern.matches(shown.as_bytes()) {
                continue;
            }
            let base = |entry: &Entry<'_>| entry.kind == Kind::Base && !entry.declaration;
            let (entries, _) = self.entries(number)?;
            for entry in entries.into_iter().filter(base) {
                let first = found.entry(shown).or_insert(Entry { name: shown, ..entry });
                if entry.die < first.die {
                    *first = Entry { name: shown, ..entry };
                }
            }
        }
        Ok(found.into_values().collect())
    }

    fn string(&self, at: u32) -> Result<&'d str, Damaged> {
        let bytes = Cursor::new(self.part(STRINGS)?, at as usize).string().ok_or(Damaged)?;
        Ok(std::str::from_utf8(bytes).unwrap_or_default())
    }

    /// How many source files there are; their numbers are the ones below.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn file_count(&self) -> Result<u32, Damaged> {
        u32::try_from(self.part(FILES)?.len() / format::FILE_SIZE).map_err(|_| Damaged)
    }

    /// A source file.
    ///
    /// # Errors
    /// When there is none of that number: the index is damaged.
    pub fn file(&self, number: u32) -> Result<SourceFile<'d>, Damaged> {
        let (files, at) = (self.part(FILES)?, number as usize * format::FILE_SIZE);
        let (path, comp_dir) = (u32_at(files, at)?, u32_at(files, at + 4)?);
        Ok(SourceFile { number, path: self.string(path)?, comp_dir: self.string(comp_dir)? })
    }

    /// The files that `name` means: whole trailing components of their path (`fs.h`, `linux/fs.h`).
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn files_named(&self, name: &str) -> Result<Vec<SourceFile<'d>>, Damaged> {
        let mut found = Vec::new();
        for number in 0..self.file_count()? {
            let file = self.file(number)?;
            let before = file.path.strip_suffix(name);
            let relative = before.is_some_and(|before| before.is_empty() || before.ends_with('/'));
            let whole = || {
                let rest = name.strip_prefix(file.comp_dir).and_then(|rest| rest.strip_prefix('/'));
                !file.comp_dir.is_empty() && rest == Some(file.path)
            };
            if !name.is_empty() && (relative || whole()) {
                found.push(file);
            }
        }
        Ok(found)
    }

    /// The numbers of the units that have lines of a file.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn units_with_lines(&self, file: u32) -> Result<Vec<u32>, Damaged> {
        let (files, at) = (self.part(FILES)?, file as usize * format::FILE_SIZE);
        let (place, count) = (u32_at(files, at + 8)?, u32_at(files, at + 12)?);
        let mut cursor = Cursor::new(self.part(LINED)?, place as usize);
        let (mut units, mut unit) = (Vec::new(), 0u64);
        for _ in 0..count {
            unit = unit.checked_add(cursor.uleb().ok_or(Damaged)?).ok_or(Damaged)?;
            units.push(u32::try_from(unit).map_err(|_| Damaged)?);
        }
        Ok(units)
    }

    /// How many units there are.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn unit_count(&self) -> Result<usize, Damaged> {
        Ok(self.part(UNITS)?.len() / format::UNIT_SIZE)
    }

    fn unit_record(&self, record: usize) -> Result<UnitInfo<'d>, Damaged> {
        let (units, at) = (self.part(UNITS)?, record * format::UNIT_SIZE);
        let field = |number: usize| u32_at(units, at + 4 * number);
        Ok(UnitInfo {
            start: field(0)?.into(),
            name: self.string(field(1)?)?,
            comp_dir: self.string(field(2)?)?,
            producer: self.string(field(3)?)?,
            language: u16::try_from(field(4)?).map_err(|_| Damaged)?,
            number: field(5)?,
        })
    }

    /// Every unit that could be read, in the file's order.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn units(&self) -> Result<Vec<UnitInfo<'d>>, Damaged> {
        (0..self.unit_count()?).map(|record| self.unit_record(record)).collect()
    }

    /// The unit that a DIE is in.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn unit_of(&self, die: u64) -> Result<Option<UnitInfo<'d>>, Damaged> {
        let units = self.part(UNITS)?;
        let (mut low, mut high) = (0, units.len() / format::UNIT_SIZE);
        while low < high {
            let middle = low + (high - low) / 2;
            if u64::from(u32_at(units, middle * format::UNIT_SIZE)?) <= die {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1).map(|record| self.unit_record(record)).transpose()
    }

    /// The number of the unit whose code is at a link address, by what the units themselves say.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn unit_at(&self, address: u64) -> Result<Option<u32>, Damaged> {
        let ranges = self.part(RANGES)?;
        let number = |at: usize| Cursor::new(ranges, at).u64().ok_or(Damaged);
        let (mut low, mut high) = (0, ranges.len() / format::RANGE_SIZE);
        while low < high {
            let middle = low + (high - low) / 2;
            if number(middle * format::RANGE_SIZE)? <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(record) = low.checked_sub(1) else { return Ok(None) };
        let at = record * format::RANGE_SIZE;
        let inside = address < number(at + 8)?;
        inside.then(|| u32_at(ranges, at + 16)).transpose()
    }
}
