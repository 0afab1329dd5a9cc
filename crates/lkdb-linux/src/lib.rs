//! What Linux looks like in memory: tasks, modules, per-CPU variables.
//!
//! Variables and members are looked for by their names, never by the kernel's version; everything comes through
//! `lkdb-value`'s context, so that it works on a live machine and on a dump. Which registers a CPU has, and where
//! the kernel lies, is the caller's to know.

mod module;
mod per_cpu;
mod task;
#[cfg(test)]
mod tests;

pub use module::{Module, ModuleLayout, OrcTables};
pub use per_cpu::Area;
pub use task::{NoTask, Task, running};
