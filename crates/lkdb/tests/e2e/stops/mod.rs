//! lkdb against gdb at stops of a running guest: both look at the same stopped machine through a [`relay`], and
//! answer the same questions about its stack, variables and registers. Breakpoints are drawn by a seed.
//!
//! `LKDB_STOPS_SEED` draws others, `LKDB_STOPS` makes more of them.

mod debugger;
mod places;
mod questions;
mod relay;
mod rules;

use std::fs;
use std::path::PathBuf;

use crate::differential::debuggers::Question;
use crate::differential::draw::{Draw, number};
use crate::differential::table::Table;
use crate::fixture::{Lkdb, kernel_file};
use crate::load;
use debugger::Debugger;
use places::Places;
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
    fn attach(lkdb: &Lkdb, cache: &std::path::Path) -> Self {
        let relay = Relay::new(lkdb, NAME, lkdb.scratch());
        let vmlinux = kernel_file("vmlinux");
        let leader = relay.leader();
        let ours = ["attach", leader.to_str().unwrap(), "--vmlinux", vmlinux.to_str().unwrap()];
        let mut ours = Debugger::start(lkdb.command(&ours));
        // Makes its index, where there is none yet: names that are nobody's are told by that.
        ours.ask("info functions ^none$");
        let mut theirs = Debugger::gdb(&vmlinux, cache);
        theirs.ask(&format!("target remote {}", relay.follower().display()));
        Self { relay, gdb: theirs, lkdb: ours, round: String::new() }
    }

    /// Does something that moves the machine, in both; gives what each said.
    fn moved(&mut self, command: &str) -> (String, String) {
        self.gdb.send(command);
        self.relay.until_parked();
        let ours = self.lkdb.ask(command);
        // It may take steps of its own to come to the same place, and to come from there.
        for release in 0.. {
            self.relay.release(release < STEPS);
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
        self.same_cpu();
        assert!(ours.contains("reakpoint "), "{ours}");
        (!ours.contains(&format!("{ROUND} ("))).then_some((theirs, ours))
    }

    /// A stop may be of several CPUs, and then each chooses.
    fn same_cpu(&mut self) {
        let ours = self.lkdb.ask("print $rsp");
        let value = |answer: &str| answer.rsplit(' ').next().unwrap_or_default().to_owned();
        if value(&self.gdb.ask("print $rsp")) == value(&ours) {
            return;
        }
        for thread in 1..=2 {
            self.gdb.ask(&format!("thread {thread}"));
            if value(&self.gdb.ask("print $rsp")) == value(&ours) {
                return;
            }
        }
        panic!("no CPU of gdb's has lkdb's {ours}");
    }
}

/// Compares at so many stops; prints the table, and fails where it is not good enough.
fn compare(stops: u64) {
    let (seed, stops) = (number("LKDB_STOPS_SEED", 1), number("LKDB_STOPS", stops));
    println!("LKDB_STOPS_SEED={seed} LKDB_STOPS={stops}");
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("differential");
    fs::create_dir_all(&cache).unwrap();
    let lkdb = Lkdb::new();
    // Without KASLR gdb needs no help.
    lkdb.ok(&["boot", "-d", "--name", NAME, "--append", "nokaslr"]);
    load::start(&lkdb, NAME);
    let mut draw = Draw::new(seed);
    let places = Places::of(&kernel_file("vmlinux"));
    let mut pair = Pair::attach(&lkdb, &cache);
    let mut asked: Vec<(Question, String, String)> = Vec::new();
    let (mut done, mut waiting) = (0, 0);
    while done < stops {
        if waiting == 0 {
            let places = places.draw(&mut draw, &mut pair.lkdb, WAITING);
            pair.wait_for(&places);
            waiting = WAITING;
        }
        match pair.run() {
            Some((theirs, ours)) => {
                waiting -= 1;
                done += 1;
                asked.push((Question::new("stop", "continue"), theirs, ours));
                questions::at_stop(&mut pair, &mut draw, &mut asked);
            }
            None => waiting = 0,
        }
    }
    for (question, theirs, ours) in &mut asked {
        (*theirs, *ours) = (rules::tidy(question, theirs), rules::tidy(question, ours));
    }
    let (questions, answers): (Vec<_>, Vec<_>) =
        asked.into_iter().map(|(question, a, b)| (question, (a, b))).unzip();
    let (theirs, ours): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    let table = Table::compare(&questions, &theirs, &ours, rules::RULES, &|_| Vec::new());
    println!("{}", table.shown());
    let report = cache.join("stops.differences");
    fs::write(&report, format!("{}\n# allowed\n{}", table.differences(usize::MAX), table.allowed())).unwrap();
    println!("all differences are in {}", report.display());
    table.check();
}

#[test]
#[ignore = "slow: a hundred stops, at which both answer some fifty questions"]
fn a_stopped_guest_is_answered_as_gdb_does() {
    compare(100);
}
