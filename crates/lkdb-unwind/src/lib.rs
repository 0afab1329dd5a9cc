//! Call stacks: ORC, DWARF CFI and frame pointers, each turned into one kind of row; one stepper over the
//! rows. Also where a variable is in a frame, since that needs the frame's registers.
//!
//! No I/O, and no knowledge of Linux beyond its stacks' layout, which comes in as data.

mod cfi;
mod orc;
mod registers;
mod row;

pub use cfi::{Cfi, CfiError};
pub use orc::{Layout, Orc};
pub use registers::{Held, Kept, Registers};
pub use row::{Call, CfaRule, Others, Row, Rows, Rule};
