//! Typed objects in target memory: C expressions, member access, formats, and how C declares a type.
//!
//! Text is gdb's, for hands, scripts and comparisons. Knows no Linux, prints nothing.

mod context;

pub use context::{Bytes, Context, Error, Named};
