//! Symbols: of ELF files and of `System.map`; types of BTF.

use std::rc::Rc;

use lkdb_base::LinkAddr;
use lkdb_symbols::btf::Kind;
use lkdb_symbols::{Btf, Elf, ObjectId, SymbolTable, SystemMap};

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

/// BTF: a kernel's, and the same bytes once more as a module's on top of it.
pub fn btf(data: &[u8]) {
    let Ok(kernel) = Btf::parse(data, ObjectId(0), None) else { return };
    let kernel = Rc::new(kernel);
    every_type(&kernel);
    if let Ok(module) = Btf::parse(data, ObjectId(1), Some(Rc::clone(&kernel))) {
        assert_eq!(module.numbers().start, kernel.numbers().end);
        every_type(&module);
    }
    if let Ok(distilled) = Btf::parse_distilled(data, ObjectId(1)) {
        every_type(&distilled);
    }
}

/// Every type is an answer, and named ones are found by their names.
fn every_type(btf: &Btf<'_>) {
    for number in btf.numbers().take(256) {
        let (kind, name) = (btf.kind(number), btf.name(number));
        let _ = (btf.get(number), btf.id(number));
        if let (Some(kind @ (Kind::Struct | Kind::Typedef | Kind::Int)), Some(name)) = (kind, name) {
            assert!(btf.find(name, &[kind]).contains(&number));
        }
    }
    let _ = btf.get(u32::MAX);
    for variable in btf.variables().take(64) {
        assert!(!variable.name.is_empty());
        let _ = btf.variable(variable.name);
    }
}
