//! Windows: how much may be under way, so that a slow reader holds up only itself.
//!
//! Each stream of each channel has a window of [`STREAM_WINDOW`] bytes. Its sender counts down ([`Budget`])
//! and its receiver gives back what its reader has really taken ([`Meter`]), in `Credit` messages. So a
//! receiver never holds more than a window per stream, and nobody blocks the line. Above that, all that
//! the host sends stays within [`LINK_WINDOW`], acknowledged as soon as the agent has read it.

/// Bytes of one stream of one channel that may be under way when it opens.
pub const STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes of frames to the guest that may be under way on the whole line: less than the 64 KiB that a
/// guest's serial driver buffers before it drops.
pub const LINK_WINDOW: u32 = 48 * 1024;

/// A sender's side: what it may still send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(u32);

impl Default for Budget {
    fn default() -> Self {
        Self(STREAM_WINDOW)
    }
}

impl Budget {
    /// How many of `wanted` bytes may go now; they count as sent.
    pub fn take(&mut self, wanted: usize) -> usize {
        let granted = u32::try_from(wanted).unwrap_or(u32::MAX).min(self.0);
        self.0 -= granted;
        granted as usize
    }

    /// Gives back what was taken and not sent, or what the peer has granted.
    pub fn grant(&mut self, bytes: u32) {
        self.0 = self.0.saturating_add(bytes).min(STREAM_WINDOW);
    }

    /// What may be sent now.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.0
    }
}

/// A receiver's side: what its reader has taken and the sender has not been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meter(u32);

impl Meter {
    /// Counts bytes that the reader took; says what to grant now, in portions worth a message.
    pub fn taken(&mut self, bytes: usize) -> Option<u32> {
        self.0 = self.0.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        (self.0 >= STREAM_WINDOW / 4).then(|| std::mem::take(&mut self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_never_exceeds_its_window() {
        let mut budget = Budget::default();
        assert_eq!(budget.take(usize::MAX), STREAM_WINDOW as usize);
        assert_eq!(budget.take(1), 0);
        budget.grant(10);
        assert_eq!(budget.take(4), 4);
        budget.grant(u32::MAX);
        assert_eq!(budget.left(), STREAM_WINDOW);
    }

    #[test]
    fn a_meter_returns_every_byte_in_portions() {
        let mut meter = Meter::default();
        let granted: u32 = (0..STREAM_WINDOW).filter_map(|_| meter.taken(1)).sum();
        assert_eq!(granted, STREAM_WINDOW);
    }
}
