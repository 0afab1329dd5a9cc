//! Answers as QEMU gives them, for tests to change one of.

use lkdb_testkit::stub::Reply;

pub(crate) const SUPPORTED: &str = "PacketSize=1000;qXfer:features:read+;vContSupported+;multiprocess+";
pub(crate) const XML: &str = "<target><architecture>i386:x86-64</architecture>\
    <reg name=\"rax\" bitsize=\"64\"/><reg name=\"rip\" bitsize=\"64\"/></target>";

/// What QEMU answers, as far as these tests ask.
pub(crate) fn honest(request: &str) -> Reply {
    match request {
        _ if request.starts_with("qSupported") => Reply::text(SUPPORTED),
        _ if request.starts_with("qXfer:features:read:target.xml:0,") => {
            Reply::Packet(format!("l{XML}").into())
        }
        "?" => Reply::text("T05thread:01;"),
        "g" => Reply::text("01000000000000000200000000000000"),
        "p0" => Reply::text("0100000000000000"),
        "p1" => Reply::text("0200000000000000"),
        "qfThreadInfo" => Reply::text("m01,02"),
        "qsThreadInfo" => Reply::text("l"),
        "qqemu.PhyMemMode" => Reply::text("0"),
        "qqemu.sstepbits" => Reply::text("ENABLE=1,NOIRQ=2,NOTIMER=4"),
        "qqemu.sstep" => Reply::text("0x7"),
        "vCont;c" => Reply::text("T05thread:02;"),
        _ if request.starts_with("vCont;s:1") => Reply::text("T05thread:02;"),
        _ if request.starts_with("qRcmd,") => Reply::Packets(vec![b"O372e32".to_vec(), b"OK".to_vec()]),
        "mdead,4" | "mdead0000,1000" | "mdead0000,800" => Reply::text("E14"),
        _ if request.starts_with('m') => {
            let length = request.split(',').nth(1).and_then(|length| usize::from_str_radix(length, 16).ok());
            Reply::Packet("ab".repeat(length.unwrap_or_default()).into())
        }
        _ if request.starts_with(['H', 'Z', 'z', 'M', 'P', 'D', 'Q']) => Reply::text("OK"),
        _ => Reply::text(""),
    }
}
