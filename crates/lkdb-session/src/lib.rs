//! A debug session's own knowledge: how a frozen machine gets to its kernel, and where that kernel lies.
//!
//! Uses the stub through `lkdb-target` and names through `lkdb-symbols`; opens no files and no sockets.

pub mod breakpoints;
pub mod entry;
pub mod run;
