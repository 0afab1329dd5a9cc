//! Reading bytes from the front of a slice, each read checked: what is cut off gives none.

/// A place in a section. DWARF's offsets are from the section's start, so are these.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'d> {
    bytes: &'d [u8],
    at: usize,
}

impl<'d> Cursor<'d> {
    /// At an offset of a section (or of its first part, to read no further).
    pub(crate) fn new(bytes: &'d [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where it is.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    #[inline(always)]
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let chunk = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*chunk)
    }

    #[inline(always)]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline(always)]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    /// Three bytes, which only `DW_FORM_strx3` and `DW_FORM_addrx3` have.
    pub(crate) fn u24(&mut self) -> Option<u32> {
        let [a, b, c] = self.take::<3>()?;
        Some(u32::from_le_bytes([a, b, c, 0]))
    }

    #[inline(always)]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    #[inline(always)]
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// A number of `size` bytes: 1, 2, 4 or 8.
    pub(crate) fn sized(&mut self, size: u8) -> Option<u64> {
        match size {
            1 => self.u8().map(u64::from),
            2 => self.u16().map(u64::from),
            4 => self.u32().map(u64::from),
            8 => self.u64(),
            _ => None,
        }
    }

    /// Unsigned LEB128. Bits beyond 64 are dropped, as every reader does.
    #[inline(always)]
    pub(crate) fn uleb(&mut self) -> Option<u64> {
        let first = self.u8()?;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        self.uleb_long(u64::from(first & 0x7f))
    }

    fn uleb_long(&mut self, mut value: u64) -> Option<u64> {
        let mut shift = 7u32;
        loop {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift = shift.saturating_add(7);
            if byte < 0x80 {
                return Some(value);
            }
        }
    }

    /// Signed LEB128.
    pub(crate) fn sleb(&mut self) -> Option<i64> {
        let (mut value, mut shift) = (0i64, 0u32);
        loop {
            let byte = self.u8()?;
            value |= i64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift = shift.saturating_add(7);
            if byte < 0x80 {
                let fill = if byte & 0x40 == 0 { 0 } else { (-1i64).checked_shl(shift).unwrap_or(0) };
                return Some(value | fill);
            }
        }
    }

    /// Goes on by `count` bytes.
    #[inline(always)]
    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        let next = self.at.checked_add(count)?;
        (next <= self.bytes.len()).then(|| self.at = next)
    }

    /// The bytes up to a NUL, which is skipped.
    #[inline]
    pub(crate) fn string(&mut self) -> Option<&'d [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let length = memchr::memchr(0, rest)?;
        self.at += length + 1;
        rest.get(..length)
    }
}
