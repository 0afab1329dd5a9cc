//! Stacks in hand-made memory: rows, ends, and what must not pass for a frame.

use std::collections::BTreeMap;

use lkdb_base::Unreadable;
use lkdb_base::arch::X86_64;
use proptest::prelude::*;

use super::*;

const TEXT: u64 = 0xffff_ffff_8100_0000;
const STACK: u64 = 0xffff_c900_0000_0000;
const RCX: u16 = 2;
const RBX: u16 = 3;
const RBP: u16 = 6;
const RSP: u16 = 7;
const RIP: u16 = 16;

#[derive(Default)]
struct Words(BTreeMap<u64, u64>);

impl Memory for Words {
    fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable> {
        for (at, byte) in (address.0..).zip(into) {
            let word = self.0.get(&(at & !7)).ok_or_else(|| Unreadable::new(RuntimeAddr(at), "none"))?;
            *byte = word.to_le_bytes()[(at & 7) as usize];
        }
        Ok(())
    }
}

/// Functions of 256 bytes at `TEXT`, filled with calls; each with its rows.
#[derive(Default)]
struct Small {
    memory: Words,
    functions: Vec<(&'static str, Rows)>,
    stack: Option<StackRange>,
}

impl World for Small {
    fn arch(&self) -> &'static Arch {
        &X86_64
    }

    fn memory(&self) -> &dyn Memory {
        &self.memory
    }

    fn rows(&self, address: RuntimeAddr) -> Rows {
        let at = address.0.wrapping_sub(TEXT) / 256;
        self.functions.get(at as usize).map(|(_, rows)| rows.clone()).unwrap_or_default()
    }

    fn is_text(&self, address: RuntimeAddr) -> bool {
        address.0.wrapping_sub(TEXT) < self.functions.len() as u64 * 256
    }

    fn function(&self, address: RuntimeAddr) -> Option<Function<'_>> {
        let at = address.0.wrapping_sub(TEXT) / 256;
        let (name, _) = self.functions.get(usize::try_from(at).ok()?)?;
        Some(Function { name: (*name).into(), start: RuntimeAddr(TEXT + at * 256) })
    }

    fn stack(&self, address: RuntimeAddr) -> Option<StackRange> {
        self.stack.filter(|stack| stack.holds(address.0))
    }
}

impl Small {
    fn new(functions: Vec<(&'static str, Rows)>) -> Self {
        let mut small = Self { functions, ..Self::default() };
        for at in (TEXT..TEXT + small.functions.len() as u64 * 256).step_by(8) {
            // `call *%rax` up to every even address.
            small.memory.0.insert(at, 0xd0ff_d0ff_d0ff_d0ff);
        }
        small
    }

    fn push(&mut self, address: u64, words: &[u64]) {
        for (at, word) in (address..).step_by(8).zip(words) {
            self.memory.0.insert(at, *word);
        }
    }

    fn unwind(&self, known: &[(u16, u64)]) -> (Vec<Frame>, End) {
        Stepper::new(self, registers(known)).rest()
    }
}

fn registers(known: &[(u16, u64)]) -> Registers {
    let mut registers = Registers::new();
    for (number, value) in known {
        registers.set(*number, Held { value: *value, at: Kept::Cpu(*number) });
    }
    registers
}

fn call(offset: i64, rules: &[(u16, Rule)], others: Others) -> Row {
    let mut rules = rules.to_vec();
    rules.push((RIP, Rule::AtCfa(-8)));
    Row::Call(Call {
        cfa: CfaRule::Register(RSP, offset),
        rules,
        others,
        return_address: RIP,
        interrupted: false,
    })
}

fn orc(row: Row) -> Rows {
    Rows { orc: Some(row), cfi: None }
}

fn leaf() -> Rows {
    orc(call(8, &[(RBP, Rule::SameValue)], Others::Unknown))
}

fn pcs(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|frame| frame.pc.address().0 - TEXT).collect()
}

#[test]
fn each_source_tells_what_it_knows() {
    // CFI believes in a frame of 16 bytes; ORC knows that assembly pushed one word more.
    let both = Rows {
        orc: Some(call(24, &[(RBP, Rule::SameValue)], Others::Unknown)),
        cfi: Some(call(16, &[(RBX, Rule::AtCfa(-16))], Others::AsPreserved)),
    };
    let mut small = Small::new(vec![("callee", both), ("ret_from_fork", orc(Row::Outermost))]);
    small.push(STACK, &[0xdead, 0xb, TEXT + 0x110]);
    let (frames, end) = small.unwind(&[(RIP, TEXT + 4), (RSP, STACK), (RBX, 1), (RCX, 2), (RBP, 3), (12, 4)]);
    assert_eq!((pcs(&frames), end), (vec![4, 0x110], End::KernelThread));
    assert_eq!(frames[0].cfa, Some(RuntimeAddr(STACK + 24)));
    let caller = &frames[1];
    assert_eq!(
        caller.registers.held(RBX),
        Some(Held { value: 0xb, at: Kept::Memory(RuntimeAddr(STACK + 8)) })
    );
    assert_eq!(caller.registers.held(12), Some(Held { value: 4, at: Kept::Cpu(12) }), "preserved, unchanged");
    assert_eq!(caller.registers.get(RCX), None, "the callee may have changed it");
    assert_eq!(caller.registers.left_by_callee(RCX), Some(2), "as far as it has come");
    assert_eq!(caller.registers.get(RSP), Some(STACK + 24));
    assert_eq!(caller.pc.lookup(), RuntimeAddr(TEXT + 0x10f));
    assert_eq!(caller.found, Found::Called(Source::Both));
}

#[test]
fn orc_alone_does_not_know_preserved_registers() {
    let mut small = Small::new(vec![("callee", leaf()), ("startup_64", orc(Row::Outermost))]);
    small.push(STACK, &[TEXT + 0x110]);
    let (frames, end) = small.unwind(&[(RIP, TEXT + 1), (RSP, STACK), (RBX, 1), (RBP, 3), (59, 7)]);
    assert_eq!(end, End::BootEntry);
    assert_eq!((frames[1].registers.get(RBX), frames[1].registers.get(RBP)), (None, Some(3)));
    assert_eq!(frames[1].registers.get(59), Some(7), "gs_base stays");
    assert_eq!(frames[1].registers.left_by_callee(RBX), None, "assembly keeps no rules");
    let (frames, _) = small.unwind(&[(RIP, TEXT), (RSP, STACK), (RBX, 1)]);
    assert_eq!(frames[1].registers.get(RBX), Some(1), "nothing has run that could have changed it");
}

#[test]
fn calls_within_a_function_are_counted() {
    let mut small = Small::new(vec![("__switch_to_asm", leaf()), ("ret_from_fork", orc(Row::Outermost))]);
    small.push(STACK, &[TEXT + 0x30, TEXT + 0x34, TEXT + 0x110]);
    let (frames, end) = small.unwind(&[(RIP, TEXT + 0x40), (RSP, STACK)]);
    assert_eq!((pcs(&frames), end), (vec![0x40, 0x30, 0x34, 0x110], End::KernelThread), "calls of itself");
    small.push(STACK, &[TEXT + 0x31, TEXT + 0x35, TEXT + 0x110]);
    let (frames, end) = small.unwind(&[(RIP, TEXT + 0x40), (RSP, STACK)]);
    assert_eq!((pcs(&frames), end), (vec![0x40, 0x110], End::KernelThread));
    assert_eq!(frames[0].cfa, Some(RuntimeAddr(STACK + 24)));
}

#[test]
fn registers_a_callee_has_left_on_the_stack_are_found() {
    let row = orc(Row::Saved { at: CfaRule::Register(RSP, 8), full: false });
    let mut small = Small::new(vec![("asm_exc_page_fault", row)]);
    small.push(STACK, &pt_regs(0x40_1000, 0x33, 0x7fff_0000));
    let (_, end) = small.unwind(&[(RIP, TEXT), (RSP, STACK)]);
    let End::UserRegisters(user) = end else { panic!("{end:?}") };
    assert_eq!((user.get(RIP), user.get(15)), (Some(0x40_1000), Some(100)));
}

#[test]
fn thunks_have_their_return_address_on_top_or_below() {
    let mut small = Small::new(vec![
        ("__x86_indirect_thunk_rax", orc(Row::Outermost)),
        ("ret_from_fork", orc(Row::Outermost)),
    ]);
    small.push(STACK, &[TEXT + 0x100, TEXT + 0x110]);
    for stack in [STACK, STACK + 8] {
        let (frames, end) = small.unwind(&[(RIP, TEXT), (RSP, stack)]);
        assert_eq!((pcs(&frames), end), (vec![0, 0x110], End::KernelThread));
        assert!(frames[0].thunk && !frames[1].thunk);
    }
}

/// `pt_regs` with numbers that tell the place, and a hardware frame.
fn pt_regs(ip: u64, cs: u64, sp: u64) -> Vec<u64> {
    let mut words: Vec<u64> = (100..116).collect();
    words.extend([ip, cs, 0x246, sp, 0x2b]);
    words
}

#[test]
fn an_interrupts_registers_are_known_again_and_the_users_are_the_end() {
    let saved = || orc(Row::Saved { at: CfaRule::Register(RSP, 0), full: true });
    let mut small = Small::new(vec![("asm_sysvec", saved()), ("busy", saved())]);
    small.push(STACK, &pt_regs(TEXT + 0x123, 0x10, STACK + 0x200));
    small.push(STACK + 0x200, &pt_regs(0x40_1000, 0x33, 0x7fff_0000));
    // What execve sets lacks the bit that a processor always sets.
    small.push(STACK + 0x200 + 144, &[0x200]);
    let (frames, end) = small.unwind(&[(RIP, TEXT), (RSP, STACK)]);
    assert_eq!(pcs(&frames), [0, 0x123]);
    assert_eq!(
        frames[1].pc,
        CodeAddress::Instruction(RuntimeAddr(TEXT + 0x123)),
        "no call: asked for as it is"
    );
    assert_eq!((frames[1].registers.get(15), frames[1].registers.get(5)), (Some(100), Some(114)));
    let End::UserRegisters(user) = end else { panic!("{end:?}") };
    assert_eq!((user.get(RIP), user.get(RSP)), (Some(0x40_1000), Some(0x7fff_0000)));
}

#[test]
fn a_hardware_frame_leaves_other_registers_as_they_are() {
    let partial = orc(Row::Saved { at: CfaRule::Register(1, 8), full: false });
    let mut small = Small::new(vec![("asm_exc_nmi", partial), ("ret_from_fork", orc(Row::Outermost))]);
    small.push(STACK, &[0, TEXT + 0x100, 0x10, 2, STACK + 0x80, 0x18]);
    let (frames, end) = small.unwind(&[(RIP, TEXT), (RSP, 0), (1, STACK), (RBX, 9)]);
    assert_eq!((pcs(&frames), end), (vec![0, 0x100], End::KernelThread));
    assert_eq!((frames[1].registers.get(RBX), frames[1].registers.get(1)), (Some(9), None));
}

fn broken(end: End) -> Why {
    match end {
        End::Broken(broken) => broken.why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_frame_is_not_passed_off_as_one() {
    let mut small = Small::new(vec![("callee", leaf()), ("caller", leaf())]);
    let start = [(RIP, TEXT), (RSP, STACK)];
    assert!(matches!(broken(small.unwind(&start).1), Why::Unreadable(_)));
    small.push(STACK, &[0x1234]);
    assert!(matches!(broken(small.unwind(&start).1), Why::NotText { .. }));
    small.push(STACK, &[TEXT + 0x111]);
    assert!(matches!(broken(small.unwind(&start).1), Why::NotBehindCall { .. }));
    assert!(matches!(broken(small.unwind(&[(RIP, TEXT), (RSP, STACK + 4)]).1), Why::Misaligned(_)));
    assert!(matches!(broken(small.unwind(&[(RIP, TEXT)]).1), Why::Register("rsp")));
    assert!(matches!(broken(small.unwind(&[]).1), Why::Register("pc")));
    assert!(matches!(broken(small.unwind(&[(RIP, TEXT + 0x1000), (RSP, STACK)]).1), Why::NoRow));
}

#[test]
fn frames_rise_within_a_stack_that_is_known() {
    let down = orc(call(-8, &[], Others::Unknown));
    let far = orc(call(0x3000, &[], Others::Unknown));
    let mut small = Small::new(vec![("down", down), ("far", far)]);
    assert!(matches!(broken(small.unwind(&[(RIP, TEXT), (RSP, STACK)]).1), Why::NotRising { .. }));
    small.push(STACK + 0x2ff8, &[TEXT + 0x10]);
    small.stack = Some(StackRange { start: RuntimeAddr(STACK), end: RuntimeAddr(STACK + 0x2000) });
    assert!(matches!(broken(small.unwind(&[(RIP, TEXT + 0x100), (RSP, STACK)]).1), Why::OutsideStack(_)));
}

#[test]
fn another_stack_is_reached_only_by_what_was_saved() {
    let switch = Row::Call(Call {
        cfa: CfaRule::AtRegister { register: RSP, before: 0, after: 8 },
        rules: vec![(RIP, Rule::AtCfa(-8))],
        others: Others::Unknown,
        return_address: RIP,
        interrupted: false,
    });
    let mut small = Small::new(vec![("on_irq_stack", orc(switch)), ("ret_from_fork", orc(Row::Outermost))]);
    let other = STACK - 0x10_0000;
    small.push(STACK, &[other]);
    small.push(other, &[TEXT + 0x110]);
    let (frames, end) = small.unwind(&[(RIP, TEXT), (RSP, STACK)]);
    assert_eq!((pcs(&frames), end), (vec![0, 0x110], End::KernelThread));
    // One that leads to itself ends.
    small.push(STACK, &[STACK + 8, TEXT]);
    small.functions[0].0 = "again";
    let (frames, end) = small.unwind(&[(RIP, TEXT), (RSP, STACK)]);
    assert!(frames.len() < 4, "{}", frames.len());
    assert!(matches!(end, End::Broken(_)), "{end:?}");
}

#[test]
fn code_without_rows_is_guessed_by_its_frame_pointer() {
    let none = Rows::default();
    let mut small = Small::new(vec![("bpf", none), ("caller", orc(Row::Outermost))]);
    small.push(STACK + 0x20, &[0x77, TEXT + 0x110]);
    let (frames, end) = small.unwind(&[(RIP, TEXT + 8), (RSP, STACK), (RBP, STACK + 0x20)]);
    assert_eq!((pcs(&frames), end), (vec![8, 0x110], End::EndOfStack));
    assert_eq!((frames[1].found, frames[1].registers.get(RBP)), (Found::Guessed, Some(0x77)));
    assert!(matches!(broken(small.unwind(&[(RIP, TEXT + 8), (RSP, STACK), (RBP, 5)]).1), Why::NoRow));
}

#[test]
fn a_call_to_nowhere_has_its_caller() {
    let mut small = Small::new(vec![("caller", orc(Row::Outermost))]);
    small.push(STACK, &[TEXT + 0x10]);
    let (frames, _) = small.unwind(&[(RIP, 0), (RSP, STACK), (RBP, 0)]);
    assert_eq!(frames.len(), 2);
    assert_eq!(
        (frames[1].pc, frames[1].found),
        (CodeAddress::Return(RuntimeAddr(TEXT + 0x10)), Found::Guessed)
    );
}

#[test]
fn a_thread_that_never_ran_is_at_its_start() {
    let small = Small::new(vec![("x", leaf()), ("ret_from_fork", orc(Row::Outermost))]);
    let (frames, end) = Stepper::sleeping(&small, registers(&[(RIP, TEXT + 0x100), (RSP, STACK)])).rest();
    assert_eq!((frames[0].pc, end), (CodeAddress::Instruction(RuntimeAddr(TEXT + 0x100)), End::KernelThread));
}

#[test]
fn a_sleeping_task_has_its_registers_on_its_stack() {
    let mut small = Small::new(vec![("x", leaf())]);
    small.push(STACK, &[15, 14, 13, 12, 3, 6, TEXT + 2]);
    let found = Registers::of_sleeping(&X86_64, &small.memory, RuntimeAddr(STACK)).unwrap();
    let known: Vec<_> = [15, 12, RBX, RBP, RIP, RSP, 0].into_iter().map(|number| found.get(number)).collect();
    assert_eq!(known, [Some(15), Some(12), Some(3), Some(6), Some(TEXT + 2), Some(STACK + 56), None]);
}

#[test]
fn system_call_entries_know_the_user() {
    let mut small = Small::new(vec![("entry_SYSCALL_64", orc(Row::Outermost))]);
    // At +8: mov %rsp, %gs:0x6010.
    small.push(TEXT + 8, &[0x0060_1025_2489_4865, 0x9090_9090_9090_9000]);
    small.push(0x9_6010, &[0x7fff_0000]);
    let user = |pc: u64, rsp: u64| {
        let start = [(RIP, TEXT + pc), (RSP, rsp), (RCX, 0x40_1000), (11, 0x202), (59, 0x9_0000)];
        match small.unwind(&start).1 {
            End::UserRegisters(user) => *user,
            end => panic!("{end:?}"),
        }
    };
    let before = user(4, 0x7000);
    assert_eq!(
        (before.get(RIP), before.get(RSP), before.get(49)),
        (Some(0x40_1000), Some(0x7000), Some(0x202))
    );
    let after = user(0x18, STACK);
    assert_eq!(after.held(RSP), Some(Held { value: 0x7fff_0000, at: Kept::Memory(RuntimeAddr(0x9_6010)) }));
}

proptest! {
    #[test]
    fn no_memory_makes_it_endless(
        words in proptest::collection::vec(prop_oneof![
            any::<u64>(),
            (0_u64..0x400).prop_map(|at| TEXT + at),
            (0_u64..0x200).prop_map(|at| STACK + at * 8),
            Just(0x10), Just(0x33),
        ], 64),
        kinds in proptest::collection::vec((0_u8..6, -16_i64..64), 4),
        known in proptest::collection::vec((0_u16..64, prop_oneof![any::<u64>(), (0_u64..64).prop_map(|at| STACK + at * 8)]), 0..8),
        pc in 0_u64..0x400,
    ) {
        let rows = |(kind, offset): (u8, i64)| match kind {
            0 => leaf(),
            1 => orc(call(offset, &[(RBP, Rule::AtCfa(offset))], Others::AsPreserved)),
            2 => orc(Row::Saved { at: CfaRule::Register(RSP, offset), full: true }),
            3 => orc(Row::Saved { at: CfaRule::AtRegister { register: RSP, before: 0, after: offset }, full: false }),
            4 => Rows::default(),
            _ => orc(Row::Call(Call {
                cfa: CfaRule::AtRegister { register: RSP, before: offset, after: 8 },
                rules: vec![(RIP, Rule::AtCfa(-8))],
                others: Others::AsPreserved,
                return_address: RIP,
                interrupted: true,
            })),
        };
        let mut small = Small::new(kinds.into_iter().map(|kind| ("f", rows(kind))).collect());
        small.push(STACK, &words);
        let mut start = vec![(RSP, STACK)];
        start.extend(known);
        start.push((RIP, TEXT + pc));
        let (frames, _) = small.unwind(&start);
        prop_assert!(frames.len() <= MOST);
    }
}
