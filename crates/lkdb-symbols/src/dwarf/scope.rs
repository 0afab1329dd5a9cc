//! Scopes: the blocks of a function, innermost first, and what is declared in each.
//!
//! Blocks are what gdb has: a block without declarations is none, an inlined function is a block that
//! names its call, and what an inlined instance does not mention of its function's own declarations is
//! there nevertheless, optimised out.

use std::collections::HashSet;
use std::rc::Rc;

use gimli::{DwTag, Range, UnitOffset, constants};
use lkdb_base::LinkAddr;

use super::{DieRef, Dwarf, Entry, Error, Function, LocationDescription, Unit, UnitId};

/// How deep blocks nest that are looked at.
const DEEPEST: u32 = 128;

/// How many DIEs one function's blocks are made of at most: more than the largest functions have, and an
/// end to damaged ones whose abstract instances contain each other.
const MOST: u32 = 1 << 20;

/// The blocks of a function.
#[derive(Debug)]
pub struct Scopes<'d> {
    /// The function.
    pub function: Function<'d>,
    /// Its blocks, each behind the one it is in; the first is the function's own.
    pub blocks: Vec<Block<'d>>,
}

/// One block.
#[derive(Debug, Clone)]
pub struct Block<'d> {
    /// The block it is in, as its place in [`Scopes::blocks`]; none for the function's own.
    pub parent: Option<usize>,
    /// Its DIE.
    pub die: DieRef,
    /// What it covers, in the compiler's order.
    pub ranges: Rc<[Range]>,
    /// The function that was inlined here; none for plain blocks and for the function itself.
    pub inlined: Option<Inlined<'d>>,
    /// What is declared in it, in the source's order.
    pub symbols: Vec<Declaration<'d>>,
}

/// A function that was inlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inlined<'d> {
    /// Its name.
    pub name: &'d str,
    /// Its abstract instance, which all inlined copies and the function itself share.
    pub origin: DieRef,
    /// The call's file as DWARF numbers it in the unit of [`Block::die`] (`Lines::file_numbered`).
    pub call_file: u64,
    /// The line of the call.
    pub call_line: u32,
    /// Its column; 0 when not known.
    pub call_column: u32,
}

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

impl<'d> Block<'d> {
    /// Its first instruction.
    #[must_use]
    pub fn entry(&self) -> LinkAddr {
        LinkAddr(self.ranges.first().map_or(0, |range| range.begin))
    }

    /// Its declarations in the order in which gdb lists them: the source's in a function, in other blocks
    /// that of gdb's hash table of names.
    #[must_use]
    pub fn listed(&self) -> Vec<&Declaration<'d>> {
        let mut found: Vec<_> = self.symbols.iter().collect();
        if self.parent.is_some() && self.inlined.is_none() {
            let buckets = u32::try_from(found.len() / 5 + 1).unwrap_or(1);
            found.sort_by_key(|declared| hash(declared.name) % buckets);
        }
        found
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn covers(&self, address: LinkAddr) -> bool {
        self.ranges.iter().any(|range| (range.begin..range.end).contains(&address.0))
    }
}

impl<'d> Scopes<'d> {
    /// The blocks that an address is in, innermost first; the last is the function's own.
    #[must_use]
    pub fn at(&self, address: LinkAddr) -> Vec<&Block<'d>> {
        // Blocks come behind those they are in: the last that covers the address is innermost.
        let mut here = self.blocks.iter().rposition(|block| block.covers(address));
        let mut found = Vec::new();
        while let Some(block) = here.and_then(|at| self.blocks.get(at)) {
            found.push(block);
            here = block.parent.filter(|parent| here.is_some_and(|at| *parent < at));
        }
        found
    }

    /// The functions inlined around an address, innermost first.
    pub fn inlined_at(&self, address: LinkAddr) -> impl Iterator<Item = (&Block<'d>, &Inlined<'d>)> {
        let around = self.at(address).into_iter();
        around.filter_map(|block| Some((block, block.inlined.as_ref()?)))
    }
}

impl<'d> Dwarf<'d> {
    /// The blocks of the function that an address is in.
    ///
    /// # Errors
    /// When the function's DIEs are damaged.
    pub fn scopes_at(&self, address: LinkAddr) -> Result<Option<Rc<Scopes<'d>>>, Error> {
        match self.function_at(address)? {
            Some(function) => self.scopes(&function).map(Some),
            None => Ok(None),
        }
    }

    /// The blocks of a function.
    ///
    /// # Errors
    /// When its DIEs are damaged.
    pub fn scopes(&self, function: &Function<'d>) -> Result<Rc<Scopes<'d>>, Error> {
        let unit = self.unit(function.die.unit)?;
        if let Some(kept) = unit.kept_scopes(function.die.offset) {
            return Ok(kept);
        }
        let entry = unit.entry(function.die.offset)?;
        let mut builder = Builder { dwarf: self, blocks: Vec::new(), busy: HashSet::new(), left: MOST };
        builder.blocks.push(Block {
            parent: None,
            die: function.die,
            ranges: Rc::clone(&function.ranges),
            inlined: None,
            symbols: Vec::new(),
        });
        builder.children(&unit, &entry, 0, 0)?;
        let blocks = builder.finish();
        let scopes = Rc::new(Scopes { function: function.clone(), blocks });
        unit.keep_scopes(function.die.offset, &scopes);
        Ok(scopes)
    }

    /// The functions inlined at an address, innermost first; the function itself is not one of them.
    ///
    /// # Errors
    /// When the function's DIEs are damaged.
    pub fn inlined_at(&self, address: LinkAddr) -> Result<Vec<Inlined<'d>>, Error> {
        let scopes = self.scopes_at(address)?;
        let found =
            scopes.iter().flat_map(|scopes| scopes.inlined_at(address).map(|(_, inlined)| inlined.clone()));
        Ok(found.collect())
    }

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

/// Makes the blocks of one function.
struct Builder<'a, 'd> {
    dwarf: &'a Dwarf<'d>,
    blocks: Vec<Block<'d>>,
    /// DIEs whose children are being looked at: an abstract instance can be its own part when damaged.
    busy: HashSet<DieRef>,
    /// How many DIEs may still be looked at.
    left: u32,
}

impl<'d> Builder<'_, 'd> {
    /// Puts the children of a DIE into a block, and those of its abstract instance that none of them is.
    fn children(
        &mut self,
        unit: &Rc<Unit<'d>>,
        parent: &Entry<'d>,
        block: usize,
        depth: u32,
    ) -> Result<(), Error> {
        let here = DieRef { unit: unit.id, offset: parent.offset() };
        if depth > DEEPEST || !self.busy.insert(here) {
            return Ok(());
        }
        let children = list(unit, parent.offset())?;
        for child in &children {
            self.child(unit, child, block, depth)?;
        }
        self.inherited(unit, parent, &children, block, depth)?;
        self.busy.remove(&here);
        Ok(())
    }

    fn child(
        &mut self,
        unit: &Rc<Unit<'d>>,
        child: &Entry<'d>,
        block: usize,
        depth: u32,
    ) -> Result<(), Error> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Ok(());
        }
        match child.tag() {
            constants::DW_TAG_lexical_block => self.lexical(unit, child, block, depth),
            constants::DW_TAG_inlined_subroutine => self.inlined(unit, child, block, depth),
            constants::DW_TAG_enumeration_type => {
                let ty = DieRef { unit: unit.id, offset: child.offset() };
                for value in list(unit, child.offset())? {
                    let value = self.dwarf.declaration(unit, &value)?;
                    self.put(value.map(|value| Declaration { ty: Some(ty), ..value }), block);
                }
                self.declare(unit, child, block)
            }
            constants::DW_TAG_structure_type | constants::DW_TAG_union_type
                if child.attr_value(constants::DW_AT_declaration).is_some() =>
            {
                Ok(())
            }
            _ => self.declare(unit, child, block),
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

    fn lexical(
        &mut self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
        parent: usize,
        depth: u32,
    ) -> Result<(), Error> {
        let placed = [constants::DW_AT_high_pc, constants::DW_AT_ranges];
        if !placed.into_iter().any(|name| entry.has_attr(name)) {
            // It says nothing of where it is: what it declares counts for the block around it.
            return self.children(unit, entry, parent, depth + 1);
        }
        let ranges = unit.ranges_of(self.dwarf.sections(), entry)?;
        if ranges.is_empty() {
            return Ok(());
        }
        let at = self.open(unit, entry, parent, ranges, None);
        self.children(unit, entry, at, depth + 1)
    }

    fn inlined(
        &mut self,
        unit: &Rc<Unit<'d>>,
        entry: &Entry<'d>,
        parent: usize,
        depth: u32,
    ) -> Result<(), Error> {
        let number = |name| self.dwarf.number_of(unit, entry, name);
        let file = match entry.attr_value(constants::DW_AT_call_file) {
            Some(super::Attribute::FileIndex(file)) => Some(file),
            value => value.and_then(|value| value.udata_value()),
        };
        let (Some(call_file), Some(line)) = (file, number(constants::DW_AT_call_line)?) else {
            // Without the place of the call nobody can show the caller: a plain block.
            return self.lexical(unit, entry, parent, depth);
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
        let at = self.open(unit, entry, parent, ranges, Some(inlined));
        if let Some(block) = self.blocks.get_mut(at) {
            let kind = DeclarationKind::Function(entry_at);
            block.symbols.push(Declaration { name, kind, die, ty: None });
        }
        self.children(unit, entry, at, depth + 1)
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
        block: usize,
        depth: u32,
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
                self.child(&origin_unit, child, block, depth + 1)?;
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

/// gdb's hash of a name: each letter times 67 on, letters of either case alike. Names that look like those
/// of Ada are hashed by their last part (`a__b`) and without what stands behind `.`, `$` or `X`.
fn hash(name: &str) -> u32 {
    let next = |hash: u32, byte: u8| {
        hash.wrapping_mul(67).wrapping_add(u32::from(byte.to_ascii_lowercase())).wrapping_sub(113)
    };
    let whole = || name.bytes().fold(0, next);
    let ada = name.strip_prefix("_ada_");
    if name.starts_with('_') && ada.is_none() {
        return whole();
    }
    let mut rest = ada.unwrap_or(name).as_bytes();
    let (mut hash, mut first) = (0, ada.is_none());
    while let Some((byte, behind)) = rest.split_first() {
        match byte {
            b'$' | b'.' | b'X' if first => return whole(),
            b'$' | b'.' | b'X' => return hash,
            b' ' | b'(' => return whole(),
            b'_' if !first && behind.first() == Some(&b'_') => {
                if !matches!(behind.get(1), Some(b'a'..=b'z' | b'O')) {
                    return hash;
                }
                hash = 0;
                rest = behind.get(1..).unwrap_or_default();
                continue;
            }
            b'T' if behind == b"KB" => return hash,
            _ => {}
        }
        hash = next(hash, *byte);
        rest = behind;
        first = false;
    }
    hash
}
