//! Symbols: of ELF files and of `System.map`.

use lkdb_base::LinkAddr;
use lkdb_symbols::{Elf, SymbolTable, SystemMap};

/// An ELF file, whatever it says of itself.
pub fn elf(data: &[u8]) {
    let Ok(elf) = Elf::parse(data) else { return };
    let _ = (elf.arch(), elf.relocatable(), elf.build_id());
    let _ = (elf.physical(LinkAddr(elf.entry())), elf.bytes_at(LinkAddr(elf.entry())));
    for segment in elf.segments().take(64) {
        let _ = elf.physical(segment.address);
    }
    for section in elf.sections().take(64) {
        if let Some(bytes) = elf.bytes(&section) {
            assert_eq!(bytes.len() as u64, section.size);
        }
        let _ = elf.bytes_at(section.address);
        assert_eq!(elf.section(section.name).map(|first| first.name), Some(section.name));
    }
    if let Ok(symbols) = elf.symbols() {
        questions(&symbols);
    }
}

/// A kernel's `System.map`.
pub fn system_map(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(symbols) = SystemMap::parse(&text) {
        assert!(!symbols.symbols().is_empty());
        questions(&symbols);
    }
}

/// The table is in order, and every symbol is found by its name and at its place.
fn questions(table: &SymbolTable<'_>) {
    let symbols = table.symbols();
    assert!(symbols.is_sorted_by_key(|symbol| symbol.address));
    for symbol in symbols.iter().take(64) {
        assert!(table.named(symbol.name).contains(symbol));
        let _ = table.address(symbol.name);
        for address in [symbol.address.0, symbol.address.0.wrapping_add(1), u64::MAX] {
            let Some(nearest) = table.nearest(LinkAddr(address)) else { continue };
            assert_eq!(nearest.symbol.address.0.wrapping_add(nearest.offset), address);
        }
    }
}
