//! Types that expressions make: the pointer of `&x`, the target of a cast, `int` itself.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::{Type, TypeError, TypeId};

/// Every type made in a session, each once.
#[derive(Debug, Default)]
pub struct MadeTypes {
    types: RefCell<Vec<Rc<Type>>>,
    numbers: RefCell<HashMap<Rc<Type>, u32>>,
}

impl MadeTypes {
    /// The number of a type; the same for the same type.
    pub fn make(&self, ty: Type) -> TypeId {
        if ty == Type::Void {
            return TypeId::Void;
        }
        if let Some(number) = self.numbers.borrow().get(&ty) {
            return TypeId::Made(*number);
        }
        let ty = Rc::new(ty);
        let mut types = self.types.borrow_mut();
        // 4 billion of them do not fit in memory.
        let number = u32::try_from(types.len()).unwrap_or(u32::MAX);
        types.push(Rc::clone(&ty));
        self.numbers.borrow_mut().insert(ty, number);
        TypeId::Made(number)
    }

    /// What was made under a number.
    ///
    /// # Errors
    /// [`TypeError::Unknown`] for a number that was not given out here.
    pub fn get(&self, id: TypeId) -> Result<Rc<Type>, TypeError> {
        let TypeId::Made(number) = id else { return Err(TypeError::Unknown(id)) };
        let types = self.types.borrow();
        types.get(number as usize).cloned().ok_or(TypeError::Unknown(id))
    }
}
