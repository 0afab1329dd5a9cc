//! One debug session: the files it has symbols of, its sources, its settings, where `list` and `x` stand; and
//! how a frozen machine gets to its kernel, and where that kernel lies.
//!
//! Uses every room below. Answers are data; nothing here prints, and words are the commands' affair.

pub mod breakpoints;
pub mod code;
pub mod entry;
mod error;
pub mod frames;
mod image;
mod interrupt;
pub mod live;
pub mod run;
mod session;
mod settings;
pub mod source;

pub use error::{Error, Result};
pub use interrupt::Interrupt;
pub use session::Session;
pub use settings::{PrintSettings, Settings};
