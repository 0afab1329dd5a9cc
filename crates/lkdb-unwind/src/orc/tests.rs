//! Hand-made tables, and arbitrary ones.

use proptest::prelude::*;

use super::*;

/// `(address, sp_offset, bp_offset, fields)` as a table that runs at 0x9000.
fn table(entries: &[(u64, i16, i16, u16)]) -> (Vec<u8>, Vec<u8>) {
    let (mut ips, mut rows) = (Vec::new(), Vec::new());
    for (address, sp, bp, fields) in entries {
        let place = 0x9000 + ips.len() as i64;
        ips.extend(i32::try_from(*address as i64 - place).unwrap().to_le_bytes());
        rows.extend(sp.to_le_bytes());
        rows.extend(bp.to_le_bytes());
        rows.extend(fields.to_le_bytes());
    }
    (ips, rows)
}

fn row(entries: &[(u64, i16, i16, u16)], layout: Layout, address: u64) -> Option<Row> {
    let (ips, rows) = table(entries);
    Orc::new(&ips, LinkAddr(0x9000), &rows, layout).unwrap().row(LinkAddr(address))
}

const END: Layout = Layout::End { ends: true };

#[test]
fn an_entry_is_true_up_to_the_next() {
    let entries = [(0x1000, 8, 0, 0x05), (0x1001, 16, -16, 0x15), (0x1010, 0, 0, 0)];
    assert_eq!(row(&entries, END, 0xfff), None);
    let Some(Row::Call(first)) = row(&entries, END, 0x1000) else { panic!("no call") };
    assert_eq!(first.cfa, CfaRule::Register(7, 8));
    assert_eq!(first.rules, [(6, Rule::SameValue), (16, Rule::AtCfa(-8))]);
    let Some(Row::Call(second)) = row(&entries, END, 0x100f) else { panic!("no call") };
    assert_eq!((second.cfa, &second.rules[0].1), (CfaRule::Register(7, 16), &Rule::AtCfa(-16)));
    assert_eq!(row(&entries, END, 0x1010), Some(Row::Undefined));
    assert_eq!(row(&entries, END, u64::MAX), Some(Row::Undefined));
}

#[test]
fn a_table_nobody_sorted_is_searched_in_order() {
    let entries = [(0x2000, 24, 0, 5), (0x1000, 8, 0, 5), (0x3000, 32, 0, 5)];
    for (address, offset) in [(0x1234, 8), (0x2fff, 24), (0x3000, 32)] {
        let Some(Row::Call(call)) = row(&entries, END, address) else { panic!("no call") };
        assert_eq!(call.cfa, CfaRule::Register(7, offset));
    }
}

#[test]
fn the_same_bits_mean_other_things_in_each_layout() {
    // type 1, bit 10: saved registers at the stack pointer.
    let regs = [(0, 0, 0, 0x0105)];
    assert_eq!(row(&regs, END, 0), Some(Row::Saved { at: CfaRule::Register(7, 0), full: true }));
    assert_eq!(row(&regs, Layout::SignalAndEnd, 0), row(&regs, END, 0));
    assert_eq!(row(&regs, Layout::Typed, 0), Some(Row::Outermost));
    assert_eq!(row(&[(0, 0, 0, 0x0400)], END, 0), Some(Row::Outermost));
    assert_eq!(row(&[(0, 0, 0, 0x0400)], Layout::SignalAndEnd, 0), Some(Row::Undefined));
    assert_eq!(row(&[(0, 0, 0, 0x0800)], Layout::SignalAndEnd, 0), Some(Row::Outermost));
    assert_eq!(row(&[(0, 0, 0, 0x0000)], Layout::End { ends: false }, 0), Some(Row::Outermost));
    assert_eq!(
        row(&[(0, 8, 0, 0x0c05)], Layout::Typed, 0),
        Some(Row::Saved { at: CfaRule::Register(7, 8), full: false })
    );
}

#[test]
fn a_kernels_entries_tell_their_layout() {
    let calls = [(0, 8, 0, 0x05), (1, 16, -16, 0x15), (2, 0, 0, 0x0105), (3, 0, 0, 0)];
    let with = |more: u16| {
        let mut entries = calls.to_vec();
        entries.push((4, 0, 0, more));
        Layout::detect(&table(&entries).1)
    };
    assert_eq!(with(0x400), Some(END));
    assert_eq!(with(0x505), Some(Layout::SignalAndEnd));
    assert_eq!(with(0x800), Some(Layout::SignalAndEnd));
    assert_eq!(with(0), Some(Layout::End { ends: false }));
    assert_eq!(Layout::detect(&table(&[(0, 8, 0, 0x205), (1, 0, 0, 0)]).1), Some(Layout::Typed));
    assert_eq!(
        Layout::detect(&table(&[(0, 8, 0, 0x203), (1, 16, -16, 0x283), (2, 0, 0, 0)]).1),
        Some(Layout::TypedWithAx)
    );
    assert_eq!(Layout::detect(&[]), None);
    assert_eq!(Layout::detect(&[0; 60]), None);
}

#[test]
fn indirect_bases_are_read_at_the_right_place() {
    let rule = |fields| match row(&[(0, 24, 0, fields)], END, 0) {
        Some(Row::Call(call)) => call.cfa,
        other => panic!("{other:?}"),
    };
    assert_eq!(rule(9), CfaRule::AtRegister { register: 7, before: 0, after: 24 });
    assert_eq!(rule(8), CfaRule::AtRegister { register: 6, before: 24, after: 0 });
    assert_eq!(rule(6), CfaRule::Register(10, 24));
}

#[test]
fn registers_have_other_numbers_since_ax_is_one() {
    let row = |fields| match row(&[(0, 24, -16, fields)], Layout::TypedWithAx, 0) {
        Some(Row::Call(call)) => (call.cfa, call.rules[0].1.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(row(0x283), (CfaRule::Register(7, 24), Rule::AtCfa(-16)));
    assert_eq!(row(0x201), (CfaRule::Register(0, 24), Rule::SameValue));
    assert_eq!(row(0x205), (CfaRule::Register(5, 24), Rule::SameValue));
    assert_eq!(row(0x24a).0, CfaRule::AtRegister { register: 6, before: 24, after: 0 });
    assert_eq!(row(0x246), (CfaRule::Register(10, 24), Rule::AtRegister(6, -16)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        ips in proptest::collection::vec(any::<u8>(), 0..64),
        entries in proptest::collection::vec(any::<u8>(), 0..96),
        at: u64,
        address: u64,
    ) {
        let _ = Layout::detect(&entries);
        for layout in [END, Layout::SignalAndEnd, Layout::Typed, Layout::TypedWithAx] {
            if let Some(orc) = Orc::new(&ips, LinkAddr(at), &entries, layout) {
                let _ = orc.row(LinkAddr(address));
            }
        }
    }
}
