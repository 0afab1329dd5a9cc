//! A guest's memory, whoever can give it: mapped RAM by our own page walks, or the stub.
//!
//! [`Guest`] joins a stub and guest RAM, each of which may be lacking: an attached machine may have no RAM
//! that can be mapped, a look at a running machine needs no stub. [`GuestMemory`] is its memory by virtual
//! address under one [`View`]: a CPU's page tables, or given ones. Physical memory is [`Guest`] itself.
//!
//! With RAM mapped a read costs a page walk and a copy, running or not. Without, it is a round trip to the
//! stub for each page, kept until the target runs. What is not RAM (ROMs, devices) is always the stub's.
//!
//! What is kept (translations, pages from the stub, page tables' places) holds for one
//! [`Stub::generation`]: it dies at each resume and each write, and nothing is kept while the target runs.

mod view;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use lkdb_base::paging::{AddressSpace, Mapping, Missing, PhysicalMemory, Tables, Translations};
use lkdb_base::{Arch, PhysAddr, RuntimeAddr, Unreadable};
use lkdb_map::Ram;

use crate::error::Error;
use crate::stop::Thread;
use crate::stub::Stub;
pub use view::{GuestMemory, View};

const PAGE: u64 = 4096;
/// Pages from the stub that are kept: 16 MiB.
const KEPT: usize = 4096;

/// A guest: what there is of a stub and of its RAM.
#[derive(Debug)]
pub struct Guest {
    arch: &'static Arch,
    stub: Option<Rc<RefCell<Stub>>>,
    ram: Option<Ram>,
    /// The kernel's own tables, once known.
    kernel: Cell<Option<Tables>>,
    generation: Cell<Option<u64>>,
    translations: RefCell<Translations>,
    spaces: RefCell<HashMap<Thread, Option<AddressSpace>>>,
    pages: RefCell<Pages>,
}

/// Pages from the stub, by where they begin.
type Pages = HashMap<(Source, u64), Rc<[u8]>>;

/// Where a page from the stub is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Physical,
    /// By the page tables of a CPU.
    Virtual(Thread),
}

impl Guest {
    /// Joins what there is.
    #[must_use]
    pub fn new(arch: &'static Arch, stub: Option<Rc<RefCell<Stub>>>, ram: Option<Ram>) -> Self {
        Self {
            arch,
            stub,
            ram,
            kernel: Cell::default(),
            generation: Cell::default(),
            translations: RefCell::default(),
            spaces: RefCell::default(),
            pages: RefCell::default(),
        }
    }

    /// Its RAM, where that is mapped.
    #[must_use]
    pub fn ram(&self) -> Option<&Ram> {
        self.ram.as_ref()
    }

    /// Says where the kernel's own page tables lie: `init_top_pgt`'s physical address, and their format.
    pub fn set_kernel(&self, tables: Option<Tables>) {
        self.kernel.set(tables);
    }

    /// The kernel's own page tables, as far as known.
    #[must_use]
    pub fn kernel(&self) -> Option<Tables> {
        self.kernel.get()
    }

    /// What a CPU's virtual addresses mean now. `None` in modes whose tables are not known, and where the
    /// stub does not tell the registers: then only the stub can translate.
    pub fn space(&self, cpu: Thread) -> Option<AddressSpace> {
        self.look();
        if let Some(known) = self.spaces.borrow().get(&cpu) {
            return *known;
        }
        let space = self.space_by_registers(cpu);
        if self.keeps() {
            self.spaces.borrow_mut().insert(cpu, space);
        }
        space
    }

    fn space_by_registers(&self, cpu: Thread) -> Option<AddressSpace> {
        let paging = self.arch.paging?;
        let registers = {
            let mut stub = self.stub.as_ref()?.try_borrow_mut().ok()?;
            stub.registers(cpu).ok()?
        };
        let space = (paging.space)(&|name| registers.number(name))?;
        Some((paging.with_kernel)(self, space))
    }

    /// Forgets what was kept if the target has run since, or memory was written.
    fn look(&self) {
        let now = self.stub.as_ref().and_then(|stub| Some(stub.try_borrow().ok()?.generation()));
        if now.is_some() && self.generation.replace(now) != now {
            self.translations.borrow_mut().forget();
            self.spaces.borrow_mut().clear();
            self.pages.borrow_mut().clear();
        }
    }

    /// Whether anything may be kept: the target stands still.
    fn keeps(&self) -> bool {
        self.stub.as_ref().is_some_and(|stub| stub.try_borrow().is_ok_and(|stub| !stub.running()))
    }

    /// Where a virtual address leads.
    ///
    /// # Errors
    /// At which level of the page tables the walk ended.
    pub fn translate(&self, space: &AddressSpace, address: RuntimeAddr) -> Result<Mapping, Unreadable> {
        self.look();
        let mut found = self.walk(space, address);
        if let (Err(_), AddressSpace::Paged(tables), Some(kernel)) = (&found, space, self.kernel.get())
            && address.0 >> 63 != 0
            && kernel.high != tables.high
        {
            let kernels = self.walk(&AddressSpace::Paged(kernel), address);
            found = kernels.or(found);
        }
        found.map_err(|why| Unreadable::new(address, why.to_string()))
    }

    fn walk(&self, space: &AddressSpace, address: RuntimeAddr) -> Result<Mapping, lkdb_base::paging::Fault> {
        if !self.keeps() {
            return lkdb_base::paging::translate(self, space, address);
        }
        // Not borrowed meanwhile: reading an entry comes back here when it is the stub's to read.
        let mut translations = self.translations.take();
        let found = translations.translate(self, space, address);
        self.translations.replace(translations);
        found
    }

    /// Fills `into` from memory as `source` sees it, through the stub.
    fn ask(&self, source: Source, address: u64, into: &mut [u8]) -> Result<(), (u64, String)> {
        // Larger reads are not kept.
        const LARGE: usize = 64 << 10;
        self.look();
        let refused = |error: &Error| (address, said(error));
        let stub = self.stub.as_ref().ok_or_else(|| (address, "no RAM is there".to_owned()))?;
        let mut stub = stub.try_borrow_mut().map_err(|_| (address, "the stub is in use".to_owned()))?;
        if into.len() > LARGE {
            match read_now(&mut stub, source, address, into) {
                Ok(()) => return Ok(()),
                // Page by page, to name the first that cannot be read.
                Err(Error::Refused { .. }) => {}
                Err(error) => return Err(refused(&error)),
            }
        }
        let mut done = 0;
        while done < into.len() {
            let at = address.wrapping_add(done as u64);
            let page = self.page(&mut stub, source, at & !(PAGE - 1)).map_err(|error| (at, said(&error)))?;
            let inside = usize::try_from(at % PAGE).unwrap_or_default();
            let bytes = page.get(inside..).unwrap_or_default();
            let rest = into.get_mut(done..).unwrap_or_default();
            let count = bytes.len().min(rest.len()).max(1);
            for (to, from) in rest.iter_mut().zip(bytes) {
                *to = *from;
            }
            done += count;
        }
        Ok(())
    }

    /// A page, kept or read now.
    fn page(&self, stub: &mut Stub, source: Source, page: u64) -> Result<Rc<[u8]>, Error> {
        if let Some(kept) = self.pages.borrow().get(&(source, page)) {
            return Ok(Rc::clone(kept));
        }
        let mut bytes = [0; PAGE as usize];
        read_now(stub, source, page, &mut bytes)?;
        let bytes: Rc<[u8]> = Rc::from(bytes.as_slice());
        let mut pages = self.pages.borrow_mut();
        if pages.len() >= KEPT {
            pages.clear();
        }
        pages.insert((source, page), Rc::clone(&bytes));
        Ok(bytes)
    }

    /// Writes to physical memory: through the stub while the target stands still, so that translated code
    /// notices; else through the mapping.
    fn write_physical(&self, address: PhysAddr, bytes: &[u8]) -> Result<(), Missing> {
        let missing = |why: String| Missing { address, why };
        if self.keeps()
            && let Some(stub) = &self.stub
        {
            let mut stub = stub.try_borrow_mut().map_err(|_| missing("the stub is in use".to_owned()))?;
            let written = stub.physical().and_then(|mut memory| {
                memory.write(address, bytes)?;
                memory.close()
            });
            return written.map_err(|error| missing(said(&error)));
        }
        let ram = self.ram.as_ref().ok_or_else(|| missing("the target is running".to_owned()))?;
        ram.write(address, bytes)
    }
}

impl PhysicalMemory for Guest {
    fn read_physical(&self, address: PhysAddr, into: &mut [u8]) -> Result<(), Missing> {
        let asked = |address: PhysAddr, into: &mut [u8]| {
            self.ask(Source::Physical, address.0, into)
                .map_err(|(address, why)| Missing { address: PhysAddr(address), why })
        };
        let Some(ram) = &self.ram else { return asked(address, into) };
        let Err(missing) = ram.read_physical(address, into) else { return Ok(()) };
        // A part is no RAM: page by page from whoever has it.
        if !self.keeps() {
            return Err(missing);
        }
        let mut done = 0;
        while done < into.len() {
            let at = address.offset(done as u64);
            let left = usize::try_from(PAGE - at.0 % PAGE).unwrap_or(1).min(into.len() - done);
            let part = into.get_mut(done..done + left).unwrap_or_default();
            ram.read_physical(at, part).or_else(|_| asked(at, part))?;
            done += left;
        }
        Ok(())
    }

    fn read_physical_u64(&self, address: PhysAddr) -> Result<u64, Missing> {
        match &self.ram {
            Some(ram) if ram.covers(address, 8) => ram.read_physical_u64(address),
            _ => {
                let mut bytes = [0; 8];
                self.read_physical(address, &mut bytes)?;
                Ok(u64::from_le_bytes(bytes))
            }
        }
    }
}

fn read_now(stub: &mut Stub, source: Source, address: u64, into: &mut [u8]) -> Result<(), Error> {
    match source {
        Source::Virtual(cpu) => {
            stub.select(cpu)?;
            stub.read_memory(RuntimeAddr(address), into)
        }
        Source::Physical => {
            let mut memory = stub.physical()?;
            memory.read(PhysAddr(address), into)?;
            memory.close()
        }
    }
}

/// Why, in few words: that the stub refused says no more than that nothing is mapped.
fn said(error: &Error) -> String {
    match error {
        Error::Refused { .. } => "the gdb stub refuses it: nothing is mapped there".to_owned(),
        error => error.to_string(),
    }
}
