//! What the questions are drawn from: the file's symbol table as `nm` reads it, and the names in the index
//! that gdb made of its debug information. lkdb's own readers have no part in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// One in so many symbols of the padding before functions is kept.
const PADDING: usize = 12;

/// A symbol of the symbol table.
#[derive(Debug, Clone)]
pub(super) struct Symbol {
    pub(super) name: String,
    pub(super) address: u64,
    pub(super) size: u64,
}

/// Everything that can be drawn.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Of the symbol table, with a size.
    pub(super) functions: Vec<Symbol>,
    pub(super) objects: Vec<Symbol>,
    /// Of the debug information: tags and typedefs; variables and enumerators.
    pub(super) types: Vec<String>,
    pub(super) variables: Vec<String>,
    ambiguous: BTreeSet<String>,
}

impl Names {
    /// Of a file whose index gdb has put in `cache`.
    pub(super) fn of(file: &Path, cache: &Path) -> Self {
        let mut names = Self::default();
        names.read_symbols(file);
        names.read_index(&index_of(file, cache));
        names
    }

    /// Whether no other data has this name.
    pub(super) fn is_unique(&self, name: &str) -> bool {
        !self.ambiguous.contains(name)
    }

    fn read_symbols(&mut self, file: &Path) {
        let mut nm = Command::new("nm");
        let output = nm.args(["--format=sysv", "--defined-only"]).arg(file).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for line in text.lines() {
            // `do_one  |ffffffff81000000|   T  |              FUNC|0000000000000100|     |.text`
            let columns: Vec<&str> = line.split('|').map(str::trim).collect();
            let [name, address, kind, ty, size, ..] = columns[..] else { continue };
            let (Ok(address), Ok(size)) = (u64::from_str_radix(address, 16), u64::from_str_radix(size, 16))
            else {
                continue;
            };
            if is_rust(name) {
                continue;
            }
            let symbol = Symbol { name: name.to_owned(), address, size };
            match kind {
                // Room for a patch before each function, of newer kernels: as many as there are functions.
                _ if name.starts_with("__pfx_") && !self.functions.len().is_multiple_of(PADDING) => {}
                // At the first addresses of a relocatable file gdb reads its notes, which lie at 0 as well.
                // In a section with the flag of code there may be data.
                "T" | "t" if ty == "OBJECT" => self.objects.push(symbol),
                "T" | "t" | "W" if address >= 0x100 => self.functions.push(symbol),
                "T" | "t" | "W" => {}
                "A" | "a" | "U" => {}
                _ => self.objects.push(symbol),
            }
        }
        // Of statics with the same name gdb shows the one whose unit it happened to read first.
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for object in &self.objects {
            *seen.entry(&object.name).or_default() += 1;
        }
        let ambiguous = seen.into_iter().filter(|(_, times)| *times > 1).map(|(name, _)| name.to_owned());
        self.ambiguous = ambiguous.collect();
    }

    /// gdb's manual, "Index Section Format", versions 7 to 9: a hash table of (name, list of units), each
    /// unit with what the name is in it.
    fn read_index(&mut self, index: &[u8]) {
        let word = |at: usize| u32::from_le_bytes(index[at..at + 4].try_into().unwrap()) as usize;
        let version = word(0);
        assert!((7..=9).contains(&version), "gdb's index has version {version}");
        let table = word(16);
        let pool = word(if version == 9 { 24 } else { 20 });
        let end = if version == 9 { word(20) } else { pool };
        let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
        for slot in (table..end).step_by(8) {
            let (name, units) = (word(slot), pool + word(slot + 4));
            if name == 0 && units == pool {
                continue;
            }
            let bytes = &index[pool + name..];
            let length = bytes.iter().position(|&byte| byte == 0).unwrap();
            let kind = (word(units + 4) >> 28) & 7;
            kinds.insert(String::from_utf8_lossy(&bytes[..length]).into_owned(), kind as u32);
        }
        for (name, kind) in kinds.into_iter().filter(|(name, _)| !is_rust(name)) {
            match kind {
                1 => self.types.push(name),
                2 if !self.ambiguous.contains(&name) => self.variables.push(name),
                _ => {}
            }
        }
    }
}

/// Of Rust, which newer kernels have some of: gdb turns such names and types into Rust's own, lkdb knows C.
fn is_rust(name: &str) -> bool {
    name.starts_with("_R") || name.contains("::")
}

/// The index that gdb keeps under the file's build ID.
fn index_of(file: &Path, cache: &Path) -> Vec<u8> {
    let output = Command::new("readelf").args(["--notes", "--wide"]).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let id = text.lines().find_map(|line| line.trim().split("Build ID: ").nth(1));
    let id = id.unwrap_or_else(|| panic!("{} has no build ID", file.display()));
    let path = cache.join(format!("{id}.gdb-index"));
    fs::read(&path).unwrap_or_else(|error| panic!("gdb left no {}: {error}", path.display()))
}
