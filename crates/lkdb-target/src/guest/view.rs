//! A guest's memory by virtual address: by a CPU's page tables, the kernel's, or given ones.

use std::rc::Rc;

use lkdb_base::paging::{AddressSpace, Mapping, PhysicalMemory};
use lkdb_base::{Memory, RuntimeAddr, Unreadable};

use super::{Guest, Source, said};
use crate::stop::Thread;

/// By which page tables virtual addresses are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// A CPU's own. Where those hide the kernel (page-table isolation), the kernel's half is found; what they
    /// lack of it is looked up in the kernel's own. Only while the target stands still.
    Cpu(Thread),
    /// The kernel's own (`init_top_pgt`), which [`Guest::set_kernel`] was told.
    Kernel,
    /// These.
    Space(AddressSpace),
}

/// A guest's memory by virtual address, under one view.
#[derive(Debug, Clone)]
pub struct GuestMemory {
    guest: Rc<Guest>,
    view: View,
}

impl GuestMemory {
    /// The guest's memory under a view.
    #[must_use]
    pub fn new(guest: Rc<Guest>, view: View) -> Self {
        Self { guest, view }
    }

    /// The guest.
    #[must_use]
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// The view's page tables, where they are known to us and not only to the stub.
    fn space(&self) -> Option<AddressSpace> {
        match self.view {
            View::Cpu(cpu) => self.guest.space(cpu),
            View::Kernel => self.guest.kernel.get().map(AddressSpace::Paged),
            View::Space(space) => Some(space),
        }
    }

    /// Where a virtual address leads under this view.
    ///
    /// # Errors
    /// At which level of the page tables the walk ended, or why there is none.
    pub fn translate(&self, address: RuntimeAddr) -> Result<Mapping, Unreadable> {
        let space = self.space().ok_or_else(|| self.no_space(address))?;
        self.guest.translate(&space, address)
    }

    fn no_space(&self, address: RuntimeAddr) -> Unreadable {
        let why = match self.view {
            View::Cpu(cpu) if self.guest.keeps() => {
                format!("{cpu} is in a mode whose page tables lkdb does not know")
            }
            View::Cpu(_) => "the target is running; interrupt it to use a CPU's page tables".to_owned(),
            _ => "where the kernel's page tables lie is not known".to_owned(),
        };
        Unreadable::new(address, why)
    }

    /// Writes `bytes` from `address` on. Code, and all else while the target stands still, goes through the
    /// stub, which makes translated code notice; data of a running target goes into its RAM.
    ///
    /// # Errors
    /// When one of the bytes is not there, or must not be written while the target runs; those before it may
    /// have been written.
    pub fn write(&self, address: RuntimeAddr, bytes: &[u8]) -> Result<(), Unreadable> {
        let mut done = 0;
        while done < bytes.len() {
            let at = address.offset(done as u64);
            let left = bytes.len() - done;
            let Some(space) = self.space() else {
                return self.write_by_cpu(at, bytes.get(done..).unwrap_or_default());
            };
            let mapping = self.guest.translate(&space, at)?;
            let length = usize::try_from(mapping.left).unwrap_or(left).min(left);
            if !self.guest.keeps() && (mapping.rights.execute || !mapping.rights.write) {
                let why = "it is code, or read-only: interrupt the target before writing there";
                return Err(Unreadable::new(at, why));
            }
            let part = bytes.get(done..done + length).unwrap_or_default();
            let written = self.guest.write_physical(mapping.physical, part);
            written.map_err(|missing| Unreadable::new(at, missing.why))?;
            done += length;
        }
        Ok(())
    }

    /// By the stub's own translation.
    fn write_by_cpu(&self, address: RuntimeAddr, bytes: &[u8]) -> Result<(), Unreadable> {
        let (View::Cpu(cpu), Some(stub)) = (self.view, &self.guest.stub) else {
            return Err(self.no_space(address));
        };
        let written = match stub.try_borrow_mut() {
            Ok(mut stub) => stub.select(cpu).and_then(|()| stub.write_memory(address, bytes)),
            Err(_) => return Err(Unreadable::new(address, "the stub is in use")),
        };
        written.map_err(|error| Unreadable::new(address, said(&error)))
    }

    fn read_by_walk(
        &self,
        space: &AddressSpace,
        address: RuntimeAddr,
        into: &mut [u8],
    ) -> Result<(), Unreadable> {
        let mut done = 0;
        while done < into.len() {
            let at = address.offset(done as u64);
            let mapping = self.guest.translate(space, at)?;
            let left = into.len() - done;
            let length = usize::try_from(mapping.left).unwrap_or(left).min(left);
            let part = into.get_mut(done..done + length).unwrap_or_default();
            self.guest.read_physical(mapping.physical, part).map_err(|missing| {
                let first = at.offset(missing.address.0.wrapping_sub(mapping.physical.0));
                Unreadable::new(first, format!("physical {}: {}", missing.address, missing.why))
            })?;
            done += length;
        }
        Ok(())
    }
}

impl Memory for GuestMemory {
    fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable> {
        // Without RAM a walk is several round trips, and QEMU's own is one.
        let by_stub = match (&self.guest.ram, self.view) {
            (None, View::Cpu(cpu)) => Some(cpu),
            _ => None,
        };
        let asked = by_stub.map(|cpu| self.guest.ask(Source::Virtual(cpu), address.0, into));
        if let Some(Ok(())) = asked {
            return Ok(());
        }
        match (asked, self.space()) {
            (Some(Ok(())), None) => Ok(()),
            // It knows where the walk ended, and of the kernel's half.
            (_, Some(space)) => self.read_by_walk(&space, address, into),
            (Some(Err((address, why))), None) => Err(Unreadable::new(RuntimeAddr(address), why)),
            (None, None) => match self.view {
                View::Cpu(cpu) if self.guest.keeps() => self
                    .guest
                    .ask(Source::Virtual(cpu), address.0, into)
                    .map_err(|(address, why)| Unreadable::new(RuntimeAddr(address), why)),
                _ => Err(self.no_space(address)),
            },
        }
    }
}
