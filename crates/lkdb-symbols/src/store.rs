//! Bytes made from a file's bytes (unpacked sections, relocated ones), kept as long as the file.

use typed_arena::Arena;

/// Keeps what it is given until it is dropped, and lends it meanwhile.
#[derive(Default)]
pub struct Store {
    kept: Arena<Vec<u8>>,
}

impl Store {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps `bytes`.
    pub fn keep(&self, bytes: Vec<u8>) -> &[u8] {
        self.kept.alloc(bytes).as_slice()
    }
}
