//! One debug session: the files it has symbols of, its sources, its settings, where `list` and `x` stand; and
//! how a frozen machine gets to its kernel, and where that kernel lies.
//!
//! Uses every room below. Answers are data; nothing here prints, and words are the commands' affair.

pub mod breakpoints;
pub mod code;
mod context;
mod displays;
mod dump;
pub mod entry;
mod error;
mod evaluate;
pub mod frames;
mod image;
pub mod index_cache;
mod indexes;
mod interrupt;
pub mod linespec;
mod listing;
pub mod live;
mod modules;
mod names;
mod overlay;
pub mod registers;
pub mod run;
mod session;
mod settings;
pub mod source;
pub mod stepping;
mod symbolic;
mod values;

pub use displays::{Display, Displays};
pub use error::{Error, Result};
pub use indexes::{Listener, Progress};
pub use interrupt::Interrupt;
pub use listing::{Lines, Listing};
pub use modules::ModuleFunction;
pub use session::Session;
pub use settings::Settings;
pub use symbolic::{CodeAround, Declared, LineOf, LineRow, Made};
pub use values::Values;
