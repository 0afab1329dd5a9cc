//! Abbreviations, each compiled to the few steps that lead past one of its DIEs and pick up what the
//! name search and the index want to know: runs of attributes nobody wants become one skip.

use super::cursor::Cursor;
use super::form::{self, Encoding, Length};

/// The attributes that are picked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    Sibling,
    Name,
    File,
    Line,
    Declaration,
    External,
    Inline,
    Origin,
    Specification,
    LowPc,
    HighPc,
    Ranges,
    StmtList,
    CompDir,
    Producer,
    Language,
    StrOffsetsBase,
    AddrBase,
    /// Or `DW_AT_GNU_ranges_base`.
    RnglistsBase,
    /// `DW_AT_dwo_name`, `DW_AT_GNU_dwo_name`.
    DwoName,
    /// `DW_AT_GNU_dwo_id`.
    DwoId,
    /// `DW_AT_location`, of which only a plain address counts.
    Location,
    /// `DW_AT_const_value`, of which only the presence counts.
    Constant,
}

fn wanted(attribute: u16) -> Option<Attribute> {
    Some(match attribute {
        0x01 => Attribute::Sibling,
        0x02 => Attribute::Location,
        0x1c => Attribute::Constant,
        0x03 => Attribute::Name,
        0x10 => Attribute::StmtList,
        0x11 => Attribute::LowPc,
        0x12 => Attribute::HighPc,
        0x13 => Attribute::Language,
        0x1b => Attribute::CompDir,
        0x20 => Attribute::Inline,
        0x25 => Attribute::Producer,
        0x31 => Attribute::Origin,
        0x3a => Attribute::File,
        0x3b => Attribute::Line,
        0x3c => Attribute::Declaration,
        0x3f => Attribute::External,
        0x47 => Attribute::Specification,
        0x55 => Attribute::Ranges,
        0x72 => Attribute::StrOffsetsBase,
        0x73 | 0x2133 => Attribute::AddrBase,
        0x74 | 0x2132 => Attribute::RnglistsBase,
        0x76 | 0x2130 => Attribute::DwoName,
        0x2131 => Attribute::DwoId,
        _ => return None,
    })
}

/// One step through a DIE's attributes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// So many bytes that nobody wants.
    Skip(u32),
    /// A value of some form that nobody wants.
    SkipForm(u16),
    /// A value that is wanted.
    Take(Attribute, u16),
    /// A wanted value that the abbreviation itself holds (`DW_FORM_implicit_const`, `DW_FORM_flag_present`).
    Known(Attribute, u64),
}

/// Where the name lies in a DIE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameAt {
    /// Bytes between the abbreviation code and the name; none where their number varies.
    pub(crate) offset: Option<u16>,
    /// The name's form.
    pub(crate) form: u16,
}

/// One abbreviation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Abbrev {
    /// `DW_TAG_*`.
    pub(crate) tag: u16,
    /// Its DIEs have children.
    pub(crate) children: bool,
    /// Its DIEs say where the next sibling is.
    pub(crate) sibling: bool,
    /// Its DIEs are declarations (as far as the abbreviation alone tells).
    pub(crate) declaration: bool,
    /// Where their name is; none for DIEs without.
    pub(crate) name: Option<NameAt>,
    steps: (u32, u32),
}

/// The abbreviations of a unit, by code.
#[derive(Debug, Default)]
pub(crate) struct Abbrevs {
    by_code: Vec<Option<Abbrev>>,
    steps: Vec<Step>,
    /// What has been read: units may share a table.
    of: Option<(usize, Encoding)>,
}

/// Compilers number abbreviations from 1 on without gaps; more than this is damage.
const MOST_CODES: u64 = 1 << 20;

impl Abbrevs {
    /// Reads the table at an offset of `.debug_abbrev`. None when it is damaged.
    pub(crate) fn parse(section: &[u8], offset: usize, encoding: Encoding) -> Option<Self> {
        let mut table = Self::default();
        table.reparse(section, offset, encoding)?;
        Some(table)
    }

    /// The same into this table, whose memory is used again; always of the same section.
    pub(crate) fn reparse(&mut self, section: &[u8], offset: usize, encoding: Encoding) -> Option<()> {
        if self.of == Some((offset, encoding)) {
            return Some(());
        }
        self.of = None;
        self.by_code.clear();
        self.steps.clear();
        let mut cursor = Cursor::new(section, offset);
        loop {
            let code = cursor.uleb()?;
            if code == 0 {
                self.of = Some((offset, encoding));
                return Some(());
            }
            let abbrev = self.one(&mut cursor, encoding)?;
            // A code far beyond what this many bytes can define would only cost memory.
            if code > MOST_CODES || code > section.len() as u64 {
                return None;
            }
            let slot = usize::try_from(code).ok()?;
            if slot >= self.by_code.len() {
                self.by_code.resize(slot + 1, None);
            }
            *self.by_code.get_mut(slot)? = Some(abbrev);
        }
    }

    /// Only the first abbreviation of a table, which is that of the unit's own DIE for every compiler.
    pub(crate) fn first(section: &[u8], offset: usize, code: u64, encoding: Encoding) -> Option<Self> {
        let mut table = Self::default();
        let mut cursor = Cursor::new(section, offset);
        if code == 0 || code > 64 || cursor.uleb()? != code {
            return Self::parse(section, offset, encoding);
        }
        let abbrev = table.one(&mut cursor, encoding)?;
        table.by_code.resize(usize::try_from(code).ok()? + 1, None);
        *table.by_code.last_mut()? = Some(abbrev);
        Some(table)
    }

    fn one(&mut self, cursor: &mut Cursor<'_>, encoding: Encoding) -> Option<Abbrev> {
        let tag = u16::try_from(cursor.uleb()?).unwrap_or(u16::MAX);
        let children = cursor.u8()? != 0;
        let first = self.steps.len();
        let mut abbrev =
            Abbrev { tag, children, sibling: false, declaration: false, name: None, steps: (0, 0) };
        let mut before = Some(0u16);
        loop {
            let (attribute, form) = (cursor.uleb()?, cursor.uleb()?);
            if attribute == 0 && form == 0 {
                break;
            }
            let form = u16::try_from(form).ok()?;
            let constant = if form == form::IMPLICIT_CONST { cursor.sleb()? } else { 1 };
            let length = form::length(form, encoding)?;
            let attribute = u16::try_from(attribute).ok().and_then(wanted);
            match attribute {
                Some(Attribute::Name) => abbrev.name = Some(NameAt { offset: before, form }),
                Some(Attribute::Sibling) => abbrev.sibling = true,
                Some(Attribute::Declaration) => abbrev.declaration = true,
                _ => {}
            }
            before = match length {
                Length::Fixed(size) => before.and_then(|before| before.checked_add(size.into())),
                _ => None,
            };
            self.step(first, attribute, form, length, constant);
        }
        abbrev.steps = (u32::try_from(first).ok()?, u32::try_from(self.steps.len()).ok()?);
        Some(abbrev)
    }

    fn step(&mut self, first: usize, attribute: Option<Attribute>, form: u16, length: Length, constant: i64) {
        let step = match (attribute, length) {
            (Some(attribute), Length::Fixed(0)) => Step::Known(attribute, constant.cast_unsigned()),
            (Some(attribute), _) => Step::Take(attribute, form),
            (None, Length::Fixed(0)) => return,
            (None, Length::Fixed(size)) => {
                let size = u32::from(size);
                let last = self.steps.get_mut(first..).and_then(<[Step]>::last_mut);
                if let Some(Step::Skip(sum)) = last {
                    *sum += size;
                    return;
                }
                Step::Skip(size)
            }
            (None, _) => Step::SkipForm(form),
        };
        self.steps.push(step);
    }

    /// The abbreviation of a code.
    #[inline(always)]
    pub(crate) fn get(&self, code: u64) -> Option<&Abbrev> {
        self.by_code.get(usize::try_from(code).ok()?)?.as_ref()
    }

    /// All of them with their codes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Abbrev)> {
        self.by_code.iter().enumerate().filter_map(|(code, abbrev)| Some((code as u64, abbrev.as_ref()?)))
    }

    /// The steps through the attributes of an abbreviation's DIEs.
    #[inline(always)]
    pub(crate) fn steps(&self, abbrev: &Abbrev) -> &[Step] {
        self.steps.get(abbrev.steps.0 as usize..abbrev.steps.1 as usize).unwrap_or_default()
    }
}
