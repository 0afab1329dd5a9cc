//! Frames and messages: whatever is sent comes out, whatever else is on the line is noise.

use lkdb_agent::frame::{HEADER, MAX_PAYLOAD};
use lkdb_agent::{Decoder, Encoder, Event, Exit, Hello, Message, Report, Request, Spawn, Stream};
use proptest::collection::vec;
use proptest::prelude::*;

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..300)
}

fn request() -> impl Strategy<Value = Request> {
    let spawn = (vec(bytes(), 0..4), vec((bytes(), bytes()), 0..4), bytes(), any::<bool>())
        .prop_map(|(argv, env, cwd, stdin)| Request::Spawn(Spawn { argv, env, cwd, stdin }));
    prop_oneof![
        Just(Request::Hello),
        any::<u64>().prop_map(Request::Ping),
        spawn,
        bytes().prop_map(Request::Stdin),
        Just(Request::StdinEof),
        (stream(), any::<u32>()).prop_map(|(stream, bytes)| Request::Credit(stream, bytes)),
        any::<i32>().prop_map(Request::Kill),
        Just(Request::Close),
    ]
}

fn report() -> impl Strategy<Value = Report> {
    let hello =
        (any::<u64>(), ".{0,40}", ".{0,40}", ".{0,40}").prop_map(|(instance, version, release, boot_id)| {
            Report::Hello(Hello { instance, version, release, boot_id })
        });
    prop_oneof![
        hello,
        any::<u64>().prop_map(Report::Pong),
        any::<u64>().prop_map(Report::Received),
        any::<u32>().prop_map(Report::Started),
        (stream(), bytes()).prop_map(|(stream, bytes)| Report::Output(stream, bytes)),
        stream().prop_map(Report::Eof),
        any::<u32>().prop_map(Report::Credit),
        any::<u8>().prop_map(|status| Report::Exited(Exit::Status(status))),
        any::<i32>().prop_map(|signal| Report::Exited(Exit::Signal(signal))),
        (any::<u8>(), ".{0,40}").prop_map(|(status, text)| Report::Failed { status, text }),
    ]
}

fn messages<M>(events: Vec<Event<M>>) -> Vec<(u32, M)> {
    let message = |event| match event {
        Event::Message { channel, message, .. } => Some((channel, message)),
        _ => None,
    };
    events.into_iter().filter_map(message).collect()
}

/// Pushes in pieces of `size` bytes.
fn decode<M: Message>(decoder: &mut Decoder<M>, line: &[u8], size: usize) -> Vec<Event<M>> {
    line.chunks(size.max(1)).flat_map(|piece| decoder.push(piece)).collect()
}

proptest! {
    #[test]
    fn requests_survive_noise_and_any_cutting(
        sent in vec((any::<u32>(), request()), 1..8),
        noise in vec("[ -~\r\n]{0,60}", 8),
        size in 1usize..700,
    ) {
        let (mut encoder, mut line) = (Encoder::new(), Vec::new());
        for ((channel, request), noise) in sent.iter().zip(&noise) {
            line.extend_from_slice(noise.as_bytes());
            encoder.encode(*channel, request, &mut line).unwrap();
        }
        let events = decode(&mut Decoder::new(), &line, size);
        prop_assert!(!events.contains(&Event::Lost));
        prop_assert_eq!(messages(events), sent);
    }

    #[test]
    fn reports_survive_any_cutting(sent in vec((any::<u32>(), report()), 1..8), size in 1usize..700) {
        let (mut encoder, mut line) = (Encoder::new(), Vec::new());
        for (channel, report) in &sent {
            encoder.encode(*channel, report, &mut line).unwrap();
        }
        let events = decode(&mut Decoder::new(), &line, size);
        prop_assert_eq!(messages(events), sent);
    }

    #[test]
    fn arbitrary_bytes_never_panic(line in vec(prop_oneof![any::<u8>(), Just(0xf5), Just(b'l')], 0..4000)) {
        decode(&mut Decoder::<Request>::new(), &line, 97);
        decode(&mut Decoder::<Report>::new(), &line, 4000);
    }

    #[test]
    fn arbitrary_payloads_never_panic(kind in any::<u8>(), payload in bytes()) {
        let _ = Request::parse(kind, &payload);
        let _ = Report::parse(kind, &payload);
    }

    #[test]
    fn a_damaged_byte_is_never_a_wrong_message(
        first in request(), second in request(), at in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let (mut encoder, mut line) = (Encoder::new(), Vec::new());
        encoder.encode(1, &first, &mut line).unwrap();
        let at = at.index(line.len());
        line[at] ^= flip;
        encoder.encode(2, &second, &mut line).unwrap();
        // What a damaged length swallows is given back once as many bytes have come.
        line.resize(line.len() + HEADER + MAX_PAYLOAD, b'.');
        let events = decode(&mut Decoder::new(), &line, 333);
        prop_assert_eq!(messages(events), vec![(2, second)]);
    }
}

#[test]
fn a_missing_frame_is_said() {
    let mut encoder = Encoder::new();
    let frames: Vec<Vec<u8>> = (0..3)
        .map(|number| {
            let mut frame = Vec::new();
            encoder.encode(0, &Request::Ping(number), &mut frame).unwrap();
            frame
        })
        .collect();
    let mut decoder = Decoder::<Request>::new();
    assert_eq!(decoder.push(&frames[0]).len(), 1);
    let events = decoder.push(&frames[2]);
    assert_eq!(events.first(), Some(&Event::Lost));
    assert_eq!(messages(events), [(0, Request::Ping(2))]);
}

#[test]
fn hello_restarts_the_numbering() {
    let (mut decoder, mut line) = (Decoder::<Request>::new(), Vec::new());
    Encoder::new().encode(0, &Request::Ping(1), &mut line).unwrap();
    Encoder::new().encode(0, &Request::Hello, &mut line).unwrap();
    assert!(!decoder.push(&line).contains(&Event::Lost));
}

#[test]
fn an_echo_of_the_other_direction_is_noise() {
    let mut line = Vec::new();
    Encoder::new().encode(7, &Request::Stdin(b"x".to_vec()), &mut line).unwrap();
    let mut decoder = Decoder::<Report>::new();
    assert_eq!(decoder.push(&line), []);
    assert_eq!(decoder.noise(), line.len() as u64);
}

#[test]
fn what_does_not_fit_is_refused_and_uses_no_number() {
    let (mut encoder, mut line) = (Encoder::new(), Vec::new());
    let long = Request::Stdin(vec![0; MAX_PAYLOAD + 1]);
    assert_eq!(encoder.encode(1, &long, &mut line).unwrap_err().length, MAX_PAYLOAD + 1);
    assert!(line.is_empty());
    encoder.encode(0, &Request::Ping(0), &mut line).unwrap();
    encoder.encode(0, &Request::Ping(1), &mut line).unwrap();
    assert_eq!(Decoder::<Request>::new().push(&line).len(), 2);
}
