//! Types read lately, so that a walk over many values does not parse their struct once a value.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::{Type, TypeId};

/// How many are kept: some megabytes of structs. One walk through the kernel's lists needs some hundreds.
const KEPT: usize = 8192;

/// Types by number. Forgets all when full, which costs a moment once in a while and needs no bookkeeping.
#[derive(Debug, Default)]
pub struct Memo(RefCell<HashMap<TypeId, Rc<Type>>>);

impl Memo {
    /// The type, if it was read lately.
    #[must_use]
    pub fn get(&self, id: TypeId) -> Option<Rc<Type>> {
        self.0.borrow().get(&id).cloned()
    }

    /// Keeps a type for a while, and gives it back shared.
    pub fn keep(&self, id: TypeId, ty: Type) -> Rc<Type> {
        let ty = Rc::new(ty);
        let mut kept = self.0.borrow_mut();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(id, Rc::clone(&ty));
        ty
    }
}
