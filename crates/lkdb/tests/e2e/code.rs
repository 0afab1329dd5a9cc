//! The code of a kernel's file as binutils reads it, not lkdb: what is called where, and what call frame
//! information describes.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The code in a kernel's file, at the addresses that it runs at without KASLR.
pub(crate) struct Code {
    path: PathBuf,
    file: Vec<u8>,
    /// Address, place in the file, length.
    sections: Vec<(u64, usize, usize)>,
    /// Functions by their addresses.
    functions: BTreeMap<u64, String>,
    /// What call frame information describes: start and end, sorted.
    described: Vec<(u64, u64)>,
    /// Stretches of functions that run on another stack.
    switched: Vec<RangeInclusive<u64>>,
}

impl Code {
    /// As binutils read it, not lkdb.
    pub(crate) fn of(vmlinux: &Path) -> Self {
        let said = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).arg(vmlinux).output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let hex = |word: &str| u64::from_str_radix(word, 16).unwrap();
        // ` [ 1] .text PROGBITS ffffffff81000000 200000 1234 00 AX …`
        let section = |line: &str| {
            let words: Vec<&str> = line.split_once("] ")?.1.split_whitespace().collect();
            let [_, "PROGBITS", address, offset, size, _, flags, ..] = words[..] else { return None };
            flags.contains('X').then(|| (hex(address), hex(offset) as usize, hex(size) as usize))
        };
        let function = |line: &str| {
            let [address, "T" | "t" | "W", name] = line.split(' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            Some((hex(address), name.to_owned()))
        };
        // `00000028 0000003c 00000000 FDE cie=00000000 pc=ffffffff81000000..ffffffff81000080`
        let described = |line: &str| {
            let (start, end) = line.split_once(" pc=")?.1.split_once("..")?;
            Some((hex(start), hex(end)))
        };
        let frames = said("readelf", &["--debug-dump=frames"]);
        let mut described: Vec<_> = frames.lines().filter_map(described).collect();
        described.sort_unstable();
        let file = fs::read(vmlinux).unwrap();
        let sections: Vec<_> = said("readelf", &["-SW"]).lines().filter_map(section).collect();
        let switched = |&(start, offset, size): &(u64, usize, usize)| {
            let found = file.get(offset..offset + size).map(stretches).unwrap_or_default();
            found.into_iter().map(move |(first, last)| start + first as u64..=start + last as u64)
        };
        Self {
            path: vmlinux.to_owned(),
            described,
            switched: sections.iter().flat_map(switched).collect(),
            file,
            sections,
            functions: said("nm", &["--defined-only"]).lines().filter_map(function).collect(),
        }
    }

    /// Whether call frame information speaks of an instruction. It does not speak of assembly.
    pub(crate) fn is_described(&self, address: u64) -> bool {
        let behind = self.described.partition_point(|(start, _)| *start <= address);
        behind.checked_sub(1).is_some_and(|at| address < self.described[at].1)
    }

    /// Whether an instruction runs on another stack than its function, of which call frame information does not know.
    pub(crate) fn is_on_other_stack(&self, address: u64) -> bool {
        self.switched.iter().any(|stretch| stretch.contains(&address))
    }

    /// Whether an instruction of its function begins at an address. In the middle of one a CPU stands where the kernel
    /// has patched in several.
    pub(crate) fn is_instruction(&self, address: u64) -> bool {
        let Some((start, _)) = self.function(address) else { return true };
        let range = [format!("--start-address={start:#x}"), format!("--stop-address={:#x}", address + 16)];
        let output = Command::new("objdump").arg("-d").args(range).arg(&self.path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().any(|line| line.starts_with(&format!("{address:x}:")))
    }

    fn before(&self, address: u64, length: usize) -> Option<&[u8]> {
        let (start, offset, _) = self
            .sections
            .iter()
            .find(|(start, _, size)| (*start..*start + *size as u64).contains(&address))?;
        let end = offset + (address - start) as usize;
        self.file.get(end.checked_sub(length)?..end)
    }

    /// What calls before a return address.
    pub(crate) fn call(&self, address: u64) -> Option<Call> {
        if let Some(&[0xe8, a, b, c, d]) = self.before(address, 5) {
            let distance = i32::from_le_bytes([a, b, c, d]);
            return Some(Call::Direct(address.wrapping_add_signed(distance.into())));
        }
        // FF /2, with whatever addressing.
        let indirect = |length: usize| {
            let bytes = self.before(address, length)?;
            (bytes[0] == 0xff && bytes[1] >> 3 & 7 == 2).then_some(Call::Indirect)
        };
        [2, 3, 6, 7].into_iter().find_map(indirect)
    }

    /// Whether a direct jump lies before an address: what jumped there returns to somebody else.
    pub(crate) fn jumps(&self, address: u64) -> bool {
        const JMP: u8 = 0xe9;
        self.before(address, 5).is_some_and(|bytes| bytes[0] == JMP)
    }

    /// Where a function begins.
    pub(crate) fn start_of(&self, name: &str) -> Option<u64> {
        self.functions.iter().find(|(_, known)| *known == name).map(|(start, _)| *start)
    }

    /// The addresses in `length` bytes of code from `start` on to which functions return that call frame information
    /// describes.
    pub(crate) fn returns_from_c(&self, start: u64, length: u64) -> Vec<u64> {
        let from_c = |address: &u64| match self.call(*address) {
            Some(Call::Direct(target)) => self.is_described(target) && self.functions.contains_key(&target),
            _ => false,
        };
        (start..start + length).filter(from_c).collect()
    }

    pub(crate) fn function(&self, address: u64) -> Option<(&u64, &String)> {
        self.functions.range(..=address).next_back()
    }
}

/// Where code is on another stack: from behind `mov %rsp,(%r11); mov %r11,%rsp` over calls and the moves of their
/// arguments to `pop %rsp`. First and last instruction.
fn stretches(code: &[u8]) -> Vec<(usize, usize)> {
    const BEGIN: [u8; 6] = [0x49, 0x89, 0x23, 0x4c, 0x89, 0xdc];
    const POP_RSP: u8 = 0x5c;
    let end = |from: usize| {
        let mut at = from;
        loop {
            match code.get(at..)? {
                [POP_RSP, ..] => return Some((from, at)),
                [0xe8, ..] => at += 5,
                [0x48..=0x4f, 0x89, ..] => at += 3,
                _ => return None,
            }
        }
    };
    let begins = code.windows(BEGIN.len()).enumerate().filter(|(_, bytes)| *bytes == BEGIN);
    begins.filter_map(|(at, _)| end(at + BEGIN.len())).collect()
}

/// A call instruction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Direct(u64),
    Indirect,
}

#[test]
fn stacks_are_switched_for_calls() {
    let code = [
        &[0x90, 0x49, 0x89, 0x23, 0x4c, 0x89, 0xdc, 0xe8, 1, 2, 3, 4][..],
        &[0x48, 0x89, 0xdf, 0xe8, 1, 2, 3, 4, 0x5c, 0x90],
    ];
    assert_eq!(stretches(&code.concat()), [(7, 20)]);
    assert_eq!(stretches(code[0]), []);
}
