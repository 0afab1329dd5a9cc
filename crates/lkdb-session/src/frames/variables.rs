//! Variables of a frame: what its blocks declare, where that is now, and what parameters were at the entry.
//!
//! How values are printed is not here.

use lkdb_base::LinkAddr;
use lkdb_symbols::dwarf::{Block, Declaration, DeclarationKind, Dwarf, LocationDescription};
use lkdb_symbols::types::{Base, Encoding, Type};
use lkdb_symbols::{DwarfRegister, Gone, Object, Place, TypeId, TypeSource as _};
use lkdb_unwind::{Frame, Scene};
use lkdb_value::{Named as Meaning, Value};

use super::Row;
use crate::{Result, Session};

/// A variable or parameter of a frame.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value: where that is, or why it is gone.
    pub value: Value,
    /// What it was when the function was entered: of parameters, where the call site tells.
    pub at_entry: Option<Value>,
}

impl<'d> Session<'d> {
    /// The blocks of a row, innermost first: those of its function, without the functions that are inlined into it
    /// and without the one that it is inlined into. None without debug info.
    ///
    /// # Errors
    /// When the debug info is damaged.
    pub fn blocks_of(&self, row: &Row) -> Result<Vec<Block<'d>>> {
        let Some((_, dwarf, address)) = self.object_of(row) else { return Ok(Vec::new()) };
        let Some(scopes) = dwarf.scopes_at(address)? else { return Ok(Vec::new()) };
        let mut own = Vec::new();
        for block in scopes.at(address) {
            own.push(block.clone());
            let ends = block.inlined.is_some() || block.parent.is_none();
            let found = match row.inlined {
                Some(inlined) => block.die == inlined.die,
                None => block.parent.is_none(),
            };
            if found {
                return Ok(own);
            }
            if ends {
                own.clear();
            }
        }
        Ok(Vec::new())
    }

    fn object_of(&self, row: &Row) -> Option<(&Object<'d>, &Dwarf<'d>, LinkAddr)> {
        let place = row.place?;
        let object = self.symbols().object(place.object)?;
        Some((object, object.dwarf()?, place.address))
    }

    /// The parameters of a frame, in the source's order; none where the function has no debug info.
    ///
    /// # Errors
    /// When there is no such frame, or the debug info is damaged.
    pub fn parameters(&self, level: usize) -> Result<Option<Vec<Variable>>> {
        let row = self.frame(level)?;
        let blocks = self.blocks_of(&row)?;
        let Some(function) = blocks.last() else { return Ok(None) };
        let frames = self.frames_from(level)?;
        let is_parameter = |one: &&Declaration<'d>| matches!(one.kind, DeclarationKind::Parameter(_));
        let all = function.symbols.iter().filter(is_parameter);
        Ok(Some(all.filter_map(|one| self.variable(&row, &frames, one)).collect()))
    }

    /// The variables of a frame, those of the innermost block first; none where the function has no debug info.
    ///
    /// # Errors
    /// As [`Session::parameters`].
    pub fn locals(&self, level: usize) -> Result<Option<Vec<Variable>>> {
        let row = self.frame(level)?;
        let blocks = self.blocks_of(&row)?;
        if blocks.is_empty() {
            return Ok(None);
        }
        let frames = self.frames_from(level)?;
        let address = Base { name: "unsigned long".into(), size: 8, encoding: Encoding::Unsigned };
        let address = self.symbols().make(Type::Base(address));
        let mut found = Vec::new();
        for block in &blocks {
            for one in block.listed() {
                match &one.kind {
                    DeclarationKind::Variable(location) if *location != LocationDescription::Unresolved => {
                        found.extend(self.variable(&row, &frames, one));
                    }
                    // As gdb lists it: a name without a place.
                    DeclarationKind::Label(None) => found.push(Variable {
                        name: one.name.to_owned(),
                        value: Value::at(address, Place::Gone(Gone::OptimizedOut)),
                        at_entry: None,
                    }),
                    _ => {}
                }
            }
        }
        Ok(Some(found))
    }

    fn variable(&self, row: &Row, frames: &[Frame], declared: &Declaration<'d>) -> Option<Variable> {
        let (object, dwarf, _) = self.object_of(row)?;
        let ty = declared_type(dwarf, declared);
        let (DeclarationKind::Parameter(location) | DeclarationKind::Variable(location)) = &declared.kind
        else {
            return None;
        };
        let scene = self.scene(frames)?;
        let size = self.symbols().size(ty).ok();
        let value = Value::at(ty, scene.place(object, location, size));
        let is_parameter = matches!(declared.kind, DeclarationKind::Parameter(_));
        let function = || dwarf.function_at(row.place?.address).ok()?;
        let entry = is_parameter.then(function).flatten().map(|function| function.entry);
        let at_entry = entry.and_then(|entry| self.at_entry(&scene, object, entry, location, ty));
        Some(Variable { name: declared.name.to_owned(), value, at_entry })
    }

    /// What a parameter was at the entry of the function that has a frame, not of the one that is inlined there:
    /// known when it was passed in a register, and the call site tells.
    fn at_entry(
        &self,
        scene: &Scene<'_, 'd>,
        object: &Object<'d>,
        entry: LinkAddr,
        location: &LocationDescription<'d>,
        ty: TypeId,
    ) -> Option<Value> {
        let expression = object.dwarf()?.expression_at(location, entry).ok()??;
        let bytes = scene.at_entry(object, &expression)?;
        let size = usize::try_from(self.symbols().size(ty).ok()?).ok()?;
        Some(Value::literal(ty, bytes.get(..size)?))
    }

    fn scene<'s>(&'s self, frames: &'s [Frame]) -> Option<Scene<'s, 'd>> {
        let live = self.live().ok()?;
        Some(Scene { arch: live.arch(), memory: live.memory(), symbols: self.symbols(), frames })
    }

    /// The language a row's code is written in; none without debug info.
    #[must_use]
    pub fn language_of(&self, row: &Row) -> Option<&'static str> {
        let (_, dwarf, address) = self.object_of(row)?;
        let unit = dwarf.unit(dwarf.unit_at(address).ok()??).ok()?;
        Some(if unit.is_assembly() { "asm" } else { "c" })
    }

    /// What a name means in the blocks of the selected frame.
    pub(crate) fn named_in_frame(&self, name: &str) -> Option<Meaning> {
        let level = self.selected_frame();
        let row = self.frame(level).ok()?;
        let blocks = self.blocks_of(&row).ok()?;
        let (_, dwarf, _) = self.object_of(&row)?;
        meaning_in(dwarf, &blocks, name, |declared| {
            let value = self.variable(&row, &self.frames_from(level).ok()?, declared)?.value;
            Some(Meaning::Variable(value.ty, value.place))
        })
    }

    /// What gdb calls the address of a frame's arguments and locals, from before call frame information: by the
    /// function's first instructions, the frame pointer or the word below the stack pointer.
    #[must_use]
    pub fn old_base(&self, frame: &Frame) -> Option<u64> {
        let arch = self.arch()?;
        let frames = arch.frames;
        let pc = frame.pc.address();
        let place = self.symbols().locate(frame.pc.lookup())?;
        let object = self.symbols().object(place.object)?;
        let (nearest, _) = object.symbol_at(place.address)?;
        let start = object.runtime(nearest.symbol.address)?;
        let code = object.bytes_at(nearest.symbol.address)?;
        let done = usize::try_from(pc.0.checked_sub(start.0)?).unwrap_or(usize::MAX);
        let sp = frame.registers.get(frames.stack_pointer);
        let executed = code.get(..done.min(code.len()))?;
        if (arch.prologue.frame_setup)(executed) > 0 {
            return frame.registers.get(frames.frame_pointer);
        }
        let below = if frames.call_pushes && !(arch.prologue.saves_frame)(executed) { 8 } else { 0 };
        sp.map(|sp| sp.wrapping_sub(below))
    }

    /// The unit that the selected frame's code is of.
    pub(crate) fn unit_of_frame(&self) -> Option<(lkdb_symbols::ObjectId, lkdb_symbols::dwarf::UnitId)> {
        let row = self.frame(self.selected_frame()).ok()?;
        let (object, dwarf, address) = self.object_of(&row)?;
        Some((object.id, dwarf.unit_at(address).ok()??))
    }

    /// Does something while another frame is the selected one: its registers count meanwhile.
    pub fn within_frame<T>(&self, level: usize, work: impl FnOnce() -> T) -> T {
        let before = self.frames.selected.replace(level);
        let result = work();
        self.frames.selected.set(before);
        result
    }

    /// The bytes of a register of the selected frame.
    pub(crate) fn frame_register(&self, register: DwarfRegister) -> Result<[u8; 8], Gone> {
        let level = self.selected_frame();
        let row = self.frame(level).map_err(|_| Gone::NoFrame)?;
        let stack = self.stack(level + 1).map_err(|_| Gone::NoFrame)?;
        let frame = stack.frames.get(row.physical).ok_or(Gone::NoFrame)?;
        frame.register(register).map(u64::to_le_bytes)
    }
}

/// What a name means in some blocks, the innermost first; of a variable or parameter `variable` says it.
pub(crate) fn meaning_in<'b, 'd: 'b>(
    dwarf: &Dwarf<'d>,
    blocks: impl IntoIterator<Item = &'b Block<'d>>,
    name: &str,
    variable: impl Fn(&'b Declaration<'d>) -> Option<Meaning>,
) -> Option<Meaning> {
    for block in blocks {
        for declared in block.symbols.iter().filter(|declared| declared.name == name) {
            match &declared.kind {
                DeclarationKind::Variable(LocationDescription::Unresolved)
                | DeclarationKind::Label(_)
                | DeclarationKind::Tag
                | DeclarationKind::Function(_) => {}
                DeclarationKind::Variable(_) | DeclarationKind::Parameter(_) => {
                    return variable(declared);
                }
                DeclarationKind::Typedef => return Some(Meaning::Type(dwarf.type_id(declared.die).ok()?)),
                DeclarationKind::Enumerator(value) => {
                    return Some(Meaning::Enumerator(declared_type(dwarf, declared), i128::from(*value)));
                }
            }
        }
    }
    None
}

/// The type that a declaration gives.
pub(crate) fn declared_type(dwarf: &Dwarf<'_>, declared: &Declaration<'_>) -> TypeId {
    declared.ty.and_then(|ty| dwarf.type_id(ty).ok()).unwrap_or(TypeId::Void)
}

/// A place's words for a variable that is gone: for data, where users read why.
#[must_use]
pub fn why_gone(place: &Place) -> Option<String> {
    let Place::Gone(gone) = place else { return None };
    Some(match gone {
        Gone::OptimizedOut => "the compiler describes no place for it here".to_owned(),
        Gone::NotHere => "it has no place at this address".to_owned(),
        Gone::NoSymbol(name) => format!("there is no symbol `{name}'"),
        Gone::Clobbered(register) => {
            format!("it was in register {}, which a callee may have overwritten", register.0)
        }
        Gone::EntryValue(register) => {
            format!(
                "it is what register {} was at the function's entry, and the call does not tell",
                register.0
            )
        }
        Gone::NoFrame => "there is no frame".to_owned(),
        Gone::Unreadable(address) => format!("its description goes through memory at {address}, unreadable"),
        Gone::Description(why) => why.to_string(),
        _ => return None,
    })
}

/// Whether a type is one that `print frame-arguments scalars` shows.
///
/// # Errors
/// When the type cannot be read.
pub fn is_scalar(session: &Session<'_>, ty: TypeId) -> Result<bool> {
    let bare = session.symbols().resolved(ty)?;
    Ok(!matches!(&*bare.ty, Type::Array { .. } | Type::Composite(_)))
}

/// Whether a name is a variable of a block that is gone with its frame; none where the block has no such variable.
pub(crate) fn ends_with_frame(block: &Block<'_>, name: &str) -> Option<bool> {
    let mut all = block.symbols.iter().filter(|declared| declared.name == name);
    let location = all.find_map(|declared| match &declared.kind {
        DeclarationKind::Variable(LocationDescription::Unresolved) => None,
        DeclarationKind::Variable(at) | DeclarationKind::Parameter(at) => Some(at),
        _ => None,
    })?;
    Some(!matches!(location, LocationDescription::Static(_) | LocationDescription::Constant(_)))
}
