//! Characters and strings, as gdb writes them: escapes, runs of equal ones, and what was left out.

use std::fmt::Write;

use lkdb_base::{Memory, RuntimeAddr};

use super::settings::Settings;

/// A string's characters, each as the number it is.
pub(super) struct Text<'a> {
    pub(super) units: &'a [u32],
    /// `L`, `u`, `U` or nothing.
    pub(super) prefix: &'static str,
    /// There is more of it.
    pub(super) more: bool,
}

/// One character as it stands between quotes. `escape` says that the last one was a hexadecimal escape, which a
/// digit would lengthen.
fn put_character(out: &mut String, unit: u32, quote: char, escape: &mut bool) {
    let after_hex = std::mem::take(escape);
    let named = match unit {
        7 => "\\a",
        8 => "\\b",
        9 => "\\t",
        10 => "\\n",
        11 => "\\v",
        12 => "\\f",
        13 => "\\r",
        _ => "",
    };
    if !named.is_empty() {
        out.push_str(named);
        return;
    }
    match char::from_u32(unit) {
        Some(one) if (0x20..0x7f).contains(&unit) && !(after_hex && one.is_ascii_hexdigit()) => {
            if one == quote || one == '\\' {
                out.push('\\');
            }
            out.push(one);
        }
        _ if unit <= 0o777 => _ = write!(out, "\\{unit:03o}"),
        _ => {
            _ = write!(out, "\\x{unit:x}");
            *escape = true;
        }
    }
}

/// A character between its quotes.
pub(super) fn character(unit: u32, prefix: &str) -> String {
    let mut out = format!("{prefix}'");
    put_character(&mut out, unit, '\'', &mut false);
    out.push('\'');
    out
}

impl Text<'_> {
    /// Between quotes, with runs of more than `repeats` counted, and at most `elements` characters (a run
    /// that begins within them is whole).
    pub(super) fn put(&self, out: &mut String, settings: &Settings) {
        let mut units = self.units;
        if let Some((0, rest)) = units.split_last().map(|(last, rest)| (*last, rest))
            && !self.more
        {
            units = rest;
        }
        if units.is_empty() {
            out.push_str(self.prefix);
            out.push_str("\"\"");
            return;
        }
        let most = settings.elements.unwrap_or(u64::MAX);
        let threshold = settings.repeats.unwrap_or(u64::MAX);
        let (mut done, mut at) = (0_u64, 0_usize);
        let (mut open, mut first, mut escape) = (false, true, false);
        while done < most
            && let Some(unit) = units.get(at).copied()
        {
            let run = units.iter().skip(at).take_while(|one| **one == unit).count();
            at += run;
            done = done.saturating_add(run as u64);
            let counted = run as u64 > threshold;
            if counted && open {
                out.push('"');
            }
            if !first && (counted || !open) {
                out.push_str(", ");
            }
            if counted {
                out.push_str(self.prefix);
                out.push('\'');
                put_character(out, unit, '"', &mut escape);
                _ = write!(out, "' <repeats {run} times>");
            } else {
                if !open {
                    out.push_str(self.prefix);
                    out.push('"');
                }
                (0..run).for_each(|_| put_character(out, unit, '"', &mut escape));
            }
            (open, first) = (!counted, false);
        }
        if open {
            out.push('"');
        }
        if self.more || at < units.len() {
            out.push_str("...");
        }
    }
}

/// Bytes as characters of this width.
pub(super) fn units(bytes: &[u8], width: u64) -> Vec<u32> {
    let width = usize::try_from(width.clamp(1, 4)).unwrap_or(1);
    bytes
        .chunks(width)
        .map(|chunk| chunk.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
        .collect()
}

/// A string in memory up to its zero.
pub(super) struct Fetched {
    /// Its characters, with the zero if it was reached.
    pub(super) units: Vec<u32>,
    /// Reading failed here.
    pub(super) failed: Option<RuntimeAddr>,
    /// There is more of it, which was not asked for.
    pub(super) more: bool,
}

/// Reads a string of at most `most` characters.
pub(super) fn fetch(memory: &dyn Memory, address: RuntimeAddr, width: u64, most: u64) -> Fetched {
    let width = width.clamp(1, 4);
    let mut fetched = Fetched { units: Vec::new(), failed: None, more: false };
    let mut at = address;
    loop {
        let wanted = most.saturating_sub(fetched.units.len() as u64);
        if wanted == 0 {
            break;
        }
        // Up to the end of a block, so that one read never goes into a page that the string may not reach.
        let block = (64 - at.0 % 64) / width;
        let count = block.min(wanted).max(1);
        let mut bytes = vec![0; usize::try_from(count * width).unwrap_or(1)];
        let mut read = memory.read(at, &mut bytes);
        if read.is_err() && count > 1 {
            bytes.truncate(usize::try_from(width).unwrap_or(1));
            read = memory.read(at, &mut bytes);
        }
        if read.is_err() {
            fetched.failed = Some(at);
            return fetched;
        }
        at = at.offset(bytes.len() as u64);
        for unit in units(&bytes, width) {
            fetched.units.push(unit);
            if unit == 0 {
                return fetched;
            }
        }
    }
    let mut next = vec![0; usize::try_from(width).unwrap_or(1)];
    fetched.more = memory.read(at, &mut next).is_ok() && next.iter().any(|byte| *byte != 0);
    fetched
}
