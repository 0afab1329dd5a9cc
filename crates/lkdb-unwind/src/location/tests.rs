//! Expressions over hand-made frames. Those of real compilers are in the end-to-end tests.

use lkdb_base::arch::X86_64;
use lkdb_base::{LinkAddr, Unreadable};
use lkdb_symbols::dwarf::UnitId;
use lkdb_symbols::{DwarfRegister, Elf, ObjectId, Piece, Store};
use lkdb_testkit::elf::ElfMaker;
use proptest::prelude::*;

use super::*;
use crate::frame::{CodeAddress, Found};
use crate::registers::{Held, Kept, Registers};

/// Memory where each word is its own address.
struct Echo;

impl Memory for Echo {
    fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable> {
        if address.0 >= 1 << 32 {
            return Err(Unreadable::new(address, "none"));
        }
        for (to, from) in into.iter_mut().zip(address.0.to_le_bytes()) {
            *to = from;
        }
        Ok(())
    }
}

fn frame() -> Frame {
    let mut registers = Registers::new();
    for (number, value) in [(3_u16, 0x1000), (7, 0x7000), (5, u64::MAX)] {
        registers.set(number, Held { value, at: Kept::Cpu(number) });
    }
    let pc = CodeAddress::Instruction(RuntimeAddr(0x100));
    Frame { pc, registers, cfa: Some(RuntimeAddr(0x7010)), found: Found::Start, thunk: false }
}

fn evaluate(bytes: &[u8], frames: &[Frame]) -> Place {
    let file = ElfMaker::new(62, 0x100).section(".text", 0x100, true, &[0x90; 16]).make();
    let store = Store::new();
    let object = Object::new(ObjectId(0), "vmlinux", Elf::parse(&file).unwrap(), &store);
    let symbols = Symbols::new(&store);
    let scene = Scene { arch: &X86_64, memory: &Echo, symbols: &symbols, frames };
    let encoding = gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 5 };
    let expression = Expression { bytes, unit: UnitId(0), encoding };
    scene.place(&object, &LocationDescription::Expression(expression), None)
}

fn in_frame(bytes: &[u8]) -> Place {
    evaluate(bytes, &[frame()])
}

fn number(value: u64) -> Place {
    Place::Literal(value.to_le_bytes().into())
}

#[test]
fn places_and_values() {
    assert_eq!(in_frame(&[0x53]), Place::Register(DwarfRegister(3)));
    assert_eq!(in_frame(&[0x53, 0xf0]), Place::Unset(DwarfRegister(3)), "GNU_uninit");
    assert_eq!(in_frame(&[0x73, 8]), Place::Memory(RuntimeAddr(0x1008)), "breg3 + 8");
    assert_eq!(in_frame(&[0x92, 3, 0x78]), Place::Memory(RuntimeAddr(0xff8)), "bregx 3 - 8");
    assert_eq!(in_frame(&[0x9c]), Place::Memory(RuntimeAddr(0x7010)), "call_frame_cfa");
    assert_eq!(in_frame(&[0x35, 0x9f]), number(5), "lit5, stack_value");
    assert_eq!(in_frame(&[0x73, 0, 0x06, 0x9f]), number(0x1000), "deref");
    assert_eq!(in_frame(&[0x73, 0x12, 0x94, 1, 0x9f]), number(0x12), "deref_size 1");
    assert_eq!(in_frame(&[0x9e, 2, 7, 8]), Place::Literal([7, 8].into()), "implicit_value");
    assert_eq!(in_frame(&[0x03, 8, 1, 0, 0, 0, 0, 0, 0]), Place::Memory(RuntimeAddr(0x108)), "addr");
    assert_eq!(in_frame(&[]), Place::Gone(Gone::OptimizedOut));
}

#[test]
fn pieces_each_have_their_place() {
    let whole = in_frame(&[0x53, 0x93, 4, 0x93, 2, 0x52, 0x93, 2]);
    let piece = |bits, place| Piece { bits, bit_offset: 0, place };
    let expected = [
        piece(32, Place::Register(DwarfRegister(3))),
        piece(16, Place::Gone(Gone::OptimizedOut)),
        piece(16, Place::Gone(Gone::Clobbered(DwarfRegister(2)))),
    ];
    assert_eq!(whole, Place::Pieces(expected.into()));
}

#[test]
fn what_is_gone_says_why() {
    let gone = |bytes: &[u8]| match in_frame(bytes) {
        Place::Gone(gone) => gone,
        other => panic!("{other:?}"),
    };
    assert_eq!(gone(&[0x50]), Gone::Clobbered(DwarfRegister(0)));
    assert_eq!(gone(&[0x71, 8]), Gone::Clobbered(DwarfRegister(1)));
    assert_eq!(gone(&[0x75, 0, 0x06]), Gone::Unreadable(RuntimeAddr(u64::MAX)));
    assert_eq!(gone(&[0xa3, 1, 0x55, 0x9f]), Gone::EntryValue(DwarfRegister(5)));
    assert_eq!(gone(&[0xf3, 1, 0x54, 0x9f]), Gone::EntryValue(DwarfRegister(4)));
    assert!(matches!(gone(&[0x30, 0x9b]), Gone::Description(why) if why.contains("DW_OP_form_tls_address")));
    assert!(matches!(gone(&[0x30, 0x30, 0x18]), Gone::Description(_)), "xderef");
    assert!(matches!(gone(&[0xff]), Gone::Description(_)));
    assert_eq!(evaluate(&[0x53], &[]), Place::Gone(Gone::NoFrame));
}

#[test]
fn an_endless_expression_ends() {
    assert!(matches!(in_frame(&[0x2f, 0xfd, 0xff]), Place::Gone(Gone::Description(_))), "skip -3");
}

#[test]
fn constants_are_as_long_as_their_variable() {
    let made = |number, size| literal(&Constant::Number(number), size).to_vec();
    assert_eq!(made(-2, Some(2)), [0xfe, 0xff]);
    assert_eq!(made(-2, Some(10))[8..], [0xff, 0xff]);
    assert_eq!(made(1, None).len(), 8);
}

#[test]
fn a_static_variable_needs_no_frame() {
    let file = ElfMaker::new(62, 0x100).section(".data", 0x2000, false, &[0; 16]).make();
    let store = Store::new();
    let object = Object::new(ObjectId(0), "vmlinux", Elf::parse(&file).unwrap(), &store);
    let symbols = Symbols::new(&store);
    let scene = Scene { arch: &X86_64, memory: &Echo, symbols: &symbols, frames: &[] };
    let place = scene.place(&object, &LocationDescription::Static(LinkAddr(0x2008)), None);
    assert_eq!(place, Place::Memory(RuntimeAddr(0x2008)));
}

proptest! {
    #[test]
    fn no_expression_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = evaluate(&bytes, &[frame(), frame()]);
    }
}
