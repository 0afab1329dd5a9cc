//! The commands, one file a family: each has its `COMMANDS`, which the table lists.

pub(crate) mod running;
pub(crate) mod settings;
pub(crate) mod stack;
pub(crate) mod support;
