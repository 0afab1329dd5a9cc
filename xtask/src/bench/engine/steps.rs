//! Single steps, and stops at a breakpoint that is gone on from: lkdb beside a client that sends the packets
//! for it and does nothing else: a step and the registers after it, or over a breakpoint and on to the next time.
//! Each time on a fresh guest that stands at `start_kernel`, so both do the same instructions.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::stub::{Guest, Stub};
use super::{Setting, process, symbol};
use crate::bench::{goal, median};
use crate::run;

/// What lkdb may take of the bare client's time.
const MOST: f64 = 1.1;
const STEPS: usize = 4000;
const STOPS: usize = 1000;
/// What early boot calls all the time.
const CALLED: &str = "_raw_spin_lock_irqsave";

/// Measures both in turn; whether the goals were met.
pub(super) fn run(setting: &Setting<'_>) -> anyhow::Result<bool> {
    run::headline(&format!("{STEPS} single steps and {STOPS} stops, {} rounds", setting.rounds));
    let (start, called) = (symbol(setting.vmlinux, "start_kernel")?, symbol(setting.vmlinux, CALLED)?);
    let (mut ours, mut bare) = ([vec![], vec![]], [vec![], vec![]]);
    for _ in 0..setting.rounds {
        let (guest, mut stub) = at(setting.image, start)?;
        bare[0].push(per(STEPS, || (0..STEPS).try_for_each(|_| stub.step_and_look()))?);
        drop((stub, guest));
        let (guest, mut stub) = at(setting.image, start)?;
        stub.breakpoint('Z', called)?;
        stub.go_on()?;
        bare[1].push(per(STOPS, || (0..STOPS).try_for_each(|_| stub.next_hit(called)))?);
        drop((stub, guest));
        ours[0].push(lkdb(setting, start, &[], "stepi", STEPS)?);
        ours[1].push(lkdb(setting, start, &[&format!("break *{called:#x}"), "continue"], "continue", STOPS)?);
    }
    let mut met = true;
    for (what, (ours, bare)) in ["a step", "a stop"].into_iter().zip(ours.iter_mut().zip(&mut bare)) {
        let (ours, bare) = (median(ours), median(bare));
        println!("  {what}: {:.1} µs, under a bare client {:.1} µs", ours * 1e6, bare * 1e6);
        let ratio = ours / bare;
        met &= goal(&format!("{what}: {ratio:.3} of a bare client's time, at most {MOST}"), ratio <= MOST);
    }
    Ok(met)
}

/// A guest that stands at an address, and its stub.
fn at(image: &Path, address: u64) -> anyhow::Result<(Guest, Stub)> {
    let guest = Guest::start(image)?;
    guest.ready()?;
    let mut stub = Stub::connect(&guest.socket())?;
    stub.ask("qSupported:swbreak+;hwbreak+")?;
    stub.run_to(address)?;
    Ok((guest, stub))
}

/// Seconds for each of so many.
fn per(count: usize, all: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let start = Instant::now();
    all()?;
    Ok(start.elapsed().as_secs_f64() / count as f64)
}

/// Seconds for each of lkdb's: what many take longer than one, so that its start does not count.
fn lkdb(
    setting: &Setting<'_>,
    start: u64,
    before: &[&str],
    command: &str,
    count: usize,
) -> anyhow::Result<f64> {
    let session = |count: usize| {
        let (guest, stub) = at(setting.image, start)?;
        drop(stub);
        let mut lkdb = Command::new(setting.lkdb);
        lkdb.arg("attach").arg(guest.socket()).arg("--vmlinux").arg(setting.vmlinux);
        lkdb.arg("--kernel").arg(setting.image).arg("-batch");
        for one in before {
            lkdb.args(["-ex", one]);
        }
        lkdb.args(["-ex", &format!("{command} {count}"), "-ex", "print $pc"]);
        process::time(lkdb, &["$1 = ".to_owned()])
    };
    let (one, all) = (session(1)?, session(count + 1)?);
    Ok((all.as_secs_f64() - one.as_secs_f64()) / count as f64)
}
