//! What unwinding asks of a program, answered from the session's files and the target's memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use lkdb_base::{Arch, Memory, RuntimeAddr};
use lkdb_symbols::dwarf::SectionId;
use lkdb_symbols::{Object, ObjectId};
use lkdb_unwind::{Cfi, Function, Layout, Orc, Rows, World};

use crate::Session;

/// Unwind tables of objects, each read when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Tables<'d> {
    of: RefCell<HashMap<ObjectId, Rc<Table<'d>>>>,
}

/// The tables of one object.
#[derive(Debug)]
struct Table<'d> {
    orc: Option<Orc<'d>>,
    cfi: Option<Cfi<'d>>,
}

impl<'d> Tables<'d> {
    /// Those of an object. A module's few entries do not tell their layout: it is the kernel's.
    fn of(&self, object: &Object<'d>, kernel: Option<&Object<'d>>, arch: &'static Arch) -> Rc<Table<'d>> {
        if let Some(known) = self.of.borrow().get(&object.id) {
            return Rc::clone(known);
        }
        let layout = kernel.filter(|kernel| kernel.id != object.id).and_then(|kernel| {
            let table = self.of(kernel, None, arch);
            table.orc.as_ref().map(Orc::layout)
        });
        let table = Rc::new(Table::new(object, layout, arch));
        self.of.borrow_mut().insert(object.id, Rc::clone(&table));
        table
    }
}

impl<'d> Table<'d> {
    fn new(object: &Object<'d>, layout: Option<Layout>, arch: &'static Arch) -> Self {
        let orc = || {
            let (at, ips) = object.placed(".orc_unwind_ip")?;
            let (_, entries) = object.placed(".orc_unwind")?;
            Orc::new(ips, at, entries, layout.or_else(|| Layout::detect(entries))?)
        };
        let debug_frame = object.dwarf().and_then(|dwarf| dwarf.sections().get(SectionId::DebugFrame).ok());
        let cfi = debug_frame.filter(|bytes| !bytes.is_empty()).map(|bytes| Cfi::debug_frame(bytes, arch));
        Self { orc: orc(), cfi }
    }
}

/// A program as unwinding sees it.
pub(super) struct Program<'s, 'd> {
    arch: &'static Arch,
    memory: &'s dyn Memory,
    session: &'s Session<'d>,
}

impl<'s, 'd> Program<'s, 'd> {
    pub(super) fn new(arch: &'static Arch, memory: &'s dyn Memory, session: &'s Session<'d>) -> Self {
        Self { arch, memory, session }
    }

    fn object(&self, address: RuntimeAddr) -> Option<(&Rc<Object<'d>>, lkdb_base::LinkAddr)> {
        let symbols = self.session.symbols();
        let located = symbols.locate(address)?;
        let object = symbols.object(located.object)?;
        // What lies nowhere in the kernel is taken for its, too, as it was linked.
        object.section_at(located.address).map(|_| (object, located.address))
    }
}

impl World for Program<'_, '_> {
    fn arch(&self) -> &'static Arch {
        self.arch
    }

    fn memory(&self) -> &dyn Memory {
        self.memory
    }

    fn rows(&self, address: RuntimeAddr) -> Rows {
        let tables = &self.session.unwind_tables;
        let kernel = self.session.symbols().kernel().map(Rc::as_ref);
        let Some((object, link)) = self.object(address) else {
            let of_kernel = kernel.map(|kernel| tables.of(kernel, None, self.arch));
            let layout = of_kernel.and_then(|table| table.orc.as_ref().map(Orc::layout));
            let orc = layout.and_then(|layout| self.session.module_row(address, layout));
            return Rows { orc, cfi: None };
        };
        let table = tables.of(object, kernel, self.arch);
        Rows {
            orc: table.orc.as_ref().and_then(|orc| orc.row(link)),
            cfi: table.cfi.as_ref().and_then(|cfi| cfi.row(link).ok().flatten()),
        }
    }

    fn is_text(&self, address: RuntimeAddr) -> bool {
        match self.object(address) {
            Some((object, link)) => object.section_at(link).is_some_and(|section| section.executable),
            None => self.session.is_module_code(address),
        }
    }

    fn function(&self, address: RuntimeAddr) -> Option<Function<'_>> {
        let Some((object, link)) = self.object(address) else {
            let function = self.session.module_function(address)?;
            return Some(Function { name: function.name.into(), start: function.start });
        };
        let (nearest, section) = object.symbol_at(link)?;
        if !section.executable {
            return None;
        }
        let start = object.runtime(nearest.symbol.address)?;
        Some(Function { name: nearest.symbol.name.into(), start })
    }

    fn code_in_file(&self, address: RuntimeAddr, into: &mut [u8]) -> bool {
        let code = self.object(address).and_then(|(object, link)| object.bytes_at(link)?.get(..into.len()));
        if let Some(code) = code {
            into.copy_from_slice(code);
        }
        code.is_some()
    }
}
