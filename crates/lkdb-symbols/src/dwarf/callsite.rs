//! Call sites: what a caller passes and whom it calls, by return address.
//!
//! From these come the values that parameters had at a function's entry (`DW_OP_entry_value`), and the
//! functions that jumped on to others instead of calling them (tail calls). DWARF 5's tags and GNU's
//! earlier ones mean the same.

use gimli::{AttributeValue, UnitOffset, constants};
use lkdb_base::LinkAddr;

use super::{DieRef, Dwarf, Entry, Error, Expression, Function, Unit};

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSite<'d> {
    /// Its DIE.
    pub die: DieRef,
    /// The address behind the call.
    pub returns_to: LinkAddr,
    /// It is a jump: the callee returns to the caller's caller.
    pub tail: bool,
    /// The function that is called, where that is fixed: its DIE, often a declaration.
    pub callee: Option<DieRef>,
    /// For a call through a pointer: how the callee's address is found.
    pub target: Option<Expression<'d>>,
    /// What is passed.
    pub parameters: Vec<CallParameter<'d>>,
}

/// What is passed in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallParameter<'d> {
    /// Where the callee finds it: a register, or a place on the stack.
    pub location: Option<Expression<'d>>,
    /// The parameter's DIE instead, for parameters that are passed nowhere (`DW_OP_GNU_parameter_ref`).
    pub parameter: Option<DieRef>,
    /// Its value, in terms of the caller's frame.
    pub value: Option<Expression<'d>>,
    /// What it points to.
    pub pointee: Option<Expression<'d>>,
}

impl<'d> Dwarf<'d> {
    /// The call that returns to `address`; none where the compiler does not tell.
    ///
    /// # Errors
    /// When the caller's DIEs are damaged.
    pub fn call_site(&self, address: LinkAddr) -> Result<Option<CallSite<'d>>, Error> {
        // The call is what comes before: its return address may be behind the function's end.
        let before = LinkAddr(address.0.wrapping_sub(1));
        let Some(function) = self.function_at(before)? else { return Ok(None) };
        let sites = self.call_sites(&function)?;
        Ok(sites.into_iter().find(|site| site.returns_to == address))
    }

    /// Every call in a function, those in its inlined parts included.
    ///
    /// # Errors
    /// When its DIEs are damaged.
    pub fn call_sites(&self, function: &Function<'d>) -> Result<Vec<CallSite<'d>>, Error> {
        let mut found = self.sites_in(function.die)?;
        // GCC 12 leaves some in the abstract instance, where no inlined copy can be meant by an address.
        let abstract_instance = self.root_origin(function.die)?;
        if abstract_instance != function.die {
            let calls = |site: &CallSite<'_>| {
                let call = site.returns_to.0.wrapping_sub(1);
                function.ranges.iter().any(|range| (range.begin..range.end).contains(&call))
            };
            found.extend(self.sites_in(abstract_instance)?.into_iter().filter(calls));
        }
        Ok(found)
    }

    /// Those among the descendants of a DIE.
    fn sites_in(&self, function: DieRef) -> Result<Vec<CallSite<'d>>, Error> {
        let unit = self.unit(function.unit)?;
        let wrong = |why| unit.wrong(why);
        let mut entries = unit.entries(Some(function.offset))?;
        let mut entry = Entry::null();
        let mut found = Vec::new();
        loop {
            if entries.is_empty() {
                break;
            }
            let here = entries.next_offset();
            let Some(abbreviation) = entries.read_abbreviation().map_err(wrong)? else {
                if entries.next_depth() <= 0 {
                    break;
                }
                continue;
            };
            let call =
                matches!(abbreviation.tag(), constants::DW_TAG_call_site | constants::DW_TAG_GNU_call_site);
            if !call {
                entries.skip_attributes(abbreviation.attributes()).map_err(wrong)?;
            } else {
                let mut again = unit.entries(Some(here))?;
                again.read_entry(&mut entry).map_err(wrong)?;
                entries.skip_attributes(abbreviation.attributes()).map_err(wrong)?;
                found.extend(self.site(&unit, &entry, here)?);
            }
            if entries.next_depth() <= 0 {
                break;
            }
        }
        Ok(found)
    }

    fn site(
        &self,
        unit: &Unit<'d>,
        entry: &Entry<'d>,
        offset: UnitOffset,
    ) -> Result<Option<CallSite<'d>>, Error> {
        let first = |names: &[gimli::DwAt]| names.iter().find_map(|name| entry.attr_value(*name));
        let returns = first(&[constants::DW_AT_call_return_pc, constants::DW_AT_low_pc]);
        let Some(returns) = returns else { return Ok(None) };
        let Some(returns_to) = unit.address(self.sections(), returns)? else { return Ok(None) };
        let tail = first(&[constants::DW_AT_call_tail_call, constants::DW_AT_GNU_tail_call]);
        let callee = first(&[constants::DW_AT_call_origin, constants::DW_AT_abstract_origin]);
        let target = first(&[
            constants::DW_AT_call_target,
            constants::DW_AT_GNU_call_site_target,
            constants::DW_AT_call_target_clobbered,
            constants::DW_AT_GNU_call_site_target_clobbered,
        ]);
        let units = self.units()?;
        let mut parameters = Vec::new();
        unit.children(offset, |child| {
            let tag = child.tag();
            if tag == constants::DW_TAG_call_site_parameter
                || tag == constants::DW_TAG_GNU_call_site_parameter
            {
                parameters.push(self.parameter(unit, child)?);
            }
            Ok(true)
        })?;
        Ok(Some(CallSite {
            die: DieRef { unit: unit.id, offset },
            returns_to: LinkAddr(returns_to),
            tail: matches!(tail, Some(AttributeValue::Flag(true))),
            callee: callee.and_then(|callee| unit.reference(units, callee)),
            target: target.and_then(|target| expression(unit, target)),
            parameters,
        }))
    }

    fn parameter(&self, unit: &Unit<'d>, entry: &Entry<'d>) -> Result<CallParameter<'d>, Error> {
        let get = |names: [gimli::DwAt; 2]| names.into_iter().find_map(|name| entry.attr_value(name));
        let value = get([constants::DW_AT_call_value, constants::DW_AT_GNU_call_site_value]);
        let pointee = get([constants::DW_AT_call_data_value, constants::DW_AT_GNU_call_site_data_value]);
        let which = get([constants::DW_AT_call_parameter, constants::DW_AT_abstract_origin]);
        let location = entry.attr_value(constants::DW_AT_location);
        let units = self.units()?;
        Ok(CallParameter {
            location: location.and_then(|location| expression(unit, location)),
            parameter: which.and_then(|which| unit.reference(units, which)),
            value: value.and_then(|value| expression(unit, value)),
            pointee: pointee.and_then(|pointee| expression(unit, pointee)),
        })
    }
}

fn expression<'d>(unit: &Unit<'d>, value: AttributeValue<super::Reader<'d>>) -> Option<Expression<'d>> {
    match value {
        AttributeValue::Exprloc(expression) => Some(unit.expression(expression.0.slice())),
        AttributeValue::Block(bytes) => Some(unit.expression(bytes.slice())),
        _ => None,
    }
}
