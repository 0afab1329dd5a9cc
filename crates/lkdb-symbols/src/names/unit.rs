//! Units by their headers, and DIEs as far as names go: read by hand, since the search and the index go
//! past millions of them.

use super::Raw;
use super::abbrev::{Abbrev, Abbrevs, Attribute, Step};
use super::cursor::Cursor;
use super::form::{self, Encoding};

/// A unit's header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// Where the unit begins in `.debug_info`.
    pub(crate) start: usize,
    /// Where its first DIE lies.
    pub(crate) first: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// Where its abbreviations are in `.debug_abbrev`.
    pub(crate) abbrevs: usize,
    pub(crate) encoding: Encoding,
}

/// Why `.debug_info` cannot be searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A unit in the 64-bit DWARF format.
    #[error("the unit at {0:#x} of .debug_info is in the 64-bit DWARF format, which lkdb does not read")]
    Dwarf64(usize),
    /// A unit's header is damaged or of a DWARF version to come.
    #[error("the unit at {0:#x} of .debug_info cannot be read")]
    Unit(usize),
    /// Offsets do not fit.
    #[error("the debug info is larger than lkdb can index")]
    TooLarge,
}

/// The header of the unit at `start`, which may be a type unit as they were before version 5.
fn head(info: &[u8], start: usize, old_types: bool) -> Result<Head, Error> {
    let length = Cursor::new(info, start).u32().ok_or(Error::Unit(start))?;
    if length == u32::MAX {
        return Err(Error::Dwarf64(start));
    }
    (length < 0xffff_fff0).then_some(()).ok_or(Error::Unit(start))?;
    head_of(info, start, length as usize, old_types).ok_or(Error::Unit(start))
}

fn head_of(info: &[u8], start: usize, length: usize, old_types: bool) -> Option<Head> {
    let end = start.checked_add(4)?.checked_add(length)?;
    let unit = info.get(..end)?;
    let mut cursor = Cursor::new(unit, start + 4);
    let version = cursor.u16()?;
    let (address_size, abbrevs) = match version {
        2..=4 => {
            let (abbrevs, size) = (cursor.u32()?, cursor.u8()?);
            // A signature and an offset.
            cursor.skip(if old_types { 12 } else { 0 })?;
            (size, abbrevs)
        }
        5 => {
            let (kind, size, abbrevs) = (cursor.u8()?, cursor.u8()?, cursor.u32()?);
            match kind {
                // DW_UT_skeleton, DW_UT_split_compile: an ID. DW_UT_type, DW_UT_split_type: a signature
                // and an offset.
                4 | 5 => cursor.skip(8)?,
                2 | 6 => cursor.skip(12)?,
                _ => {}
            }
            (size, abbrevs)
        }
        _ => return None,
    };
    let encoding = Encoding { version, address_size };
    matches!(address_size, 4 | 8).then_some(())?;
    Some(Head { start, first: cursor.at(), end, abbrevs: abbrevs as usize, encoding })
}

/// The headers of all units. Nothing of a unit but its header is read.
///
/// # Errors
/// For the first that cannot be read; those in front of it are lost with it, since what an answer would
/// then lack nobody can say.
pub(crate) fn heads(info: &[u8]) -> Result<Vec<Head>, Error> {
    heads_and_types(info, None)
}

/// The same where from `types` on are the units of `.debug_types`.
pub(crate) fn heads_and_types(info: &[u8], types: Option<usize>) -> Result<Vec<Head>, Error> {
    let (mut heads, mut at) = (Vec::new(), 0);
    while at < info.len() {
        let head = head(info, at, types.is_some_and(|types| at >= types))?;
        at = head.end;
        heads.push(head);
    }
    Ok(heads)
}

/// The index of the unit that an offset of `.debug_info` lies in.
pub(crate) fn containing(heads: &[Head], offset: usize) -> Option<usize> {
    let index = heads.partition_point(|head| head.start <= offset).checked_sub(1)?;
    (offset < heads.get(index)?.end).then_some(index)
}

/// An address that is given at once, or by its index in `.debug_addr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Address(u64),
    Index(u64),
}

/// An address by its index, in the part of `.debug_addr` that begins at `base`.
pub(crate) fn address_at(raw: &Raw<'_>, base: u64, size: u8, index: u64) -> Option<u64> {
    let at = base.checked_add(index.checked_mul(size.into())?)?;
    Cursor::new(raw.addr, usize::try_from(at).ok()?).sized(size)
}

impl Place {
    /// Of a location's bytes (`DW_OP_addr`, `DW_OP_addrx`, `DW_OP_GNU_addr_index`).
    fn of(expression: &[u8]) -> Option<Self> {
        match expression.split_first()? {
            (0x03, address) => Some(Self::Address(u64::from_le_bytes(address.try_into().ok()?))),
            (0xa1 | 0xfb, index) => Cursor::new(index, 0).uleb().map(Self::Index),
            _ => None,
        }
    }
}

/// What is known of one DIE.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Die {
    /// Where it begins in `.debug_info`.
    pub(crate) offset: usize,
    /// Where its attributes end.
    pub(crate) end: usize,
    pub(crate) tag: u16,
    pub(crate) children: bool,
    pub(crate) declaration: bool,
    pub(crate) external: bool,
    /// It has a location or a constant value.
    pub(crate) valued: bool,
    /// Its place, where that is an address and nothing else.
    pub(crate) place: Option<Place>,
    /// `DW_AT_inline`; 0 for none.
    pub(crate) inline: u8,
    /// The name's form and number; form 0 for no name.
    pub(crate) name: (u16, u64),
    pub(crate) file: u32,
    pub(crate) line: u32,
    /// Offsets in `.debug_info`; 0 for none.
    pub(crate) sibling: usize,
    pub(crate) origin: usize,
    pub(crate) specification: usize,
    /// Forms and numbers; form 0 for none.
    pub(crate) low: (u16, u64),
    pub(crate) high: (u16, u64),
    pub(crate) ranges: (u16, u64),
}

/// What only a unit's own DIE has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RootFacts {
    pub(crate) stmt_list: Option<u64>,
    pub(crate) language: u64,
    pub(crate) comp_dir: (u16, u64),
    pub(crate) producer: (u16, u64),
    pub(crate) str_offsets_base: Option<u64>,
    pub(crate) addr_base: Option<u64>,
    pub(crate) rnglists_base: Option<u64>,
    pub(crate) dwo_name: (u16, u64),
    pub(crate) dwo_id: Option<u64>,
}

/// Reads the DIEs of one unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    /// `.debug_info` up to the unit's end.
    info: &'a [u8],
    pub(crate) head: Head,
    pub(crate) abbrevs: &'a Abbrevs,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(info: &'a [u8], head: Head, abbrevs: &'a Abbrevs) -> Self {
        Self { info: info.get(..head.end).unwrap_or_default(), head, abbrevs }
    }

    /// The abbreviation of the DIE at an offset, and where its attributes begin. `Ok(None)`: the null
    /// entry that ends a list of siblings. None outside: damage.
    #[inline(always)]
    pub(crate) fn code(&self, offset: usize) -> Option<(Option<&'a Abbrev>, usize)> {
        let mut cursor = Cursor::new(self.info, offset);
        let code = cursor.uleb()?;
        if code == 0 {
            return Some((None, cursor.at()));
        }
        Some((Some(self.abbrevs.get(code)?), cursor.at()))
    }

    /// The DIE at an offset; `Some(None)` for a null entry, None for damage.
    pub(crate) fn die(&self, offset: usize) -> Option<Option<Die>> {
        let (abbrev, at) = self.code(offset)?;
        let Some(abbrev) = abbrev else { return Some(None) };
        self.attributes(abbrev, offset, at, &mut ()).map(Some)
    }

    /// The unit's own DIE.
    pub(crate) fn root(&self) -> Option<(Die, RootFacts)> {
        let mut facts = RootFacts::default();
        let (abbrev, at) = self.code(self.head.first)?;
        let die = self.attributes(abbrev?, self.head.first, at, &mut facts)?;
        Some((die, facts))
    }

    /// The attributes of a DIE.
    #[inline]
    pub(crate) fn attributes(
        &self,
        abbrev: &Abbrev,
        offset: usize,
        at: usize,
        more: &mut impl More,
    ) -> Option<Die> {
        let mut die = Die { offset, tag: abbrev.tag, children: abbrev.children, ..Die::default() };
        let mut cursor = Cursor::new(self.info, at);
        for step in self.abbrevs.steps(abbrev) {
            match *step {
                Step::Skip(bytes) => cursor.skip(bytes as usize)?,
                Step::SkipForm(form) => form::skip(form, self.head.encoding, &mut cursor)?,
                Step::Known(attribute, value) => {
                    self.note(&mut die, attribute, form::IMPLICIT_CONST, value, more);
                }
                Step::Take(attribute, form) => {
                    let form = form::actual(form, &mut cursor)?;
                    let value = form::number(form, self.head.encoding, &mut cursor)?;
                    if attribute == Attribute::Location {
                        let start =
                            usize::try_from(value).ok().and_then(|size| cursor.at().checked_sub(size));
                        let bytes = start.and_then(|start| self.info.get(start..cursor.at()));
                        die.place = bytes.filter(|_| form::is_block(form)).and_then(Place::of);
                    }
                    self.note(&mut die, attribute, form, value, more);
                }
            }
        }
        die.end = cursor.at();
        Some(die)
    }

    /// Whether a variable is only declared here: it says so, or has no place, though it is external. (What clang
    /// leaves of those that link-time optimisation did away with.)
    pub(crate) fn only_declared(&self, die: &Die) -> bool {
        die.declaration || die.tag == 0x34 && die.external && !die.valued
    }

    /// Whether a variable was dropped by the linker, which leaves 0 for its address. `addr_base` is the unit's.
    pub(crate) fn dropped(&self, raw: &Raw<'_>, addr_base: Option<u64>, die: &Die) -> bool {
        let address = |place| match place {
            Place::Address(address) => Some(address),
            Place::Index(index) => address_at(raw, addr_base?, self.head.encoding.address_size, index),
        };
        raw.nothing_at_zero && die.place.and_then(address) == Some(0)
    }

    /// Where the attributes of a DIE end, and where its sibling is said to be.
    #[inline]
    pub(crate) fn pass(&self, abbrev: &Abbrev, at: usize) -> Option<(usize, usize)> {
        let mut cursor = Cursor::new(self.info, at);
        let mut sibling = 0;
        for step in self.abbrevs.steps(abbrev) {
            match *step {
                Step::Skip(bytes) => cursor.skip(bytes as usize)?,
                Step::Take(Attribute::Sibling, form) => {
                    let form = form::actual(form, &mut cursor)?;
                    let value = form::number(form, self.head.encoding, &mut cursor)?;
                    sibling = self.reference(form, value);
                }
                Step::SkipForm(form) | Step::Take(_, form) => {
                    form::skip(form, self.head.encoding, &mut cursor)?;
                }
                Step::Known(..) => {}
            }
        }
        Some((cursor.at(), sibling))
    }

    /// The offset in `.debug_info` that a reference means; 0 for one to elsewhere.
    fn reference(&self, form: u16, value: u64) -> usize {
        let Ok(value) = usize::try_from(value) else { return 0 };
        match form {
            0x11..=0x15 => self.head.start.checked_add(value).unwrap_or(0),
            form::REF_ADDR => value,
            _ => 0,
        }
    }

    #[inline(always)]
    fn note(&self, die: &mut Die, attribute: Attribute, form: u16, value: u64, more: &mut impl More) {
        match attribute {
            Attribute::Sibling => die.sibling = self.reference(form, value),
            Attribute::Name => die.name = (form, value),
            Attribute::File => die.file = u32::try_from(value).unwrap_or(0),
            Attribute::Line => die.line = u32::try_from(value).unwrap_or(0),
            Attribute::Declaration => die.declaration = value != 0,
            Attribute::External => die.external = value != 0,
            Attribute::Inline => die.inline = value.to_le_bytes()[0],
            Attribute::Origin => die.origin = self.reference(form, value),
            Attribute::Specification => die.specification = self.reference(form, value),
            Attribute::LowPc => die.low = (form, value),
            Attribute::HighPc => die.high = (form, value),
            Attribute::Ranges => die.ranges = (form, value),
            Attribute::Location | Attribute::Constant => die.valued = true,
            other => more.note(other, form, value),
        }
    }
}

/// Takes the attributes that a [`Die`] has no room for.
pub(crate) trait More {
    fn note(&mut self, attribute: Attribute, form: u16, value: u64);
}

impl More for () {
    #[inline(always)]
    fn note(&mut self, _: Attribute, _: u16, _: u64) {}
}

impl More for RootFacts {
    fn note(&mut self, attribute: Attribute, form: u16, value: u64) {
        match attribute {
            Attribute::StmtList => self.stmt_list = Some(value),
            Attribute::Language => self.language = value,
            Attribute::CompDir => self.comp_dir = (form, value),
            Attribute::Producer => self.producer = (form, value),
            Attribute::StrOffsetsBase => self.str_offsets_base = Some(value),
            Attribute::AddrBase => self.addr_base = Some(value),
            Attribute::RnglistsBase => self.rnglists_base = Some(value),
            Attribute::DwoName => self.dwo_name = (form, value),
            Attribute::DwoId => self.dwo_id = Some(value),
            _ => {}
        }
    }
}

/// The bytes of a string that an attribute holds or refers to.
pub(crate) fn string<'d>(raw: &Raw<'d>, base: Option<u64>, form: u16, value: u64) -> Option<&'d [u8]> {
    let at = usize::try_from(value).ok()?;
    match form {
        form::STRING => Cursor::new(raw.info, at).string(),
        // A constant is where a split unit was given the name of its directory.
        form::STRP | form::IMPLICIT_CONST => Cursor::new(raw.str, at).string(),
        form::LINE_STRP => Cursor::new(raw.line_str, at).string(),
        form if form::is_string_index(form) => {
            let offset = indexed(raw, base, value)?;
            Cursor::new(raw.str, offset).string()
        }
        _ => None,
    }
}

/// The offset in `.debug_str` of the unit's string with an index (`DW_FORM_strx*`). Without a base (split
/// units have none) the section's header is passed over.
pub(crate) fn indexed(raw: &Raw<'_>, base: Option<u64>, index: u64) -> Option<usize> {
    let at = base.unwrap_or(8).checked_add(index.checked_mul(4)?)?;
    Cursor::new(raw.str_offsets, usize::try_from(at).ok()?).u32().map(|offset| offset as usize)
}
