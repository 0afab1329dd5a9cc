//! How long work tells its caller how far it is, and learns that it should stop.
//!
//! Drawing bars and catching signals is the caller's business.

/// The caller's side of a long piece of work.
pub trait Progress {
    /// A new step begins; `total` is in bytes (or objects, for builds) where it is known.
    fn step(&mut self, what: &str, total: Option<u64>);
    /// The step has come this far, in the unit of its total.
    fn at(&mut self, done: u64);
    /// The step is over, well or not.
    fn end(&mut self);
    /// Something the user should know: what was left out, and why.
    fn note(&mut self, text: &str);
    /// Whether the user asked to stop: the work then ends with [`crate::Error::Cancelled`].
    fn cancelled(&self) -> bool {
        false
    }
}

/// A [`Progress`] that says nothing and never stops.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&mut self, _what: &str, _total: Option<u64>) {}
    fn at(&mut self, _done: u64) {}
    fn end(&mut self) {}
    fn note(&mut self, _text: &str) {}
}
