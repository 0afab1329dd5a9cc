//! How the blocks of a function are made of its DIEs and those of the functions inlined in it.

use std::collections::HashSet;
use std::rc::Rc;

use gimli::{DwTag, Range, UnitOffset, constants};
use lkdb_base::LinkAddr;

use super::{
    Block, Declaration, DeclarationKind, DieRef, Dwarf, Entry, Error, Function, Inlined, Unit, UnitId,
};

/// How deep blocks nest that are looked at.
const DEEPEST: u32 = 128;

/// How many DIEs one function's blocks are made of at most: more than the largest functions have, and an
/// end to damaged ones whose abstract instances contain each other.
const MOST: u32 = 1 << 20;

/// The blocks of a function of `unit`, each behind the one it is in.
pub(super) fn of<'d>(
    dwarf: &Dwarf<'d>,
    unit: &Rc<Unit<'d>>,
    function: &Function<'d>,
) -> Result<Vec<Block<'d>>, Error> {
    let entry = unit.entry(function.die.offset)?;
    let mut builder = Builder { dwarf, blocks: Vec::new(), busy: HashSet::new(), left: MOST };
    builder.blocks.push(Block {
        parent: None,
        die: function.die,
        ranges: Rc::clone(&function.ranges),
        inlined: None,
        symbols: Vec::new(),
    });
    builder.children(unit, &entry, Level { block: 0, depth: 0 })?;
    Ok(builder.finish())
}

/// Makes the blocks of one function.
struct Builder<'a, 'd> {
    dwarf: &'a Dwarf<'d>,
    blocks: Vec<Block<'d>>,
    /// DIEs whose children are being looked at: an abstract instance can be its own part when damaged.
    busy: HashSet<DieRef>,
    /// How many DIEs may still be looked at.
    left: u32,
}

/// How far inside the function a DIE is.
#[derive(Clone, Copy)]
struct Level {
    /// The block that it is in.
    block: usize,
    /// How many DIEs are around it.
    depth: u32,
}

impl Level {
    /// For the children of a DIE here, which belong to `block`.
    fn deeper(self, block: usize) -> Self {
        Self { block, depth: self.depth + 1 }
    }
}

impl<'d> Builder<'_, 'd> {
    /// Puts the children of a DIE into a block, and those of its abstract instance that none of them is.
    fn children(&mut self, unit: &Rc<Unit<'d>>, parent: &Entry<'d>, level: Level) -> Result<(), Error> {
        let here = DieRef { unit: unit.id, offset: parent.offset() };
        if level.depth > DEEPEST || !self.busy.insert(here) {
            return Ok(());
        }
        let children = list(unit, parent.offset())?;
        for child in &children {
            self.child(unit, child, level)?;
        }
        self.inherited(unit, parent, &children, level)?;
        self.busy.remove(&here);
        Ok(())
    }

    fn child(&mut self, unit: &Rc<Unit<'d>>, child: &Entry<'d>, level: Level) -> Result<(), Error> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Ok(());
        }
        match child.tag() {
            constants::DW_TAG_lexical_block => self.lexical(unit, child, level),
            constants::DW_TAG_inlined_subroutine => self.inlined(unit, child, level),
            constants::DW_TAG_enumeration_type => {
                let ty = DieRef { unit: unit.id, offset: child.offset() };
                for value in list(unit, child.offset())? {
                    let value = self.dwarf.declaration(unit, &value)?;
                    self.put(value.map(|value| Declaration { ty: Some(ty), ..value }), level.block);
                }
                self.declare(unit, child, level.block)
            }
            constants::DW_TAG_structure_type | constants::DW_TAG_union_type
                if child.attr_value(constants::DW_AT_declaration).is_some() =>
            {
                Ok(())
            }
            _ => self.declare(unit, child, level.block),
        }
    }

    fn declare(&mut self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>, block: usize) -> Result<(), Error> {
        let declaration = self.dwarf.declaration(unit, entry)?;
        self.put(declaration, block);
        Ok(())
    }

    fn put(&mut self, declaration: Option<Declaration<'d>>, block: usize) {
        if let Some(block) = self.blocks.get_mut(block) {
            block.symbols.extend(declaration);
        }
    }

    fn lexical(&mut self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>, level: Level) -> Result<(), Error> {
        let placed = [constants::DW_AT_high_pc, constants::DW_AT_ranges];
        if !placed.into_iter().any(|name| entry.has_attr(name)) {
            // It says nothing of where it is: what it declares counts for the block around it.
            return self.children(unit, entry, level.deeper(level.block));
        }
        let ranges = unit.ranges_of(self.dwarf.sections(), entry)?;
        if ranges.is_empty() {
            return Ok(());
        }
        let at = self.open(unit, entry, level.block, ranges, None);
        self.children(unit, entry, level.deeper(at))
    }

    fn inlined(&mut self, unit: &Rc<Unit<'d>>, entry: &Entry<'d>, level: Level) -> Result<(), Error> {
        let number = |name| self.dwarf.number_of(unit, entry, name);
        let file = match entry.attr_value(constants::DW_AT_call_file) {
            Some(super::Attribute::FileIndex(file)) => Some(file),
            value => value.and_then(|value| value.udata_value()),
        };
        let (Some(call_file), Some(line)) = (file, number(constants::DW_AT_call_line)?) else {
            // Without the place of the call nobody can show the caller: a plain block.
            return self.lexical(unit, entry, level);
        };
        let column = number(constants::DW_AT_call_column)?.unwrap_or(0);
        let ranges = unit.ranges_of(self.dwarf.sections(), entry)?;
        let Some(name) = self.dwarf.name_of(unit, entry)? else { return Ok(()) };
        if ranges.is_empty() {
            return Ok(());
        }
        let die = DieRef { unit: unit.id, offset: entry.offset() };
        let origin = self.dwarf.root_origin(die)?;
        let entry_at = LinkAddr(ranges.first().map_or(0, |range| range.begin));
        let inlined = Inlined {
            name,
            origin,
            call_file,
            call_line: u32::try_from(line).unwrap_or(0),
            call_column: u32::try_from(column).unwrap_or(0),
        };
        let at = self.open(unit, entry, level.block, ranges, Some(inlined));
        if let Some(block) = self.blocks.get_mut(at) {
            let kind = DeclarationKind::Function(entry_at);
            block.symbols.push(Declaration { name, kind, die, ty: None });
        }
        self.children(unit, entry, level.deeper(at))
    }

    fn open(
        &mut self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
        parent: usize,
        ranges: Vec<Range>,
        inlined: Option<Inlined<'d>>,
    ) -> usize {
        let die = DieRef { unit: unit.id, offset: entry.offset() };
        let ranges = ranges.into();
        self.blocks.push(Block { parent: Some(parent), die, ranges, inlined, symbols: Vec::new() });
        self.blocks.len() - 1
    }

    /// What the abstract instance of `parent` declares and no child of `parent` is an instance of.
    fn inherited(
        &mut self,
        unit: &Rc<Unit<'d>>,
        parent: &Entry<'d>,
        children: &[Entry<'d>],
        level: Level,
    ) -> Result<(), Error> {
        let Some(value) = parent.attr_value(constants::DW_AT_abstract_origin) else { return Ok(()) };
        let Some(origin) = unit.reference(self.dwarf.units()?, value) else { return Ok(()) };
        let (origin_unit, origin_entry) = self.dwarf.entry(origin)?;
        let abstract_children = list(&origin_unit, origin_entry.offset())?;
        let tags = |entries: &[Entry<'d>]| entries.iter().map(Entry::tag).collect::<Vec<DwTag>>();
        let alike = tags(children) == tags(&abstract_children);
        let mut seen: HashSet<(UnitId, UnitOffset)> = HashSet::new();
        for (at, child) in children.iter().enumerate() {
            let call = matches!(child.tag(), constants::DW_TAG_call_site | constants::DW_TAG_GNU_call_site);
            if call {
                continue;
            }
            if child.has_attr(constants::DW_AT_abstract_origin) {
                let die = DieRef { unit: unit.id, offset: child.offset() };
                let root = self.dwarf.root_origin(die)?;
                seen.insert((root.unit, root.offset));
            } else if alike
                && child.tag() == constants::DW_TAG_lexical_block
                && let Some(other) = abstract_children.get(at)
            {
                // clang's blocks do not say of which block they are instances.
                seen.insert((origin_unit.id, other.offset()));
            }
        }
        for child in &abstract_children {
            if !seen.contains(&(origin_unit.id, child.offset())) {
                self.child(&origin_unit, child, level.deeper(level.block))?;
            }
        }
        Ok(())
    }

    /// The blocks, without plain ones that declare nothing.
    fn finish(self) -> Vec<Block<'d>> {
        let mut kept: Vec<Block<'d>> = Vec::new();
        // Where each block went: itself, or the one around it.
        let mut places: Vec<usize> = Vec::new();
        for mut block in self.blocks {
            let parent = block.parent.and_then(|parent| places.get(parent).copied());
            let plain = block.parent.is_some() && block.inlined.is_none();
            if plain && block.symbols.is_empty() {
                places.push(parent.unwrap_or(0));
                continue;
            }
            block.parent = parent;
            places.push(kept.len());
            kept.push(block);
        }
        kept
    }
}

/// The children of a DIE.
fn list<'d>(unit: &Unit<'d>, parent: UnitOffset) -> Result<Vec<Entry<'d>>, Error> {
    let mut found = Vec::new();
    unit.children(parent, |entry| {
        found.push(entry.clone());
        Ok(true)
    })?;
    Ok(found)
}
