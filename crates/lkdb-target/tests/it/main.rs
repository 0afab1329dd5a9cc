//! The stub's client and guest memory, against scripted stubs and memory made by hand.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod guest;
mod honest;
mod hostile;
mod stub;
