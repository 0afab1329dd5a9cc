//! Attribute forms (DWARF 5, section 7.5.6): how long a value is, and what number it holds.

use super::cursor::Cursor;

/// What reading a value of a unit depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Encoding {
    /// The unit's DWARF version.
    pub(crate) version: u16,
    /// Bytes of an address.
    pub(crate) address_size: u8,
}

pub(crate) const ADDR: u16 = 0x01;
pub(crate) const INDIRECT: u16 = 0x16;
pub(crate) const RNGLISTX: u16 = 0x23;
pub(crate) const IMPLICIT_CONST: u16 = 0x21;
pub(crate) const STRING: u16 = 0x08;
pub(crate) const STRP: u16 = 0x0e;
pub(crate) const LINE_STRP: u16 = 0x1f;
pub(crate) const REF_ADDR: u16 = 0x10;

/// Whether values of a form are indexes into `.debug_str_offsets`.
pub(crate) fn is_string_index(form: u16) -> bool {
    matches!(form, 0x1a | 0x25..=0x28 | 0x1f02)
}

/// Whether values of a form are indexes into `.debug_addr`.
pub(crate) fn is_address_index(form: u16) -> bool {
    matches!(form, 0x1b | 0x29..=0x2c | 0x1f01)
}

/// Whether values of a form are blocks of bytes.
pub(crate) fn is_block(form: u16) -> bool {
    matches!(form, 0x03 | 0x04 | 0x09 | 0x0a | 0x18)
}

/// How long a value of some form is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// So many bytes.
    Fixed(u8),
    /// A LEB128 number.
    Leb,
    /// Up to a NUL.
    String,
    /// A length of so many bytes (0: LEB128), then as many bytes.
    Block(u8),
    /// The form is given in front of the value.
    Indirect,
}

/// The length of a form's values; none for a form that DWARF 2 to 5 and GNU do not have.
pub(crate) fn length(form: u16, encoding: Encoding) -> Option<Length> {
    Some(match form {
        0x01 => Length::Fixed(encoding.address_size),
        0x03 => Length::Block(2),
        0x04 => Length::Block(4),
        0x09 | 0x18 => Length::Block(0),
        0x0a => Length::Block(1),
        STRING => Length::String,
        0x19 | IMPLICIT_CONST => Length::Fixed(0),
        0x0b | 0x0c | 0x11 | 0x25 | 0x29 => Length::Fixed(1),
        0x05 | 0x12 | 0x26 | 0x2a => Length::Fixed(2),
        0x27 | 0x2b => Length::Fixed(3),
        REF_ADDR if encoding.version <= 2 => Length::Fixed(encoding.address_size),
        0x06 | STRP | REF_ADDR | 0x13 | 0x17 | 0x1c | 0x1d | LINE_STRP | 0x28 | 0x2c | 0x1f20 | 0x1f21 => {
            Length::Fixed(4)
        }
        0x07 | 0x14 | 0x20 | 0x24 => Length::Fixed(8),
        0x1e => Length::Fixed(16),
        0x0d | 0x0f | 0x15 | 0x1a | 0x1b | 0x22 | 0x23 | 0x1f01 | 0x1f02 => Length::Leb,
        INDIRECT => Length::Indirect,
        _ => return None,
    })
}

/// The form of an indirect value, which lies in front of it.
pub(crate) fn actual(form: u16, cursor: &mut Cursor<'_>) -> Option<u16> {
    if form != INDIRECT {
        return Some(form);
    }
    // Indirect to indirect, or to a constant in the abbreviation, is nonsense.
    u16::try_from(cursor.uleb()?).ok().filter(|form| !matches!(*form, INDIRECT | IMPLICIT_CONST))
}

/// Goes past a value.
pub(crate) fn skip(form: u16, encoding: Encoding, cursor: &mut Cursor<'_>) -> Option<()> {
    let form = actual(form, cursor)?;
    match length(form, encoding)? {
        Length::Fixed(size) => cursor.skip(usize::from(size)),
        Length::Leb => cursor.uleb().map(drop),
        Length::String => cursor.string().map(drop),
        Length::Block(0) => {
            let size = cursor.uleb()?;
            cursor.skip(usize::try_from(size).ok()?)
        }
        Length::Block(bytes) => {
            let size = cursor.sized(bytes)?;
            cursor.skip(usize::try_from(size).ok()?)
        }
        Length::Indirect => None,
    }
}

/// The number a value holds: an offset, index, address, constant or flag. Strings give the offset of
/// their first byte in this section; blocks their length.
#[inline]
pub(crate) fn number(form: u16, encoding: Encoding, cursor: &mut Cursor<'_>) -> Option<u64> {
    match length(form, encoding)? {
        Length::Fixed(0) => Some(1),
        Length::Fixed(3) => cursor.u24().map(u64::from),
        Length::Fixed(16) => cursor.skip(16).map(|()| 0),
        Length::Fixed(size) => cursor.sized(size),
        Length::Leb if form == 0x0d => cursor.sleb().map(i64::cast_unsigned),
        Length::Leb => cursor.uleb(),
        Length::String => {
            let at = cursor.at();
            cursor.string()?;
            Some(at as u64)
        }
        Length::Block(bytes) => {
            let size = if bytes == 0 { cursor.uleb()? } else { cursor.sized(bytes)? };
            cursor.skip(usize::try_from(size).ok()?)?;
            Some(size)
        }
        Length::Indirect => {
            let form = actual(form, cursor)?;
            number(form, encoding, cursor)
        }
    }
}
