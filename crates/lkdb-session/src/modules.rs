//! The modules of a running kernel, as its memory tells of them: where their code is, how their frames are left, what
//! their functions are called. No file of theirs is needed.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use lkdb_base::{LinkAddr, Memory, RuntimeAddr};
use lkdb_linux::{Module, ModuleLayout, OrcTables};
use lkdb_symbols::SymbolKind;
use lkdb_unwind::{Layout, Orc, Row};

use crate::Session;
use crate::live::Kernel;

/// What is known of them. The list holds while the target does not change.
#[derive(Debug, Default)]
pub(crate) struct Modules<'d> {
    layout: OnceCell<Option<ModuleLayout>>,
    loaded: RefCell<Option<(u64, Rc<[Module]>)>>,
    tables: RefCell<HashMap<OrcTables, Copy<'d>>>,
}

/// Tables of a module, copied.
#[derive(Debug, Clone, Copy)]
struct Copy<'d> {
    ips: &'d [u8],
    entries: &'d [u8],
}

/// A function of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFunction {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub start: RuntimeAddr,
    /// The module's name.
    pub module: String,
}

impl ModuleFunction {
    /// `fuse_init+5`.
    pub(crate) fn around(&self, address: RuntimeAddr) -> String {
        match address.0.wrapping_sub(self.start.0) {
            0 => self.name.clone(),
            offset => format!("{}+{offset}", self.name),
        }
    }
}

impl Session<'_> {
    /// The function of a module that an address is in.
    #[must_use]
    pub fn module_function(&self, address: RuntimeAddr) -> Option<ModuleFunction> {
        let modules = if self.may_be_module(address) { self.modules_loaded()? } else { return None };
        let module = modules.iter().find(|module| module.contains(address))?;
        let (name, start) = module.function_at(self.live().ok()?.memory(), address)?;
        Some(ModuleFunction { name, start, module: module.name.clone() })
    }

    /// Whether an address is in the code of a module.
    pub(crate) fn is_module_code(&self, address: RuntimeAddr) -> bool {
        self.may_be_module(address)
            && self.modules_loaded().is_some_and(|all| all.iter().any(|module| module.contains(address)))
    }

    fn may_be_module(&self, address: RuntimeAddr) -> bool {
        self.arch().is_some_and(|arch| arch.module_area.contains(&address.0))
    }

    /// Those that are loaded; none where that cannot be said.
    fn modules_loaded(&self) -> Option<Rc<[Module]>> {
        let live = self.live().ok().filter(|live| matches!(live.kernel(), Kernel::Here(_)))?;
        let generation = live.generation();
        if let Some((of, known)) = &*self.modules.loaded.borrow()
            && *of == generation
        {
            return Some(Rc::clone(known));
        }
        let layout = self.modules.layout.get_or_init(|| ModuleLayout::of(self).ok()).as_ref()?;
        let kernel = self.symbols().kernel()?;
        let heads = kernel.symbols_named("modules");
        let heads = heads.iter().filter(|symbol| symbol.kind != SymbolKind::Function);
        let heads = heads.filter_map(|symbol| kernel.runtime(symbol.address));
        let lists = heads.map(|head| layout.loaded(live.memory(), head));
        let loaded: Rc<[Module]> = lists.max_by_key(Vec::len).unwrap_or_default().into();
        self.modules.loaded.replace(Some((generation, Rc::clone(&loaded))));
        Some(loaded)
    }
}

impl<'d> Session<'d> {
    /// The row of an instruction of a module, by the kernel's tables in the kernel's layout.
    pub(crate) fn module_row(&self, address: RuntimeAddr, layout: Layout) -> Option<Row> {
        if !self.may_be_module(address) {
            return None;
        }
        let modules = self.modules_loaded()?;
        let at = modules.iter().find(|module| module.contains(address))?.orc?;
        let Copy { ips, entries } = self.module_tables(at)?;
        Orc::new(ips, LinkAddr(at.ips.0), entries, layout)?.row(LinkAddr(address.0))
    }

    /// A copy of a module's tables. A module that was loaded anew in the same place has other ones.
    fn module_tables(&self, at: OrcTables) -> Option<Copy<'d>> {
        let memory = self.live().ok()?.memory();
        let read = |from: RuntimeAddr, size: u64| {
            let mut bytes = vec![0; usize::try_from(at.count.checked_mul(size)?).ok()?];
            memory.read(from, &mut bytes).ok()?;
            Some(bytes)
        };
        let (ips, entries) = (read(at.ips, 4)?, read(at.entries, 6)?);
        let mut tables = self.modules.tables.borrow_mut();
        if let Some(known) = tables.get(&at)
            && known.ips == ips
            && known.entries == entries
        {
            return Some(*known);
        }
        let copy = Copy { ips: self.store().keep(ips), entries: self.store().keep(entries) };
        tables.insert(at, copy);
        Some(copy)
    }
}
