//! lkdb against gdb at stops of a running guest: both look at the same stopped machine through a [`relay`], and
//! answer the same questions about its stack, variables and registers. Breakpoints are drawn by a seed.
//!
//! `LKDB_STOPS_SEED` draws others, `LKDB_STOPS` makes more of them, `LKDB_TEST_KERNEL` names another kernel (see the
//! fixture).

mod debugger;
mod known;
mod places;
mod questions;
mod relay;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use crate::code::Code;
use crate::differential::draw::{Draw, number};
use crate::differential::table::Table;
use crate::fixture::{Lkdb, boot_any_kernel};
use crate::load;
use debugger::Debugger;
use places::Places;
use questions::Answers;
use relay::Relay;

/// The machine's name.
const NAME: &str = "compared";
/// How many breakpoints wait at a time: most are at code that does not run.
const WAITING: usize = 40;
/// How many steps gdb may take to find that it is where lkdb is.
const STEPS: usize = 8;
/// What the load calls once a round: nothing of what waits has been hit since.
const ROUND: &str = "__x64_sys_sethostname";

/// Both debuggers on one machine.
struct Pair {
    relay: Relay,
    gdb: Debugger,
    lkdb: Debugger,
    /// The number of the breakpoint that marks the load's rounds.
    round: String,
}

impl Pair {
    fn attach(lkdb: &Lkdb, vmlinux: &Path, cache: &Path) -> Self {
        let relay = Relay::new(lkdb, NAME, lkdb.scratch());
        let leader = relay.leader();
        let ours = ["attach", leader.to_str().unwrap(), "--vmlinux", vmlinux.to_str().unwrap()];
        let mut ours = Debugger::start(lkdb.command(&ours));
        // Makes its index, where there is none yet: names that are nobody's are told by that.
        ours.ask("info functions ^none$");
        let mut theirs = Debugger::gdb(vmlinux, cache);
        theirs.ask(&format!("target remote {}", relay.follower().display()));
        Self { relay, gdb: theirs, lkdb: ours, round: String::new() }
    }

    /// Does something that moves the machine, in both; gives what each said.
    fn moved(&mut self, command: &str) -> (String, String) {
        self.gdb.send(command);
        self.relay.until_parked();
        let ours = self.lkdb.ask(command);
        let cpu = self.cpu();
        // It may take steps of its own to come to the same place, and to come from there.
        for release in 0.. {
            self.relay.release(cpu, release < STEPS);
            if let Some(theirs) = self.gdb.answer_unless(|| self.relay.is_parked()) {
                return (theirs, ours);
            }
        }
        unreachable!("the follower does not stop when it is told to")
    }

    /// Tells both the same.
    fn both(&mut self, command: &str) -> (String, String) {
        (self.gdb.ask(command), self.lkdb.ask(command))
    }

    /// Waits for these places, and for the next round of the load.
    fn wait_for(&mut self, places: &[u64]) {
        self.both("delete");
        let (_, said) = self.both(&format!("break {ROUND}"));
        self.round = said.split_whitespace().nth(1).unwrap().to_owned();
        // gdb would step over it, and does not bear to be stopped elsewhere then.
        self.gdb.ask(&format!("delete {}", self.round));
        for place in places {
            self.both(&format!("tbreak *{place:#x}"));
        }
    }

    /// Runs to the next breakpoint; gives what both said of it. None when a round of the load went by.
    fn run(&mut self) -> Option<(String, String)> {
        let (theirs, ours) = self.moved("continue");
        assert!(ours.contains("reakpoint "), "{ours}");
        (!ours.contains(&format!("{ROUND} ("))).then_some((theirs, ours))
    }

    /// The CPU that lkdb has selected; of several that stop at once, each debugger might choose another.
    fn cpu(&mut self) -> u8 {
        let said = self.lkdb.ask("print $_thread");
        said.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{said}"))
    }
}

/// Compares at so many stops; prints the table, and fails where it is not good enough.
fn compare(stops: u64) {
    let (seed, stops) = (number("LKDB_STOPS_SEED", 1), number("LKDB_STOPS", stops));
    println!("LKDB_STOPS_SEED={seed} LKDB_STOPS={stops}");
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("differential");
    fs::create_dir_all(&cache).unwrap();
    let lkdb = Lkdb::new();
    let vmlinux = boot_any_kernel(&lkdb, NAME, &[]);
    load::start(&lkdb, NAME);
    let mut draw = Draw::new(seed);
    let code = Code::of(&vmlinux);
    let places = Places::of(&vmlinux);
    let mut answers = Answers::default();
    let mut pair = Pair::attach(&lkdb, &vmlinux, &cache);
    let (mut done, mut waiting) = (0, 0);
    while done < stops {
        if waiting == 0 {
            let places = places.draw(&mut draw, &mut pair.lkdb, WAITING);
            pair.wait_for(&places);
            waiting = WAITING;
        }
        match pair.run() {
            Some(said) => {
                waiting -= 1;
                done += 1;
                answers.at_stop(&mut pair, &mut draw, &code, said);
            }
            None => waiting = 0,
        }
    }
    answers.check(&cache);
}

impl Answers {
    /// Prints the table, leaves all answers and differences in files, and fails where they are not good enough.
    fn check(self, dir: &Path) {
        let shown = self.asked.iter().map(|(question, theirs, ours)| {
            format!("### {} | {}\n{theirs}\n---\n{ours}\n", question.row, question.text)
        });
        fs::write(dir.join("stops.answers"), shown.collect::<String>()).unwrap();
        let (mut questions, mut theirs, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        for (question, their, our) in self.asked {
            theirs.push(rules::tidy(&question, &their));
            ours.push(rules::tidy(&question, &our));
            questions.push(question);
        }
        let said = |asked: &[String]| rules::evidence(asked, &self.untold);
        let table = Table::compare(&questions, &theirs, &ours, rules::RULES, &said);
        println!("{}", table.shown());
        let report = dir.join("stops.differences");
        fs::write(&report, format!("{}\n# allowed\n{}", table.differences(usize::MAX), table.allowed()))
            .unwrap();
        println!("all differences are in {}", report.display());
        assert!(self.complaints.is_empty(), "lkdb's stacks: {}", self.complaints.join("\n\n"));
        table.check();
    }
}

#[test]
#[ignore = "slow: a hundred stops, at which both answer some fifty questions"]
fn a_stopped_guest_is_answered_as_gdb_does() {
    compare(100);
}
