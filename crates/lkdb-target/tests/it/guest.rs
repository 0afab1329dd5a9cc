//! Guest memory: over mapped RAM with page tables made by hand, and over a scripted stub alone.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use lkdb_base::arch::X86_64;
use lkdb_base::paging::{AddressSpace, FOUR_LEVELS, PhysicalMemory, Tables};
use lkdb_base::{Memory, PhysAddr, RuntimeAddr};
use lkdb_map::{Piece, Ram};
use lkdb_target::{Guest, GuestMemory, Stub, Thread, View};
use lkdb_testkit::stub::{Reply, start};

use crate::honest::honest;

const XML: &str = "<target><reg name=\"rip\" bitsize=\"64\"/><reg name=\"cr0\" bitsize=\"64\"/>\
    <reg name=\"cr3\" bitsize=\"64\"/><reg name=\"cr4\" bitsize=\"64\"/><reg name=\"efer\" bitsize=\"64\"/></target>";
/// `rip`, `cr0` with paging, `cr3` = 0x1000, `cr4`, `efer` in long mode.
const LONG_MODE: &str = concat!(
    "0000000000000000",
    "3300058000000000",
    "0010000000000000",
    "f006000000000000",
    "010d000000000000"
);

const TEXT: RuntimeAddr = RuntimeAddr(0xffff_ffff_8100_0000);
const DATA: RuntimeAddr = RuntimeAddr(0xffff_ffff_8120_0000);
/// Data that lies in a ROM.
const ROM: RuntimeAddr = RuntimeAddr(0xffff_ffff_8140_0000);

/// 16 MiB of RAM: tables from 0x1000 on; a large page of code at 4 MiB, one of data at 6 MiB, each byte its
/// address's low bits; a page that lies behind RAM's end.
fn ram() -> Ram {
    let file: File = tempfile::tempfile().unwrap();
    file.set_len(16 << 20).unwrap();
    let entry = |at: u64, value: u64| file.write_all_at(&value.to_le_bytes(), at).unwrap();
    entry(0x1000 + 511 * 8, 0x2003);
    entry(0x2000 + 510 * 8, 0x3003);
    entry(0x3000 + 8 * 8, 0x40_0000 | 0x81); // read-only, executable
    entry(0x3000 + 9 * 8, 0x60_0000 | 0x83 | 1 << 63); // writable, not executable
    entry(0x3000 + 10 * 8, 0x4003);
    entry(0x4000, 0xf_f000_0000 | 3 | 1 << 63);
    for start in [0x40_0000_u64, 0x60_0000] {
        let bytes: Vec<u8> = (0..4096_u64).map(|at| (at ^ at >> 8 ^ start >> 20) as u8).collect();
        file.write_all_at(&bytes, start).unwrap();
    }
    let piece = Piece { physical: PhysAddr(0), size: 16 << 20, file: 0, offset: 0 };
    Ram::new(vec![file], &[piece]).unwrap()
}

fn stub(answer: impl FnMut(&str) -> Reply + Send + 'static) -> (Rc<RefCell<Stub>>, Receiver<String>) {
    let mut answer = answer;
    let (socket, requests) = start(move |request| match request {
        _ if request.starts_with("qXfer:features:read:target.xml:0,") => {
            Reply::Packet(format!("l{XML}").into())
        }
        "g" => Reply::text(LONG_MODE),
        other => answer(other),
    });
    (Rc::new(RefCell::new(Stub::new(socket).unwrap())), requests)
}

fn memory(stub: &Rc<RefCell<Stub>>, ram: Option<Ram>, view: View) -> (Rc<Guest>, GuestMemory) {
    let guest = Rc::new(Guest::new(&X86_64, Some(Rc::clone(stub)), ram));
    (Rc::clone(&guest), GuestMemory::new(guest, view))
}

fn sent(requests: &Receiver<String>) -> Vec<String> {
    requests.try_iter().filter(|request| request.starts_with(['m', 'M', 'Q'])).collect()
}

#[test]
fn mapped_memory_is_read_without_the_stub() {
    let (stub, requests) = stub(honest);
    let (_, memory) = memory(&stub, Some(ram()), View::Cpu(Thread(1)));
    let mut bytes = [0; 3];
    memory.read(DATA.offset(0x1fe), &mut bytes).unwrap();
    assert_eq!(bytes, [0xfe ^ 1 ^ 6, 0xff ^ 1 ^ 6, 2 ^ 6]);
    let mapping = memory.translate(TEXT.offset(5)).unwrap();
    assert_eq!((mapping.physical, mapping.page), (PhysAddr(0x40_0005), 2 << 20));
    assert_eq!(sent(&requests), [""; 0]);
    // Across the end of one page, and to where nothing is.
    memory.read(TEXT.offset((2 << 20) - 8), &mut [0; 16]).unwrap();
    let error = memory.read(RuntimeAddr(0xffff_ffff_80ff_fffe), &mut [0; 4]).unwrap_err();
    assert_eq!(error.address, RuntimeAddr(0xffff_ffff_80ff_fffe));
    assert_eq!(
        error.to_string(),
        "Cannot access memory at address 0xffffffff80fffffe: no page is mapped there (level 2 entry at physical \
         0x3038 not present: 0x0)"
    );
    let error = memory.read(RuntimeAddr(1 << 60), &mut [0; 4]).unwrap_err();
    assert!(error.why.contains("not canonical"), "{error}");
}

#[test]
fn what_is_no_ram_is_the_stubs() {
    let (stub, requests) = stub(honest);
    let (guest, memory) = memory(&stub, Some(ram()), View::Cpu(Thread(1)));
    let mut bytes = [0; 4];
    memory.read(ROM, &mut bytes).unwrap();
    assert_eq!(bytes, [0xab; 4]);
    memory.read(ROM.offset(100), &mut bytes).unwrap();
    let asked = sent(&requests);
    assert_eq!(asked.iter().filter(|one| one.starts_with('m')).count(), 2, "one page in two: {asked:?}");
    assert_eq!(asked.first().map(String::as_str), Some("Qqemu.PhyMemMode:1"));
    // Half of it RAM.
    let mut bytes = [0; 8];
    guest.read_physical(PhysAddr((16 << 20) - 4), &mut bytes).unwrap();
    assert_eq!(bytes, [0, 0, 0, 0, 0xab, 0xab, 0xab, 0xab]);
}

#[test]
fn writes_go_through_the_stub_while_it_can_take_them() {
    let (stub, requests) = stub(|request| match request {
        "vCont;c" => Reply::Acknowledge,
        "\x03" => Reply::text("T02thread:01;"),
        other => honest(other),
    });
    let (guest, memory) = memory(&stub, Some(ram()), View::Cpu(Thread(1)));
    guest.set_kernel(Some(Tables::one(&FOUR_LEVELS, PhysAddr(0x1000))));
    memory.write(TEXT.offset(0x10), &[0xcc, 0x90]).unwrap();
    assert_eq!(sent(&requests), ["Qqemu.PhyMemMode:1", "M400010,2:cc90", "Qqemu.PhyMemMode:0"]);
    // While it runs data goes into RAM, and code must wait.
    stub.borrow_mut().resume().unwrap();
    assert!(memory.read(DATA, &mut [0; 1]).unwrap_err().why.contains("interrupt it"));
    let kernels = GuestMemory::new(Rc::clone(&guest), View::Kernel);
    kernels.write(DATA, &[1, 2, 3]).unwrap();
    let mut bytes = [0; 4];
    kernels.read(DATA, &mut bytes).unwrap();
    assert_eq!(bytes, [1, 2, 3, 3 ^ 6]);
    assert!(kernels.write(TEXT, &[0xcc]).unwrap_err().why.contains("code"));
    assert!(kernels.read(ROM, &mut bytes).is_err(), "the stub cannot be asked now");
    assert_eq!(sent(&requests), [""; 0]);
    stub.borrow_mut().interrupt(Duration::from_secs(5)).unwrap();
    memory.read(DATA, &mut bytes).unwrap();
}

#[test]
fn without_ram_pages_are_asked_for_once_until_the_target_runs() {
    let (stub, requests) = stub(honest);
    let (_, memory) = memory(&stub, None, View::Cpu(Thread(1)));
    for at in 0..100 {
        assert_eq!(memory.read_u64(RuntimeAddr(0x1000 + at * 8)).unwrap(), u64::from_le_bytes([0xab; 8]));
    }
    assert_eq!(sent(&requests), ["m1000,800", "m1800,800"]);
    stub.borrow_mut().step(Thread(1), false).unwrap();
    stub.borrow_mut().wait(Duration::from_secs(5)).unwrap();
    memory.read_u64(RuntimeAddr(0x1000)).unwrap();
    assert_eq!(sent(&requests), ["m1000,800", "m1800,800"]);
    memory.write(RuntimeAddr(0x1010), &[1]).unwrap_err();
    sent(&requests);
    // A large read is not kept, and asks in the largest pieces.
    memory.read(RuntimeAddr(0x10_0000), &mut vec![0; 1 << 20]).unwrap();
    assert_eq!(sent(&requests).iter().filter(|one| one.ends_with(",800")).count(), 512);
}

#[test]
fn without_ram_the_first_byte_that_is_missing_is_named() {
    let (stub, _requests) = stub(|request| match request {
        _ if request.starts_with("m3") => Reply::text("E14"),
        other => honest(other),
    });
    let view = View::Space(AddressSpace::Flat);
    let (_, memory) = memory(&stub, None, view);
    let error = memory.read(RuntimeAddr(0x2ff0), &mut [0; 64]).unwrap_err();
    assert_eq!(error.address, RuntimeAddr(0x3000));
    let error = memory.read(RuntimeAddr(0x2f_ff00), &mut vec![0; 128 << 10]).unwrap_err();
    assert_eq!(error.address, RuntimeAddr(0x30_0000));
}

#[test]
fn a_look_without_a_stub_sees_the_kernels_half() {
    let guest = Rc::new(Guest::new(&X86_64, None, Some(ram())));
    let memory = GuestMemory::new(Rc::clone(&guest), View::Kernel);
    assert!(memory.read(DATA, &mut [0; 1]).unwrap_err().why.contains("not known"));
    guest.set_kernel(Some(Tables::one(&FOUR_LEVELS, PhysAddr(0x1000))));
    let mut bytes = [0; 2];
    memory.read(DATA, &mut bytes).unwrap();
    assert_eq!(bytes, [6, 7]);
    // Page tables change under us: nothing is kept.
    guest.ram().unwrap().write(PhysAddr(0x3000 + 9 * 8), &[0; 8]).unwrap();
    assert!(memory.read(DATA, &mut bytes).is_err());
    guest.ram().unwrap().write(PhysAddr(0x3000 + 9 * 8), &(0x40_0083_u64).to_le_bytes()).unwrap();
    memory.read(DATA, &mut bytes).unwrap();
    assert_eq!(bytes, [4, 5]);
}

#[test]
fn a_cpu_whose_table_lacks_it_sees_the_kernels_own() {
    let (stub, _requests) = stub(honest);
    let (guest, memory) = memory(&stub, Some(ram()), View::Cpu(Thread(2)));
    let ram = guest.ram().unwrap();
    // The kernel's own tables, at 0x8000, map what this CPU's do not.
    let entry = |at: u64, value: u64| ram.write(PhysAddr(at), &value.to_le_bytes()).unwrap();
    entry(0x8000 + 256 * 8, 0x9003);
    entry(0x9000, 0x60_0000 | 0x83);
    let address = RuntimeAddr(0xffff_8000_0000_0001);
    assert!(memory.read(address, &mut [0; 1]).is_err());
    guest.set_kernel(Some(Tables::one(&FOUR_LEVELS, PhysAddr(0x8000))));
    assert!(memory.read(address, &mut [0; 1]).is_err(), "1 GiB pages are aligned");
    entry(0x9000, 0xa003);
    entry(0xa000, 0x60_0000 | 0x83);
    let mut bytes = [0; 1];
    memory.read(address, &mut bytes).unwrap();
    assert_eq!(bytes, [7]);
    assert!(memory.read(RuntimeAddr(1), &mut bytes).is_err(), "a user's address is not the kernel's");
}
