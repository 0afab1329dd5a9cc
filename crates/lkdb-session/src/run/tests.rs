//! Steps that do nothing, on a scripted stub: a real QEMU makes them as its timers please.

use lkdb_base::arch;
use lkdb_testkit::stub::{Reply, start};

use super::*;

const XML: &str = "l<target><architecture>i386:x86-64</architecture>\
    <reg name=\"rcx\" bitsize=\"64\"/><reg name=\"rip\" bitsize=\"64\"/></target>";
const CPU: Thread = Thread(1);
const START: u64 = 0xffff_ffff_8100_0000;

/// What a step does to rcx and rip.
type Step = (u64, u64);
const NOTHING: Step = (0, 0);
const INSTRUCTION: Step = (0, 1);
const REPEATED: Step = (1, 0);

/// A machine of one CPU whose steps do these things, and then nothing more; its stop at a breakpoint comes when it
/// runs.
fn machine(steps: Vec<Step>) -> (Runner, std::sync::mpsc::Receiver<String>) {
    let (mut rcx, mut rip) = (0_u64, START);
    let mut steps = steps.into_iter();
    let (socket, requests) = start(move |request| {
        let hex = |number: u64| number.to_le_bytes().map(|byte| format!("{byte:02x}")).concat();
        match request {
            "g" => Reply::text(&(hex(rcx) + &hex(rip))),
            "p1" => Reply::text(&hex(rip)),
            "qfThreadInfo" => Reply::text("m01"),
            "qsThreadInfo" => Reply::text("l"),
            "vCont;c" => {
                rip += 0x100;
                Reply::text("T05thread:01;")
            }
            _ if request.starts_with("vCont;s:1") => {
                let (more, further) = steps.next().unwrap_or(NOTHING);
                (rcx, rip) = (rcx + more, rip + further);
                Reply::text("T05thread:01;")
            }
            _ if request.starts_with("qSupported") => Reply::text("PacketSize=1000;qXfer:features:read+"),
            _ if request.starts_with("qXfer:features:read:target.xml:0,") => Reply::text(XML),
            _ if request.starts_with(['H', 'Z', 'z']) => Reply::text("OK"),
            _ => Reply::text(""),
        }
    });
    let stub = Stub::new(socket).unwrap();
    (Runner::new(Rc::new(RefCell::new(stub)), arch::X86_64.program_counter).unwrap(), requests)
}

/// Makes a move; where the CPU stands then, and how many steps the stub was asked for.
fn go(steps: &[Step], how: Move, wanted: &[Site]) -> (u64, usize) {
    let (mut runner, requests) = machine(steps.to_vec());
    let wanted = wanted.iter().copied().collect();
    let landing = runner.go(how, &wanted, &AtomicBool::new(false)).unwrap();
    assert_eq!((landing.cause, landing.cpu), (Cause::Trap, CPU));
    drop(runner);
    let asked = requests.iter().filter(|request| request.starts_with("vCont;s")).count();
    (landing.pc().unwrap().0 - START, asked)
}

const STEP: Move = Move::Step { cpu: CPU, others_run: false };

#[test]
fn a_step_that_does_nothing_is_made_again() {
    assert_eq!(go(&[INSTRUCTION, INSTRUCTION], STEP, &[]), (1, 1));
    assert_eq!(go(&[NOTHING, INSTRUCTION, INSTRUCTION], STEP, &[]), (1, 2));
    assert_eq!(go(&[NOTHING, NOTHING, INSTRUCTION], STEP, &[]), (1, 3));
}

#[test]
fn an_instruction_that_repeats_itself_has_done_something() {
    assert_eq!(go(&[REPEATED, REPEATED, INSTRUCTION], STEP, &[]), (0, 1));
    assert_eq!(go(&[NOTHING, REPEATED, INSTRUCTION], STEP, &[]), (0, 2));
}

#[test]
fn a_jump_to_itself_does_not_hang() {
    assert_eq!(go(&[], STEP, &[]), (0, 4));
}

#[test]
fn a_breakpoint_is_left_before_it_is_put_back() {
    let here = Site::code(RuntimeAddr(START));
    assert_eq!(go(&[NOTHING, INSTRUCTION], Move::Run, &[here]), (0x101, 2));
}
