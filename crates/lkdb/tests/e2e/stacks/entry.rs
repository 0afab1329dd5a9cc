//! Stacks at every instruction of entry code: of system calls, interrupts, exceptions and NMIs, on the way in and on
//! the way out. They end at the user's registers, or go on with what was interrupted.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use super::tally::{Session, Tally, address, shown};
use crate::code::Code;
use crate::fixture::{Lkdb, boot_any_kernel, built};

/// Entry code that is stepped through.
struct Entry {
    /// Its name; in newer kernels another.
    names: &'static [&'static str],
    from: From,
    /// It is come to by an NMI, which somebody must send.
    by_nmi: bool,
}

/// Where it is come from.
#[derive(Clone, Copy)]
enum From {
    /// A user, by an instruction for it.
    User,
    /// Anywhere: the interrupted instruction's address lies so many bytes above the stack pointer at first.
    Saved(u64),
    /// A new task.
    Nowhere,
}

const ENTRIES: [Entry; 9] = [
    Entry { names: &["entry_SYSCALL_64"], from: From::User, by_nmi: false },
    Entry { names: &["asm_sysvec_apic_timer_interrupt"], from: From::Saved(0), by_nmi: false },
    Entry { names: &["asm_exc_page_fault"], from: From::Saved(8), by_nmi: false },
    Entry { names: &["asm_exc_int3"], from: From::Saved(0), by_nmi: false },
    Entry { names: &["asm_exc_debug"], from: From::Saved(0), by_nmi: false },
    Entry { names: &["error_entry"], from: From::Saved(16), by_nmi: false },
    Entry { names: &["ret_from_fork", "ret_from_fork_asm"], from: From::Nowhere, by_nmi: false },
    Entry { names: &["asm_exc_nmi"], from: From::Saved(0), by_nmi: true },
    Entry { names: &["paranoid_entry"], from: From::Saved(16), by_nmi: true },
];

/// How often each is come to, how many instructions are gone then, and how many bytes of code it has.
const TIMES: usize = 6;
const STEPS: usize = 150;
const LENGTH: u64 = 512;
/// Where `struct pt_regs` has the program counter; the code segment follows.
const PT_REGS_PC: u64 = 128;

/// What a stack must have.
#[derive(Debug, Clone, Copy)]
enum Expected {
    User,
    Interrupted(u64),
    Any,
}

impl Expected {
    /// By the program counter and code segment saved `above` the stack pointer.
    fn saved(session: &mut Session, above: u64) -> Self {
        let mut word = |at: u64| {
            let answer = session.ask(&format!("print/x *(unsigned long *)($rsp + {at})"));
            let text = answer["data"]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
            u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
        };
        let (pc, segment) = (word(above), word(above + 8));
        if segment & 3 == 3 { Self::User } else { Self::Interrupted(pc) }
    }

    fn complaint(self, stack: &Value) -> Option<String> {
        let frames = stack["data"]["frames"].as_array().unwrap();
        let interrupted: Vec<u64> =
            frames.iter().filter(|frame| frame["interrupted"] == true).map(address).collect();
        let holds = match self {
            Self::User => stack["data"]["ends"] == "user registers" && interrupted.is_empty(),
            Self::Interrupted(pc) => interrupted.first() == Some(&pc),
            Self::Any => true,
        };
        (!holds).then(|| format!("not {self:x?}:\n{}", shown(stack)))
    }
}

/// QEMU's monitor.
struct Monitor(UnixStream);

impl Monitor {
    fn connect(path: &Path) -> Self {
        let mut monitor = Self(UnixStream::connect(path).unwrap());
        monitor.read_prompt();
        monitor
    }

    fn tell(&mut self, command: &str) {
        self.0.write_all(format!("{command}\n").as_bytes()).unwrap();
        self.read_prompt();
    }

    fn read_prompt(&mut self) {
        let mut said = Vec::new();
        let mut byte = [0];
        while !said.ends_with(b"(qemu) ") {
            self.0.read_exact(&mut byte).unwrap();
            said.push(byte[0]);
        }
    }
}

/// Steps from where the guest has stopped until it is in C code, or back.
fn step_through(session: &mut Session, code: &Code, expected: Expected, tally: &mut Tally) {
    for _ in 0..STEPS {
        let stack = session.ask("backtrace");
        let pc = address(&stack["data"]["frames"][0]);
        let back = matches!(expected, Expected::Interrupted(interrupted) if pc == interrupted);
        if pc >> 47 == 0 || back || code.is_described(pc) {
            return;
        }
        tally.add(&stack, code, session);
        tally.wrong.extend(expected.complaint(&stack));
        session.ask("stepi");
    }
}

#[test]
fn stacks_in_entry_code_end() {
    let lkdb = Lkdb::new();
    let program = format!("{}:/bin/traps", built(&lkdb, "traps.c").display());
    let socket = lkdb.scratch().join("monitor");
    let monitor = format!("unix:{},server=on,wait=off", socket.display());
    let more = ["--smp", "1", "--add", &program, "--qemu-arg=-monitor", &format!("--qemu-arg={monitor}")];
    let code = Code::of(&boot_any_kernel(&lkdb, "entry", &more));
    lkdb.ok(&["exec", "entry", "--", "sh", "-c", "/bin/traps </dev/null >/dev/null 2>&1 &"]);
    let mut monitor = Monitor::connect(&socket);
    let mut session = Session::attach(&lkdb, "entry");
    let mut tally = Tally::default();
    for entry in &ENTRIES {
        let start = entry.names.iter().find_map(|name| code.start_of(name));
        let start = start.unwrap_or_else(|| panic!("no {:?}", entry.names));
        session.ask(&format!("break *{start:#x}"));
        for back in code.returns_from_c(start, LENGTH) {
            session.ask(&format!("break *{back:#x}"));
        }
        let before = tally.stacks();
        for _ in 0..TIMES {
            if entry.by_nmi {
                monitor.tell("nmi");
            }
            session.ask("continue");
            let pc = address(&session.ask("backtrace")["data"]["frames"][0]);
            let expected = match entry.from {
                From::User => Expected::User,
                From::Nowhere => Expected::Any,
                From::Saved(above) if pc == start => Expected::saved(&mut session, above),
                // Behind a call from within another's stack frame.
                From::Saved(above) if above > 8 => Expected::Any,
                From::Saved(_) => Expected::saved(&mut session, PT_REGS_PC),
            };
            step_through(&mut session, &code, expected, &mut tally);
        }
        println!("{}: {} stacks", entry.names[0], tally.stacks() - before);
        session.ask("delete");
    }
    tally.check();
}
