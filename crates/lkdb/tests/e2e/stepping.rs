//! Steps under load: two busy CPUs, processes that run the same kernel functions on both, 1 kHz timers. Where each
//! `next` and `finish` lands is compared with what gdb does on a quiet guest, with the stack pointer, with the return
//! address that lay on the stack, and with the task.

use std::collections::BTreeMap;
use std::path::Path;

use crate::fixture::{Lkdb, built};

/// Functions that the load runs all the time, to be walked by `next`.
const WALKED: [&str; 7] = [
    "__do_sys_newuname",
    "__do_sys_getcwd",
    "do_faccessat",
    "do_sys_openat2",
    "ksys_read",
    "vfs_read",
    "getrusage",
];
/// Functions to be finished: some sleep, and their task may come back on the other CPU.
const FINISHED: [&str; 6] = [
    "vfs_read",
    "do_filp_open",
    "getname_flags",
    "user_path_at_empty",
    "hrtimer_nanosleep",
    "do_sched_yield",
];
/// More lines than any of those functions' walks have.
const LINES: usize = 20;
const END: &str = "that was all";

/// A place in a function: how far into it, and how far the stack has grown since its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    pc: u64,
    sp: u64,
}

impl Place {
    fn since(self, entry: Self) -> (u64, u64) {
        (self.pc - entry.pc, entry.sp.wrapping_sub(self.sp))
    }
}

/// What a debugger is told, to say where the selected CPU stands.
fn here(name: &str) -> String {
    format!("printf \"@ {name} %lx %lx\\n\", $pc, $rsp")
}

/// What a debugger said of where it stood, in order.
fn places<'a>(said: &'a str, name: &str) -> Vec<(Place, &'a str)> {
    let mark = format!("@ {name} ");
    let mut found = Vec::new();
    for piece in said.split("\n@ ").skip(1) {
        let (line, behind) = piece.split_once('\n').unwrap_or((piece, ""));
        let line = format!("@ {line}");
        let Some(numbers) = line.strip_prefix(&mark) else { continue };
        let mut numbers = numbers.split(' ').map(|number| u64::from_str_radix(number, 16).unwrap());
        found.push((Place { pc: numbers.next().unwrap(), sp: numbers.next().unwrap() }, behind));
    }
    found
}

/// Each function's walk by `next` as gdb does it on a guest with one CPU: up to its return.
fn quiet_walks(lkdb: &Lkdb, load: &Path) -> BTreeMap<&'static str, Vec<(u64, u64)>> {
    let add = format!("{}:/bin/load", load.display());
    let mut arguments = vec!["gdb", "--smp", "1", "--add", &add, "--append", "rdinit=/bin/load", "--"];
    arguments.extend(["-nx", "-batch"]);
    let mut commands = Vec::new();
    for function in WALKED {
        commands.extend([format!("tbreak {function}"), "continue".to_owned(), here(function)]);
        commands.extend((0..LINES).flat_map(|_| ["next".to_owned(), here(function)]));
    }
    arguments.extend(commands.iter().flat_map(|command| ["-ex", command.as_str()]));
    let said = lkdb.ok(&arguments);
    let walk = |function| {
        let places = places(&said, function);
        let entry = places.first().unwrap_or_else(|| panic!("no {function} in:\n{said}")).0;
        let inside = places.iter().map(|(place, _)| *place).take_while(|place| place.sp <= entry.sp);
        inside.map(|place| place.since(entry)).collect::<Vec<_>>()
    };
    let walks: BTreeMap<_, _> = WALKED.into_iter().map(|function| (function, walk(function))).collect();
    assert!(walks.values().all(|walk| walk.len() > 4), "{walks:?}");
    walks
}

/// The task that the selected CPU runs, and the CPU, from `info threads`.
fn task(behind: &str) -> (u32, u32) {
    let line = behind.lines().find(|line| line.starts_with('*')).unwrap_or_else(|| panic!("{behind}"));
    let between = |from: &str, to: char| {
        let rest = &line[line.find(from).unwrap() + from.len()..];
        rest[..rest.find(to).unwrap()].parse().unwrap()
    };
    (between(", pid ", ')'), between("CPU#", ','))
}

/// Does so many steps under load, and counts those that land elsewhere.
fn under_load(nexts: usize, finishes: usize) {
    let lkdb = Lkdb::new();
    let load = built(&lkdb, "load.c");
    let walks = quiet_walks(&lkdb, &load);
    lkdb.ok(&[
        "boot",
        "-d",
        "--name",
        "busy",
        "--smp",
        "2",
        "--add",
        &format!("{}:/bin/load", load.display()),
    ]);
    lkdb.ok(&["exec", "busy", "--", "sh", "-c", "/bin/load </dev/null >/dev/null 2>&1 &"]);

    let mut rounds = Vec::new();
    let mut script = Vec::new();
    let mut left = nexts;
    for function in WALKED.into_iter().cycle() {
        let count = (walks[function].len() - 1).min(left);
        let name = format!("next{}", rounds.len());
        script.extend([format!("tbreak {function}"), "continue".to_owned()]);
        script.extend([here(&name), "info threads".to_owned()]);
        let step = ["next".to_owned(), here(&name), "info threads".to_owned()];
        script.extend((0..count).flat_map(|_| step.clone()));
        rounds.push((function, name, count));
        left -= count;
        if left == 0 {
            break;
        }
    }
    for (number, function) in FINISHED.into_iter().cycle().take(finishes).enumerate() {
        let name = format!("finish{number}");
        script.extend([format!("tbreak *{function}"), "continue".to_owned()]);
        script.extend([here(&name), "info threads".to_owned()]);
        script.push(format!("printf \"@ back{number} %lx 0\\n\", *(unsigned long *) $rsp"));
        script.extend(["finish".to_owned(), here(&name), "info threads".to_owned()]);
    }
    script.push(format!("echo {END}\\n"));
    let file = lkdb.scratch().join("steps");
    std::fs::write(&file, script.join("\n")).unwrap();
    let mut session = lkdb.start(&["attach", "busy", "-batch", "-x", file.to_str().unwrap()]);
    session.wait_for(END);
    let (status, said) = session.end();
    assert_eq!(status, 0, "{said}");

    let (mut elsewhere, mut moved) = (Vec::new(), 0);
    for (function, name, count) in rounds {
        let places = places(&said, &name);
        assert_eq!(places.len(), count + 1, "{said}");
        let (entry, (pid, cpu)) = (places[0].0, task(places[0].1));
        for (index, (place, behind)) in places.iter().enumerate() {
            let (now, on) = task(behind);
            moved += usize::from(on != cpu);
            if place.since(entry) != walks[function][index] || now != pid {
                elsewhere.push(format!("{function}, next {index}: {place:x?}, pid {now} for {pid}"));
                break;
            }
        }
    }
    for number in 0..finishes {
        let places = places(&said, &format!("finish{number}"));
        let back = self::places(&said, &format!("back{number}"))[0].0.pc;
        let [(at, before), (to, after)] = places.as_slice() else { panic!("{said}") };
        let ((pid, cpu), (now, on)) = (task(before), task(after));
        moved += usize::from(on != cpu);
        if to.pc != back || to.sp != at.sp + 8 || now != pid {
            elsewhere.push(format!("finish {number}: {to:x?} for {back:x}, pid {now} for {pid}"));
        }
    }
    println!("{nexts} nexts and {finishes} finishes: {} landed elsewhere", elsewhere.len());
    println!("{moved} times the task was on another CPU than at the start of its function");
    assert!(elsewhere.is_empty(), "{elsewhere:#?}\n{said}");
    assert_eq!(lkdb.ok(&["exec", "busy", "--timeout", "60", "--", "uname", "-s"]), "Linux\n");
}

#[test]
fn next_and_finish_stay_with_their_task() {
    under_load(200, 50);
}

/// What a debugger says to some commands on a guest with one CPU that runs one program and ends. `debugger` is the
/// subcommand, and what it gets behind the machine's options.
pub(crate) fn said_by(lkdb: &Lkdb, debugger: &[&str], append: &str, commands: &[&str]) -> String {
    let (program, gdb) = debugger.split_at(1);
    let mut arguments = [program, &["--smp", "1", "--append", append], gdb, &["-batch"]].concat();
    arguments.extend(commands.iter().flat_map(|command| ["-ex", *command]));
    lkdb.ok(&arguments)
}

/// The lines that a debugger says it stands at after each step from a function on.
fn walk(lkdb: &Lkdb, debugger: &[&str], commands: &[&str]) -> Vec<String> {
    let said = said_by(lkdb, debugger, "quiet rdinit=/bin/uname", commands);
    let (_, said) = said.split_once("@ start\n").unwrap_or_else(|| panic!("{said}"));
    // The source line is the last thing said; in the middle of a line its address stands before it. gdb says where
    // a file is missing, once.
    let line = |said: &str| {
        let last = said.lines().rev().find(|line| line.contains('\t'))?;
        let line = last.split('\t').find(|word| !word.starts_with("0x"))?;
        Some(line.to_owned())
    };
    let steps = said.rsplit_once("@\n").unwrap_or_else(|| panic!("{said}")).0;
    steps.split("@\n").map(|step| line(step).unwrap_or_else(|| step.to_owned())).collect()
}

#[test]
fn step_and_until_end_where_gdbs_do() {
    let lkdb = Lkdb::new();
    let mark = "echo @\\n";
    let mut commands = vec!["break do_filp_open", "continue", "delete", "echo @ start\\n"];
    commands.extend(["step", mark].repeat(40));
    commands.extend(["until", mark].repeat(10));
    commands.extend([
        "advance vfs_open",
        mark,
        "step 3",
        mark,
        "next 2",
        mark,
        "stepi 4",
        mark,
        "nexti 4",
        mark,
    ]);
    let ours = walk(&lkdb, &["debug"], &commands);
    let gdbs = walk(&lkdb, &["gdb", "--", "-nx"], &commands);
    let differ: Vec<_> = ours.iter().zip(&gdbs).filter(|(one, other)| one != other).collect();
    println!("{} of {} steps end elsewhere than gdb's", differ.len(), gdbs.len());
    assert!(differ.is_empty() && ours.len() == gdbs.len(), "{differ:#?}\n{ours:?}\n{gdbs:?}");
}
