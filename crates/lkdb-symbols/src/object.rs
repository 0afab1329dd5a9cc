//! One file with all that is known from it: ELF, symbols, DWARF; and where its sections run.
//!
//! Addresses inside are link addresses; for a module these are the places that [`Layout`] gives its
//! sections. Where those run is told by a [`Placement`], which changes when a kernel boots or a module loads.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use lkdb_base::{LinkAddr, RuntimeAddr, Slide};

use crate::btf::Btf;
use crate::dwarf::Dwarf;
use crate::elf::{Elf, Section};
use crate::index::Index;
use crate::names::{self, Extent, Kinds, Raw, Units};
use crate::relocate::relocated;
use crate::relocation::Layout;
use crate::store::Store;
use crate::symtab::MinimalSymbols;
use crate::table::{Nearest, Symbol};
use crate::tail::Tails;
use crate::types::ObjectId;

/// Where an object's link addresses run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// What moved, by link address; ranges do not overlap.
    moved: Vec<Moved>,
    /// What is in none of the ranges runs where it is linked; else it runs nowhere.
    rest: bool,
}

/// A range of link addresses and where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Where it is linked.
    pub start: LinkAddr,
    /// How long it is.
    pub size: u64,
    /// Where it runs.
    pub runs_at: RuntimeAddr,
}

impl Placement {
    /// Everything runs where it is linked: a file looked at alone.
    #[must_use]
    pub fn as_linked() -> Self {
        Self { moved: Vec::new(), rest: true }
    }

    /// A kernel: `[text, end)` slides, the rest (per-CPU symbols, which are offsets) does not.
    #[must_use]
    pub fn kernel(text: LinkAddr, end: LinkAddr, slide: Slide) -> Self {
        let size = end.0.saturating_sub(text.0);
        Self { moved: vec![Moved { start: text, size, runs_at: slide.apply(text) }], rest: true }
    }

    /// A module: each of `sections` is where it was loaded, the others (init sections that are gone) nowhere.
    #[must_use]
    pub fn module(mut sections: Vec<Moved>) -> Self {
        sections.sort_by_key(|moved| moved.start);
        Self { moved: sections, rest: false }
    }

    /// Where `address` runs; none for what is not in memory.
    #[must_use]
    pub fn runtime(&self, address: LinkAddr) -> Option<RuntimeAddr> {
        let at = |moved: &Moved| address.0.checked_sub(moved.start.0).filter(|at| *at < moved.size);
        // The end of a function or section is asked for as well: it moves with what it ends.
        let end = |moved: &Moved| address.0.checked_sub(moved.start.0).filter(|at| *at == moved.size);
        let find = |how: &dyn Fn(&Moved) -> Option<u64>| {
            self.moved.iter().find_map(|moved| Some(moved.runs_at.offset(how(moved)?)))
        };
        find(&at).or_else(|| find(&end)).or_else(|| self.rest.then_some(RuntimeAddr(address.0)))
    }

    /// What runs at `address`; none when nothing of this object does.
    #[must_use]
    pub fn link(&self, address: RuntimeAddr) -> Option<LinkAddr> {
        let inside = |moved: &Moved| {
            let at = address.0.checked_sub(moved.runs_at.0).filter(|at| *at < moved.size)?;
            Some(moved.start.offset(at))
        };
        self.moved.iter().find_map(inside).or_else(|| self.rest.then_some(LinkAddr(address.0)))
    }
}

/// One file.
#[derive(Debug)]
pub struct Object<'d> {
    /// Its number.
    pub id: ObjectId,
    /// What it is called: `vmlinux`, or the module's name.
    pub name: String,
    /// The file with the symbols and debug info.
    pub elf: Elf<'d>,
    /// The file with the code, where that is another one (a distribution's module and its debug file).
    pub code: Option<Elf<'d>>,
    /// Where its sections are, in link addresses.
    pub layout: Layout,
    placement: RefCell<Placement>,
    store: &'d Store,
    dwarf: OnceCell<Option<Dwarf<'d>>>,
    minimal: OnceCell<Option<MinimalSymbols<'d>>>,
    btf: OnceCell<Option<Rc<Btf<'d>>>>,
    names: OnceCell<Option<(Raw<'d>, Units)>>,
    index: OnceCell<Rc<Index<'d>>>,
    tails: RefCell<Tails>,
}

impl<'d> Object<'d> {
    /// Object number `id` from a file; it runs where it is linked until told otherwise.
    #[must_use]
    pub fn new(id: ObjectId, name: &str, elf: Elf<'d>, store: &'d Store) -> Self {
        Self {
            id,
            name: name.to_owned(),
            elf,
            code: None,
            layout: Layout::new(&elf),
            placement: RefCell::new(Placement::as_linked()),
            store,
            dwarf: OnceCell::new(),
            minimal: OnceCell::new(),
            btf: OnceCell::new(),
            names: OnceCell::new(),
            index: OnceCell::new(),
            tails: RefCell::default(),
        }
    }

    /// What is known of its functions' jumps.
    pub(crate) fn tails(&self) -> &RefCell<Tails> {
        &self.tails
    }

    /// Changes where it runs.
    pub fn place(&self, placement: Placement) {
        self.placement.replace(placement);
    }

    /// Where one of its addresses runs; none for what is not in memory.
    #[must_use]
    pub fn runtime(&self, address: LinkAddr) -> Option<RuntimeAddr> {
        self.placement.borrow().runtime(address)
    }

    /// What of it runs at `address`; none when nothing does.
    #[must_use]
    pub fn link(&self, address: RuntimeAddr) -> Option<LinkAddr> {
        self.placement.borrow().link(address)
    }

    /// Its DWARF, if it has any.
    #[must_use]
    pub fn dwarf(&self) -> Option<&Dwarf<'d>> {
        self.dwarf.get_or_init(|| Dwarf::new(&self.elf, self.store, self.id)).as_ref()
    }

    /// Its symbol table; none when it is damaged.
    #[must_use]
    pub fn minimal_symbols(&self) -> Option<&MinimalSymbols<'d>> {
        self.minimal.get_or_init(|| MinimalSymbols::new(&self.elf)).as_ref()
    }

    /// Every symbol of a name, global ones first, without a look at the debug info.
    #[must_use]
    pub fn symbols_named(&self, name: &str) -> Vec<Symbol<'d>> {
        self.minimal_symbols().map(|symbols| symbols.named(name)).unwrap_or_default()
    }

    /// The symbol that an address belongs to, and its section: what `info symbol` says.
    #[must_use]
    pub fn symbol_at(&self, address: LinkAddr) -> Option<(Nearest<'d>, Section<'d>)> {
        let section = self.section_at(address)?;
        Some((self.minimal_symbols()?.nearest(address, &section)?, section))
    }

    /// `<name+offset>` of an address: the function that it is in, else the symbol; a symbol right at the
    /// address before a function that is not (a cold part, a label).
    #[must_use]
    pub fn symbolic(&self, address: LinkAddr) -> Option<Symbolic<'d>> {
        let function = self.dwarf().and_then(|dwarf| dwarf.function_at(address).ok().flatten());
        let nearest = self.symbol_at(address);
        // Data symbols of no size (section starts and such) name only what is unnamed otherwise: nothing.
        let nearest = nearest.filter(|(near, section)| near.symbol.size != 0 || section.executable);
        let offset = |from: LinkAddr| address.0.wrapping_sub(from.0).cast_signed();
        let by_symbol = nearest.map(|(near, _)| Symbolic {
            name: near.symbol.name,
            start: near.symbol.address,
            offset: offset(near.symbol.address),
        });
        let by_function = function.map(|function| Symbolic {
            name: function.name,
            start: function.entry,
            offset: offset(function.entry),
        });
        match (by_function, by_symbol) {
            (Some(function), Some(symbol)) if symbol.offset == 0 && function.offset != 0 => Some(symbol),
            (Some(function), _) => Some(function),
            (None, symbol) => symbol,
        }
    }

    /// What searches for names and the index work on; none without debug info that can be read.
    #[must_use]
    pub fn names(&self) -> Option<&(Raw<'d>, Units)> {
        let read = || {
            let raw = Raw::of(self.dwarf()?.sections()).ok()?;
            let units = Units::read(&raw).ok()?;
            Some((raw, units))
        };
        self.names.get_or_init(read).as_ref()
    }

    /// Answers from an index from now on, if it is one of this file ([`Index::open`]) and the first given.
    pub fn use_index(&self, index: Rc<Index<'d>>) {
        self.index.get_or_init(|| index);
    }

    /// The index, where one was given.
    #[must_use]
    pub fn index(&self) -> Option<&Index<'d>> {
        self.index.get().map(|index| &**index)
    }

    /// Where in `.debug_info` the things of file scope of a name and of some kinds are, in the file's order:
    /// their definitions, or a declaration where there is none. By the index, else by a search.
    #[must_use]
    pub fn dies_named(&self, name: &str, kinds: Kinds, extent: Extent) -> Vec<u64> {
        if let Some(Ok(entries)) = self.index().map(|index| index.named(name, kinds)) {
            let definitions = entries.iter().filter(|entry| !entry.declaration);
            let mut dies: Vec<u64> = definitions.map(|entry| entry.die).collect();
            if dies.is_empty() {
                dies.extend(entries.first().map(|entry| entry.die));
            }
            if extent == Extent::First {
                dies.truncate(1);
            }
            return dies;
        }
        let Some((raw, units)) = self.names() else { return Vec::new() };
        names::find(raw, units, name, kinds, extent).into_iter().map(|found| found.offset).collect()
    }

    /// Its BTF, if it has any that makes sense: in the file with the symbols, else in that with the code. A
    /// module's goes on where `kernel`'s ends, unless it brings a base of its own.
    #[must_use]
    pub fn btf(&self, kernel: Option<&Rc<Btf<'d>>>) -> Option<&Rc<Btf<'d>>> {
        self.btf.get_or_init(|| self.read_btf(kernel)).as_ref()
    }

    fn read_btf(&self, kernel: Option<&Rc<Btf<'d>>>) -> Option<Rc<Btf<'d>>> {
        let section = |name| {
            let files = [Some(&self.elf), self.code.as_ref()];
            files.into_iter().flatten().find_map(|elf| elf.bytes(&elf.section(name)?))
        };
        let base = match section(".BTF.base") {
            Some(distilled) => Some(Rc::new(Btf::parse_distilled(distilled, self.id).ok()?)),
            None => kernel.cloned(),
        };
        Btf::parse(section(".BTF")?, self.id, base).ok().map(Rc::new)
    }

    /// The section that a link address is in.
    #[must_use]
    pub fn section_at(&self, address: LinkAddr) -> Option<Section<'d>> {
        self.elf.sections().filter(|section| section.allocated).find(|section| {
            let start = self.layout.start(section);
            address.0.checked_sub(start.0).is_some_and(|at| at < section.size)
        })
    }

    /// A section's bytes as they are at its link address, which comes with them: in a relocatable file its
    /// relocations are applied to a copy. From the file with the code, where there are two. None where there is no
    /// such section, or it is damaged.
    #[must_use]
    pub fn placed(&self, name: &str) -> Option<(LinkAddr, &'d [u8])> {
        let elf = self.code.as_ref().unwrap_or(&self.elf);
        let section = elf.section(name)?;
        let bytes = elf.bytes(&section)?;
        if !elf.relocatable() {
            return Some((section.address, bytes));
        }
        let made = relocated(elf, &section, bytes).ok()?;
        Some((Layout::new(elf).start(&section), made.map_or(bytes, |made| self.store.keep(made))))
    }

    /// The file's bytes at a link address up to the section's end: code, and data as it is before anything
    /// runs. From the file with the code, where there are two.
    #[must_use]
    pub fn bytes_at(&self, address: LinkAddr) -> Option<&'d [u8]> {
        let section = self.section_at(address)?;
        let at = usize::try_from(address.0.checked_sub(self.layout.start(&section).0)?).ok()?;
        let from = |elf: &Elf<'d>| elf.sections().find(|other| other.name == section.name);
        let bytes = match &self.code {
            Some(code) => code.bytes(&from(code)?)?,
            None => self.elf.bytes(&section)?,
        };
        bytes.get(at..)
    }
}

/// An address as name and offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbolic<'d> {
    /// The function or symbol.
    pub name: &'d str,
    /// Where that begins.
    pub start: LinkAddr,
    /// How far the address is from there; below zero in a cold part that lies before its function.
    pub offset: i64,
}

impl std::fmt::Display for Symbolic<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.offset {
            0 => f.write_str(self.name),
            offset => write!(f, "{}{offset:+}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_slides_without_its_per_cpu_symbols() {
        let placement = Placement::kernel(LinkAddr(0x1000), LinkAddr(0x2000), Slide(0x500));
        assert_eq!(placement.runtime(LinkAddr(0x1800)), Some(RuntimeAddr(0x1d00)));
        assert_eq!(placement.runtime(LinkAddr(0x2000)), Some(RuntimeAddr(0x2500)), "the end moves along");
        assert_eq!(placement.runtime(LinkAddr(0x40)), Some(RuntimeAddr(0x40)));
        assert_eq!(placement.link(RuntimeAddr(0x1d00)), Some(LinkAddr(0x1800)));
    }

    #[test]
    fn a_module_runs_where_its_sections_are() {
        let text = Moved { start: LinkAddr(0), size: 0x100, runs_at: RuntimeAddr(0xc000) };
        let data = Moved { start: LinkAddr(0x100), size: 0x10, runs_at: RuntimeAddr(0xf000) };
        let placement = Placement::module(vec![data, text]);
        assert_eq!(placement.runtime(LinkAddr(0x20)), Some(RuntimeAddr(0xc020)));
        assert_eq!(placement.runtime(LinkAddr(0x100)), Some(RuntimeAddr(0xf000)), "a start before an end");
        assert_eq!(placement.runtime(LinkAddr(0x200)), None, "a section that is gone");
        assert_eq!(placement.link(RuntimeAddr(0xf00f)), Some(LinkAddr(0x10f)));
        assert_eq!(placement.link(RuntimeAddr(0xf010)), None);
    }
}
