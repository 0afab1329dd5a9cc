//! Lines: the agent's frames, the stub's packets, its description of registers, and a whole session with one.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use lkdb_agent::frame::{Decoder, Encoder, Event};
use lkdb_agent::message::{Message, Report, Request};
use lkdb_base::RuntimeAddr;
use lkdb_target::packet::{self, Event as PacketEvent};
use lkdb_target::{BreakpointKind, Error, RegisterLayout, Stop, Stub, Thread};

/// The agent's line, both directions. The pieces that bytes come in make no difference, and a message
/// that was read is written and read again as the same.
pub fn agent(data: &[u8]) {
    direction::<Request>(data);
    direction::<Report>(data);
}

fn direction<M: Message + PartialEq + std::fmt::Debug>(data: &[u8]) {
    let (mut whole, mut pieces) = (Decoder::<M>::new(), Decoder::<M>::new());
    let events = whole.push(data);
    // Pieces of a length that the data choose.
    let length = usize::from(data.first().copied().unwrap_or_default()) % 23 + 1;
    let in_pieces: Vec<_> = data.chunks(length).flat_map(|piece| pieces.push(piece)).collect();
    assert_eq!(events, in_pieces);
    assert_eq!(whole.noise(), pieces.noise());
    for event in events {
        if let Event::Message { channel, message, .. } = event {
            again(channel, message);
        }
    }
    // Past the checksum, which no fuzzer guesses.
    if let Some((kind, payload)) = data.split_first()
        && let Ok(message) = M::parse(*kind, payload)
    {
        again(7, message);
    }
}

fn again<M: Message + PartialEq + std::fmt::Debug>(channel: u32, message: M) {
    let mut line = Vec::new();
    // Text that was no UTF-8 has grown.
    let Ok(()) = Encoder::new().encode(channel, &message, &mut line) else { return };
    let size = u32::try_from(line.len()).unwrap_or(u32::MAX);
    assert_eq!(Decoder::<M>::new().push(&line), [Event::Message { channel, message, size }]);
}

/// The remote protocol: what is on the line, and the same bytes as what is in a packet.
pub fn packet(data: &[u8]) {
    let mut decoder = packet::Decoder::default();
    for event in data.iter().filter_map(|byte| decoder.push(*byte)) {
        if let PacketEvent::Packet(payload) = event {
            let _ = Stop::parse(&payload);
        }
    }
    let _ = Stop::parse(data);
    if let Some(bytes) = packet::from_hex(data) {
        assert!(packet::to_hex(&bytes).as_bytes().eq_ignore_ascii_case(data));
    }
    let mut decoder = packet::Decoder::default();
    let events: Vec<_> = packet::encode(data).iter().filter_map(|byte| decoder.push(*byte)).collect();
    assert_eq!(events, [PacketEvent::Packet(data.to_vec())]);
}

/// target.xml and what it includes, divided by NULs: an `href` that begins with a digit is that document.
pub fn target_xml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let documents: Vec<&str> = text.split('\0').collect();
    let include = |href: &str| {
        let number = href.chars().next().and_then(|digit| digit.to_digit(10));
        let document = number.and_then(|number| documents.get(number as usize));
        document.map(|document| (*document).to_owned()).ok_or_else(|| Error::Description("none".to_owned()))
    };
    let Ok(layout) = RegisterLayout::parse(documents.first().copied().unwrap_or_default(), include) else {
        return;
    };
    let mut end = 0;
    for register in layout.registers() {
        assert_eq!(register.offset, end, "{register:?}");
        end += register.bytes();
        assert!(layout.find(&register.name).is_some());
    }
}

/// A client's session with a stub that says `data` whatever it is asked, and then hangs up: it ends at once.
pub fn stub(data: &[u8]) {
    // A socket's buffer takes this much.
    const MOST: usize = 64 << 10;
    let Ok((ours, theirs)) = UnixStream::pair() else { return };
    let said = data.get(..MOST).unwrap_or(data);
    if (&theirs).write_all(said).and_then(|()| theirs.shutdown(Shutdown::Write)).is_err() {
        return;
    }
    let began = Instant::now();
    if let Ok(mut stub) = Stub::new(ours) {
        let _ = session(&mut stub);
    }
    assert!(began.elapsed() < Duration::from_secs(4), "it waited for a stub that had hung up");
}

fn session(stub: &mut Stub) -> lkdb_target::Result<()> {
    let mut bytes = [0; 3000];
    stub.why()?;
    let threads = stub.threads()?;
    stub.layout()?;
    let few = threads.get(..4).unwrap_or(&threads);
    stub.registers_of(few)?;
    let _ = stub.register_of(few, "rip", few.first().copied());
    let _ = stub.read_memory(RuntimeAddr(0xffff_ffff_8100_0000), &mut bytes);
    let _ = stub.physical()?.close();
    let _ = stub.insert(BreakpointKind::Hardware, RuntimeAddr(0x1000), 1);
    let _ = stub.step_masks();
    let _ = stub.monitor("info version");
    stub.step(few.first().copied().unwrap_or(Thread(1)), true)?;
    stub.wait(Duration::from_secs(1))?;
    stub.remove_all()
}
