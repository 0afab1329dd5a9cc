//! Stubs that lie, send garbage, or die: an error each time, soon, and no panic.

use std::time::{Duration, Instant};

use lkdb_base::RuntimeAddr;
use lkdb_target::{Error, Result, Resume, Stub, Thread};
use lkdb_testkit::stub::{Reply, start};
use proptest::prelude::*;

use crate::honest::{SUPPORTED, honest};

/// Everything that a client may ask, in one go.
fn ask_all(stub: &mut Stub) -> Vec<(&'static str, Result<()>)> {
    let cpus = [Thread(1), Thread(2)];
    let mut bytes = vec![0; 5000];
    vec![
        ("why", stub.why().map(drop)),
        ("threads", stub.threads().map(drop)),
        ("layout", stub.layout().map(drop)),
        ("registers", stub.registers(cpus[0]).map(drop)),
        ("registers_of", stub.registers_of(&cpus).map(drop)),
        ("register_of", stub.register_of(&cpus, "rip", None).map(drop)),
        ("one whole", stub.register_of(&cpus, "rip", cpus.first().copied()).map(drop)),
        ("read_register", stub.read_register(cpus[1], "rax").map(drop)),
        ("write_register", stub.write_register(cpus[1], "rax", &[0; 8])),
        ("read_memory", stub.read_memory(RuntimeAddr(0x1000), &mut bytes)),
        ("write_memory", stub.write_memory(RuntimeAddr(0x1000), &bytes)),
        ("physical", stub.physical().map(drop)),
        ("step_masks", stub.step_masks().map(drop)),
        ("monitor", stub.monitor("info version").map(drop)),
        ("go", stub.go(&Resume::step(Thread(1), true))),
        ("wait", stub.wait(Duration::from_millis(10)).map(drop)),
    ]
}

#[test]
fn a_stub_that_dies_at_any_point_is_noticed() {
    let began = Instant::now();
    let mut finished = 0;
    for last in (0..80).step_by(3) {
        for part in [&b""[..], b"+", b"+$", b"+$12", b"+$OK#", b"+$OK#9"] {
            let mut count = 0;
            let (socket, _requests) = start(move |request| {
                count += 1;
                if count > last { Reply::Cut(part.to_vec()) } else { honest(request) }
            });
            let Ok(mut stub) = Stub::new(socket) else { continue };
            let answers = ask_all(&mut stub);
            match answers.iter().position(|(_, answer)| matches!(answer, Err(Error::Closed | Error::Io(_)))) {
                Some(first) => {
                    let later = answers.iter().skip(first + 1);
                    assert!(later.clone().all(|(_, answer)| answer.is_err()), "{last}: {answers:?}");
                }
                None => finished += 1,
            }
        }
    }
    assert!(finished > 0, "80 packets are enough for all");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn lies_about_one_thing_are_errors_and_others_go_on() {
    let lies: [(&str, &str, &str); 17] = [
        ("?", "why", "T5"),
        ("qfThreadInfo", "threads", "m0"),
        ("qfThreadInfo", "threads", "mffffffffffffffffff"),
        ("p1", "register_of", "00"),
        ("p1", "register_of", "zz00000000000000"),
        ("p0", "read_register", "00000000000000000000"),
        ("g", "registers_of", "0"),
        ("g", "one whole", "0200"),
        ("Hg2", "registers_of", "E22"),
        ("P0=", "write_register", "E01"),
        ("m1000", "read_memory", "00"),
        ("m1800", "read_memory", "E14"),
        ("M1000", "write_memory", "E14"),
        ("qqemu.PhyMemMode", "physical", ""),
        ("qqemu.sstepbits", "step_masks", "ENABLE=,="),
        ("qRcmd", "monitor", "O4"),
        ("qRcmd", "monitor", ""),
    ];
    for (question, asked, lie) in lies {
        let (socket, _requests) =
            start(
                move |request| {
                    if request.starts_with(question) { Reply::text(lie) } else { honest(request) }
                },
            );
        let mut stub = Stub::new(socket).unwrap();
        let answers = ask_all(&mut stub);
        let of = |name| &answers.iter().find(|(asked, _)| *asked == name).unwrap().1;
        assert!(of(asked).is_err(), "{question} answered with {lie}: {answers:?}");
        assert!(of("go").is_ok() && of("wait").is_ok(), "{answers:?}");
    }
}

#[test]
fn documents_that_include_each_other_end() {
    let endless = "<target><xi:include href=\"b.xml\"/><xi:include href=\"target.xml\"/></target>";
    let (socket, requests) = start(move |request| {
        if request.starts_with("qXfer") {
            Reply::Packet(format!("l{endless}").into())
        } else {
            honest(request)
        }
    });
    assert!(matches!(Stub::new(socket).unwrap().layout(), Err(Error::Description(_))));
    assert!(requests.iter().count() < 200);
    // A document without end, in pieces.
    let piece = format!("m{}", "<!-- and so on -->".repeat(100));
    let (socket, _requests) = start(move |request| {
        if request.starts_with("qXfer") { Reply::Packet(piece.clone().into()) } else { honest(request) }
    });
    assert!(Stub::new(socket).unwrap().layout().is_err());
}

#[test]
fn a_stall_among_many_answers_ends() {
    let (socket, _requests) =
        start(|request| if request == "p1" { Reply::Acknowledge } else { honest(request) });
    let mut stub = Stub::new(socket).unwrap();
    let began = Instant::now();
    let error = stub.register_of(&[Thread(1), Thread(2)], "rip", None).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(15));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_answers_make_any_request_panic(
        answers in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "[mlETOSWX0-9a-f:;,=]{0,40}".prop_map(String::into_bytes),
                "OK".prop_map(String::into_bytes),
            ],
            1..40,
        ),
        honest_first in 0_usize..30,
    ) {
        let mut answers = answers.into_iter();
        let mut count = 0;
        let (socket, _requests) = start(move |request| {
            count += 1;
            if request.starts_with("qSupported") {
                return Reply::text(SUPPORTED);
            }
            if count <= honest_first {
                return honest(request);
            }
            match answers.next() {
                Some(answer) => {
                    Reply::Packet(answer.into_iter().filter(|byte| !b"$#}*".contains(byte)).collect())
                }
                None => Reply::Close,
            }
        });
        if let Ok(mut stub) = Stub::new(socket) {
            let _ = ask_all(&mut stub);
        }
    }
}
