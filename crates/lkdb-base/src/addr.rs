//! The three kinds of address a kernel has, as three types, and the slide between two of them.
//!
//! A kernel's text has a link address (where the linker put it), a runtime address (where it runs
//! after KASLR) and a physical address (where it lies in guest RAM). Mixing them up is the classic
//! reason for breakpoints that never hit, so the compiler keeps them apart. No page walks here.

use std::fmt;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }

        impl $name {
            /// This address moved by `bytes`, wrapping as the processor does.
            #[must_use]
            pub const fn offset(self, bytes: u64) -> Self {
                Self(self.0.wrapping_add(bytes))
            }
        }
    };
}

address! {
    /// Where the linker put it: what `vmlinux` and `System.map` say.
    LinkAddr
}
address! {
    /// Where it runs after KASLR: what registers hold.
    RuntimeAddr
}
address! {
    /// Where it lies in guest RAM.
    PhysAddr
}

/// Runtime address minus link address of the kernel's text.
///
/// Only link addresses in `[_text, _end)` slide; per-CPU symbols do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slide(pub u64);

impl Slide {
    /// The slide that takes `link` to `runtime`.
    #[must_use]
    pub const fn between(link: LinkAddr, runtime: RuntimeAddr) -> Self {
        Self(runtime.0.wrapping_sub(link.0))
    }

    /// Where `link` runs.
    #[must_use]
    pub const fn apply(self, link: LinkAddr) -> RuntimeAddr {
        RuntimeAddr(link.0.wrapping_add(self.0))
    }

    /// Where `runtime` was linked.
    #[must_use]
    pub const fn undo(self, runtime: RuntimeAddr) -> LinkAddr {
        LinkAddr(runtime.0.wrapping_sub(self.0))
    }
}

impl fmt::Display for Slide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slide_undoes_itself() {
        let link = LinkAddr(0xffff_ffff_8100_0000);
        let runtime = RuntimeAddr(0xffff_ffff_a5c0_0000);
        let slide = Slide::between(link, runtime);
        assert_eq!(slide.to_string(), "0x24c00000");
        assert_eq!(slide.apply(link), runtime);
        assert_eq!(slide.undo(runtime), link);
    }
}
