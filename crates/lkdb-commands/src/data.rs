//! Small pieces of data that many answers have, as JSON wants them.

use serde::{Serialize, Serializer};

/// An address. In JSON a text, as numbers above 2^53 are none there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}
