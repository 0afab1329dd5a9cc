//! What a target can do: registers, memory, breakpoints and run control, over the gdb remote protocol.
//!
//! [`Stub`] is a client of the stub inside QEMU. It takes any connected stream socket, asks nothing of
//! whoever opened it, and knows nothing of Linux. Every wait has a deadline, and a stub that lies,
//! stalls, sends garbage or dies gives an [`Error`], never a panic and never a hang. The protocol itself
//! is explained in [`packet`]; what QEMU makes of it in [`stub`].

mod address;
mod breakpoint;
mod error;
mod guest;
mod link;
mod memory;
pub mod packet;
mod register_type;
mod registers;
mod run;
mod stop;
pub mod stub;

pub use address::{Address, NoAddress, process_behind};
pub use breakpoint::{BreakpointKind, Site};
pub use error::{Error, Result};
pub use guest::{Guest, GuestMemory, View};
pub use memory::Physical;
pub use register_type::{FlagsType, NumberKind, NumberType, RegisterType};
pub use registers::{Register, RegisterLayout, Registers};
pub use run::{Action, Resume, StepMasks, Steps};
pub use stop::{Stop, Thread};
pub use stub::{Features, Stub};
