//! What the readers of bytes from guests, files and sockets promise, whatever the bytes: they return,
//! within bounds, and what they return agrees with itself.
//!
//! Each function is one fuzz target. libFuzzer calls them through `fuzz/fuzz_targets/`, and
//! `tests/replay.rs` calls them with the seeds in `fuzz/seeds/`, in every test run. A panic is the find.
//! What was found and mended is a seed from then on.
//!
//! ```text
//! cargo xtask fuzz kernel --seconds 60
//! ```

mod dwarf;
mod image;
mod line;
mod names;
mod symbols;
mod unwind;
mod value;

pub use dwarf::dwarf;
pub use image::{archive, compress, config, kernel, modules};
pub use line::{agent, packet, stub, target_xml};
pub use names::{names, pattern};
pub use symbols::{btf, elf, system_map};
pub use unwind::{cfi, location, orc, stack};
pub use value::expression;

/// What a target is: it returns, or panics, which is a find.
pub type Target = fn(&[u8]);

/// Each target by its name, which is that of its folder of seeds too.
pub const TARGETS: [(&str, Target); 20] = [
    ("agent", agent),
    ("archive", archive),
    ("btf", btf),
    ("cfi", cfi),
    ("compress", compress),
    ("config", config),
    ("dwarf", dwarf),
    ("elf", elf),
    ("expression", expression),
    ("kernel", kernel),
    ("location", location),
    ("modules", modules),
    ("names", names),
    ("orc", orc),
    ("packet", packet),
    ("pattern", pattern),
    ("stack", stack),
    ("stub", stub),
    ("system_map", system_map),
    ("target_xml", target_xml),
];
