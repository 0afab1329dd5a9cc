//! The session as an expression sees it, but for names, memory and registers, which somebody else answers or
//! wants to hear of.

use std::rc::Rc;

use lkdb_base::{Memory, RuntimeAddr};
use lkdb_symbols::{DwarfRegister, Gone, TypeId, TypeSource};
use lkdb_value::{Bytes, Context, Error, Named};

use crate::Session;

/// What is otherwise.
pub(crate) trait Overlay {
    /// What a plain name means.
    ///
    /// # Errors
    /// As [`Context::named`].
    fn named(&self, session: &Session<'_>, name: &str) -> Result<Named, Error>;

    /// Memory; none for the session's.
    fn memory(&self) -> Option<&dyn Memory> {
        None
    }

    /// A register is read.
    fn reads_register(&self) {}
}

/// A session under an overlay.
pub(crate) struct Over<'s, 'd, T> {
    pub(crate) session: &'s Session<'d>,
    pub(crate) overlay: T,
}

impl<T: Overlay> Context for Over<'_, '_, T> {
    fn types(&self) -> &dyn TypeSource {
        self.session.symbols()
    }

    fn memory(&self) -> &dyn Memory {
        self.overlay.memory().unwrap_or_else(|| self.session.memory())
    }

    fn named(&self, name: &str) -> Result<Named, Error> {
        self.overlay.named(self.session, name)
    }

    fn scoped(&self, scope: &str, name: &str) -> Result<Named, Error> {
        self.session.scoped(scope, name)
    }

    fn tagged(&self, kind: &'static str, name: &str) -> Result<TypeId, Error> {
        self.session.tagged(kind, name)
    }

    fn type_named(&self, name: &str) -> Result<TypeId, Error> {
        Context::type_named(self.session, name)
    }

    fn symbol_at(&self, address: RuntimeAddr) -> Option<String> {
        self.session.symbol_at(address)
    }

    fn register(&self, register: DwarfRegister) -> Result<Rc<[u8]>, Gone> {
        self.overlay.reads_register();
        self.session.register(register)
    }

    fn register_named(&self, name: &str) -> Option<Result<Bytes, Error>> {
        self.overlay.reads_register();
        self.session.register_named(name)
    }

    fn register_name(&self, register: DwarfRegister) -> Option<&'static str> {
        self.session.register_name(register)
    }

    fn convenience(&self, name: &str) -> Option<Bytes> {
        self.session.convenience(name)
    }
}
