//! ELF files made to order, and made wrong.

#![allow(clippy::unwrap_used)] // tests

use lkdb_base::{Arch, LinkAddr, PhysAddr};
use lkdb_symbols::{Elf, elf};
use lkdb_testkit::elf::{ElfMaker, note};
use proptest::prelude::*;

const TEXT: u64 = 0xffff_ffff_8100_0000;

fn kernel() -> Vec<u8> {
    ElfMaker::new(62, 0x100_0000)
        .section(".text", TEXT, true, b"\x90\x91\x92\x93")
        .build_id(TEXT + 0x100, &[0xab; 20])
        .section(".data..percpu", 0, false, &[0; 32])
        .segment(TEXT, 0x100_0000, 0x1000)
        .function("_text", TEXT, 0, true)
        .function("twice", TEXT + 1, 1, false)
        .function("twice", TEXT + 2, 1, false)
        .function("per_cpu_thing", 8, 8, true)
        .make()
}

#[test]
fn a_kernels_facts_are_read() {
    let file = kernel();
    let elf = Elf::parse(&file).unwrap();
    assert_eq!(elf.arch().unwrap(), Arch::by_name("x86_64").unwrap());
    assert!(!elf.relocatable());
    assert_eq!(elf.entry(), 0x100_0000);
    assert_eq!(elf.build_id().unwrap().to_string(), "ab".repeat(20));
    assert_eq!(elf.physical(LinkAddr(TEXT + 0x10)), Some(PhysAddr(0x100_0010)));
    assert_eq!(elf.bytes_at(LinkAddr(TEXT + 2)), Some(b"\x92\x93".as_slice()));
    assert_eq!(elf.bytes_at(LinkAddr(0)), None, "the per-CPU section's place is no address");
    let text = elf.section(".text").unwrap();
    assert!(text.allocated && text.executable && text.address == LinkAddr(TEXT) && text.size == 4);
    let symbols = elf.symbols().unwrap();
    assert_eq!(symbols.named("twice").len(), 2);
    let per_cpu = symbols.named("per_cpu_thing")[0];
    let section = elf.sections().find(|section| Some(section.index) == per_cpu.section).unwrap();
    assert_eq!((per_cpu.address, section.name), (LinkAddr(8), ".data..percpu"));
}

#[test]
fn files_that_are_none_are_refused() {
    let file = kernel();
    for wrong in [b"".as_slice(), b"\x7fELF", &file[..70], &file[..file.len() - 1]] {
        assert!(Elf::parse(wrong).is_err(), "{} bytes", wrong.len());
    }
}

proptest! {
    #[test]
    fn damage_never_makes_it_panic(at in 0..4096_usize, byte: u8, cut in 0..4096_usize) {
        let mut file = kernel();
        let at = at % file.len();
        file[at] = byte;
        file.truncate(file.len() - cut % 64);
        if let Ok(elf) = Elf::parse(&file) {
            let _ = (elf.build_id(), elf.arch(), elf.physical(LinkAddr(TEXT)));
            let held: usize = elf.sections().filter_map(|section| elf.bytes(&section)).map(<[u8]>::len).sum();
            prop_assert!(held <= 64 * file.len());
            if let Ok(symbols) = elf.symbols() {
                let _ = symbols.nearest(LinkAddr(TEXT + 3));
            }
        }
    }

    #[test]
    fn notes_of_any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(elf::notes_in(&bytes).count() <= bytes.len() / 12);
        let good = [note(b"GNU\0", 3, b"id"), bytes].concat();
        prop_assert_eq!(elf::notes_in(&good).next().map(|note| note.descriptor), Some(b"id".as_slice()));
    }
}
