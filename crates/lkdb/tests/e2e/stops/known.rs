//! How much of a stack gdb can know: up to the first frame whose caller call frame information does not tell.
//! That is assembly, of which it does not speak, and code that calls on another stack or that the kernel has patched
//! since, of which it speaks wrongly.
//! What lkdb shows beyond is checked here otherwise.

use super::debugger::Debugger;
use crate::code::Code;

/// The entry of interrupts and exceptions.
const INTERRUPTS: [&str; 3] = ["asm_", "error_entry", "paranoid_entry"];
/// What else a stack that goes to its end ends with: the entry of a system call, a new task's or thread's start,
/// and a CPU's.
const OUTERMOST: [&str; 4] =
    ["entry_SYSCALL_64", "entry_SYSCALL_compat", "ret_from_fork", "secondary_startup_64"];

/// A backtrace's text, cut.
pub(super) struct Stack<'a> {
    rows: Vec<&'a str>,
    /// How many of them gdb can know, and the callers of those.
    pub(super) followed: usize,
    /// How many it can know.
    pub(super) known: usize,
}

impl<'a> Stack<'a> {
    /// Cuts what either debugger printed for `backtrace`, when `pc` is the next instruction; `patched` are bytes there
    /// that the file does not have.
    pub(super) fn of(text: &'a str, pc: u64, patched: bool, code: &Code) -> Self {
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        let (mut followed, mut known) = (0, 0);
        // Functions inlined into a frame's, and the function itself, have no address of their own.
        for frame in rows.chunk_by(|_, next| address(next).is_none()) {
            let innermost = followed == 0;
            let at = if innermost { Some(pc) } else { address(frame[0]) };
            let described = at.is_none_or(|at| code.is_described(if innermost { at } else { at - 1 }));
            let described = described && !(innermost && patched);
            // Nothing is inlined into assembly.
            known += if described { frame.len() } else { 1 };
            if !described || at.is_some_and(|at| code.is_on_other_stack(at)) {
                break;
            }
            followed = known;
        }
        Self { rows, followed, known }
    }

    /// A row that gdb can know.
    pub(super) fn row(&self, level: usize) -> &'a str {
        self.rows.get(level).filter(|_| level < self.known).copied().unwrap_or("no frame")
    }

    /// What a row's arguments at entry hang on: whether a function that was inlined takes part, what the functions
    /// were entered with that have the frames of it and its caller, and the call of its frame.
    pub(super) fn about(&self, level: usize) -> String {
        let outer = self.rows.get(level + 1..).unwrap_or_default();
        let mut frames = outer.chunk_by(|_, next| address(next).is_none());
        let own = frames.next().unwrap_or_default();
        let inlined = own.first().is_some_and(|row| address(row).is_none());
        let callers = if inlined { frames.next().unwrap_or_default() } else { own };
        let takes_part = (inlined || callers.len() > 1) && level < self.followed;
        let functions = [own.last(), callers.last()];
        let entries = functions.iter().flatten().flat_map(|row| row.split("@entry=").skip(1)).map(|rest| {
            let value = rest.split([',', ')', ' ']).next().unwrap_or_default();
            format!("entry {value}|")
        });
        let entries =
            if takes_part { format!("inlined|{}", entries.collect::<String>()) } else { String::new() };
        let call = outer.iter().find_map(|row| address(row)).unwrap_or_default();
        let callee = own.last().filter(|_| inlined).or(self.rows.get(level)).map(|row| function(row));
        format!("[{entries}call {call:#x} of {}]", callee.unwrap_or_default())
    }

    /// What is wrong with the part of lkdb's that gdb can't know, if anything is. `text` is all that it printed.
    pub(super) fn complaint(&self, text: &str, code: &Code, gdb: &mut Debugger) -> Option<String> {
        if let Some(why) = text.lines().find(|line| line.starts_with("Backtrace stopped")) {
            return Some(format!("{why}\n{text}"));
        }
        let mut interrupted = false;
        // The innermost row was not called from where it is.
        for row in self.rows.get(self.known.saturating_sub(1).max(1)..).unwrap_or_default() {
            let Some(at) = address(row) else { continue };
            let returns = code.call(at).is_some() || code.jumps(at) || calls_before(at, gdb);
            let starts = starts_with(function(row), &OUTERMOST);
            // What an interrupt has stopped was called by nobody; a thread's start neither.
            if !(interrupted || returns || starts) {
                return Some(format!("{at:#x} is behind no call in\n{text}"));
            }
            interrupted = starts_with(function(row), &INTERRUPTS) && !code.is_described(at);
        }
        let last = self.rows.last().map(|row| function(row)).unwrap_or_default();
        let ends = starts_with(last, &OUTERMOST) || starts_with(last, &INTERRUPTS);
        (!ends).then(|| format!("it ends in {last}\n{text}"))
    }
}

/// Whether the kernel has patched in a direct call, which its file does not have.
fn calls_before(address: u64, gdb: &mut Debugger) -> bool {
    gdb.ask(&format!("print/x *(unsigned char *){:#x}", address - 5)).ends_with(" 0xe8")
}

fn starts_with(name: &str, any: &[&str]) -> bool {
    any.iter().any(|start| name.starts_with(start))
}

/// Of `#3  0xffffffff81000000 in f (x=1) at a.c:1`.
fn address(row: &str) -> Option<u64> {
    let word = row.split_whitespace().nth(1)?.strip_prefix("0x")?;
    u64::from_str_radix(word, 16).ok()
}

/// The same row's function.
fn function(row: &str) -> &str {
    let name = row.split(" (").next().unwrap_or_default();
    name.rsplit(' ').next().unwrap_or_default()
}

#[test]
fn rows_are_taken_apart() {
    let row = "#3  0xffffffff81000000 in f (x=1) at a.c:1";
    assert_eq!((address(row), function(row)), (Some(0xffff_ffff_8100_0000), "f"));
    let row = "#10 g (callback=0xffffffff81000000 <f>) at a.c:1";
    assert_eq!((address(row), function(row)), (None, "g"));
}
