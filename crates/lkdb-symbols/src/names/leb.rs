//! LEB128 numbers, written; [`Cursor`](super::cursor::Cursor) reads them.

/// Appends an unsigned number.
pub(crate) fn put_unsigned(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    to.push(value.to_le_bytes()[0]);
}

/// Appends a signed number.
pub(crate) fn put_signed(to: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 && byte & 0x40 == 0 || value == -1 && byte & 0x40 != 0 {
            to.push(byte);
            return;
        }
        to.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::cursor::Cursor;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for value in [0, 1, -1, 63, 64, -64, -65, 1 << 40, i64::MIN, i64::MAX] {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, value);
            assert_eq!(Cursor::new(&bytes, 0).sleb(), Some(value));
            bytes.clear();
            put_unsigned(&mut bytes, value.cast_unsigned());
            assert_eq!(Cursor::new(&bytes, 0).uleb(), Some(value.cast_unsigned()));
        }
    }
}
