//! Call stacks: ORC, DWARF CFI and frame pointers, each turned into one kind of row; one stepper over the
//! rows. Also where a variable is in a frame, since that needs the frame's registers.
//!
//! No I/O, and no knowledge of Linux beyond its stacks' layout, which comes in as data.
//!
//! - [`Row`] says how a function's caller is found at one instruction. [`Orc`] and [`Cfi`] make rows.
//! - [`Stepper`] goes from [`Registers`] at a stop to the callers, one [`Frame`] at a time, and says with
//!   [`End`] how the stack ended. What it must know of the program comes through [`World`].
//! - [`Scene`] evaluates a variable's location in a frame.

mod call;
mod cfi;
mod end;
mod entry;
mod evaluate;
mod frame;
mod location;
mod orc;
mod registers;
mod row;
mod stepper;

pub use call::behind_call;
pub use cfi::{Cfi, CfiError};
pub use end::{Broken, End, Why};
pub use frame::{CodeAddress, Found, Frame, Source};
pub use location::Scene;
pub use orc::{Layout, Orc};
pub use registers::{Held, Kept, Registers};
pub use row::{Call, CfaRule, Others, Row, Rows, Rule};
pub use stepper::{Function, StackRange, Stepper, World};
