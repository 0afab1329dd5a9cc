//! Where the guest may be stopped: instructions of functions of those parts of the kernel that the load makes run.

use std::path::Path;
use std::process::Command;

use super::debugger::Debugger;
use crate::differential::draw::Draw;

/// Those parts, as directories of the source.
const PARTS: [&str; 12] = [
    "kernel/",
    "mm/",
    "fs/",
    "lib/",
    "ipc/",
    "security/",
    "block/",
    "net/core/",
    "net/ipv4/",
    "net/socket.c",
    "drivers/tty/",
    "arch/x86/",
];
/// How far into a function, in instructions.
const FAR: u64 = 40;

/// Functions: address and size.
pub(super) struct Places(Vec<(u64, u64)>);

impl Places {
    /// Those of a file's symbol table.
    pub(super) fn of(vmlinux: &Path) -> Self {
        let output = Command::new("nm").args(["-S", "--defined-only"]).arg(vmlinux).output().unwrap();
        let function = |line: &str| {
            let [address, size, "T" | "t" | "W", name] = line.split(' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            let number = |word: &str| u64::from_str_radix(word, 16).ok();
            // What runs once has run.
            Some((number(address)?, number(size)?)).filter(|(_, size)| *size > 8 && !name.contains("init"))
        };
        Self(String::from_utf8_lossy(&output.stdout).lines().filter_map(function).collect())
    }

    /// Addresses of instructions, at most `many`. `lkdb` tells the file of a function and where instructions begin.
    pub(super) fn draw(&self, draw: &mut Draw, lkdb: &mut Debugger, many: usize) -> Vec<u64> {
        let mut found = Vec::new();
        while found.len() < many {
            let (start, size) = *draw.one(&self.0);
            let line = lkdb.ask(&format!("info line *{start:#x}"));
            let file = line.split('"').nth(1).unwrap_or_default();
            if !PARTS.iter().any(|part| file.starts_with(part)) {
                continue;
            }
            let listed = lkdb.ask(&format!("x/{FAR}i {start:#x}"));
            let address = |line: &str| {
                let word = line.split_whitespace().find(|word| word.starts_with("0x"))?;
                u64::from_str_radix(word.trim_start_matches("0x").trim_end_matches(':'), 16).ok()
            };
            let inside: Vec<u64> =
                listed.lines().filter_map(address).filter(|at| *at < start + size).collect();
            if !inside.is_empty() {
                found.push(*draw.one(&inside));
            }
        }
        found
    }
}
