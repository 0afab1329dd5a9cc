//! Unwinding: tables that say how callers are found, stacks that are followed by them, and where variables are.

use lkdb_base::arch::{Arch, X86_64};
use lkdb_base::memory::words;
use lkdb_base::{LinkAddr, Memory, RuntimeAddr, Unreadable};
use lkdb_symbols::dwarf::{Expression, LocationDescription, UnitId};
use lkdb_symbols::{Elf, Object, ObjectId, Store, Symbols};
use lkdb_unwind::{
    Cfi, Frame, Function, Held, Kept, Layout, Orc, Registers, Row, Rows, Scene, Stepper, World,
};

/// Where the bytes of a target lie, as code and as stack.
const START: u64 = 0xffff_ffff_8100_0000;
const LAYOUTS: [Layout; 4] =
    [Layout::End { ends: true }, Layout::SignalAndEnd, Layout::Typed, Layout::TypedWithAx];

/// ORC tables: a count of entries in two bytes, then the addresses, then the entries.
pub fn orc(data: &[u8]) {
    let Some((orc, entries)) = table(data, Layout::Typed) else { return };
    let _ = Layout::detect(entries);
    for layout in LAYOUTS {
        let Some((other, _)) = table(data, layout) else { continue };
        assert_eq!((other.count(), other.layout()), (orc.count(), layout));
        for address in addresses(data) {
            let _ = other.row(LinkAddr(address));
        }
    }
}

fn table(data: &[u8], layout: Layout) -> Option<(Orc<'_>, &[u8])> {
    let (count, rest) = data.split_first_chunk()?;
    let count = usize::from(u16::from_le_bytes(*count));
    let (ips, entries) = rest.split_at_checked(count * 4)?;
    let entries = entries.get(..count * 6)?;
    Some((Orc::new(ips, LinkAddr(START), entries, layout)?, entries))
}

fn addresses(data: &[u8]) -> impl Iterator<Item = u64> {
    let near = (0..32).map(|step| START.wrapping_add(step * 16));
    near.chain(words(data).take(32))
}

/// Call frame information, as `.debug_frame` and as `.eh_frame`.
pub fn cfi(data: &[u8]) {
    for cfi in [Cfi::debug_frame(data, &X86_64), Cfi::eh_frame(data, LinkAddr(START), &X86_64)] {
        for address in addresses(data) {
            if let Ok(Some(Row::Call(call))) = cfi.row(LinkAddr(address)) {
                assert!(call.rules.iter().any(|(register, _)| *register == call.return_address));
            }
        }
    }
}

/// Bytes that are code, stack and (from their start on) an ORC table, all at once.
struct Everything<'a> {
    data: &'a [u8],
    orc: Option<Orc<'a>>,
}

impl Memory for Everything<'_> {
    fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable> {
        let at = usize::try_from(address.0.wrapping_sub(START)).unwrap_or(usize::MAX);
        let end = at.saturating_add(into.len());
        let bytes = self.data.get(at..end).ok_or_else(|| Unreadable::new(address, "none"))?;
        into.copy_from_slice(bytes);
        Ok(())
    }
}

impl World for Everything<'_> {
    fn arch(&self) -> &'static Arch {
        &X86_64
    }

    fn memory(&self) -> &dyn Memory {
        self
    }

    fn rows(&self, address: RuntimeAddr) -> Rows {
        Rows { orc: self.orc.as_ref().and_then(|orc| orc.row(LinkAddr(address.0))), cfi: None }
    }

    fn is_text(&self, address: RuntimeAddr) -> bool {
        address.0.wrapping_sub(START) < self.data.len() as u64
    }

    fn function(&self, address: RuntimeAddr) -> Option<Function<'_>> {
        let start = RuntimeAddr(address.0 & !0x3f);
        let name = if start.0 & 0x40 == 0 { "entry_SYSCALL_64" } else { "__x86_return_thunk" };
        Some(Function { name: name.into(), start })
    }
}

/// A stack: whatever lies on it, it ends.
pub fn stack(data: &[u8]) {
    for layout in LAYOUTS {
        let world = Everything { data, orc: table(data, layout).map(|(orc, _)| orc) };
        let mut registers = Registers::new();
        for (number, word) in (0_u16..).zip(data.rchunks_exact(8)).take(64) {
            let value = word.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
            registers.set(number, Held { value, at: Kept::Cpu(number) });
        }
        let (frames, _) = Stepper::new(&world, registers.clone()).rest();
        assert!(frames.len() <= 1024);
        let _ = Stepper::sleeping(&world, registers).rest();
    }
}

/// A location: the bytes are an expression, and the memory that it reads.
pub fn location(data: &[u8]) {
    // An ELF header alone: 64 bits, little-endian, for x86-64.
    let mut file = [0; 64];
    for (place, byte) in file.iter_mut().zip(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01") {
        *place = byte;
    }
    if let Some(size) = file.get_mut(52) {
        *size = 64;
    }
    let Ok(elf) = Elf::parse(&file) else { return };
    let store = Store::new();
    let object = Object::new(ObjectId(0), "vmlinux", elf, &store);
    let symbols = Symbols::new(&store);
    let memory = Everything { data, orc: None };
    let mut registers = Registers::new();
    for number in 3..9 {
        registers.set(number, Held { value: START + u64::from(number), at: Kept::Cpu(number) });
    }
    registers.set(16, Held { value: START, at: Kept::Cpu(16) });
    let frames: Vec<Frame> = Stepper::new(&memory, registers).next_frame().into_iter().collect();
    for frames in [frames.as_slice(), &[]] {
        let scene = Scene { arch: &X86_64, memory: &memory, symbols: &symbols, frames };
        for version in [4, 5] {
            let encoding = gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version };
            let expression = Expression { bytes: data, unit: UnitId(0), encoding };
            let _ = scene.place(&object, &LocationDescription::Expression(expression), Some(8));
        }
    }
}
