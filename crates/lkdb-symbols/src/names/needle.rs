//! What to search for: the places of a name in the string sections, as the bytes that refer to them.

use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};

use super::Raw;
use super::form;

/// The bytes that stand for a name in `.debug_info`.
#[derive(Debug)]
pub(super) enum Needle {
    /// Offsets of the name, each as four bytes.
    Offsets(Places),
    /// The name itself, with its NUL.
    Inline(Vec<u8>),
}

/// Where a name is in a string section, in order.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) at: Vec<u32>,
    /// They are ends of longer strings.
    pub(super) tails: bool,
    /// The form that refers to that section.
    pub(super) form: u16,
}

impl Places {
    /// Whether a name of a form and number is at one of them.
    pub(super) fn have(&self, (form, value): (u16, u64)) -> bool {
        form == self.form && u32::try_from(value).is_ok_and(|at| self.at.binary_search(&at).is_ok())
    }
}

/// Above so many places of a name to search for, all DIEs are gone through instead: their names compare as
/// numbers, so that costs the same for any number of places.
const MOST_AT_ONCE: usize = 48;

/// The longest name that compilers write into the DIE although it could be shared: offsets are 4 bytes.
pub(super) const INLINE: usize = 3;

impl Needle {
    /// What must be searched for to find a name: nothing, where no string is it.
    pub(super) fn of(raw: &Raw<'_>, name: &[u8]) -> Vec<Self> {
        let text = [name, b"\0"].concat();
        let mut needles = Vec::new();
        for (section, form) in [(raw.str, form::STRP), (raw.line_str, form::LINE_STRP)] {
            needles.extend(places(section, &text, form).map(Self::Offsets));
        }
        // Where no linker shares strings, single uses are inline whatever their length.
        if name.len() <= INLINE
            || !matches!(needles.first(), Some(Self::Offsets(Places { form: form::STRP, .. })))
        {
            needles.insert(0, Self::Inline(text));
        }
        needles
    }

    /// How its bytes are found in others; none when there are so many places that going through the DIEs
    /// is cheaper.
    pub(super) fn finder(&self) -> Option<Finder> {
        match self {
            Self::Inline(text) => Some(Finder::one(text)),
            Self::Offsets(places) => match places.at.as_slice() {
                [place] => Some(Finder::one(&place.to_le_bytes())),
                places if places.len() <= MOST_AT_ONCE => Finder::any(places),
                _ => None,
            },
        }
    }

    /// The form of the names that it finds.
    pub(super) fn form(&self) -> u16 {
        match self {
            Self::Offsets(places) => places.form,
            Self::Inline(_) => form::STRING,
        }
    }
}

/// Where `text` (with its NUL) is in a string section: as whole strings, else as tails. A linker that
/// shares tails keeps no string apart that is the tail of another, so whole ones rule tails out.
fn places(section: &[u8], text: &[u8], form: u16) -> Option<Places> {
    let (mut whole, mut tails) = (Vec::new(), Vec::new());
    for at in memmem::find_iter(section, text) {
        let Ok(place) = u32::try_from(at) else { break };
        let before = at.checked_sub(1).and_then(|before| section.get(before));
        if matches!(before, None | Some(0)) {
            whole.push(place);
        } else if whole.is_empty() {
            tails.push(place);
        }
    }
    let is_tail = whole.is_empty();
    let at = if is_tail { tails } else { whole };
    (!at.is_empty()).then_some(Places { at, tails: is_tail, form })
}

/// Finds bytes.
#[derive(Debug)]
pub(super) enum Finder {
    One(Box<memmem::Finder<'static>>),
    Any(Box<Regex>),
}

impl Finder {
    fn one(bytes: &[u8]) -> Self {
        Self::One(Box::new(memmem::Finder::new(bytes).into_owned()))
    }

    fn any(places: &[u32]) -> Option<Self> {
        use std::fmt::Write as _;
        let mut pattern = String::with_capacity(places.len() * 17);
        for place in places {
            if !pattern.is_empty() {
                pattern.push('|');
            }
            for byte in place.to_le_bytes() {
                let _ = write!(pattern, "\\x{byte:02x}");
            }
        }
        RegexBuilder::new(&pattern).unicode(false).build().ok().map(|regex| Self::Any(Box::new(regex)))
    }

    /// Where the bytes next are at `from` or behind it.
    pub(super) fn next(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let rest = bytes.get(from..)?;
        let at = match self {
            Self::One(finder) => finder.find(rest)?,
            Self::Any(regex) => regex.find(rest)?.start(),
        };
        Some(from + at)
    }
}
