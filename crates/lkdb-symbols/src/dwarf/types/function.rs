//! Functions: of pointers to them, and of their own DIEs.

use std::rc::Rc;

use gimli::constants;

use crate::dwarf::{Dwarf, Entry, Error, Unit};
use crate::types::{Function, Parameter};

impl<'d> Dwarf<'d> {
    /// A function as its own DIE tells it: an instance lists its parameters itself, and they name their
    /// types by the DIEs they are instances of.
    pub(super) fn function_type(&self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>) -> Result<Function, Error> {
        let (mut parameters, mut variadic) = (Vec::new(), false);
        unit.children(entry.offset(), |child| {
            match child.tag() {
                constants::DW_TAG_formal_parameter => parameters.push(self.parameter_type(unit, child)?),
                constants::DW_TAG_unspecified_parameters => variadic = true,
                _ => {}
            }
            Ok(true)
        })?;
        Ok(Function {
            result: self.type_id_of(unit, entry)?,
            parameters: parameters.into(),
            variadic,
            // Only C knows functions without a prototype; others do not say that theirs have one.
            prototyped: !unit.is_c() || self.flag_of(unit, entry, constants::DW_AT_prototyped)?,
        })
    }

    fn parameter_type(&self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>) -> Result<Parameter, Error> {
        let name = self.name_of(unit, entry)?;
        Ok(Parameter { name: name.map(Rc::from), ty: self.type_id_of(unit, entry)? })
    }
}
