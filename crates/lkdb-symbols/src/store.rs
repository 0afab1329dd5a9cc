//! Bytes made from a file's bytes (unpacked sections, relocated ones), kept as long as the file.

use std::sync::OnceLock;

/// Keeps what it is given until it is dropped, and lends it meanwhile. Threads may share it.
#[derive(Debug, Default)]
pub struct Store {
    first: OnceLock<Box<Kept>>,
}

/// One piece and the next: a chain, since its links never move, so what was lent stays where it is.
#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    next: OnceLock<Box<Kept>>,
}

impl Store {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps `bytes`.
    pub fn keep(&self, bytes: Vec<u8>) -> &[u8] {
        let mut kept = Some(Box::new(Kept { bytes, next: OnceLock::new() }));
        let mut slot = &self.first;
        loop {
            // Each slot is filled once: by this piece, or by another that came earlier.
            let here = slot.get_or_init(|| kept.take().unwrap_or_else(|| Box::new(Kept::empty())));
            if kept.is_none() {
                return &here.bytes;
            }
            slot = &here.next;
        }
    }
}

impl Kept {
    fn empty() -> Self {
        Self { bytes: Vec::new(), next: OnceLock::new() }
    }
}

impl Drop for Store {
    /// Link by link: a long chain dropped as one would recurse as deep as it is long.
    fn drop(&mut self) {
        let mut next = self.first.take();
        while let Some(mut kept) = next {
            next = kept.next.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Store;

    #[test]
    fn what_was_lent_stays_while_more_comes() {
        let store = Store::new();
        let lent: Vec<&[u8]> = (0..100_u8).map(|byte| store.keep(vec![byte; 3])).collect();
        for (byte, bytes) in (0..100_u8).zip(lent) {
            assert_eq!(bytes, [byte; 3]);
        }
    }

    #[test]
    fn threads_share_it() {
        let store = Store::new();
        std::thread::scope(|scope| {
            for byte in 0..4_u8 {
                let store = &store;
                scope.spawn(move || {
                    for _ in 0..50 {
                        assert_eq!(store.keep(vec![byte; 8]), [byte; 8]);
                    }
                });
            }
        });
    }
}
