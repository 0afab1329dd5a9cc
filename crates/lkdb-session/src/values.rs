//! The values of a session: the history (`$1`, `$`), convenience variables (`$foo`), and where `x` is.

use std::cell::RefCell;
use std::collections::HashMap;

use lkdb_value::Bytes;
use lkdb_value::format::Examine;

/// Them.
#[derive(Debug, Default)]
pub struct Values {
    history: RefCell<Vec<Bytes>>,
    variables: RefCell<HashMap<String, Bytes>>,
    examine: RefCell<Examine>,
}

impl Values {
    /// Adds a value to the history, and returns its number.
    pub fn remember(&self, value: Bytes) -> usize {
        let mut history = self.history.borrow_mut();
        history.push(value);
        history.len()
    }

    /// The number of the last value; 0 without one.
    #[must_use]
    pub fn last(&self) -> usize {
        self.history.borrow().len()
    }

    /// What stands behind a `$`: `` and `1` are of the history, `$` and `$2` count back in it, others are
    /// variables. None when there is no such value.
    #[must_use]
    pub fn convenience(&self, name: &str) -> Option<Bytes> {
        let history = self.history.borrow();
        let back = |count: usize| history.len().checked_sub(count.checked_add(1)?);
        let number = |text: &str| text.parse::<usize>().ok();
        let index = match name.strip_prefix('$') {
            Some("") => Some(back(1)),
            Some(rest) => number(rest).map(back),
            None if name.is_empty() => Some(back(0)),
            None if name.bytes().all(|byte| byte.is_ascii_digit()) => Some(
                number(name).and_then(|number| if number == 0 { back(0) } else { number.checked_sub(1) }),
            ),
            None => None,
        };
        match index {
            Some(index) => history.get(index?).cloned(),
            None => self.variables.borrow().get(name).cloned(),
        }
    }

    /// Sets a variable.
    pub fn set(&self, name: &str, value: Bytes) {
        self.variables.borrow_mut().insert(name.to_owned(), value);
    }

    /// What `x` remembers.
    #[must_use]
    pub fn examine(&self) -> Examine {
        *self.examine.borrow()
    }

    /// What `x` is to remember.
    pub fn set_examine(&self, examine: Examine) {
        self.examine.replace(examine);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lkdb_symbols::TypeId;

    #[test]
    fn the_history_is_counted_from_both_ends() {
        let values = Values::default();
        assert_eq!(values.convenience(""), None);
        for byte in 1..=3 {
            values.remember((TypeId::Void, [byte].into()));
        }
        let byte = |name: &str| values.convenience(name).map(|(_, bytes)| bytes[0]);
        assert_eq!(
            [byte(""), byte("1"), byte("$"), byte("$2"), byte("4")],
            [Some(3), Some(1), Some(2), Some(1), None]
        );
        assert_eq!(byte("foo"), None);
        values.set("foo", (TypeId::Void, [9].into()));
        assert_eq!(byte("foo"), Some(9));
    }
}
