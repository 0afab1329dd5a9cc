//! The client against a scripted stub: honest answers, then every way of not giving one.

use std::time::{Duration, Instant};

use lkdb_base::{PhysAddr, RuntimeAddr};
use lkdb_target::{BreakpointKind, Error, Stop, Stub, Thread};
use lkdb_testkit::stub::{Reply, start};

use crate::honest::{SUPPORTED, honest};

#[test]
fn an_honest_stub_is_understood() {
    let (socket, requests) = start(honest);
    let mut stub = Stub::new(socket).unwrap();
    assert_eq!(stub.features().packet_size, 0x1000);
    assert_eq!(stub.why().unwrap(), Stop::Signal { signal: 5, thread: Some(Thread(1)), watch: None });
    assert_eq!(stub.threads().unwrap(), [Thread(1), Thread(2)]);
    let registers = stub.registers(Thread(2)).unwrap();
    assert_eq!((registers.number("rax"), registers.number("rip")), (Some(1), Some(2)));
    assert_eq!(stub.read_register(Thread(2), "rip").unwrap(), [2, 0, 0, 0, 0, 0, 0, 0]);
    let masks = stub.step_masks().unwrap();
    assert_eq!((masks.bits[1].clone(), masks.set), (("NOIRQ".to_owned(), 2), 7));
    assert_eq!(stub.monitor("info version").unwrap(), "7.2");
    stub.insert(BreakpointKind::Hardware, RuntimeAddr(0xffff_ffff_8100_0000), 1).unwrap();
    assert_eq!(stub.inserted().len(), 1);
    stub.step(Thread(1), false).unwrap();
    let stop = stub.wait(Duration::from_secs(5)).unwrap();
    assert!(matches!(stop, Stop::Signal { thread: Some(Thread(2)), .. }));
    stub.detach().unwrap();
    let requests: Vec<String> = requests.iter().collect();
    let selections = requests.iter().filter(|request| request.starts_with("Hg")).count();
    assert_eq!(selections, 1, "the CPU is chosen once: {requests:?}");
    assert!(requests.contains(&"Z1,ffffffff81000000,1".to_owned()));
    // Nothing stays behind.
    assert!(requests.contains(&"z1,ffffffff81000000,1".to_owned()));
    // It said that it names processes.
    assert_eq!(requests.last().map(String::as_str), Some("D;1"));
}

#[test]
fn memory_is_read_in_pieces_that_the_stub_takes() {
    let (socket, requests) = start(honest);
    let mut stub = Stub::new(socket).unwrap();
    let mut bytes = vec![0; 10_000];
    stub.read_memory(RuntimeAddr(0x1000), &mut bytes).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0xab));
    stub.write_memory(RuntimeAddr(0x1000), &bytes).unwrap();
    drop(stub);
    for request in requests.iter().filter(|request| request.starts_with(['m', 'M'])) {
        let length = request.split([',', ':']).nth(1).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        assert!(length <= 0x800 && request.len() <= 0x1000, "{length} in {} bytes", request.len());
    }
}

#[test]
fn physical_mode_is_put_back_even_after_an_error() {
    let (socket, requests) = start(honest);
    let mut stub = Stub::new(socket).unwrap();
    let mut bytes = [0; 4];
    let refused = stub.physical().unwrap().read(PhysAddr(0xdead), &mut bytes);
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    drop(stub);
    let modes: Vec<_> = requests.iter().filter(|request| request.starts_with("Qqemu")).collect();
    assert_eq!(modes, ["Qqemu.PhyMemMode:1", "Qqemu.PhyMemMode:0"]);
}

#[test]
fn a_running_target_is_asked_nothing_and_can_be_interrupted() {
    let (socket, requests) = start(|request| match request {
        "vCont;c" => Reply::Acknowledge,
        "\x03" => Reply::text("T02thread:01;"),
        other => honest(other),
    });
    let mut stub = Stub::new(socket).unwrap();
    stub.resume().unwrap();
    assert!(matches!(stub.why(), Err(Error::Running(_))));
    assert!(matches!(stub.resume(), Err(Error::Running(_))));
    assert!(matches!(stub.wait(Duration::from_millis(20)), Err(Error::StillRunning(_))));
    let stop = stub.interrupt(Duration::from_secs(5)).unwrap();
    assert!(matches!(stop, Stop::Signal { signal: 2, .. }));
    assert_eq!(stub.interrupt(Duration::from_secs(5)).unwrap(), stop, "it stands still already");
    stub.why().unwrap();
    drop(stub);
    let sent: Vec<_> = requests.iter().skip(1).collect();
    // At once for each CPU: QEMU 7.2 forgets one CPU's breakpoints each time.
    let forget = ["?", "qfThreadInfo", "qsThreadInfo", "Hc2", "?", "Hc1"];
    assert_eq!(sent, [&["vCont;c", "\x03"], forget.as_slice()].concat());
}

#[test]
fn a_stop_undoes_the_choice_of_a_cpu() {
    // QEMU makes the CPU that stopped the one that `g` means; a reply that names none says nothing.
    for (reply, again) in [("T05thread:02;", 1), ("S05", 1), ("T05thread:01;", 0)] {
        let (socket, requests) = start(move |request| match request {
            step if step.starts_with("vCont;") => Reply::text(reply),
            other => honest(other),
        });
        let mut stub = Stub::new(socket).unwrap();
        stub.registers(Thread(1)).unwrap();
        stub.step(Thread(1), true).unwrap();
        stub.wait(Duration::from_secs(5)).unwrap();
        stub.registers(Thread(1)).unwrap();
        stub.registers(Thread(1)).unwrap();
        drop(stub);
        let requests: Vec<String> = requests.iter().collect();
        let count = |what: &str| requests.iter().filter(|request| *request == what).count();
        assert_eq!((count("Hg1"), count("g")), (1 + again, 2), "{reply}");
    }
}

#[test]
fn the_unasked_stop_on_connecting_is_skipped() {
    let (socket, _requests) = start(|request| {
        if request.starts_with("qSupported") {
            return Reply::Packets(vec![b"T02thread:01;".to_vec(), SUPPORTED.into()]);
        }
        honest(request)
    });
    assert!(Stub::new(socket).unwrap().threads().is_ok());
}

#[test]
fn a_damaged_packet_is_asked_for_again() {
    let (socket, _requests) = start(|request| match request {
        "?" => Reply::DamagedOnce(b"T05thread:01;".to_vec()),
        other => honest(other),
    });
    assert!(Stub::new(socket).unwrap().why().is_ok());
}

#[test]
fn lies_are_errors() {
    for lie in ["", "E01", "hello", "PacketSize=zz", "PacketSize=8", "PacketSize=ffffffffffffffffff"] {
        let (socket, _requests) = start(move |_| Reply::text(lie));
        assert!(Stub::new(socket).is_err(), "{lie}");
    }
    let lies: [(&str, &'static str); 5] = [
        ("?", "OK"),
        ("qfThreadInfo", "m01,zz"),
        ("g", "0102"),
        ("m1000,4", "abcd"),
        ("qqemu.PhyMemMode", "yes"),
    ];
    for (question, lie) in lies {
        let question = question.to_owned();
        let asked = question.clone();
        let (socket, _requests) =
            start(move |request| if request == question { Reply::text(lie) } else { honest(request) });
        let mut stub = Stub::new(socket).unwrap();
        match asked.as_str() {
            "?" => assert!(stub.why().is_err()),
            "qfThreadInfo" => assert!(stub.threads().is_err()),
            "g" => assert_eq!(stub.registers(Thread(1)).unwrap().number("rax"), None),
            "m1000,4" => assert!(stub.read_memory(RuntimeAddr(0x1000), &mut [0; 4]).is_err()),
            _ => assert!(stub.physical().is_err()),
        }
    }
}

#[test]
fn an_endless_list_of_threads_ends() {
    let list = format!("m{}", "1,".repeat(500).trim_end_matches(','));
    let (socket, _requests) = start(move |request| match request {
        "qfThreadInfo" | "qsThreadInfo" => Reply::text(&list),
        other => honest(other),
    });
    assert!(matches!(Stub::new(socket).unwrap().threads(), Err(Error::Garbage { .. })));
}

#[test]
fn a_stub_that_dies_is_noticed_at_once() {
    let (socket, _requests) = start(|request| if request == "?" { Reply::Close } else { honest(request) });
    let began = Instant::now();
    assert!(matches!(Stub::new(socket).unwrap().why(), Err(Error::Closed)));
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_stub_that_stalls_is_given_up() {
    // What a second client of QEMU's stub sees.
    let (socket, _requests) = start(|_| Reply::Silence);
    let began = Instant::now();
    assert!(matches!(Stub::new(socket), Err(Error::Timeout { .. })));
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn noise_without_end_is_given_up() {
    let (socket, _requests) = start(|_| Reply::Raw(vec![b'x'; 100_000]));
    assert!(matches!(Stub::new(socket), Err(Error::Timeout { .. })));
    let (socket, _requests) = start(|_| Reply::Raw([b"+$".as_slice(), &vec![b'y'; 2 << 20]].concat()));
    assert!(matches!(Stub::new(socket), Err(Error::TooLong(_) | Error::Timeout { .. })));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    #[test]
    fn no_answer_makes_the_client_panic(answers in proptest::collection::vec(
        proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60), 1..6)) {
        let mut answers = answers.into_iter();
        let (socket, _requests) = start(move |request| match answers.next() {
            Some(_) if request.starts_with("qSupported") => Reply::text(SUPPORTED),
            Some(answer) => Reply::Packet(answer.into_iter().filter(|byte| !b"$#}*".contains(byte)).collect()),
            None => Reply::Close,
        });
        if let Ok(mut stub) = Stub::new(socket) {
            let _ = stub.why();
            let _ = stub.registers(Thread(1));
            let _ = stub.threads();
            let _ = stub.read_memory(RuntimeAddr(0), &mut [0; 8]);
        }
    }
}
