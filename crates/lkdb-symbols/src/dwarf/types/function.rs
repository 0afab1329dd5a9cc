//! Functions: of pointers to them, and of their own DIEs.

use std::rc::Rc;

use gimli::constants;

use super::flag;
use crate::dwarf::{Dwarf, Entry, Error, Unit};
use crate::types::{Function, Parameter};

impl<'d> Dwarf<'d> {
    /// A function as its own DIE tells it: an instance lists its parameters itself, and they name their
    /// types by the DIEs they are instances of.
    pub(super) fn function(&self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>) -> Result<Function, Error> {
        let (mut parameters, mut variadic) = (Vec::new(), false);
        unit.children(entry.offset(), |child| {
            match child.tag() {
                constants::DW_TAG_formal_parameter => parameters.push(self.parameter(unit, child)?),
                constants::DW_TAG_unspecified_parameters => variadic = true,
                _ => {}
            }
            Ok(true)
        })?;
        let prototyped =
            self.inherited(unit, entry, |_, entry| flag(entry, constants::DW_AT_prototyped).then_some(()))?;
        Ok(Function {
            result: self.type_of(unit, entry)?,
            parameters: parameters.into(),
            variadic,
            prototyped: prototyped.is_some(),
        })
    }

    fn parameter(&self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>) -> Result<Parameter, Error> {
        let name =
            self.inherited(unit, entry, |unit, entry| unit.name_of(self.sections(), entry).ok().flatten())?;
        Ok(Parameter { name: name.map(Rc::from), ty: self.type_of(unit, entry)? })
    }
}
