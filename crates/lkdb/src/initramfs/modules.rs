//! Module trees on this host: found, indexed, and put into the guest.

mod place;
mod tree;

pub(super) use place::{Wanted, place};
pub(super) use tree::ModuleTree;
