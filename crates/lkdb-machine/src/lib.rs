//! See the crate's description.

pub mod agent;
pub mod host;
