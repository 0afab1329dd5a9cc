//! Random walks: `step`, `next`, `until`, `stepi` and `nexti`, in an order drawn by seed, from functions that every boot
//! runs. What lkdb says after each is what gdb says on another boot of the same kernel, but for names that gdb takes
//! for Ada's.
//!
//! LKDB_WALKS and LKDB_SEED draw others.

use crate::differential::ada::is_ada_of;
use crate::differential::draw::{Draw, number};
use crate::fixture::Lkdb;
use crate::stepping::said_by;

/// Functions that a boot runs as it starts its first program, far enough from system calls: behind their entry gdb loses
/// its way, and waits for ever.
const FUNCTIONS: [&str; 18] = [
    "load_elf_binary",
    "begin_new_exec",
    "do_filp_open",
    "path_openat",
    "vfs_open",
    "do_mmap",
    "handle_mm_fault",
    "kernel_clone",
    "copy_process",
    "__alloc_pages",
    "kmem_cache_alloc",
    "d_lookup",
    "mmput",
    "unlink_anon_vmas",
    "wake_up_new_task",
    "alloc_pid",
    "dup_fd",
    "getname_kernel",
];
/// By how they are drawn.
const COMMANDS: [&str; 12] =
    ["step", "step", "step", "step", "next", "next", "next", "until", "stepi", "nexti", "step 3", "next 2"];
/// How many commands a walk has: some functions are short, and beyond the system call gdb's stacks are rubbish.
const LONG: usize = 30;

/// What a debugger says to each command of a walk, and where that ended.
fn walk(lkdb: &Lkdb, debugger: &[&str], function: &str, commands: &[&str]) -> Vec<String> {
    let start = format!("break {function}");
    let mark = "printf \"@ %lx\\n\", $pc";
    let begin = [&*start, "continue", "delete", mark];
    let marked = commands.iter().flat_map(|command| [*command, mark]);
    let commands: Vec<&str> = begin.into_iter().chain(marked).collect();
    let said = said_by(lkdb, debugger, "nokaslr quiet rdinit=/bin/uname", &commands);
    said.lines()
        .collect::<Vec<_>>()
        .split_inclusive(|line| line.starts_with("@ "))
        .skip(1)
        .map(normal)
        .take(LONG)
        .collect()
}

/// Without what differs from boot to boot: the values of arguments. That one has no value is said of its place, and
/// stays.
fn normal(lines: &[&str]) -> String {
    let line = |line: &&str| {
        if !(line.contains(" (") && line.contains(") at ")) {
            return (*line).to_owned();
        }
        let valued = |word: &str| match word.rsplit_once('=') {
            Some((name, value)) if !value.starts_with('<') => {
                format!("{name}={}", value.trim_start_matches(value_of))
            }
            _ => word.to_owned(),
        };
        line.split_inclusive([' ', '(']).map(valued).collect::<String>()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What values consist of, up to the comma or bracket behind them.
fn value_of(c: char) -> bool {
    !",)".contains(c)
}

/// gdb takes the thunks of `__x86_indirect_thunk_array` for functions, since that is the first symbol at their address;
/// in those of any other name it does not stop.
fn stops_in_a_thunk(said: &str) -> bool {
    said.contains("__x86_indirect_thunk_array ()")
}

#[test]
fn walks_read_as_gdbs() {
    let mut draw = Draw::new(number("LKDB_SEED", 1));
    let many = number("LKDB_WALKS", 3) as usize;
    let lkdb = Lkdb::new();
    let (mut asked, mut differ) = (0, Vec::new());
    for _ in 0..many {
        let function = *draw.one(&FUNCTIONS);
        let commands: Vec<&str> = (0..LONG).map(|_| *draw.one(&COMMANDS)).collect();
        let gdbs = walk(&lkdb, &["gdb", "--", "-nx"], function, &commands);
        let ours = walk(&lkdb, &["debug"], function, &commands);
        assert_eq!((gdbs.len(), ours.len()), (LONG, LONG), "{function}: {gdbs:#?}\n{ours:#?}");
        let end = gdbs.iter().position(|said| stops_in_a_thunk(said)).unwrap_or(LONG);
        asked += end;
        let here = commands.iter().zip(gdbs.iter().zip(&ours)).take(end);
        // From the first difference on they walk apart.
        if let Some((command, (gdbs, ours))) =
            here.into_iter().find(|(_, (gdbs, ours))| !is_ada_of(gdbs, ours))
        {
            differ.push(format!("{function}, {command}\n gdb:  {gdbs}\n lkdb: {ours}"));
        }
    }
    println!("{many} walks, {asked} steps, {} walks that part from gdb's", differ.len());
    assert!(differ.is_empty() && asked > many * LONG / 3, "{}", differ.join("\n"));
}
