//! Memory that is mapped, the one crate with `unsafe`: files, read-only; guest RAM, shared.
//!
//! A mapped file is lent as a slice. Guest RAM, which the guest writes meanwhile, is not: it is copied.
//! What the bytes mean is not known here.

mod file;
mod files;
mod ram;

pub use file::{Error, Mapped, map};
pub use files::Files;
pub use ram::{Piece, Ram};
