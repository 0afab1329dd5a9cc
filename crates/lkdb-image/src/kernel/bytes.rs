//! Numbers at offsets in a file's bytes, checked. Little-endian, as both architectures' kernels are.

/// The `N` bytes at `offset`, if they are there.
pub(super) fn array_at<const N: usize>(bytes: &[u8], offset: u64) -> Option<[u8; N]> {
    let offset = usize::try_from(offset).ok()?;
    bytes.get(offset..)?.first_chunk().copied()
}

pub(super) fn u8_at(bytes: &[u8], offset: u64) -> Option<u8> {
    array_at(bytes, offset).map(u8::from_le_bytes)
}

pub(super) fn u16_at(bytes: &[u8], offset: u64) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_le_bytes)
}

pub(super) fn u32_at(bytes: &[u8], offset: u64) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

pub(super) fn u64_at(bytes: &[u8], offset: u64) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_le_bytes)
}

/// `length` bytes from `offset`, if they are there.
pub(super) fn range(bytes: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = usize::try_from(offset.checked_add(length)?).ok()?;
    bytes.get(start..end)
}

/// The text at `offset` up to a NUL, at most `limit` bytes of it.
pub(super) fn text_at(bytes: &[u8], offset: u64, limit: usize) -> Option<String> {
    let start = usize::try_from(offset).ok()?;
    let text = bytes.get(start..)?;
    let text = text.get(..limit).unwrap_or(text);
    let end = text.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(text.get(..end)?).into_owned())
}
