//! What a parameter was when its function was entered, from what the call site says it passes.
//!
//! The call must be the one that led here: a function may have been reached by a jump of the one that was called, with
//! other parameters. That is known when the call site names the function, or its target comes to it.

use std::cell::Cell;

use gimli::constants::{DW_OP_reg0, DW_OP_reg31, DW_OP_regx};
use lkdb_symbols::dwarf::{CallParameter, CallSite, DieRef, Expression};
use lkdb_symbols::{DwarfRegister, Gone, Object};

use super::machine::Machine;
use super::{Depth, MOST, Scene, damaged, dwarf};
use crate::frame::{CodeAddress, Frame};

impl<'d> Scene<'_, 'd> {
    /// What the register that a parameter was passed in was at the function's entry, by the parameter's location
    /// there. None when it was not passed in a register, or the call does not tell.
    #[must_use]
    pub fn at_entry(&self, object: &Object<'d>, location: &Expression<'d>) -> Option<[u8; 8]> {
        let register = match location.bytes {
            [op] => (DW_OP_reg0.0..=DW_OP_reg31.0).contains(op),
            [op, number] => *op == DW_OP_regx.0 && *number < 0x80,
            _ => false,
        };
        let fuel = Cell::new(MOST);
        let depth = Depth { level: 0, fuel: &fuel };
        let machine = Machine { scene: self, object, expression: location, depth };
        let value = register.then(|| machine.entry_value(location.bytes))?;
        value.ok().map(u64::to_le_bytes)
    }
}

impl<'d> Machine<'_, '_, 'd> {
    /// The value at entry of what an expression names: a register.
    pub(super) fn entry_value(&self, of: &[u8]) -> Result<u64, Gone> {
        let unknown = Gone::EntryValue(DwarfRegister(named(of)));
        let found = self.passed(|parameter| parameter.location.is_some_and(|location| location.bytes == of));
        found.and_then(|value| value.ok_or(unknown.clone())).map_err(|why| match why {
            Gone::Description(_) => why,
            _ => unknown,
        })
    }

    /// The value of a parameter that is passed nowhere.
    pub(super) fn parameter_value(&self, die: DieRef) -> Result<u64, Gone> {
        let found = self.passed(|parameter| parameter.parameter == Some(die))?;
        found.ok_or(Gone::OptimizedOut)
    }

    /// The value of the parameter that `wanted` chooses, evaluated in the caller's frame.
    fn passed(&self, wanted: impl Fn(&CallParameter<'d>) -> bool) -> Result<Option<u64>, Gone> {
        let frame = self.frame()?;
        let Some(scene) = self.scene.caller() else { return Ok(None) };
        let Some(caller) = scene.frames.first() else { return Ok(None) };
        // An interrupted function passes nothing.
        let CodeAddress::Return(returns_to) = caller.pc else { return Ok(None) };
        let Some(object) = scene.object_at(caller.pc.lookup()) else { return Ok(None) };
        let Some(link) = object.link(returns_to) else { return Ok(None) };
        let Some(site) = dwarf(object)?.call_site(link).map_err(damaged)? else { return Ok(None) };
        if !self.leads_here(&scene, object, &site, frame)? {
            return Ok(None);
        }
        let Some(parameter) = site.parameters.iter().find(|parameter| wanted(parameter)) else {
            return Ok(None);
        };
        let Some(value) = parameter.value else { return Ok(None) };
        scene.number(object, &value, self.depth.deeper()?).map(Some)
    }

    /// Whether a call is of the function that the frame is in.
    fn leads_here(
        &self,
        scene: &Scene<'_, 'd>,
        caller: &Object<'d>,
        site: &CallSite<'d>,
        frame: &Frame,
    ) -> Result<bool, Gone> {
        let own = dwarf(self.object)?;
        let Some(here) = self.object.link(frame.pc.lookup()) else { return Ok(false) };
        let Some(function) = own.function_at(here).map_err(damaged)? else { return Ok(false) };
        // The call's parameters may be those of an earlier round.
        if self.object.may_come_back(function.entry).map_err(damaged)? {
            return Ok(false);
        }
        if let Some(callee) = site.callee {
            let dwarf = dwarf(caller)?;
            if caller.id == self.object.id
                && dwarf.root_origin(callee).map_err(damaged)?
                    == own.root_origin(function.die).map_err(damaged)?
            {
                return Ok(true);
            }
            // A declaration in another unit, or a weak function that the linker has passed over: by name.
            let (unit, entry) = dwarf.entry(callee).map_err(damaged)?;
            let bound =
                || self.object.symbols_named(function.name).iter().all(|one| one.address == function.entry);
            let weak = dwarf.function(callee).map_err(damaged)?.is_some();
            let named = dwarf.linkage_name_of(&unit, &entry).map_err(damaged)? == Some(function.name);
            return Ok(named && (!weak || bound()));
        }
        let Some(target) = site.target else { return Ok(false) };
        let depth: Depth<'_> = self.depth.deeper()?;
        let called = scene.number(caller, &target, depth).ok();
        Ok(called.is_some() && called == self.object.runtime(function.entry).map(|entry| entry.0))
    }
}

/// The register that an entry value is of; 0 for what is none.
fn named(expression: &[u8]) -> u16 {
    match expression {
        [op, ..] if (DW_OP_reg0.0..=DW_OP_reg31.0).contains(op) => u16::from(op - DW_OP_reg0.0),
        [op, number, ..] if *op == DW_OP_regx.0 => u16::from(*number & 0x7f),
        _ => 0,
    }
}
