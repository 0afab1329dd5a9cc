//! One table of debugger commands: names, aliases, arguments, help, and a function that returns data.
//!
//! Every front end calls these. What a command returns lays itself out on a [`Page`], which the program
//! paints, or turns into JSON; nothing here prints, asks or exits.

mod answer;
mod page;

pub use answer::{Answer, Layout};
pub use page::{Page, Span, Style};
