//! A session whose stacks are read as JSON, and what is seen of them: each must end, at something that is an end, and
//! no frame of it may be made up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::code::{Call, Code};
use crate::differential::draw::Draw;
use crate::fixture::{Lkdb, PATIENCE, Running};

/// More frames than the kernel's stacks have.
const MOST: usize = 200;

/// A session whose answers are read as JSON.
pub(super) struct Session {
    pub(super) running: Running,
}

impl Session {
    pub(super) fn attach(lkdb: &Lkdb, name: &str) -> Self {
        let mut session = Self { running: lkdb.start(&["attach", name, "--json"]) };
        // Once it answers, signals are commands to it.
        session.ask("print 1");
        session
    }

    pub(super) fn ask(&mut self, command: &str) -> Value {
        self.running.type_in(&format!("{command}\n"));
        self.answer(command)
    }

    pub(super) fn answer(&mut self, command: &str) -> Value {
        let answer = self.line(PATIENCE).unwrap_or_else(|| panic!("no answer to `{command}`"));
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer
    }

    /// The next answer, if it comes in time.
    fn line(&mut self, within: Duration) -> Option<Value> {
        let deadline = Instant::now() + within;
        loop {
            let line = self.running.line(deadline.saturating_duration_since(Instant::now()))?;
            // What is for people goes to the same place.
            if line.starts_with('{') {
                return Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
            }
        }
    }

    /// Lets the guest run for a time that is drawn, and stops it.
    pub(super) fn run_on(&mut self, draw: &mut Draw) {
        const LONGEST: u64 = 25_000;
        self.running.type_in("continue\n");
        let mut wait = Duration::from_micros(1000 + draw.below(LONGEST));
        // A signal that comes before the guest runs is for the command before.
        while self.line(wait).is_none() {
            self.running.kill("INT");
            wait = Duration::from_secs(1);
        }
    }

    /// Whether memory has a direct call before an address.
    fn calls_before(&mut self, address: u64) -> bool {
        let first = self.ask(&format!("print/x *(unsigned char *){:#x}", address - 5));
        first.to_string().contains("\"0xe8\"")
    }

    /// The stack of a CPU.
    pub(super) fn stack(&mut self, cpu: usize) -> Value {
        self.ask(&format!("thread {}", cpu + 1));
        self.ask("backtrace")
    }
}

/// What was seen of stacks.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ends: BTreeMap<String, usize>,
    stacks: usize,
    frames: usize,
    interrupts: usize,
    /// Calls that name the function of the frame that they made; and those that name another: a thunk, a
    /// trampoline, or a function that went on to that one by a jump.
    direct: usize,
    other: usize,
    /// What is wrong.
    pub(super) wrong: Vec<String>,
}

impl Tally {
    pub(super) fn add(&mut self, stack: &Value, code: &Code, session: &mut Session) {
        let data = &stack["data"];
        let rows = data["frames"].as_array().unwrap();
        let ends = data["ends"].as_str().unwrap();
        self.stacks += 1;
        let mut user = false;
        let frames: Vec<&Value> =
            rows.iter().filter(|row| row["inlined"] == false && row["jumped"] == false).collect();
        for (level, frame) in frames.iter().enumerate() {
            let pc = u64::from_str_radix(frame["pc"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
            user |= level == 0 && pc >> 47 == 0;
            self.frames += 1;
            if level == 0 || frame["interrupted"] == true {
                self.interrupts += usize::from(level > 0);
                continue;
            }
            let last = level + 1 == frames.len();
            match code.call(pc) {
                Some(Call::Direct(target)) => {
                    let callee = code.function(address(frames[level - 1])).map(|(start, _)| *start);
                    let named = callee == Some(target);
                    *(if named { &mut self.direct } else { &mut self.other }) += 1;
                }
                Some(Call::Indirect) => self.other += 1,
                // What a stack begins with was put there.
                None if last && matches!(ends, "boot entry" | "kernel thread") => {}
                // What the kernel has patched in.
                None if session.calls_before(pc) => self.other += 1,
                None => self.wrong.push(format!("{pc:#x} is behind no call in\n{}", shown(stack))),
            }
        }
        let end = match data["end"].as_str() {
            Some(why) => {
                self.wrong.push(format!("{why}\n{}", shown(stack)));
                format!("broken: {}", why.split(": ").nth(1).unwrap_or(why))
            }
            None if user => "in user mode".to_owned(),
            None => ends.to_owned(),
        };
        if ends == "end of stack" || rows.len() > MOST {
            self.wrong.push(shown(stack));
        }
        *self.ends.entry(end).or_default() += 1;
    }

    /// How many stacks there were.
    pub(super) fn stacks(&self) -> usize {
        self.stacks
    }

    /// Prints it all, and fails where something is wrong.
    pub(super) fn check(&self) {
        println!(
            "{} stacks, {} frames, {} interrupted ones; {} direct calls of the frame's own function, {} others",
            self.stacks, self.frames, self.interrupts, self.direct, self.other
        );
        for (end, times) in &self.ends {
            println!("{times:>6} {end}");
        }
        assert!(self.wrong.is_empty(), "{} of {}: {}", self.wrong.len(), self.stacks, self.wrong.join("\n"));
    }
}

pub(super) fn address(frame: &Value) -> u64 {
    u64::from_str_radix(frame["pc"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// A stack, for people.
pub(super) fn shown(stack: &Value) -> String {
    let rows = stack["data"]["frames"].as_array().unwrap();
    let row = |row: &Value| {
        let interrupted = if row["interrupted"] == true { " interrupted" } else { "" };
        format!("  {} {}{interrupted}\n", row["pc"].as_str().unwrap(), row["function"])
    };
    let rows: String = rows.iter().map(row).collect();
    format!("{rows}  {} {}", stack["data"]["ends"], stack["data"]["end"])
}
