//! Memory that is mapped, the one crate with `unsafe`: files, read-only; guest RAM, shared.
//!
//! A mapped file is lent as a slice. Guest RAM, which the guest writes meanwhile, is not: it is copied.
//! Nothing here knows what it maps.

mod file;
mod files;

pub use file::{Error, Mapped, map};
pub use files::Files;
