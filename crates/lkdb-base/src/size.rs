//! Sizes as people write and read them.

/// A text that is not a size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a size: a number with K, M, G or T behind it (512M, 2G), or in MiB without")]
pub struct NotASize(String);

/// Reads a memory size as QEMU's `-m` does: `512M`, `2G`; a bare number is in MiB. Returns bytes.
///
/// # Errors
/// When the text is no number with such a unit, is zero, or does not fit 64 bits.
pub fn parse(text: &str) -> Result<u64, NotASize> {
    let wrong = || NotASize(text.to_owned());
    let trimmed = text.trim_end_matches(['B', 'b', 'i']);
    let (digits, shift) = match trimmed.chars().last().map(|c| c.to_ascii_uppercase()) {
        Some('K') => (&trimmed[..trimmed.len() - 1], 10),
        Some('M') => (&trimmed[..trimmed.len() - 1], 20),
        Some('G') => (&trimmed[..trimmed.len() - 1], 30),
        Some('T') => (&trimmed[..trimmed.len() - 1], 40),
        _ => (text, 20),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// A memory size as [`parse`] reads it, in the largest unit that shows it exactly: `512M`, `1G`.
#[must_use]
pub fn binary(bytes: u64) -> String {
    let fits = |shift: u32| bytes.trailing_zeros() >= shift && bytes != 0;
    match ["T", "G", "M", "K"].into_iter().zip([40, 30, 20, 10]).find(|(_, shift)| fits(*shift)) {
        Some((unit, shift)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes} B"),
    }
}

/// A byte count for people: `93.1 MB` (decimal units, as disks and downloads are counted).
#[must_use]
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[allow(clippy::cast_precision_loss)] // three digits are shown
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS.get(unit).copied().unwrap_or("PB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_qemu_reads_them() {
        assert_eq!(parse("1G"), Ok(1 << 30));
        assert_eq!(parse("512m"), Ok(512 << 20));
        assert_eq!(parse("256"), Ok(256 << 20));
        assert_eq!(parse("64MiB"), Ok(64 << 20));
        for wrong in ["", "G", "0", "-1", "1.5G", "99999999999T", "1X", "1é"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn memory_sizes_are_read_as_they_are_shown() {
        for text in ["1G", "1536M", "3K", "2T"] {
            assert_eq!(binary(parse(text).unwrap()), text);
        }
        assert_eq!(binary(1025), "1025 B");
    }

    #[test]
    fn sizes_are_shown_with_one_digit() {
        assert_eq!(human(999), "999 B");
        assert_eq!(human(93_100_000), "93.1 MB");
        assert_eq!(human(999_999), "1.0 MB");
    }
}
