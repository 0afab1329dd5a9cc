//! What a function returned: its value, where its architecture's calling convention puts it.

use lkdb_symbols::types::{Encoding, Type};
use lkdb_symbols::{Place, TypeId, TypeSource as _};
use lkdb_value::Value;

use crate::Session;
use crate::frames::Row;

impl Session<'_> {
    /// The type that a row's function returns; none for `void`, for inlined functions, and without debug info.
    #[must_use]
    pub fn result_type(&self, row: &Row) -> Option<TypeId> {
        let place = row.place.filter(|_| row.inlined.is_none())?;
        let dwarf = self.symbols().object(place.object)?.dwarf()?;
        let function = dwarf.function_at(place.address).ok()??;
        let ty = dwarf.type_id(function.die).ok()?;
        let Type::Function(function) = &*self.symbols().get(ty).ok()? else { return None };
        let result = function.result;
        let void = matches!(&*self.symbols().resolved(result).ok()?.ty, Type::Void);
        (!void).then_some(result)
    }

    /// The value of this type that a function has just returned to the innermost frame; none where the convention
    /// does not tell where it is.
    #[must_use]
    pub fn returned(&self, ty: TypeId) -> Option<Value> {
        let arch = self.arch()?;
        let size = usize::try_from(self.symbols().size(ty).ok()?).ok()?;
        let stack = self.stack(1).ok()?;
        let registers = stack.frames.first()?.registers.clone();
        let returns = &arch.frames.returns;
        if size > returns.registers.len() * 8 {
            let at = registers.get(returns.address?)?;
            return Some(Value::at(ty, Place::Memory(lkdb_base::RuntimeAddr(at))));
        }
        if !self.is_whole(ty, 8) {
            return None;
        }
        let mut bytes = Vec::new();
        for register in returns.registers.iter().take(size.div_ceil(8)) {
            bytes.extend(registers.get(*register)?.to_le_bytes());
        }
        bytes.truncate(size);
        Some(Value::literal(ty, bytes))
    }

    /// Whether all of a type goes through general registers: no floating point is in it.
    fn is_whole(&self, ty: TypeId, levels: u32) -> bool {
        let Some((levels, bare)) = levels.checked_sub(1).zip(self.symbols().resolved(ty).ok()) else {
            return false;
        };
        match &*bare.ty {
            Type::Base(base) => !matches!(base.encoding, Encoding::Float | Encoding::Complex),
            Type::Array { element, .. } => self.is_whole(*element, levels),
            Type::Composite(one) => one.members.iter().all(|member| self.is_whole(member.ty, levels)),
            _ => true,
        }
    }
}
