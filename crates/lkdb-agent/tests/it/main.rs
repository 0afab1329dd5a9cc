//! The frames on arbitrary bytes, and the agent itself on a pseudo-terminal, running real programs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod commands;
mod frames;
mod host;
