//! The build ID that ties an image, a vmlinux and a running kernel together.

use std::fmt;
use std::str::FromStr;

/// A GNU build ID: the descriptor of the `NT_GNU_BUILD_ID` note, printed as lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BuildId(Vec<u8>);

/// A text that is not a build ID.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a build ID (an even number of hex digits, at least 8, at most 128)")]
pub struct NotABuildId(String);

impl BuildId {
    /// From the note's descriptor.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The note's descriptor.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for BuildId {
    type Err = NotABuildId;

    fn from_str(text: &str) -> Result<Self, NotABuildId> {
        let wrong = || NotABuildId(text.to_owned());
        let digits = text.as_bytes();
        if !(8..=128).contains(&digits.len()) || !digits.len().is_multiple_of(2) {
            return Err(wrong());
        }
        let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
        digits
            .chunks_exact(2)
            .map(|pair| match pair {
                [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
                _ => None,
            })
            .collect::<Option<Vec<u8>>>()
            .map(Self)
            .ok_or_else(wrong)
    }
}

impl serde::Serialize for BuildId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let id: BuildId = "f3141e126cec198b".parse().unwrap();
        assert_eq!(id.as_bytes(), [0xf3, 0x14, 0x1e, 0x12, 0x6c, 0xec, 0x19, 0x8b]);
        assert_eq!(id.to_string(), "f3141e126cec198b");
        for wrong in ["", "f3", "f3141e126cec198", "g3141e126cec198b", "+f141e126cec198b"] {
            assert!(wrong.parse::<BuildId>().is_err(), "{wrong}");
        }
    }
}
