//! The ELF symbol table, searched as it lies in the file: a name or an address is found without listing,
//! sorting or copying the hundred thousand symbols of a kernel.
//!
//! Which of several symbols an address gets is gdb's choice (its "minimal symbols"), so that
//! `<symbol+offset>` and `info symbol` say the same in both.

use std::cell::{Cell, OnceCell};

use lkdb_base::LinkAddr;
use memchr::memmem;
use object::Endianness;
use object::elf::{self, FileHeader64, Sym64};
use object::read::elf::{Sym, SymbolTable as ElfSymbols};

use crate::elf::{Elf, Section};
use crate::relocation::Layout;
use crate::table::{Nearest, Symbol, SymbolKind};

/// The symbol table of a file.
#[derive(Debug, Clone, Copy)]
pub struct RawSymbols<'d> {
    pub(crate) endian: Endianness,
    pub(crate) table: ElfSymbols<'d, FileHeader64<Endianness>>,
    pub(crate) strings: &'d [u8],
}

impl<'d> RawSymbols<'d> {
    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether it has none: a stripped file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Every function, object and label with a name and a section, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = Symbol<'d>> + use<'d> {
        let this = *self;
        this.table.symbols().iter().filter_map(move |symbol| this.read(symbol))
    }

    /// Every symbol of a name, in the file's order. Only the names are searched.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<Symbol<'d>> {
        // Linkers share the tails of names, so it may stand at the end of a longer one, and more than once.
        let mut needle = name.as_bytes().to_vec();
        needle.push(0);
        let places: Vec<u32> =
            memmem::find_iter(self.strings, &needle).filter_map(|at| u32::try_from(at).ok()).collect();
        if name.is_empty() || places.is_empty() {
            return Vec::new();
        }
        // They ascend; a short name is the tail of thousands.
        let named =
            |symbol: &&Sym64<Endianness>| places.binary_search(&symbol.st_name.get(self.endian)).is_ok();
        self.table.symbols().iter().filter(named).filter_map(|symbol| self.read(symbol)).collect()
    }

    fn read(&self, symbol: &Sym64<Endianness>) -> Option<Symbol<'d>> {
        let kind = match symbol.st_type() {
            elf::STT_FUNC | elf::STT_GNU_IFUNC => SymbolKind::Function,
            elf::STT_OBJECT => SymbolKind::Object,
            elf::STT_NOTYPE => SymbolKind::Untyped,
            _ => return None,
        };
        let index = symbol.st_shndx(self.endian).0;
        let name = self.name(symbol)?;
        (index != 0 && !name.is_empty()).then(|| Symbol {
            name,
            address: LinkAddr(symbol.st_value(self.endian)),
            size: symbol.st_size(self.endian),
            kind,
            global: symbol.st_bind() != elf::STB_LOCAL,
            section: (index < elf::SHN_LORESERVE).then_some(usize::from(index)),
        })
    }

    fn name(&self, symbol: &Sym64<Endianness>) -> Option<&'d str> {
        let from = self.strings.get(symbol.st_name.get(self.endian) as usize..)?;
        let end = memchr::memchr(0, from)?;
        std::str::from_utf8(from.get(..end)?).ok()
    }
}

/// How many addresses are looked up by going through the whole table before it is worth ordering.
const SCANS: u32 = 6;
/// How far back is looked from an address, in bytes: nearly always far enough, then what comes after it.
const WINDOWS: [u64; 3] = [1 << 14, 1 << 20, u64::MAX];

/// The symbols of a file, by address.
#[derive(Debug)]
pub struct MinimalSymbols<'d> {
    raw: RawSymbols<'d>,
    layout: Layout,
    relocatable: bool,
    scans: Cell<u32>,
    /// The addresses of the table's entries and their numbers, by address. Names cost ten times as much to sort.
    order: OnceCell<Vec<(u64, u32)>>,
    sorted: OnceCell<Vec<Symbol<'d>>>,
}

impl<'d> MinimalSymbols<'d> {
    /// The symbols of `elf`; none when the table is damaged.
    #[must_use]
    pub fn new(elf: &Elf<'d>) -> Option<Self> {
        Some(Self {
            raw: elf.raw_symbols().ok()?,
            layout: Layout::new(elf),
            relocatable: elf.relocatable(),
            scans: Cell::new(0),
            order: OnceCell::new(),
            sorted: OnceCell::new(),
        })
    }

    /// Every symbol of a name, at its link address, global ones first.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<Symbol<'d>> {
        let mut found: Vec<_> = self.raw.named(name).into_iter().map(|symbol| self.placed(symbol)).collect();
        found.sort_by_key(|symbol| !symbol.global);
        found
    }

    /// Every symbol, by address and name. Sorts the table the first time.
    pub fn all(&self) -> &[Symbol<'d>] {
        self.sorted.get_or_init(|| self.between(0, u64::MAX))
    }

    /// The symbol that gdb gives an address in `section`; none before the section's first symbol and
    /// behind the end of the last one with a size.
    #[must_use]
    pub fn nearest(&self, address: LinkAddr, section: &Section<'_>) -> Option<Nearest<'d>> {
        let symbol = self.choose_near(address.0, section)?;
        Some(Nearest { symbol, offset: address.0.wrapping_sub(symbol.address.0) })
    }

    /// Every symbol exactly at an address of a section.
    #[must_use]
    pub fn at(&self, address: LinkAddr, section: &Section<'_>) -> Vec<Symbol<'d>> {
        let mut found = self.between(address.0, address.0);
        found.retain(|symbol| symbol.section == Some(section.index));
        found
    }

    fn choose_near(&self, address: u64, section: &Section<'_>) -> Option<Symbol<'d>> {
        let start = self.layout.place(section.index);
        self.scans.set(self.scans.get().saturating_add(1));
        for back in WINDOWS {
            let from = address.saturating_sub(back).max(start);
            let near = self.between(from, address);
            let choice = choose(&near, address, section.index, section.executable);
            if from == start || choice.certain {
                return choice.symbol;
            }
        }
        None
    }

    /// The symbols from one address to another, both included, by address and name.
    fn between(&self, from: u64, to: u64) -> Vec<Symbol<'d>> {
        let inside = |address: u64| (from..=to).contains(&address);
        let entries = self.raw.table.symbols();
        let read = |entry: &Sym64<Endianness>| self.raw.read(entry).map(|symbol| self.placed(symbol));
        let mut found: Vec<Symbol<'d>> = if self.scans.get() > SCANS {
            let order = self.order.get_or_init(|| self.in_order());
            let after =
                order.get(order.partition_point(|(address, _)| *address < from)..).unwrap_or_default();
            let numbers = after.iter().take_while(|(address, _)| inside(*address)).map(|(_, number)| *number);
            numbers.filter_map(|number| read(entries.get(number as usize)?)).collect()
        } else {
            entries.iter().filter(|entry| inside(self.address(entry))).filter_map(read).collect()
        };
        found.sort_by(|a, b| (a.address, a.name).cmp(&(b.address, b.name)));
        found.dedup_by(|a, b| (a.address, a.section, a.name) == (b.address, b.section, b.name));
        found
    }

    fn in_order(&self) -> Vec<(u64, u32)> {
        let entries = self.raw.table.symbols().iter().zip(0..);
        let mut order: Vec<_> = entries.map(|(entry, number)| (self.address(entry), number)).collect();
        order.sort_unstable();
        order
    }

    /// Where an entry's symbol lies.
    fn address(&self, entry: &Sym64<Endianness>) -> u64 {
        let index = entry.st_shndx(self.raw.endian).0;
        let section = (index < elf::SHN_LORESERVE).then_some(usize::from(index));
        self.place(entry.st_value(self.raw.endian), section)
    }

    fn placed(&self, symbol: Symbol<'d>) -> Symbol<'d> {
        Symbol { address: LinkAddr(self.place(symbol.address.0, symbol.section)), ..symbol }
    }

    /// A value's link address. In a module values are offsets in their sections.
    fn place(&self, value: u64, section: Option<usize>) -> u64 {
        match section {
            Some(section) if self.relocatable => value.wrapping_add(self.layout.place(section)),
            _ => value,
        }
    }
}

/// What came of looking back from an address.
struct Choice<'d> {
    symbol: Option<Symbol<'d>>,
    /// Whatever comes before what was looked at changes nothing.
    certain: bool,
}

/// Chooses among the symbols at or before an address (by address and name): the last of the section with
/// a size; of two alike in code a global one; one around it if the address is behind its end; else the last
/// without a size.
fn choose<'d>(before: &[Symbol<'d>], address: u64, section: usize, code: bool) -> Choice<'d> {
    let ours = |symbol: &Symbol<'_>| symbol.section == Some(section);
    let ends = |symbol: &Symbol<'_>| symbol.address.0.saturating_add(symbol.size);
    let mut unsized_one: Option<Symbol<'d>> = None;
    let mut at = before.len();
    while let Some(here) = at.checked_sub(1).and_then(|last| before.get(last)) {
        let previous = at.checked_sub(2).and_then(|last| before.get(last));
        at -= 1;
        if !ours(here) {
            continue;
        }
        if let Some(previous) = previous {
            let alike = (previous.address, previous.size, previous.section)
                == (here.address, here.size, here.section);
            if code && alike && !here.global && previous.global {
                continue;
            }
        }
        if here.size == 0 {
            unsized_one = unsized_one.or(Some(*here));
            continue;
        }
        if address >= ends(here) {
            if previous.is_some_and(|previous| address < ends(previous)) {
                continue;
            }
            return Choice { symbol: unsized_one, certain: previous.is_some() };
        }
        return Choice { symbol: Some(*here), certain: previous.is_some() };
    }
    Choice { symbol: unsized_one, certain: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &'static str, address: u64, size: u64, global: bool) -> Symbol<'static> {
        let address = LinkAddr(address);
        Symbol { name, address, size, kind: SymbolKind::Function, global, section: Some(1) }
    }

    fn chosen(symbols: &[Symbol<'static>], address: u64) -> Option<&'static str> {
        let end = symbols.partition_point(|symbol| symbol.address.0 <= address);
        choose(&symbols[..end], address, 1, true).symbol.map(|symbol| symbol.name)
    }

    #[test]
    fn the_last_name_at_an_address_counts_unless_another_is_global() {
        let symbols = [
            symbol("alias_a", 0x10, 8, true),
            symbol("alias_b", 0x10, 8, true),
            symbol("global", 0x20, 8, true),
            symbol("local", 0x20, 8, false),
        ];
        assert_eq!(chosen(&symbols, 0x12), Some("alias_b"));
        assert_eq!(chosen(&symbols, 0x20), Some("global"));
        assert_eq!(chosen(&symbols, 0x18), None, "behind the end");
        let data = choose(&symbols, 0x20, 1, false).symbol;
        assert_eq!(data.map(|symbol| symbol.name), Some("local"), "in data the last name");
    }

    #[test]
    fn a_label_counts_only_where_nothing_has_a_size() {
        let symbols = [
            symbol("outer", 0x10, 0x20, true),
            symbol("label", 0x18, 0, false),
            symbol("inner", 0x1c, 2, false),
            symbol("tail", 0x40, 0, false),
        ];
        assert_eq!(chosen(&symbols, 0x19), Some("outer"));
        assert_eq!(chosen(&symbols, 0x48), Some("tail"));
        assert_eq!(chosen(&symbols, 0x1d), Some("inner"));
        let other = choose(&symbols, 0x48, 2, true);
        assert_eq!(other.symbol, None, "another section's symbols do not count");
    }
}
