//! Call stacks where nobody chose to stop: at random interrupts of a busy guest, and at every instruction of
//! entry code. Each must end, at something that is an end, and no frame of it may be made up.
//!
//! `LKDB_STACKS` stops so often instead; the slow test does it some thousand times. `LKDB_TEST_KERNEL` names another
//! kernel (see the fixture).

mod entry;
mod tally;

use crate::code::Code;
use crate::differential::draw::{Draw, number};
use crate::fixture::{Lkdb, boot_any_kernel};
use crate::load;
use tally::{Session, Tally};

fn random_stops(stops: u64) {
    let lkdb = Lkdb::new();
    let code = Code::of(&boot_any_kernel(&lkdb, "busy", &[]));
    load::start(&lkdb, "busy");
    let mut draw = Draw::new(number("LKDB_STACKS_SEED", 1));
    let mut session = Session::attach(&lkdb, "busy");
    let mut tally = Tally::default();
    for _ in 0..number("LKDB_STACKS", stops) {
        session.run_on(&mut draw);
        for cpu in 0..2 {
            let stack = session.stack(cpu);
            tally.add(&stack, &code, &mut session);
        }
    }
    assert_eq!(session.running.end().0, 0);
    tally.check();
}

#[test]
fn stacks_at_random_interrupts_end() {
    random_stops(150);
}

#[test]
#[ignore = "slow: thousands of stops"]
fn thousands_of_stacks_end() {
    random_stops(2500);
}
