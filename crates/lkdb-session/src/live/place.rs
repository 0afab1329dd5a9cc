//! Where the kernel lies, and what follows from that: symbols, page tables, breakpoints.

use lkdb_base::paging::{AddressSpace, Tables};
use lkdb_symbols::Placement;

use super::Kernel;
use crate::entry;
use crate::{Result, Session};

impl<'d> Session<'d> {
    /// Runs a machine that is on its way to its kernel up to there; does nothing on any other.
    ///
    /// # Errors
    /// When the way is not the one that is known, or the kernel is not this session's.
    pub(crate) fn reach_kernel(&mut self) -> Result<()> {
        let Kernel::ToCome(boot) = self.live()?.kernel else { return Ok(()) };
        let Some(kernel) = self.kernel_file()? else { return Ok(()) };
        let live = self.live_mut()?;
        let entry = entry::at_entry(&mut live.stub.borrow_mut(), &boot, &kernel, live.boot_within)?;
        live.kernel = Kernel::Here(entry);
        live.runner.read_again()?;
        self.kernel_moved()
    }

    /// Finds the kernel of a machine that runs already. That there is none is no error.
    ///
    /// # Errors
    /// When it is another kernel than this session's, or the stub fails.
    pub fn find_kernel(&mut self) -> Result<()> {
        let Some(kernel) = self.kernel_file()? else { return Ok(()) };
        let live = self.live_mut()?;
        let found = entry::running(&mut live.stub.borrow_mut(), &kernel);
        live.kernel = match found {
            Ok(entry) => Kernel::Here(entry),
            Err(entry::Error::NotRunning(why)) => {
                tracing::debug!("no kernel yet: {why}");
                live.boot.map_or(Kernel::Unknown, Kernel::ToCome)
            }
            Err(error) => return Err(error.into()),
        };
        self.kernel_moved()?;
        if let Some(live) = &self.live {
            live.know_kernel_tables();
        }
        Ok(())
    }

    /// Tells everybody whom it concerns where the kernel lies now.
    pub(super) fn kernel_moved(&mut self) -> Result<()> {
        let kernel = self.live.as_ref().map(|live| live.kernel);
        let file = self.kernel_file()?;
        let object = self.symbols().kernel().cloned();
        if let (Some(object), Some(file)) = (object, file) {
            let placement = match kernel {
                Some(Kernel::Here(entry)) => Placement::kernel(file.text(), file.end(), entry.slide),
                _ => Placement::as_linked(),
            };
            object.place(placement);
            let tables = self.live.as_ref().and_then(|live| live.arch.paging).map(|paging| paging.kernel);
            let root = tables.and_then(|tables| Some(object.symbols_named(tables).first()?.address));
            if let (Some(live), Some(Kernel::Here(entry)), Some(root)) = (&mut self.live, kernel, root) {
                live.kernel_root = Some(entry.text.offset(root.0.wrapping_sub(file.text().0)));
            }
        }
        self.resolve_breakpoints()
    }

    fn kernel_file(&self) -> Result<Option<entry::Kernel<'d>>> {
        self.symbols().kernel().map(|object| Ok(entry::Kernel::new(object.elf)?)).transpose()
    }
}

impl super::Live {
    /// Tells the guest's memory where the kernel's own page tables are. Their format is that of a CPU that
    /// uses any, so it is known only after the first stop in the kernel.
    pub(super) fn know_kernel_tables(&self) {
        if let (Some(root), None) = (self.kernel_root, self.guest.kernel())
            && let Some(AddressSpace::Paged(tables)) = self.guest.space(self.selected)
        {
            self.guest.set_kernel(Some(Tables::one(tables.format, root)));
        }
    }
}
