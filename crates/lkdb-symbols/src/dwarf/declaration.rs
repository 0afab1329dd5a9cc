//! Declarations: what a DIE in a block, or at a unit's top, gives a name to.

use std::rc::Rc;

use gimli::constants;
use lkdb_base::LinkAddr;

use super::{DieRef, Dwarf, Entry, Error, LocationDescription, Unit, UnitId};

/// Something with a name in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration<'d> {
    /// The name.
    pub name: &'d str,
    /// What it names.
    pub kind: DeclarationKind<'d>,
    /// Its DIE.
    pub die: DieRef,
    /// The DIE of its type; none for `void` and for what has none.
    pub ty: Option<DieRef>,
}

/// What a name in a block names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclarationKind<'d> {
    /// A parameter of the function, or of the inlined function.
    Parameter(LocationDescription<'d>),
    /// A variable; also a static one.
    Variable(LocationDescription<'d>),
    /// A label; no address where its code is gone.
    Label(Option<LinkAddr>),
    /// A typedef.
    Typedef,
    /// A struct, union or enum.
    Tag,
    /// A value of an enum.
    Enumerator(i64),
    /// The inlined function itself, within its own block.
    Function(LinkAddr),
}

impl<'d> Dwarf<'d> {
    /// Every variable at the top of a unit: its statics and what it defines or declares for others.
    ///
    /// # Errors
    /// When the unit's DIEs are damaged.
    pub fn variables(&self, unit: UnitId) -> Result<Vec<Declaration<'d>>, Error> {
        let unit = self.unit(unit)?;
        let mut found = Vec::new();
        unit.children(unit.header.root_offset(), |entry| {
            if entry.tag() == constants::DW_TAG_variable {
                found.extend(self.declaration(&unit, entry)?);
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// What a DIE in a block, or at a unit's top, declares; none for what has no name.
    ///
    /// # Errors
    /// When the DIE or one it refers to is damaged.
    pub fn declaration(
        &self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
    ) -> Result<Option<Declaration<'d>>, Error> {
        let kind = match entry.tag() {
            constants::DW_TAG_variable | constants::DW_TAG_constant => {
                DeclarationKind::Variable(self.location_of(unit, entry)?)
            }
            constants::DW_TAG_formal_parameter => {
                DeclarationKind::Parameter(self.parameter_location(unit, entry)?)
            }
            constants::DW_TAG_label => {
                let low = self.attribute(unit, entry, constants::DW_AT_low_pc)?;
                let address = low.map(|low| low.unit.address(self.sections(), low.value)).transpose()?;
                DeclarationKind::Label(address.flatten().map(LinkAddr))
            }
            constants::DW_TAG_typedef | constants::DW_TAG_base_type | constants::DW_TAG_subrange_type => {
                DeclarationKind::Typedef
            }
            constants::DW_TAG_structure_type
            | constants::DW_TAG_union_type
            | constants::DW_TAG_enumeration_type
            | constants::DW_TAG_class_type => DeclarationKind::Tag,
            constants::DW_TAG_enumerator => {
                let value = entry.attr_value(constants::DW_AT_const_value);
                let number = value.and_then(|value| value.sdata_value());
                let large = value.and_then(|value| value.udata_value()).map(u64::cast_signed);
                DeclarationKind::Enumerator(number.or(large).unwrap_or(0))
            }
            _ => return Ok(None),
        };
        let dropped = LocationDescription::Static(LinkAddr(0));
        if kind == DeclarationKind::Variable(dropped) && self.sections().nothing_at_zero() {
            return Ok(None);
        }
        // A declaration of a variable elsewhere is only known by its external definition.
        if matches!(kind, DeclarationKind::Variable(LocationDescription::OptimizedOut))
            && self.flag_of(unit, entry, constants::DW_AT_declaration)?
        {
            return Ok(None);
        }
        let Some(name) = self.name_of(unit, entry)? else { return Ok(None) };
        let die = DieRef { unit: unit.id, offset: entry.offset() };
        Ok(Some(Declaration { name, kind, die, ty: self.type_of(unit, entry)? }))
    }

    /// A parameter is never external, and its place counts less than a constant value.
    fn parameter_location(
        &self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
    ) -> Result<LocationDescription<'d>, Error> {
        match self.location_of(unit, entry)? {
            LocationDescription::Unresolved => Ok(LocationDescription::OptimizedOut),
            location => Ok(location),
        }
    }
}
