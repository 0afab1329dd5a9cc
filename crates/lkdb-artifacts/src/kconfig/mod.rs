//! The kernel's configuration language, as far as "why is this option off" needs it.
//!
//! `make olddefconfig` stays the judge of a configuration. What is read here is which options a tree
//! has, what they depend on, which of them exclude each other, and what a `.config` says; so that an
//! option that did not stick can be explained, and a contradiction be seen before anything is changed.

pub(crate) mod dotconfig;
pub(crate) mod expr;
mod parse;
pub(crate) mod reason;
pub(crate) mod tree;
