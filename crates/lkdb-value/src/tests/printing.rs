//! `print` and `x`, against what gdb 13 writes.

use lkdb_base::RuntimeAddr;

use super::{BASE, World};
use crate::format::{Disassembler, Examine, Settings, Spec};
use crate::{Error, data, expr};

fn check(cases: &[(&str, &str)]) {
    let world = World::new();
    for (text, expected) in cases {
        assert_eq!(world.print(text), *expected, "print {text}");
    }
}

#[test]
fn structs_arrays_and_strings() {
    let out = "{a = 1, in = {x = 2, y = 3}, {p = 255, q = 255}, low = 5, sign = -1, \
               next = 0xffffffff81000104 <out+4>, flex = 0xffffffff81000120 <out+32>}";
    check(&[
        ("out", out),
        ("*op", out),
        ("text", "\"abc\", '\\000' <repeats 12 times>"),
        ("str", "0xffffffff81000040 <text> \"abc\""),
        ("lost", "0x10 <error: Cannot access memory at address 0x10>"),
        ("numbers", "{1, 2, 3, 0 <repeats 17 times>}"),
        ("-elements 2 -- numbers", "{1, 2...}"),
        ("-elements 2 -- text", "\"ab\"..."),
        ("-repeats unlimited -elements 5 -- numbers", "{1, 2, 3, 0, 0...}"),
        ("-null-stop -- text", "\"abc\""),
        ("-array-indexes -elements 2 -- numbers", "{[0] = 1, [1] = 2...}"),
        (
            "-max-depth 1 -- *op",
            "{a = 1, in = {...}, {p = 255, q = 255}, low = 5, sign = -1, next = 0xffffffff81000104 <out+4>, flex = {...}}",
        ),
        ("-pretty -- *out.next", "{\n  x = 2,\n  y = 3\n}"),
        ("flags", "(F_A | F_B)"),
        ("(enum flags) 9", "(F_A | unknown: 0x8)"),
        ("(enum flags) 8", "(unknown: 0x8)"),
        ("(enum flags) 0", "0"),
        ("F_A", "F_A"),
        ("b", "true"),
        ("c", "65 'A'"),
        ("d", "1.5"),
        ("wide", "1267650600228229401496703205376"),
        ("(void) 0", "void"),
        ("gone", "<optimized out>"),
        ("nothing_gone", "<optimized out>"),
        ("pieces", "{x = 7, y = <optimized out>}"),
        ("clobbered", "<optimized out>"),
        // No word of C's.
        ("class", " [uninitialized] 7"),
        ("/x class", "0x7"),
        ("class + 1", "8"),
        ("/x unset", " [uninitialized] {x = 0x7, y = 0x0}"),
        ("unset.x", "7"),
        ("implicit", "(struct in *) <synthetic pointer>"),
        ("implicit + 1", "(struct in *) <synthetic pointer>"),
    ]);
}

#[test]
fn formats() {
    check(&[
        ("/x i", "0x2a"),
        ("/d u", "-294967296"),
        ("/u (char) -1", "255"),
        ("/o 15", "017"),
        ("/o 0", "0"),
        ("/t 5", "101"),
        ("/z i", "0x0000002a"),
        ("/c 321", "65 'A'"),
        ("/a &i", "0xffffffff81000010 <i>"),
        ("/f 1", "1.40129846e-45"),
        ("/x d", "0x3ff8000000000000"),
        ("/x numbers", "{0x1, 0x2, 0x3, 0x0 <repeats 17 times>}"),
        ("/x text", "{0x61, 0x62, 0x63, 0x0 <repeats 13 times>}"),
        ("/s text", "\"abc\", '\\000' <repeats 12 times>"),
        ("/x out.sign", "0xffffffff"),
        ("/d F_A", "1"),
        ("/x op", "0xffffffff81000100"),
        ("/x -1", "0xffffffff"),
        ("/2x i", "Item count other than 1 is meaningless in \"print\" command."),
        ("/xw i", "Size letters are meaningless in \"print\" command."),
        ("/i i", "Format letter \"i\" is meaningless in \"print\" command."),
        ("/k i", "Undefined output format \"k\"."),
    ]);
}

struct Nops;

impl Disassembler for Nops {
    fn instruction(&self, _: RuntimeAddr) -> Result<(String, u64), Error> {
        Ok(("nop".into(), 1))
    }

    fn is_current(&self, address: RuntimeAddr) -> bool {
        address.0 == BASE + 0x801
    }
}

#[test]
fn memory_is_examined_unit_by_unit() {
    let world = World::new();
    let mut examine = Examine::default();
    let mut x = |text: &str| {
        let (spec, rest) = Spec::parse(text).unwrap();
        let start =
            (!rest.is_empty()).then(|| expr::address_in(&world.value(rest).unwrap(), &world).unwrap());
        examine.examine(spec, start, &world, &Settings::default(), &Nops)
    };
    assert!(x("").error.is_some());
    assert_eq!(
        x("/5xw numbers").to_string(),
        "0xffffffff81000060 <numbers>:\t0x00000001\t0x00000002\t0x00000003\t0x00000000\n\
         0xffffffff81000070 <numbers+16>:\t0x00000000\n"
    );
    assert_eq!(x("").to_string(), "0xffffffff81000074 <numbers+20>:\t0x00000000\n");
    assert_eq!(x("/s str").to_string(), "0xffffffff81000040 <text>:\t\"abc\"\n");
    assert_eq!(x("/s").to_string(), "0xffffffff81000044 <text+4>:\t\"\"\n");
    assert_eq!(x("/2c text").to_string(), "0xffffffff81000040 <text>:\t97 'a'\t98 'b'\n");
    assert_eq!(x("/a &op").to_string(), "0xffffffff81000130 <op>:\t0xffffffff81000100 <out>\n");
    assert_eq!(x("/f &d").to_string(), "0xffffffff81000020 <d>:\t1.5\n");
    assert_eq!(
        x("/2i fun").to_string(),
        "   0xffffffff81000800 <fun>:\tnop\n=> 0xffffffff81000801 <fun+1>:\tnop\n"
    );
    let beyond = x("/2xg 0xffffffff81000ff8");
    assert_eq!(beyond.to_string(), "0xffffffff81000ff8 <fun+2040>:\t0x0000000000000000\t\n");
    assert!(beyond.error.is_some());
}

#[test]
fn data_is_the_same_tree() {
    let world = World::new();
    let data = data(&world.value("out").unwrap(), &world, &Settings::default()).unwrap();
    assert_eq!(data.ty, "struct out");
    assert_eq!(data.address.as_deref(), Some("0xffffffff81000100"));
    let crate::Tree::Struct(members) = data.value else { panic!("a struct") };
    assert_eq!(members.len(), 7);
    assert_eq!(members[0].1, crate::Tree::Integer(1));
    assert_eq!(members[4].1, crate::Tree::Integer(-1));
}
