//! Hand-made call frame information, and arbitrary bytes.

use lkdb_base::arch::X86_64;
use proptest::prelude::*;

use super::*;

/// An entry with its length before it, padded with `DW_CFA_nop`.
fn entry(section: &mut Vec<u8>, body: &[u8]) {
    let length = body.len().next_multiple_of(8);
    section.extend(u32::try_from(length).unwrap().to_le_bytes());
    section.extend(body);
    section.resize(section.len() + length - body.len(), 0);
}

/// GCC's CIE for x86-64, then two functions; the first at 0x1000 pushes rbx after a byte.
fn debug_frame() -> Vec<u8> {
    let mut section = Vec::new();
    // Version 1, no augmentation, factors 1 and -8, column 16; def_cfa rsp+8; offset(rip, 1).
    entry(&mut section, &[0xff, 0xff, 0xff, 0xff, 1, 0, 1, 0x78, 16, 0x0c, 7, 8, 0x90, 1]);
    let mut fde = |start: u64, length: u64, program: &[u8]| {
        let mut body = vec![0; 4];
        body.extend(start.to_le_bytes());
        body.extend(length.to_le_bytes());
        body.extend(program);
        entry(&mut section, &body);
    };
    fde(0x2000, 0x20, &[]);
    // advance 1; def_cfa_offset 16; offset(rbx, 2).
    fde(0x1000, 0x10, &[0x41, 0x0e, 16, 0x83, 2]);
    fde(0x3000, 8, &[0x07, 16]);
    section
}

fn call(row: Option<Row>) -> Call {
    match row {
        Some(Row::Call(call)) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_change_within_a_function() {
    let section = debug_frame();
    let cfi = Cfi::debug_frame(&section, &X86_64);
    assert_eq!(cfi.count(), 3);
    let first = call(cfi.row(LinkAddr(0x1000)).unwrap());
    assert_eq!(first.cfa, CfaRule::Register(7, 8));
    assert_eq!(first.rule(&X86_64, 16), Rule::AtCfa(-8));
    assert_eq!(first.rule(&X86_64, 3), Rule::SameValue, "rbx is preserved");
    assert_eq!(first.rule(&X86_64, 0), Rule::Unknown, "rax is not");
    assert_eq!(first.rule(&X86_64, 7), Rule::CfaPlus(0));
    let second = call(cfi.row(LinkAddr(0x1001)).unwrap());
    assert_eq!((second.cfa.clone(), second.rule(&X86_64, 3)), (CfaRule::Register(7, 16), Rule::AtCfa(-16)));
}

#[test]
fn no_function_no_row() {
    let section = debug_frame();
    let cfi = Cfi::debug_frame(&section, &X86_64);
    for address in [0, 0xfff, 0x1010, 0x2020, u64::MAX] {
        assert_eq!(cfi.row(LinkAddr(address)), Ok(None), "{address:#x}");
    }
    assert!(cfi.row(LinkAddr(0x201f)).unwrap().is_some());
}

#[test]
fn an_undefined_return_address_is_the_end() {
    let section = debug_frame();
    assert_eq!(Cfi::debug_frame(&section, &X86_64).row(LinkAddr(0x3000)), Ok(Some(Row::Outermost)));
}

#[test]
fn what_is_cut_off_loses_no_more_than_itself() {
    let section = debug_frame();
    let cfi = Cfi::debug_frame(&section[..section.len() - 1], &X86_64);
    assert!(cfi.row(LinkAddr(0x1000)).unwrap().is_some());
    assert!(cfi.row(LinkAddr(0x3000)).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), address: u64) {
        for cfi in [Cfi::debug_frame(&bytes, &X86_64), Cfi::eh_frame(&bytes, LinkAddr(0x1000), &X86_64)] {
            let _ = cfi.row(LinkAddr(address));
        }
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0_usize..160, byte: u8, address in 0xff0_u64..0x3010) {
        let mut section = debug_frame();
        if let Some(place) = section.get_mut(at) {
            *place = byte;
        }
        let _ = Cfi::debug_frame(&section, &X86_64).row(LinkAddr(address));
    }
}
