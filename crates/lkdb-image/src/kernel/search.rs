//! What is found in a kernel by its pattern, with no section table to help: the banner, the embedded
//! configuration, kallsyms, BTF.

use memchr::memmem;

use crate::compress::{self, Compression};
use crate::config::Config;

use super::bytes::{range, u8_at, u16_at, u32_at};

/// The longest banner there can be: the kernel prints it in one log line.
const BANNER_LIMIT: usize = 1024;
/// Configurations are 100 to 300 kB of text.
const CONFIG_LIMIT: usize = 16 << 20;

/// Every banner (`init/version.c`, `linux_banner`), without the newline. Format strings that begin in
/// the same way have no digit behind.
pub(super) fn banners(memory: &[u8]) -> impl Iterator<Item = String> {
    const START: &[u8] = b"Linux version ";
    memmem::find_iter(memory, START).filter_map(|at| {
        let text = memory.get(at..)?;
        text.get(START.len()).filter(|byte| byte.is_ascii_digit())?;
        let text = text.get(..BANNER_LIMIT).unwrap_or(text);
        let end = text.iter().position(|byte| matches!(byte, b'\n' | 0))?;
        std::str::from_utf8(text.get(..end)?).ok().map(str::to_owned)
    })
}

/// Whether a banner has the number of the build (`#1`): since Linux 6.1 there is a second one without,
/// from before the build gets its number, that is never printed.
pub(super) fn is_numbered(banner: &str) -> bool {
    banner.split(" #").skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// The configuration that `CONFIG_IKCONFIG` puts between two marks, packed with gzip
/// (`kernel/configs.c`).
pub(super) fn config(memory: &[u8]) -> Option<Config> {
    memmem::find_iter(memory, b"IKCFG_ST\x1f\x8b").find_map(|at| {
        let packed = memory.get(at + 8..)?;
        let text = compress::decompress(Compression::Gzip, packed, CONFIG_LIMIT).ok()?;
        packed.get(text.consumed..)?.starts_with(b"IKCFG_ED").then_some(())?;
        let config = Config::parse(&String::from_utf8_lossy(&text.bytes));
        (!config.is_empty()).then_some(config)
    })
}

/// Whether there is a kallsyms table (`scripts/kallsyms.c`): its 256 tokens, NUL-terminated and in a
/// row, of which the digits stand for themselves, and behind them an index of 16-bit offsets that
/// must agree with the tokens.
pub(super) fn has_kallsyms(memory: &[u8]) -> bool {
    const DIGITS: &[u8] = b"\x000\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00";
    memmem::find_iter(memory, DIGITS).any(|at| is_token_table(memory, at + 1).unwrap_or(false))
}

/// Whether the token `0` at `digit` belongs to a table with an index behind it.
fn is_token_table(memory: &[u8], digit: usize) -> Option<bool> {
    /// The index has 16 bits for all tokens together.
    const TABLE_LIMIT: usize = 1 << 16;
    let before = memory.get(digit.saturating_sub(TABLE_LIMIT)..digit)?;
    // 47 tokens from the second one to the one before `0`. Where the first one begins cannot be seen.
    let back = before.iter().rev().enumerate().filter(|(_, byte)| **byte == 0).nth(47)?.0;
    let second = digit.checked_sub(back)?;
    let tokens = memory.get(second..)?;
    let tokens = tokens.get(..TABLE_LIMIT).unwrap_or(tokens);
    let ends: Vec<usize> = memchr::memchr_iter(0, tokens).map(|end| end + 1).take(255).collect();
    let end = second + ends.last().filter(|_| ends.len() == 255)?;
    let agrees = |index: usize| {
        let slot = |number: u64| u16_at(memory, index as u64 + 2 * number).map(usize::from);
        let first = slot(1).filter(|_| slot(0) == Some(0));
        first.is_some_and(|first| (2..256).zip(&ends).all(|(number, end)| slot(number) == Some(first + end)))
    };
    // Aligned to 8 bytes at most.
    Some((end..end + 8).any(agrees))
}

/// The size of the BTF in a flat image, by its header (`include/uapi/linux/btf.h`): magic, version,
/// flags, size of the header, then offsets and sizes of types and strings behind the header.
pub(super) fn btf_size(memory: &[u8]) -> Option<u64> {
    memmem::find_iter(memory, b"\x9f\xeb\x01\x00").find_map(|at| {
        let start = at as u64;
        let field = |index: u64| u32_at(memory, start + 4 + 4 * index).map(u64::from);
        let [header, types, types_size, strings, strings_size] =
            [field(0)?, field(1)?, field(2)?, field(3)?, field(4)?];
        let text = start + header + strings;
        let plausible = (24..=256).contains(&header)
            && types_size > 0
            && strings_size > 1
            && strings >= types + types_size
            && u8_at(memory, text) == Some(0)
            && range(memory, text, strings_size)?.last() == Some(&0);
        plausible.then_some(header + strings + strings_size)
    })
}
