//! One table of debugger commands: names, aliases, arguments, help, and a function that returns data.
//!
//! Every front end calls [`execute`]. What a command returns lays itself out on a [`Page`], which the program
//! paints, or turns into JSON; nothing here prints, asks or exits.

mod answer;
mod arguments;
mod command;
mod completion;
mod data;
mod error;
mod interpreter;
mod lookup;
mod page;
mod strangers;
mod table;

pub use answer::{Answer, Layout, Nothing, Text};
pub use command::settings::Setting;
pub use completion::{Completions, complete};
pub use error::Error;
pub use interpreter::{Step, execute, repetition};
pub use page::{Page, Span, Style};
pub use table::{Action, Command, Control, Group, Repeat, Run, Takes};

/// What a command's function returns.
pub type Result<T = Box<dyn Answer>> = std::result::Result<T, Error>;
