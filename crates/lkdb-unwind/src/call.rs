//! What tells a return address from other numbers: a call lies before it.

use lkdb_base::arch::Arch;
use lkdb_base::{Memory, RuntimeAddr};

/// The longest call.
const LONGEST: usize = 7;

/// Whether `address` lies behind a call; or, if `patched` ones count, behind what the kernel patches over one.
pub fn behind_call(arch: &Arch, memory: &dyn Memory, address: RuntimeAddr, patched: bool) -> bool {
    let mut bytes = [0; LONGEST];
    // The first call of all the code has less before it.
    let readable = (4..=LONGEST).rev().find(|length| {
        let from = RuntimeAddr(address.0.wrapping_sub(*length as u64));
        bytes.get_mut(..*length).is_some_and(|bytes| memory.read(from, bytes).is_ok())
    });
    let Some(before) = readable.and_then(|length| bytes.get(..length)) else { return false };
    let over = if patched { arch.frames.patched_calls } else { &[] };
    arch.frames.calls.iter().chain(over).any(|call| call.ends(before))
}

#[cfg(test)]
mod tests {
    use lkdb_base::Unreadable;
    use lkdb_base::arch::{AARCH64, X86_64};

    use super::*;

    const START: u64 = 0x100;

    struct Code(&'static [u8]);

    impl Memory for Code {
        fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable> {
            let bytes =
                address.0.checked_sub(START).and_then(|at| self.0.get(at as usize..at as usize + into.len()));
            into.copy_from_slice(bytes.ok_or_else(|| Unreadable::new(address, "none"))?);
            Ok(())
        }
    }

    #[test]
    fn calls_are_told_by_their_last_bytes() {
        let ends = |code: &'static [u8]| {
            behind_call(&X86_64, &Code(code), RuntimeAddr(START + code.len() as u64), true)
        };
        for call in [
            &b"\x90\x90\xe8\x01\x02\x03\x04"[..],
            b"\x90\x90\x90\x90\x90\xff\xd0",
            b"\x90\x90\x90\x90\x41\xff\xd3",
            b"\x90\xff\x15\x01\x02\x03\x04",
            b"\xff\x14\x25\x01\x02\x03\x04",
            b"\x90\x90\x90\xff\x54\x24\x08",
            b"\xe8\x01\x02\x03\x04",
            b"\x90\x90\x0f\x1f\x44\x00\x00",
        ] {
            assert!(ends(call), "{call:x?}");
        }
        for other in [
            &b"\x90\x90\x90\x90\x90\x90\x90"[..],
            b"\x00\x00\xe9\x01\x02\x03\x04",
            b"\xcc\xcc\xcc\xcc\xcc\xff\xe0",
            b"",
        ] {
            assert!(!ends(other), "{other:x?}");
        }
    }

    #[test]
    fn arm_calls_are_one_word() {
        let ends = |code: &'static [u8]| {
            behind_call(&AARCH64, &Code(code), RuntimeAddr(START + code.len() as u64), true)
        };
        assert!(ends(&[0x10, 0, 0, 0x94]), "bl");
        assert!(ends(&[0x20, 0x00, 0x3f, 0xd6]), "blr x1");
        assert!(!ends(&[0x20, 0x00, 0x1f, 0xd6]), "br x1");
    }
}
