//! Typed objects in target memory: C expressions, member access, formats, and how C declares a type.
//!
//! Text is gdb's, for hands, scripts and comparisons. Knows no Linux, prints nothing.

mod context;
mod data;
pub mod declare;
pub mod expr;
mod float;
pub mod format;
mod history;
mod shape;
mod value;
mod write;

pub use context::{Bytes, Context, Error, Named, Writer};
pub use data::{Data, Tree, data};
pub use declare::type_text;
pub use history::History;
pub use value::{Bits, Contents, Gap, MAX_VALUE_SIZE, Name, Value};
pub use write::{Write, plan};

#[cfg(test)]
mod tests;
