//! The gdb side of lkdb: finding a gdb, and the script and Python file that load everything into it.
//!
//! Starting the machine, running it to its kernel and starting gdb are `command/gdb.rs`'s.

pub(crate) mod find;
pub(crate) mod script;
