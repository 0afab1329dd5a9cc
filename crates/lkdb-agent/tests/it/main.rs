//! The frames on arbitrary bytes, and the agent itself on a pseudo-terminal, running real programs.

mod commands;
mod frames;
mod host;
