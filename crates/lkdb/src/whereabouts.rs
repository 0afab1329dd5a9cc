//! Where the processors of a machine are, for a boot that hangs: asked of QEMU, named by the symbols.

use std::fmt;

use anyhow::Context as _;
use lkdb_artifacts::KernelSet;
use lkdb_base::RuntimeAddr;
use lkdb_machine::Machine;
use lkdb_session::entry::{self, Kernel};
use lkdb_symbols::Elf;
use lkdb_target::Stub;
use serde_json::json;

/// One processor's place.
#[derive(Debug)]
pub(crate) struct Place {
    cpu: u32,
    pc: u64,
    halted: bool,
    name: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPU {}: {:#x}", self.cpu, self.pc)?;
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        if self.halted { f.write_str(", halted") } else { Ok(()) }
    }
}

/// Asks QEMU for every processor's program counter. The guest is not stopped for that.
pub(crate) fn of(machine: &Machine, kernel: &KernelSet) -> anyhow::Result<Vec<Place>> {
    let answer = machine.qmp("human-monitor-command", json!({ "command-line": "info registers -a" }))?;
    let text = answer.as_str().context("QEMU gave no registers")?;
    let mut places = parse(text);
    if let Err(error) = name(&mut places, machine, kernel) {
        tracing::debug!("no names for these places: {error:#}");
    }
    Ok(places)
}

/// Gives each place its symbol, as far as there are symbols and the kernel's page tables are up.
fn name(places: &mut [Place], machine: &Machine, kernel: &KernelSet) -> anyhow::Result<()> {
    let vmlinux = kernel.vmlinux.as_ref().context("there is no vmlinux")?;
    let bytes = lkdb_map::map(vmlinux)?;
    let elf = Elf::parse(&bytes)?;
    let mut lease = machine.stub()?;
    let found = Stub::new(lease.take().context("the stub was lent without a connection")?)
        .map_err(entry::Error::from)
        .and_then(|mut stub| entry::running(&mut stub, &Kernel::new(elf)?));
    lease.end()?;
    let slide = found?.slide;
    let symbols = elf.symbols()?;
    for place in places {
        let nearest = symbols.nearest(slide.undo(RuntimeAddr(place.pc)));
        place.name = nearest.map(|nearest| format!("{}+{:#x}", nearest.symbol.name, nearest.offset));
    }
    Ok(())
}

/// Reads the monitor's `info registers -a`: a `CPU#N` line, then registers, `RIP=` or `PC=` among them.
fn parse(text: &str) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for word in text.split_whitespace() {
        if let Some(cpu) = word.strip_prefix("CPU#").and_then(|number| number.parse().ok()) {
            places.push(Place { cpu, pc: 0, halted: false, name: None });
        }
        let Some(place) = places.last_mut() else { continue };
        let pc = word.strip_prefix("RIP=").or_else(|| word.strip_prefix("PC="));
        if let Some(pc) = pc.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            place.pc = pc;
        }
        place.halted |= word == "HLT=1";
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monitors_registers_are_read() {
        let text = "\r\nCPU#0\r\nRAX=0000000000000000 RBX=1\r\nRIP=ffffffff81a0b123 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n\r\nCPU#1\r\nRIP=000000000000fff0 RFL=2 HLT=0\r\n";
        let places = parse(text);
        assert_eq!(places.len(), 2);
        assert_eq!(places[0].to_string(), "CPU 0: 0xffffffff81a0b123, halted");
        assert_eq!(places[1].to_string(), "CPU 1: 0xfff0");
    }
}
