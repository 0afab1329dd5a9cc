//! What the walks through the units gather, a thread each, until it is merged and written.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use super::Kind;

/// Multiplies and folds: the keys are small numbers and paths, none chosen by an enemy who gains by it.
#[derive(Default)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

pub(super) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Fold>>;
pub(super) type Set<K> = HashSet<K, BuildHasherDefault<Fold>>;

/// Where a name's bytes are: an offset in `.debug_str`; from [`NAME_LINE_STR`] on in `.debug_line_str`; from
/// [`NAME_INFO`] on in `.debug_info`.
pub(super) const NAME_LINE_STR: u32 = 0x7000_0000;
pub(super) const NAME_INFO: u32 = 0x8000_0000;

/// No file.
pub(super) const NO_FILE: u32 = u32::MAX;

/// One named DIE.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// Where its name is; later the name's number in the index.
    pub(super) name: u32,
    pub(super) kind: Kind,
    /// [`super::DECLARATION`], [`super::EXTERNAL`].
    pub(super) flags: u8,
    pub(super) file: u32,
    pub(super) line: u32,
    pub(super) die: u32,
    /// For an enumerator its enumeration, whose file and line it has.
    pub(super) enumeration: u32,
}

/// A file's directory and name, and the directory its unit was compiled in.
pub(super) type FileKey<'d> = (&'d [u8], &'d [u8], &'d [u8]);

/// One unit as the index keeps it.
#[derive(Debug)]
pub(super) struct UnitFacts<'d> {
    pub(super) number: u32,
    pub(super) start: u32,
    pub(super) name: &'d [u8],
    pub(super) comp_dir: &'d [u8],
    pub(super) producer: &'d [u8],
    pub(super) language: u16,
    pub(super) ranges: Vec<(u64, u64)>,
    /// Files with lines.
    pub(super) files: Vec<u32>,
}

/// What one thread has gathered.
#[derive(Default)]
pub(super) struct Gathered<'d> {
    pub(super) items: Vec<Item>,
    /// Inlined copies: the function's name, and the DIE.
    pub(super) copies: Vec<(u32, u32)>,
    pub(super) units: Vec<UnitFacts<'d>>,
    pub(super) files: Vec<FileKey<'d>>,
    /// Units that could not be read to their end.
    pub(super) damaged: u32,
    pub(super) file_numbers: Map<FileKey<'d>, u32>,
    /// Headers' types, already seen in another unit: name, kind, file, line.
    pub(super) seen: Set<(u64, u64)>,
}

impl<'d> Gathered<'d> {
    /// The number of a file.
    pub(super) fn file(&mut self, key: FileKey<'d>) -> u32 {
        let next = u32::try_from(self.files.len()).unwrap_or(NO_FILE);
        let number = *self.file_numbers.entry(key).or_insert(next);
        if number == next {
            self.files.push(key);
        }
        number
    }

    /// Lets go of what only gathering needs.
    pub(super) fn finish(&mut self) {
        self.seen = Set::default();
        self.file_numbers = Map::default();
    }
}
