//! The commands, one file a family: each has its `COMMANDS`, which the table lists.

pub(crate) mod breakpoints;
pub(crate) mod code;
pub(crate) mod dump;
pub(crate) mod files;
pub(crate) mod frame_line;
pub(crate) mod going_to;
pub(crate) mod info;
pub(crate) mod info_frame;
pub(crate) mod list;
pub(crate) mod mixed;
pub(crate) mod places;
pub(crate) mod print;
pub(crate) mod printf;
pub(crate) mod registers;
pub(crate) mod running;
pub(crate) mod scope;
pub(crate) mod settings;
pub(crate) mod stack;
pub(crate) mod stop_when;
pub(crate) mod stopped;
pub(crate) mod support;
pub(crate) mod symbols;
pub(crate) mod threads;
pub(crate) mod types;
pub(crate) mod variables;
