//! Typed objects in target memory: C expressions, member access, formats, and how C declares a type.
//!
//! Text is gdb's, for hands, scripts and comparisons. Knows no Linux, prints nothing.

mod context;
pub mod declare;
pub mod expr;
mod float;
pub mod format;
mod shape;
mod value;
mod write;

pub use context::{Bytes, Context, Error, Named, Writer};
pub use declare::type_text;
pub use value::{Bits, Contents, Gap, MAX_VALUE_SIZE, Name, Value};
pub use write::{Write, plan};
