//! Debug info: every question that is asked of it, of whatever an ELF file holds.

use lkdb_base::{LinkAddr, RuntimeAddr};
use lkdb_symbols::dwarf::{Describer, LocationDescription, Scopes};
use lkdb_symbols::{Dwarf, Elf, Object, Store, Symbols};

/// An ELF file with DWARF, linked or relocatable.
pub fn dwarf(data: &[u8]) {
    let Ok(elf) = Elf::parse(data) else { return };
    let store = Store::new();
    let mut symbols = Symbols::new(&store);
    let id = symbols.add("fuzzed", elf);
    let Some(object) = id.and_then(|id| symbols.object(id)) else { return };
    if let Some(sections) = object.dwarf().map(Dwarf::sections).filter(|sections| sections.wants_join()) {
        // The file as its own `.dwo` file: it may have both kinds of sections.
        let files: Vec<_> = sections.split_units().into_iter().map(|unit| (unit, Some(elf))).collect();
        let _ = sections.join(&files);
    }
    for section in elf.sections().take(16) {
        addresses(object, object.layout.start(&section));
    }
    let Some(dwarf) = object.dwarf() else { return };
    files(object, dwarf);
    let Ok(units) = dwarf.units() else { return };
    for id in units.ids().take(8) {
        let Ok(unit) = dwarf.unit(id) else { continue };
        if let Ok(lines) = unit.lines(dwarf.sections()) {
            for file in &lines.files {
                assert!(file.rows.is_sorted_by_key(|row| row.address));
            }
        }
        let _ = (dwarf.variables(id), dwarf.inlined_copies_of(id, "twice"), unit.locations_hold_at_entry());
        for function in dwarf.functions(id).unwrap_or_default().into_iter().take(16) {
            assert!(function.covers(function.entry), "{function:?}");
            addresses(object, function.entry);
            let _ = (dwarf.call_sites(&function), dwarf.instances_of(id, function.name));
            let frame_base = dwarf.frame_base(&function);
            let _ = frame_base.map(|location| dwarf.expression_at(&location, function.entry));
            if let Ok(scopes) = dwarf.scopes(&function) {
                blocks(object, dwarf, &scopes);
            }
        }
    }
}

fn addresses(object: &Object<'_>, address: LinkAddr) {
    for address in [address, address.offset(1), address.offset(17)] {
        let _ = (object.symbol_at(address), object.symbolic(address).map(|name| name.to_string()));
        let _ = (object.start(address), object.start_of_line(address), object.bytes_at(address));
        let _ = object.dwarf().map(|dwarf| (dwarf.inlined_at(address), dwarf.call_site(address)));
    }
}

fn files(object: &Object<'_>, dwarf: &Dwarf<'_>) {
    for pattern in ["walk.c", "/src/list.h"] {
        let Ok(files) = dwarf.files_named(pattern) else { continue };
        for line in [0, 5, 14, u32::MAX] {
            let _ = dwarf.spans(&files, line);
            let Ok(Some(places)) = dwarf.places(&files, line) else { continue };
            assert!(places.addresses.is_sorted() && places.line >= line);
            for address in places.addresses.into_iter().take(8) {
                let _ = object.start_of_line(address);
            }
        }
    }
}

fn blocks<'d>(object: &Object<'d>, dwarf: &Dwarf<'d>, scopes: &Scopes<'d>) {
    let Ok(arch) = object.elf.arch() else { return };
    let runs_at = |address: LinkAddr| RuntimeAddr(address.0);
    let symbol = |name: &str| object.symbols_named(name).first().map(|symbol| RuntimeAddr(symbol.address.0));
    let describer = Describer { dwarf, arch, runs_at: &runs_at, symbol: &symbol };
    for (at, block) in scopes.blocks.iter().enumerate().take(64) {
        assert!(block.parent.is_none_or(|parent| parent < at));
        for declared in block.listed().into_iter().take(64) {
            let _ = describer.in_scope(declared, block.entry());
            let _ = describer.address(declared, block.entry());
            let _ = dwarf.expression_at(&LocationDescription::OptimizedOut, block.entry());
        }
        assert!(!scopes.at(block.entry()).is_empty() || !block.covers(block.entry()));
    }
}
