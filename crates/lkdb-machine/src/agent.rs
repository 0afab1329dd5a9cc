//! The agent's program, as archives for guests carry it. How it is built: `build.rs`; what it says: `lkdb_agent`.

use lkdb_base::Arch;

/// Each architecture's agent, by the name of [`Arch::name`].
static BINARIES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/agent.rs"));

/// The agent for guests of this architecture: a static ELF program. `None` where this build of lkdb has
/// none (it carries the one of the architecture it was built for): such guests run no commands.
#[must_use]
pub fn binary(arch: &Arch) -> Option<&'static [u8]> {
    BINARIES.iter().find(|(name, _)| *name == arch.name).map(|(_, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_an_elf_of_its_architecture() {
        assert!(!BINARIES.is_empty());
        for (name, bytes) in BINARIES {
            let arch = Arch::by_name(name).unwrap();
            let machine = u16::from_le_bytes(bytes[18..20].try_into().unwrap());
            assert_eq!((&bytes[..4], machine), (&b"\x7fELF"[..], arch.elf_machine));
            assert_eq!(binary(arch), Some(*bytes));
        }
    }
}
