//! Registers as users name them: of the selected frame, with gdb's types; read and written.
//!
//! General registers are the frame's, as unwinding found them; what no frame saves (control registers, bases) is
//! the CPU's. Which names there are is in the target's description and the architecture's table.

use std::sync::Arc;

use lkdb_base::Arch;
use lkdb_symbols::types::{
    Base, Composite, CompositeKind, Count, Encoding, FlagField, Flags, Function, Member, Type,
};
use lkdb_symbols::{DwarfRegister, Gone, TypeId, TypeSource as _};
use lkdb_target::{NumberKind, Register, RegisterType};
use lkdb_unwind::Kept;
use lkdb_value::{Bytes, Error as ValueError};

use crate::{Error, Result, Session};

/// What a name behind a `$` is of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part<'n> {
    /// The whole register, as target.xml names it.
    name: &'n str,
    offset: usize,
    /// None: all of it.
    size: Option<usize>,
}

fn part<'n>(arch: &Arch, name: &'n str) -> Part<'n> {
    let whole = |name| Part { name, offset: 0, size: None };
    let numbered = |dwarf| whole(arch.register(dwarf).map_or("", |fact| fact.name));
    match name {
        "pc" => whole(arch.program_counter),
        "sp" => numbered(arch.frames.stack_pointer),
        "fp" => numbered(arch.frames.frame_pointer),
        _ => match arch.parts.iter().find(|part| part.name == name) {
            Some(part) => Part { name: part.of, offset: part.offset, size: Some(part.size) },
            None => whole(name),
        },
    }
}

impl Session<'_> {
    /// The names of the registers that `info registers` shows: `all`, or all but those of floating point and vectors.
    ///
    /// # Errors
    /// When there is no machine, or the stub does not tell.
    pub fn register_names(&self, all: bool) -> Result<Vec<String>> {
        let live = self.live()?;
        let cpu = live.registers(live.selected())?;
        let shown = |one: &&Register| all || one.bits <= 64 && !is_float(&one.name);
        Ok(cpu.layout().registers().iter().filter(shown).map(|one| one.name.clone()).collect())
    }

    /// A register of the selected frame by any of its names; none where there is no such.
    pub(crate) fn register_value(&self, name: &str) -> Option<Result<Bytes, ValueError>> {
        let arch = self.arch()?;
        let part = part(arch, name);
        let known = arch.register_named(part.name);
        let Ok(live) = self.live() else {
            return known.map(|_| Err(ValueError::Operation("No registers.".to_owned())));
        };
        let mut bytes: Vec<u8> = match known {
            Some(fact) => match self.frame_register(DwarfRegister(fact.dwarf)) {
                Ok(bytes) => bytes.to_vec(),
                Err(gone) => return Some(Err(ValueError::Gone(gone))),
            },
            None => match live.registers(live.selected()) {
                Ok(cpu) => cpu.bytes(part.name)?,
                Err(error) => return Some(Err(ValueError::Operation(error.to_string()))),
            },
        };
        if let Ok(cpu) = live.registers(live.selected())
            && let Some(register) = cpu.layout().find(part.name)
        {
            bytes.truncate(register.bytes());
        }
        if let Some(size) = part.size {
            bytes = bytes.into_iter().skip(part.offset).take(size).collect();
        }
        let described = self.described_type(&part, bytes.len());
        let ty = described.unwrap_or_else(|| self.register_type(arch, &part, bytes.len()));
        Some(Ok((ty, bytes.into())))
    }

    /// The type of a whole register, by the target's description.
    fn described_type(&self, part: &Part<'_>, size: usize) -> Option<TypeId> {
        let live = self.live().ok().filter(|_| part.size.is_none())?;
        let cpu = live.registers(live.selected()).ok()?;
        let ty = cpu.layout().find(part.name)?.ty.as_deref()?;
        Some(self.made_type(ty, size as u64))
    }

    /// A register's type of `size` bytes as one of the session's.
    fn made_type(&self, ty: &RegisterType, size: u64) -> TypeId {
        let made = match ty {
            RegisterType::Number(number) => {
                let encoding = match number.kind {
                    NumberKind::Signed => Encoding::Signed,
                    NumberKind::Unsigned => Encoding::Unsigned,
                    NumberKind::Float => Encoding::Float,
                };
                Type::Base(Base { name: number.shown.into(), size, encoding })
            }
            RegisterType::Flags(flags) => {
                let field = |(name, bit, bits): &(String, u32, u32)| FlagField {
                    name: name.as_str().into(),
                    bit: *bit,
                    bits: *bits,
                };
                let fields = flags.fields.iter().map(field).collect();
                Type::Flags(Flags { name: flags.name.as_str().into(), size, fields })
            }
            RegisterType::Vector { name, element, count } => {
                let count = u64::from(*count);
                let element = self.made_type(element, size / count.max(1));
                let array = Type::Array { element, count: Count::Fixed(count), vector: true };
                Type::Typedef { name: name.as_str().into(), target: self.symbols().make(array) }
            }
            RegisterType::Union { name, fields } => {
                let member = |(name, ty): &(String, Arc<RegisterType>)| {
                    let own = ty.bits().map_or(size, |bits| bits / 8);
                    let (name, ty) = (Some(name.as_str().into()), self.made_type(ty, own));
                    Member { name, ty, bit_offset: 0, bit_size: None }
                };
                let (name, members) = (Some(name.as_str().into()), fields.iter().map(member).collect());
                let kind = CompositeKind::Union;
                Type::Composite(Composite { kind, name, size, declaration: false, members })
            }
        };
        self.symbols().make(made)
    }

    /// gdb's types: code and data pointers for the registers that are such, whole numbers for the others.
    fn register_type(&self, arch: &Arch, part: &Part<'_>, size: usize) -> TypeId {
        let symbols = self.symbols();
        let base =
            |name: &str, size, encoding| symbols.make(Type::Base(Base { name: name.into(), size, encoding }));
        let fact = arch.register_named(part.name).filter(|_| part.size.is_none());
        let number = fact.map(|fact| fact.dwarf);
        let target = if part.name == arch.program_counter && part.size.is_none() {
            symbols.make(Type::Function(Function {
                result: TypeId::Void,
                parameters: [].into(),
                variadic: false,
                prototyped: false,
            }))
        } else if number == Some(arch.frames.stack_pointer) || number == Some(arch.frames.frame_pointer) {
            TypeId::Void
        } else {
            return match size {
                1 => base("int8_t", 1, Encoding::Signed),
                2 => base("short", 2, Encoding::Signed),
                4 => base("int", 4, Encoding::Signed),
                8 => base("long", 8, Encoding::Signed),
                16 => base("unsigned __int128", 16, Encoding::Unsigned),
                _ => self.bytes_type(size),
            };
        };
        symbols.make(Type::Pointer { size: 8, target })
    }

    fn bytes_type(&self, size: usize) -> TypeId {
        let symbols = self.symbols();
        let byte = Base { name: "unsigned char".into(), size: 1, encoding: Encoding::UnsignedChar };
        let element = symbols.make(Type::Base(byte));
        let count = Count::Fixed(size as u64);
        symbols.make(Type::Array { element, count, vector: false })
    }

    /// Writes the low bytes of a register of the selected frame.
    ///
    /// # Errors
    /// When the target refuses, or nobody knows where the frame's register is.
    pub(crate) fn write_frame_register(&self, register: DwarfRegister, bytes: &[u8]) -> Result<()> {
        let level = self.selected_frame();
        let row = self.frame(level)?;
        let held = {
            let stack = self.stack(level + 1)?;
            stack.frames.get(row.physical).and_then(|frame| frame.registers.held(register.0))
        };
        let held = held.ok_or(ValueError::Gone(Gone::Clobbered(register)))?;
        let mut whole = held.value.to_le_bytes();
        for (to, from) in whole.iter_mut().zip(bytes) {
            *to = *from;
        }
        let live = self.live()?;
        match held.at {
            Kept::Memory(at) => Ok(live.memory().write(at, &whole)?),
            Kept::Cpu(number) => {
                let fact = live.arch().register(number).ok_or_else(no_register)?;
                let cpu = live.registers(live.selected())?;
                let size = cpu.layout().find(fact.name).map_or(8, Register::bytes);
                live.write_register(fact.name, whole.get(..size).unwrap_or(&whole))
            }
            Kept::Computed => Err(Error::say("The register was computed: nothing is there to be written.")),
        }
    }

    /// Writes a register by any of its names.
    ///
    /// # Errors
    /// As [`Session::write_frame_register`].
    pub(crate) fn write_register_by_name(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let live = self.live()?;
        let arch = live.arch();
        let part = part(arch, name);
        if let Some(fact) = arch.register_named(part.name) {
            let register = DwarfRegister(fact.dwarf);
            let mut whole = match part.size {
                Some(_) => self.frame_register(register).map_err(ValueError::Gone)?.to_vec(),
                None => bytes.to_vec(),
            };
            put(&mut whole, part, bytes);
            return self.write_frame_register(register, &whole);
        }
        let mut whole = live.registers(live.selected())?.bytes(part.name).ok_or_else(no_register)?;
        put(&mut whole, part, bytes);
        live.write_register(part.name, &whole)
    }
}

fn put(whole: &mut [u8], part: Part<'_>, bytes: &[u8]) {
    for (to, from) in whole.iter_mut().skip(part.offset).zip(bytes) {
        *to = *from;
    }
}

/// Floating point and vector registers, which kernel code does not use.
fn is_float(name: &str) -> bool {
    const CONTROL: [&str; 9] = ["fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop", "mxcsr"];
    CONTROL.contains(&name) || name.starts_with("st") && name.len() == 3
}

fn no_register() -> Error {
    Error::say("Invalid register.")
}

#[cfg(test)]
mod tests {
    use lkdb_base::arch::X86_64;

    use super::*;

    #[test]
    fn names_lead_to_registers_and_parts_of_them() {
        assert_eq!(part(&X86_64, "pc"), Part { name: "rip", offset: 0, size: None });
        assert_eq!(part(&X86_64, "sp"), Part { name: "rsp", offset: 0, size: None });
        assert_eq!(part(&X86_64, "ah"), Part { name: "rax", offset: 1, size: Some(1) });
        assert_eq!(part(&X86_64, "cr3"), Part { name: "cr3", offset: 0, size: None });
    }
}
