//! Arrays: one DIE with a child for each dimension.

use std::rc::Rc;

use gimli::constants;

use super::{flag, number};
use crate::dwarf::{Dwarf, Entry, Error, Unit};
use crate::types::{Count, MadeTypes, Type, TypeId};

/// More dimensions than any C code has.
const DIMENSIONS: usize = 64;

impl<'d> Dwarf<'d> {
    pub(super) fn array_type(
        &self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
        made: &MadeTypes,
    ) -> Result<Type, Error> {
        let mut counts = Vec::new();
        unit.children(entry.offset(), |child| {
            if child.tag() == constants::DW_TAG_subrange_type {
                counts.push(count(child));
            }
            Ok(counts.len() < DIMENSIONS)
        })?;
        let vector = flag(entry, constants::DW_AT_GNU_vector);
        let mut element: TypeId = self.type_id_of(unit, entry)?;
        let mut counts = counts.into_iter();
        let outer = counts.next().unwrap_or(Count::Open);
        for count in counts.rev() {
            element = made.make(Type::Array { element, count, vector });
        }
        Ok(Type::Array { element, count: outer, vector })
    }
}

/// How many elements a dimension has. An upper bound of −1 is how some compilers write `[0]`.
fn count(subrange: &Entry<'_>) -> Count {
    if let Some(value) = subrange.attr_value(constants::DW_AT_count) {
        return number(&value).map_or(Count::Variable, |count| match u64::try_from(count) {
            Ok(count) => Count::Fixed(count),
            Err(_) => Count::Open,
        });
    }
    let Some(value) = subrange.attr_value(constants::DW_AT_upper_bound) else { return Count::Open };
    let lower = subrange.attr_value(constants::DW_AT_lower_bound);
    let lower = lower.as_ref().and_then(number).unwrap_or(0);
    number(&value).map_or(Count::Variable, |upper| {
        Count::Fixed(u64::try_from(upper.saturating_sub(lower).saturating_add(1)).unwrap_or(0))
    })
}
