//! What a kernel carries that a debugger can use, and how much of it.

use object::elf;

use super::elf::{Elf, Section};
use super::{Kernel, dwarf, search};

pub use super::dwarf::Dwarf;

/// What a debugger finds in a kernel or module. Sizes are in bytes; `None`: it is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Contents {
    /// Whether code and data are in it: a file of debug information alone
    /// (`objcopy --only-keep-debug`) has only the sizes of both.
    pub code: bool,
    /// DWARF debug information: lines, locals, types.
    pub dwarf: Option<Dwarf>,
    /// Size of the BTF: types and functions' signatures.
    pub btf: Option<u64>,
    /// Size of the ORC unwind tables (x86): exact call stacks without debug information.
    pub orc: Option<u64>,
    /// Whether it has the table of names that the kernel itself prints in an oops.
    pub kallsyms: bool,
    /// How many entries `.symtab` has.
    pub symbols: Option<u64>,
}

impl Kernel<'_> {
    /// What it carries.
    #[must_use]
    pub fn contents(&self) -> Contents {
        let regions = self.regions();
        let kallsyms = regions.iter().any(|region| search::has_kallsyms(region));
        let btf_in_memory = || regions.iter().find_map(|region| search::btf_size(region));
        let Ok(elf) = Elf::parse(self.bytes()) else {
            return Contents { code: true, btf: btf_in_memory(), kallsyms, ..Contents::default() };
        };
        let held = |name| elf.section(name).filter(|section| !section.data.is_empty());
        let size = |name| held(name).map(|section: &Section<'_>| section.size);
        let entries = |section: &Section<'_>| section.size / 24; // Elf64_Sym
        Contents {
            code: elf.has_code(),
            dwarf: dwarf::find(&elf),
            btf: if elf.sections.is_empty() { btf_in_memory() } else { size(".BTF") },
            orc: size(".orc_unwind").map(|rows| rows + size(".orc_unwind_ip").unwrap_or(0)),
            kallsyms,
            symbols: elf.sections.iter().find(|section| section.kind == elf::SHT_SYMTAB).map(entries),
        }
    }
}
