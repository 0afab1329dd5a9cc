//! The values of a session: the history (`$1`, `$`), convenience variables (`$foo`), and where `x` is.

use std::cell::{Cell, RefCell};

use lkdb_value::format::Examine;
use lkdb_value::{Bytes, Error, History};

/// Them.
#[derive(Debug, Default)]
pub struct Values {
    history: RefCell<History>,
    examine: Cell<Examine>,
    /// How many units `x` showed last.
    count: Cell<i64>,
}

impl Values {
    /// Adds a value to the history, and returns its number.
    pub fn remember(&self, value: Bytes) -> usize {
        self.history.borrow_mut().record(value)
    }

    /// What stands behind a `$`, if anything does.
    #[must_use]
    pub fn convenience(&self, name: &str) -> Option<Bytes> {
        self.history.borrow().get(name)
    }

    /// Sets a variable.
    ///
    /// # Errors
    /// When the name is one of the history's.
    pub fn set(&self, name: &str, value: Bytes) -> Result<(), Error> {
        self.history.borrow_mut().set(name, value)
    }

    /// What `x` remembers.
    #[must_use]
    pub fn examine(&self) -> Examine {
        self.examine.get()
    }

    /// What `x` is to remember.
    pub fn set_examine(&self, examine: Examine) {
        self.examine.set(examine);
    }

    /// How many units `x` showed last: it shows as many again without an argument.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.count.get().max(1)
    }

    /// How many units `x` shows now.
    pub fn set_count(&self, count: i64) {
        self.count.set(count);
    }
}
