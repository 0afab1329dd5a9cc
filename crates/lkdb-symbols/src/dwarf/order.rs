//! The order in which gdb lists the declarations of a block that is not a function's: that of its hash table of
//! names.

use super::Declaration;

/// Sorts declarations, which come in the source's order, as gdb's table has them.
pub(super) fn by_hash(declarations: &mut [&Declaration<'_>]) {
    let buckets = u32::try_from(declarations.len() / 5 + 1).unwrap_or(1);
    declarations.sort_by_key(|declared| hash(declared.name) % buckets);
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
