//! The order of versions, as Debian's policy manual section 5.6.12 defines it.
//!
//! It also orders kernel releases (`6.1.0-56-cloud-amd64`) and upstream versions well, `~rc` and
//! `-rc` included, so everything that is "newest" is decided here.

use std::cmp::Ordering;

/// Compares two versions: `[epoch:]upstream[-revision]`.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (epoch_a, rest_a) = epoch(a);
    let (epoch_b, rest_b) = epoch(b);
    let (upstream_a, revision_a) = rest_a.rsplit_once('-').unwrap_or((rest_a, ""));
    let (upstream_b, revision_b) = rest_b.rsplit_once('-').unwrap_or((rest_b, ""));
    epoch_a
        .cmp(&epoch_b)
        .then_with(|| part(upstream_a, upstream_b))
        .then_with(|| part(revision_a, revision_b))
}

/// Compares two kernel releases (`uname -r`). Unlike a package version, a release's dashes all weigh
/// the same, and `-rc1` comes before the release it leads to.
#[must_use]
pub fn compare_releases(a: &str, b: &str) -> Ordering {
    part(&a.replace("-rc", "~rc"), &b.replace("-rc", "~rc"))
}

fn epoch(version: &str) -> (u64, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    }
}

/// Alternating runs of non-digits and digits are compared, each in its own way.
fn part(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let (text_a, rest_a) = split(a, |c| !c.is_ascii_digit());
        let (text_b, rest_b) = split(b, |c| !c.is_ascii_digit());
        let (number_a, next_a) = split(rest_a, |c| c.is_ascii_digit());
        let (number_b, next_b) = split(rest_b, |c| c.is_ascii_digit());
        let order = text(text_a, text_b).then_with(|| number(number_a, number_b));
        if order != Ordering::Equal || (next_a.is_empty() && next_b.is_empty()) {
            return order;
        }
        (a, b) = (next_a, next_b);
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// `~` sorts before the end, the end before letters, letters before all else.
fn text(a: &str, b: &str) -> Ordering {
    let weight = |c: Option<char>| match c {
        Some('~') => -1_i64,
        None => 0,
        Some(c) if c.is_ascii_alphabetic() => i64::from(u32::from(c)),
        Some(c) => i64::from(u32::from(c)) + 0x11_0000,
    };
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        let (next_a, next_b) = (a.next(), b.next());
        let order = weight(next_a).cmp(&weight(next_b));
        if order != Ordering::Equal || (next_a.is_none() && next_b.is_none()) {
            return order;
        }
    }
}

/// Numbers of any length, leading zeros ignored.
fn number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_dpkg_does() {
        // Each pair was checked with `dpkg --compare-versions A lt B`.
        for (less, more) in [
            ("6.1.192-1", "6.1.192-2"),
            ("6.1.99-1", "6.1.100-1"),
            ("6.12.107-1~bpo12+1", "6.12.107-1"),
            ("1.0~rc1", "1.0"),
            ("1.0", "1.0a"),
            ("1.0a", "1.0+b1"),
            ("9.9", "1:0.1"),
            ("1.0-1", "1.0-1+b1"),
            ("1.2-3-4", "1.2-30-4"),
            ("1.002", "1.3"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(compare(more, less), Ordering::Greater, "{more} {less}");
        }
        assert_eq!(compare("0:1.0", "1.0"), Ordering::Equal);
        assert_eq!(compare("1.00", "1.0"), Ordering::Equal);
    }

    #[test]
    fn orders_releases() {
        let mut releases = [
            "6.12.107+deb12-cloud-amd64",
            "6.1.0-9-amd64",
            "6.1.0-56-cloud-amd64",
            "6.1.0-56-amd64",
            "6.1.192",
            "6.1.0-rc3",
            "6.1.0",
        ];
        releases.sort_by(|a, b| compare_releases(a, b));
        assert_eq!(
            releases,
            [
                "6.1.0-rc3",
                "6.1.0",
                "6.1.0-9-amd64",
                "6.1.0-56-amd64",
                "6.1.0-56-cloud-amd64",
                "6.1.192",
                "6.12.107+deb12-cloud-amd64"
            ]
        );
    }
}
