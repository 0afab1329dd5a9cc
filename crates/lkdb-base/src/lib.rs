//! What every room of lkdb shares: address types, architecture tables, page walks, build IDs, sizes.
//!
//! Depends on nothing of ours, does no I/O, and holds no debugger logic.

pub mod addr;
pub mod arch;
mod build_id;
pub mod memory;
pub mod paging;
pub mod size;

pub use addr::{LinkAddr, PhysAddr, RuntimeAddr, Slide};
pub use arch::Arch;
pub use build_id::BuildId;
pub use memory::{Memory, Unreadable};
