//! Which units have a source file, from the headers of `.debug_line` alone: no unit and no line program is
//! read. A kernel's two thousand headers name a file a million times, so names are found first, in the
//! string sections, and headers are gone through for their offsets.

use gimli::{LittleEndian, Reader as _, SectionId};
use memchr::memmem;

use super::super::{Error, Reader, Sections};

/// Offsets of `.debug_line` at which line tables begin that list a file of this base name.
pub(super) fn with_base_name(sections: &Sections<'_>, base: &str) -> Result<Vec<usize>, Error> {
    let names = Names {
        base: base.as_bytes(),
        line_strings: Places::of(sections.get(SectionId::DebugLineStr)?, base),
        strings: Places::of(sections.get(SectionId::DebugStr)?, base),
    };
    let whole = Reader::new(sections.get(SectionId::DebugLine)?, LittleEndian);
    let mut rest = whole;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let at = rest.offset_from(whole);
        let Ok((length, format)) = rest.read_initial_length() else { break };
        let Ok(mut table) = rest.split(length) else { break };
        if lists(&mut table, format, &names).unwrap_or(false) {
            found.push(at);
        }
    }
    Ok(found)
}

/// What a file of the wanted base name looks like in a table.
struct Names<'a> {
    base: &'a [u8],
    line_strings: Places,
    strings: Places,
}

impl Names<'_> {
    fn matches(&self, path: &[u8]) -> bool {
        path.strip_suffix(self.base).is_some_and(|before| before.is_empty() || before.ends_with(b"/"))
    }
}

/// Ranges of offsets in a string section from which a path of the wanted base name is read.
struct Places(Vec<(usize, usize)>);

impl Places {
    fn of(strings: &[u8], base: &str) -> Self {
        let mut needle = base.as_bytes().to_vec();
        needle.push(0);
        let place = |at: usize| {
            let before = strings.get(..at).unwrap_or_default();
            let from = match before.last() {
                // Any string that begins further left in the same path ends in it as well.
                Some(b'/') => memchr::memrchr(0, before).map_or(0, |end| end + 1),
                _ => at,
            };
            (from, at)
        };
        Self(memmem::find_iter(strings, &needle).map(place).collect())
    }

    fn holds(&self, offset: usize) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&offset))
    }
}

/// `DW_LNCT_path`.
const PATH: u64 = 1;

/// Whether a line table (behind its length) lists such a file.
fn lists(table: &mut Reader<'_>, format: gimli::Format, names: &Names<'_>) -> gimli::Result<bool> {
    let version = table.read_u16()?;
    if version >= 5 {
        table.skip(2)?;
    }
    let header = table.read_length(format)?;
    let mut header = table.split(header)?;
    // minimum_instruction_length, maximum_operations (from version 4 on), default_is_stmt, line_base, line_range.
    header.skip(if version >= 4 { 5 } else { 4 })?;
    let opcodes = header.read_u8()?;
    header.skip(usize::from(opcodes.saturating_sub(1)))?;
    if version >= 5 {
        entries(&mut header, format, None)?;
        return entries(&mut header, format, Some(names));
    }
    while !header.read_null_terminated_slice()?.is_empty() {}
    loop {
        let path = header.read_null_terminated_slice()?;
        if path.is_empty() {
            return Ok(false);
        }
        if names.matches(path.slice()) {
            return Ok(true);
        }
        for _ in 0..3 {
            header.skip_leb128()?;
        }
    }
}

/// Goes through the directories or files of a version 5 table; whether one has a wanted name.
fn entries(header: &mut Reader<'_>, format: gimli::Format, names: Option<&Names<'_>>) -> gimli::Result<bool> {
    let kinds = header.read_u8()?;
    let mut fields = Vec::with_capacity(usize::from(kinds));
    for _ in 0..kinds {
        fields.push((header.read_uleb128()?, header.read_uleb128()?));
    }
    let count = header.read_uleb128()?;
    for _ in 0..count {
        for (kind, form) in &fields {
            let wanted = names.filter(|_| *kind == PATH);
            if field(header, format, *form, wanted)? {
                return Ok(true);
            }
        }
        if fields.is_empty() {
            break;
        }
    }
    Ok(false)
}

/// Passes over a field; whether it is a path of a wanted name.
fn field(
    header: &mut Reader<'_>,
    format: gimli::Format,
    form: u64,
    names: Option<&Names<'_>>,
) -> gimli::Result<bool> {
    let form = gimli::DwForm(u16::try_from(form).unwrap_or(u16::MAX));
    match form {
        gimli::DW_FORM_line_strp => {
            let offset = header.read_offset(format)?;
            Ok(names.is_some_and(|names| names.line_strings.holds(offset)))
        }
        gimli::DW_FORM_strp => {
            let offset = header.read_offset(format)?;
            Ok(names.is_some_and(|names| names.strings.holds(offset)))
        }
        gimli::DW_FORM_string => {
            let path = header.read_null_terminated_slice()?;
            Ok(names.is_some_and(|names| names.matches(path.slice())))
        }
        gimli::DW_FORM_udata => header.skip_leb128().map(|()| false),
        gimli::DW_FORM_data1 => header.skip(1).map(|()| false),
        gimli::DW_FORM_data2 => header.skip(2).map(|()| false),
        gimli::DW_FORM_data4 => header.skip(4).map(|()| false),
        gimli::DW_FORM_data8 => header.skip(8).map(|()| false),
        gimli::DW_FORM_data16 => header.skip(16).map(|()| false),
        gimli::DW_FORM_block => {
            let length = header.read_uleb128()?;
            header.skip(usize::try_from(length).unwrap_or(usize::MAX)).map(|()| false)
        }
        // Paths by index or in another file: the table may list anything.
        other => Err(gimli::Error::UnknownForm(other)),
    }
}
