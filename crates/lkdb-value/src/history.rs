//! The value history (`$1`, `$`, `$$3`) and convenience variables (`$foo`): data that a session keeps.

use std::collections::HashMap;

use crate::context::{Bytes, Error};

/// Values that were printed, and variables that were set.
#[derive(Debug, Clone, Default)]
pub struct History {
    values: Vec<Bytes>,
    variables: HashMap<String, Bytes>,
}

impl History {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a value, and gives its number: 1 for the first.
    pub fn record(&mut self, value: Bytes) -> usize {
        self.values.push(value);
        self.values.len()
    }

    /// What stands behind a `$`, for [`crate::Context::convenience`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Bytes> {
        let back = |back: usize| {
            let at = self.values.len().checked_sub(back.checked_add(1)?)?;
            self.values.get(at).cloned()
        };
        match name {
            "" | "0" => back(0),
            "$" => back(1),
            _ => match (name.strip_prefix('$').map(str::parse), name.parse::<usize>()) {
                (Some(Ok(count)), _) => back(count),
                (None, Ok(number)) => self.values.get(number.checked_sub(1)?).cloned(),
                _ => self.variables.get(name).cloned(),
            },
        }
    }

    /// Sets a convenience variable, for [`crate::Writer::set_convenience`].
    ///
    /// # Errors
    /// For names of the history.
    pub fn set(&mut self, name: &str, value: Bytes) -> Result<(), Error> {
        if name.is_empty() || name.starts_with(|one: char| one.is_ascii_digit() || one == '$') {
            return Err(Error::Operation("Left operand of assignment is not a modifiable lvalue.".into()));
        }
        self.variables.insert(name.to_owned(), value);
        Ok(())
    }

    /// Convenience variables by name, for `show convenience`.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        let mut all: Vec<_> = self.variables.iter().map(|(name, value)| (name.as_str(), value)).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all.into_iter()
    }

    /// The history, the first value first, for `show values`.
    #[must_use]
    pub fn values(&self) -> &[Bytes] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use lkdb_symbols::TypeId;

    use super::*;

    #[test]
    fn values_are_found_by_number_and_by_distance() {
        let mut history = History::new();
        assert_eq!(history.get(""), None);
        for number in 1..=5_u8 {
            assert_eq!(history.record((TypeId::Void, Rc::from([number]))), usize::from(number));
        }
        let byte = |name: &str| history.get(name).map(|(_, bytes)| bytes.to_vec());
        assert_eq!(byte(""), Some(vec![5]));
        assert_eq!(byte("$"), Some(vec![4]));
        assert_eq!(byte("$3"), Some(vec![2]));
        assert_eq!(byte("2"), Some(vec![2]));
        assert_eq!(byte("6"), None);
        assert_eq!(byte("$9"), None);
        assert_eq!(byte("foo"), None);
    }

    #[test]
    fn variables_are_set_and_the_history_is_not() {
        let mut history = History::new();
        history.set("foo", (TypeId::Void, Rc::from([1]))).unwrap();
        assert!(history.get("foo").is_some());
        assert!(history.set("1", (TypeId::Void, Rc::from([1]))).is_err());
        assert!(history.set("", (TypeId::Void, Rc::from([1]))).is_err());
    }
}
