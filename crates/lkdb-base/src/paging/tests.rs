//! Walks through tables made by hand, of every shape; what is real is tried against QEMU elsewhere.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Words at physical addresses; all of the rest of the first GiB is zero.
#[derive(Default)]
struct Words(BTreeMap<u64, u64>);

impl PhysicalMemory for Words {
    fn read_physical(&self, address: PhysAddr, into: &mut [u8]) -> Result<(), Missing> {
        if address.0 >= 1 << 30 {
            return Err(Missing { address, why: "no RAM is there".to_owned() });
        }
        for (at, byte) in (address.0..).zip(into) {
            let word = self.0.get(&(at & !7)).copied().unwrap_or_default();
            *byte = word.to_le_bytes()[(at & 7) as usize];
        }
        Ok(())
    }
}

const TABLE: u64 = 7; // present, writable, user
const KERNEL: u64 = 3;
const LARGE: u64 = 1 << 7;
const NX: u64 = 1 << 63;

/// Tables at 0x1000 (top), 0x2000, … for `address`, ending at `level` with `last`.
fn chain(format: &'static Format, address: u64, level: u8, last: u64) -> (Words, AddressSpace) {
    let mut words = Words::default();
    let mut table = 0x1000;
    for at in (level..=format.levels).rev() {
        let place = format.place(PhysAddr(table), RuntimeAddr(address), at);
        table += 0x1000;
        words.0.insert(place.0, if at == level { last } else { table | TABLE });
    }
    (words, AddressSpace::Paged(Tables::one(format, PhysAddr(0x1000))))
}

#[test]
fn pages_of_every_size_by_four_levels_and_five() {
    let address = 0xffff_8881_2345_6789;
    for format in [&FOUR_LEVELS, &FIVE_LEVELS] {
        for (level, size, large) in [(1, 1 << 12, 0), (2, 2 << 20, LARGE), (3, 1 << 30, LARGE)] {
            // Bit 12 is the page attribute index of a large page, and no address.
            let pat = if large == 0 { 0 } else { 1 << 12 };
            let (words, space) = chain(format, address, level, 0x4_8000_0000 | KERNEL | large | NX | pat);
            let found = translate(&words, &space, RuntimeAddr(address)).unwrap();
            let inside = address & (size - 1);
            assert_eq!(found.physical, PhysAddr(0x4_8000_0000 + inside), "{} level {level}", format.name);
            assert_eq!((found.page, found.left), (size, size - inside));
            assert_eq!(found.rights, Rights { write: true, user: false, execute: false });
        }
    }
}

#[test]
fn a_fault_names_the_entry() {
    let address = 0x7fff_1234_5678;
    for level in 1..=4 {
        let (words, space) = chain(&FOUR_LEVELS, address, level, 0xfe);
        let fault = translate(&words, &space, RuntimeAddr(address)).unwrap_err();
        let place = FOUR_LEVELS.place(PhysAddr(0x1000 * u64::from(5 - level)), RuntimeAddr(address), level);
        assert_eq!(fault, Fault::Absent { level, at: place, entry: 0xfe });
        assert!(
            fault.to_string().contains(&format!("level {level} entry at physical {place} not present: 0xfe"))
        );
    }
    let (words, space) = chain(&FOUR_LEVELS, address, 3, 0x7_0000_0000 | TABLE);
    let fault = translate(&words, &space, RuntimeAddr(address)).unwrap_err();
    assert!(matches!(fault, Fault::NoTable { level: 2, .. }), "{fault}");
    let (words, space) = chain(&FOUR_LEVELS, address, 4, LARGE | TABLE);
    assert!(matches!(translate(&words, &space, RuntimeAddr(address)), Err(Fault::Reserved { level: 4, .. })));
}

#[test]
fn addresses_that_are_not_canonical_are_refused() {
    let canonical = |format: &Format, address| format.canonical(RuntimeAddr(address));
    assert!(canonical(&FOUR_LEVELS, 0x7fff_ffff_ffff) && canonical(&FOUR_LEVELS, 0xffff_8000_0000_0000));
    assert!(!canonical(&FOUR_LEVELS, 0x8000_0000_0000) && !canonical(&FOUR_LEVELS, 0xff11_0000_0000_0000));
    assert!(canonical(&FIVE_LEVELS, 0xff11_0000_0000_0000) && !canonical(&FIVE_LEVELS, 1 << 56));
    let (words, space) = chain(&FOUR_LEVELS, 0, 1, 1);
    let fault = translate(&words, &space, RuntimeAddr(1 << 50)).unwrap_err();
    assert_eq!(fault.to_string(), "the address is not canonical (48 bits are used)");
}

#[test]
fn registers_tell_the_space() {
    let space = |cr0: u64, cr4: u64, efer: Option<u64>| {
        (X86_64.space)(&|name| match name {
            "cr0" => Some(cr0),
            "cr3" => Some(0x8000_0000_0012_3801), // no flush, a frame, a PCID
            "cr4" => Some(cr4),
            "efer" => efer,
            _ => None,
        })
    };
    let paged = |format| Some(AddressSpace::Paged(Tables::one(format, PhysAddr(0x12_3000))));
    assert_eq!(space(0x8005_0033, 0x6f0, Some(0xd01)), paged(&FOUR_LEVELS));
    assert_eq!(space(0x8005_0033, 0x16f0, Some(0xd01)), paged(&FIVE_LEVELS));
    assert_eq!(space(0x11, 0, Some(0)), Some(AddressSpace::Flat));
    assert_eq!(space(0x8000_0011, 0, Some(0)), None, "tables of 32 bits");
    assert_eq!(space(0x8000_0011, 0, None), None);
    let flat = translate(&Words::default(), &AddressSpace::Flat, RuntimeAddr(0xfff0)).unwrap();
    assert_eq!(flat.physical, PhysAddr(0xfff0));
}

#[test]
fn isolation_is_told_from_a_table_that_happens_to_lie_there() {
    let tables = AddressSpace::Paged(Tables::one(&FOUR_LEVELS, PhysAddr(0x5000)));
    let mut words = Words::default();
    // The user's half, twice: in the kernel's table nothing may be executed.
    words.0.extend([(0x5000, 0xa067), (0x5008, 0xb067), (0x4000, 0xa067 | NX), (0x4008, 0xb047 | NX)]);
    let AddressSpace::Paged(found) = (X86_64.with_kernel)(&words, tables) else { panic!("paged before") };
    assert_eq!((found.low, found.high), (PhysAddr(0x5000), PhysAddr(0x4000)));
    // Another process's table.
    words.0.insert(0x4008, 0xc067);
    assert_eq!((X86_64.with_kernel)(&words, tables), tables);
    // An empty one.
    assert_eq!((X86_64.with_kernel)(&Words::default(), tables), tables);
    assert_eq!((X86_64.with_kernel)(&words, AddressSpace::Flat), AddressSpace::Flat);
}

#[test]
fn each_half_has_its_own_root() {
    let (words, _) = chain(&FOUR_LEVELS, 0xffff_ffff_8100_0000, 2, 0x100_0000 | KERNEL | LARGE);
    let tables = Tables::one(&FOUR_LEVELS, PhysAddr(0x9000)).with_kernel(PhysAddr(0x1000));
    let space = AddressSpace::Paged(tables);
    let kernel = translate(&words, &space, RuntimeAddr(0xffff_ffff_8100_0042)).unwrap();
    assert_eq!(kernel.physical, PhysAddr(0x100_0042));
    let user = translate(&words, &space, RuntimeAddr(0x40_0000)).unwrap_err();
    assert!(matches!(user, Fault::Absent { level: 4, at: PhysAddr(0x9000), .. }), "{user}");
}

/// arm64 with granules of 64 KiB: three levels of 13, the top one of 6 bits. Its entries read otherwise.
static GRANULE_64K: Format = Format {
    name: "64 KiB granules",
    levels: 3,
    page_bits: 16,
    index_bits: 13,
    address_bits: 48,
    entry: |entry, level| match (entry & 3, level) {
        (3, 1) | (1, 2) => Entry::Page(PhysAddr(entry & 0xffff_ffff_0000), Rights::ALL),
        (3, _) => Entry::Table(PhysAddr(entry & 0xffff_ffff_0000), Rights::ALL),
        _ => Entry::Absent,
    },
};

#[test]
fn other_granules_fit_the_shape() {
    assert_eq!((GRANULE_64K.span(1), GRANULE_64K.span(2)), (64 << 10, 512 << 20));
    let mut words = Words::default();
    let address = 0xffff_8000_1234_5678_u64;
    words.0.insert(0x1_0000 + (address >> 42 & 0x3f) * 8, 0x2_0003);
    words.0.insert(0x2_0000 + (address >> 29 & 0x1fff) * 8, 0x3_0003);
    words.0.insert(0x3_0000 + (address >> 16 & 0x1fff) * 8, 0x7_0003);
    let space = AddressSpace::Paged(Tables::one(&GRANULE_64K, PhysAddr(0x1_0000)));
    let found = translate(&words, &space, RuntimeAddr(address)).unwrap();
    assert_eq!((found.physical, found.page), (PhysAddr(0x7_5678), 64 << 10));
}

#[test]
fn what_was_walked_is_kept_until_it_is_forgotten() {
    let address = 0xffff_ffff_8100_0000;
    let (mut words, space) = chain(&FOUR_LEVELS, address, 2, 0x100_0000 | KERNEL | LARGE);
    let mut kept = Translations::new();
    let before = kept.translate(&words, &space, RuntimeAddr(address + 0x1234)).unwrap();
    assert_eq!(before, translate(&words, &space, RuntimeAddr(address + 0x1234)).unwrap());
    words.0.clear();
    assert_eq!(kept.translate(&words, &space, RuntimeAddr(address + 0x1234)), Ok(before));
    let other = AddressSpace::Paged(Tables::one(&FOUR_LEVELS, PhysAddr(0x8000)));
    assert!(kept.translate(&words, &other, RuntimeAddr(address + 0x1234)).is_err(), "another table");
    kept.forget();
    assert!(kept.translate(&words, &space, RuntimeAddr(address + 0x1234)).is_err());
}

proptest! {
    #[test]
    fn no_table_makes_the_walk_panic(
        words in prop::collection::vec((0_u64..0x8000, any::<u64>()), 0..64),
        loops in any::<bool>(),
        root in any::<u64>(),
        address in any::<u64>(),
    ) {
        let mut memory = Words(words.iter().map(|(at, word)| (at & !7, word & 0x7fff_ffff)).collect());
        if loops {
            memory.0.extend((0..512).map(|index| (index * 8, 7)));
        }
        let mut kept = Translations::new();
        for format in [&FOUR_LEVELS, &FIVE_LEVELS, &GRANULE_64K] {
            for root in [0, root] {
                let space = AddressSpace::Paged(Tables::one(format, PhysAddr(root)));
                let _ = (X86_64.with_kernel)(&memory, space);
                let found = translate(&memory, &space, RuntimeAddr(address));
                if let Ok(mapping) = &found {
                    prop_assert!(mapping.left <= mapping.page && mapping.left > 0);
                }
                prop_assert_eq!(kept.translate(&memory, &space, RuntimeAddr(address)).ok(), found.ok());
            }
        }
    }
}
