//! Finding the kernel on a machine that is nothing but a stub, a few registers and some memory.

#![allow(clippy::unwrap_used)] // tests

use std::collections::BTreeMap;
use std::time::Duration;

use lkdb_base::{PhysAddr, Slide};
use lkdb_session::entry::{Boot, Error, Head, Kernel, at_entry, running};
use lkdb_symbols::Elf;
use lkdb_target::Stub;
use lkdb_testkit::elf::ElfMaker;
use lkdb_testkit::stub::{Reply, start};

const TEXT: u64 = 0xffff_ffff_8100_0000;
const LINKED_AT: u64 = 0x100_0000;
const LOADED_AT: u64 = 0x2e0_0000;
const SLIDE: u64 = 0x1a20_0000;
const BLOCK: u64 = 0x431_a900;
const HEAD: Head = Head { load: 0x10_0000, payload: 0x2cc };
/// Where the stack is.
const STACK: u64 = 0x8000;
const XML: &str = "l<target><reg name=\"rax\" bitsize=\"64\"/><reg name=\"rip\" bitsize=\"64\"/>\
    <reg name=\"rsp\" bitsize=\"64\"/>\
    <reg name=\"cr0\" bitsize=\"64\"/><reg name=\"cr3\" bitsize=\"64\"/><reg name=\"cr4\" bitsize=\"64\"/></target>";

/// A vmlinux of three sections: text, notes, and data with pointers into the text.
fn vmlinux(build_id: &[u8]) -> Vec<u8> {
    let data: Vec<u8> = (0..64_u64).flat_map(|word| pointer(word, 0).to_le_bytes()).collect();
    ElfMaker::new(62, LINKED_AT)
        .section(".text", TEXT, true, &[0x90; 0x1000])
        .build_id(TEXT + 0x1000, build_id)
        .section(".data", TEXT + 0x2000, false, &data)
        .section(".data..percpu", 0, false, &[0; 64])
        .segment(TEXT, LINKED_AT, 0x1_0000)
        .function("_text", TEXT, 0, true)
        .make()
}

/// The data's words: two of three are pointers, the rest are numbers.
fn pointer(word: u64, slide: u64) -> u64 {
    if word.is_multiple_of(3) { word } else { TEXT + word * 16 + slide }
}

/// A machine's memory and its registers (rax, rip) at each stop to come.
#[derive(Clone, Default)]
struct Fake {
    memory: BTreeMap<u64, Vec<u8>>,
    stops: Vec<(u64, u64)>,
    control: [u64; 3],
}

impl Fake {
    /// A bzImage on its way through the unpacker, with a kernel of this build in memory.
    fn booting(build_id: &[u8]) -> Self {
        let mut fake = Self::default();
        let jump = HEAD.load + HEAD.payload - 2;
        fake.memory.insert(jump, vec![0xff, 0xe0]);
        let mut block = vec![0x90; 512];
        block[100..102].copy_from_slice(&[0xff, 0xe0]);
        fake.memory.insert(BLOCK, block);
        fake.kernel(build_id);
        fake.stops = vec![(BLOCK, jump), (LOADED_AT, BLOCK + 100)];
        fake
    }

    fn kernel(&mut self, build_id: &[u8]) {
        let mut notes = lkdb_testkit::elf::note(b"Xen\0", 6, b"linux\0");
        notes.extend(lkdb_testkit::elf::note(b"GNU\0", 3, build_id));
        self.memory.insert(LOADED_AT + 0x1000, notes);
        let data = (0..64).flat_map(|word| pointer(word, SLIDE).to_le_bytes()).collect();
        self.memory.insert(LOADED_AT + 0x2000, data);
    }

    /// A kernel that runs, with the page tables below `top`; cr3 may hold something else.
    fn running(build_id: &[u8], top: u64, cr3: u64) -> Self {
        let mut fake = Self { control: [1 << 31, cr3, 0], ..Self::default() };
        fake.kernel(build_id);
        let slot = ((TEXT + SLIDE) >> 21) & 511;
        for (table, index, entry) in [
            (top, 511, 0x9000 | 0x67),
            (0x9000, 510, 0xa000 | 0x63),
            (0xa000, slot, LOADED_AT | 0x8000_0000_0000_01e1),
        ] {
            fake.memory.insert(table + index * 8, u64::to_le_bytes(entry).to_vec());
        }
        fake
    }

    fn read(&self, address: u64, length: usize) -> String {
        let byte = |at: u64| {
            let (start, bytes) = self.memory.range(..=at).next_back()?;
            bytes.get(usize::try_from(at - start).ok()?).copied()
        };
        (0..length as u64).map(|i| format!("{:02x}", byte(address + i).unwrap_or(0))).collect()
    }

    fn stub(self) -> Stub {
        let mut stops = self.stops.clone().into_iter();
        let (mut rax, mut rip) = (0, 0xfff0);
        let (socket, _requests) = start(move |request| match request {
            _ if request.starts_with("qSupported") => Reply::text("PacketSize=1000;qXfer:features:read+"),
            _ if request.starts_with("qXfer") => Reply::text(XML),
            "g" => {
                let [cr0, cr3, cr4] = self.control;
                let words =
                    [rax, rip, STACK, cr0, cr3, cr4].map(|word: u64| format!("{:016x}", word.swap_bytes()));
                Reply::text(&words.concat())
            }
            "vCont;c" => match stops.next() {
                Some(next) => {
                    (rax, rip) = next;
                    Reply::text("T05thread:01;")
                }
                None => Reply::Acknowledge,
            },
            "\x03" => Reply::text("T02thread:01;"),
            "?" => Reply::text("T05thread:01;"),
            "qqemu.PhyMemMode" => Reply::text("0"),
            _ => match request.strip_prefix('m').and_then(|rest| rest.split_once(',')) {
                Some((address, length)) => {
                    let number = |text| u64::from_str_radix(text, 16).unwrap_or(0);
                    Reply::text(&self.read(number(address), number(length) as usize))
                }
                None => Reply::text("OK"),
            },
        });
        Stub::new(socket).unwrap()
    }
}

const WAIT: Duration = Duration::from_millis(200);

#[test]
fn both_slides_are_found_before_the_kernel_runs() {
    let file = vmlinux(&[7; 20]);
    let kernel = Kernel::new(Elf::parse(&file).unwrap()).unwrap();
    let entry =
        at_entry(&mut Fake::booting(&[7; 20]).stub(), &Boot::Compressed(HEAD), &kernel, WAIT).unwrap();
    assert_eq!((entry.slide, entry.text, entry.verified), (Slide(SLIDE), PhysAddr(LOADED_AT), true));
}

#[test]
fn the_unpacker_returns_by_way_of_a_page_of_its_own() {
    let file = vmlinux(&[7; 20]);
    let kernel = Kernel::new(Elf::parse(&file).unwrap()).unwrap();
    let back = BLOCK + 97;
    let unpacker = back + 0x2c3e;
    let booting = |returns_to: u64| {
        let mut fake = Fake::booting(&[7; 20]);
        let block = fake.memory.get_mut(&BLOCK).unwrap();
        block[92..97].copy_from_slice(&[0xe8, 0x3e, 0x2c, 0, 0]);
        fake.memory.insert(STACK, returns_to.to_le_bytes().to_vec());
        fake
    };
    let run = |fake: Fake| at_entry(&mut fake.stub(), &Boot::Compressed(HEAD), &kernel, WAIT);

    let mut called = booting(back);
    called.stops = vec![called.stops[0], (0, unpacker), (LOADED_AT, HEAD.load)];
    assert_eq!(run(called).unwrap().text, PhysAddr(LOADED_AT));
    // Called by somebody else: the jump is waited for.
    let mut other = booting(0x1234);
    other.stops.insert(1, (0, unpacker));
    assert_eq!(run(other).unwrap().text, PhysAddr(LOADED_AT));
    let mut stuck = booting(back);
    stuck.stops = vec![stuck.stops[0], (0, unpacker)];
    assert!(matches!(run(stuck), Err(Error::NotReached { address: 0x10_0000, .. })));
}

#[test]
fn a_vmlinux_of_another_build_is_an_error_with_both_ids() {
    let file = vmlinux(&[7; 20]);
    let kernel = Kernel::new(Elf::parse(&file).unwrap()).unwrap();
    let error = at_entry(&mut Fake::booting(&[8; 20]).stub(), &Boot::Compressed(HEAD), &kernel, WAIT);
    let text = error.unwrap_err().to_string();
    assert!(text.contains(&"07".repeat(20)) && text.contains(&"08".repeat(20)), "{text}");
}

#[test]
fn other_head_code_is_said_and_not_guessed_at() {
    let file = vmlinux(&[7; 20]);
    let kernel = Kernel::new(Elf::parse(&file).unwrap()).unwrap();
    let run = |fake: Fake| at_entry(&mut fake.stub(), &Boot::Compressed(HEAD), &kernel, WAIT);

    let mut other = Fake::booting(&[7; 20]);
    other.memory.insert(HEAD.load + HEAD.payload - 2, vec![0x0f, 0x0b]);
    assert!(matches!(run(other), Err(Error::HeadCode { address: 0x10_02ca, .. })));

    let mut other = Fake::booting(&[7; 20]);
    other.memory.insert(BLOCK, vec![0x90; 512]);
    assert!(matches!(run(other), Err(Error::HeadCode { address: BLOCK, .. })));

    let mut never = Fake::booting(&[7; 20]);
    never.stops.clear();
    let error = run(never).unwrap_err();
    assert!(matches!(error, Error::NotReached { address: 0x10_02ca, .. }), "{error}");
    assert!(error.to_string().contains("EFI"), "{error}");

    let mut elsewhere = Fake::booting(&[7; 20]);
    elsewhere.stops[0].1 = 0x1234;
    assert!(matches!(run(elsewhere), Err(Error::OtherStop(_))));
}

#[test]
fn pointers_that_moved_by_different_distances_are_no_slide() {
    let file = vmlinux(&[7; 20]);
    let kernel = Kernel::new(Elf::parse(&file).unwrap()).unwrap();
    let mut fake = Fake::booting(&[7; 20]);
    let scattered = (0..64_u64).flat_map(|word| pointer(word, word << 12).to_le_bytes()).collect();
    fake.memory.insert(LOADED_AT + 0x2000, scattered);
    let found = at_entry(&mut fake.stub(), &Boot::Compressed(HEAD), &kernel, WAIT);
    assert!(matches!(found, Err(Error::NoSlide(_))), "{found:?}");
}

#[test]
fn a_running_kernel_is_found_by_its_page_tables() {
    let file = vmlinux(&[7; 20]);
    let kernel = Kernel::new(Elf::parse(&file).unwrap()).unwrap();
    // Without isolation; with an odd page for the table; in user mode under isolation; with a PCID.
    for (top, cr3) in [(0x4000, 0x4000), (0x5000, 0x5000), (0x4000, 0x5000), (0x4000, 0x8000_0000_0000_4001)]
    {
        let entry = running(&mut Fake::running(&[7; 20], top, cr3).stub(), &kernel).unwrap();
        assert_eq!((entry.slide, entry.text), (Slide(SLIDE), PhysAddr(LOADED_AT)), "{cr3:#x}");
    }
}

#[test]
fn a_machine_without_a_kernel_is_said_to_be_one() {
    let file = vmlinux(&[7; 20]);
    let kernel = Kernel::new(Elf::parse(&file).unwrap()).unwrap();
    let off = Fake::default();
    assert!(matches!(running(&mut off.stub(), &kernel), Err(Error::NotRunning("paging is off"))));
    let empty = Fake { control: [1 << 31, 0x4000, 0], ..Fake::default() };
    assert!(matches!(running(&mut empty.stub(), &kernel), Err(Error::NotRunning(_))));
    let other = running(&mut Fake::running(&[8; 20], 0x4000, 0x4000).stub(), &kernel);
    assert!(matches!(other, Err(Error::OtherBuild { .. })), "{other:?}");
}
