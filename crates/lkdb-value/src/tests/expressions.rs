//! Expressions, against what gdb 13 answers.

use super::World;
use crate::expr;

fn check(cases: &[(&str, &str)]) {
    let world = World::new();
    for (text, expected) in cases {
        assert_eq!(world.print(text), *expected, "print {text}");
    }
}

#[test]
fn arithmetic_is_cs() {
    check(&[
        ("10/3", "3"),
        ("10/3.0", "3.3333333333333335"),
        ("-5%3", "-2"),
        ("1<<31", "-2147483648"),
        ("0x80000000", "2147483648"),
        ("5u-6", "4294967295"),
        ("~5", "-6"),
        ("!5", "0"),
        ("1==1", "1"),
        ("5>3&&0", "0"),
        ("1 ? 2 : 3 ? 4 : 5", "2"),
        ("1,2", "2"),
        ("-1>>1", "-1"),
        ("(char)65", "65 'A'"),
        ("(short)70000", "4464"),
        ("(unsigned char)300", "44 ','"),
        ("(_Bool)7", "true"),
        ("(int)1.9", "1"),
        ("5/2.0f", "2.5"),
        ("2+3*4-1", "13"),
        ("(2+3)*4", "20"),
        ("u + 1", "4000000001"),
        ("c+1", "66"),
        ("F_A|4", "5"),
        ("sizeof(struct out)", "32"),
        ("sizeof i", "4"),
        ("_Alignof(long)", "8"),
        ("'\\n'", "10 '\\n'"),
        ("\"a\" \"b\"", "\"ab\""),
        ("0b101", "5"),
        ("010", "8"),
        ("1e5", "100000"),
    ]);
}

#[test]
fn objects_are_reached_as_in_c() {
    check(&[
        ("i", "42"),
        ("out.a", "1"),
        ("op->in.y", "3"),
        ("op.in.x", "2"),
        ("out.p", "255"),
        ("out.low", "5"),
        ("out.sign", "-1"),
        ("out.next->x", "2"),
        ("*out.next", "{x = 2, y = 3}"),
        ("numbers[1]", "2"),
        ("*numbers@3", "{1, 2, 3}"),
        ("numbers[0]@2", "{1, 2}"),
        ("&numbers[2]", "(int *) 0xffffffff81000068 <numbers+8>"),
        ("numbers+1", "(int *) 0xffffffff81000064 <numbers+4>"),
        ("&numbers[5] - &numbers[2]", "3"),
        ("*str", "97 'a'"),
        ("str[1]", "98 'b'"),
        ("fun", "{int (int)} 0xffffffff81000800 <fun>"),
        ("&fun", "(int (*)(int)) 0xffffffff81000800 <fun>"),
        ("*fun", "{int (int)} 0xffffffff81000800 <fun>"),
        ("(int) out", "1"),
        ("out ? 1 : 2", "1"),
        ("&*op", "(struct out *) 0xffffffff81000100 <out>"),
        ("{int} &i", "42"),
        ("(pid_t) 5", "5"),
        ("(struct in *) 0", "(struct in *) 0x0"),
        ("(int (*)[4]) &i", "(int (*)[4]) 0xffffffff81000010 <i>"),
        ("'kernel/fork.c'::i", "42"),
        ("(int) bare_data", "42"),
        ("bare_code", "{<text variable, no debug info>} 0xffffffff81000010 <i>"),
        ("$rdi + 1", "8"),
        ("in_register", "7"),
        ("implicit->y", "3"),
        ("both", "{x = 7, y = 42}"),
    ]);
}

#[test]
fn mistakes_are_told_in_gdbs_words() {
    check(&[
        ("nosuch", "No symbol \"nosuch\" in current context."),
        ("1+", "A syntax error in expression, near `'."),
        ("1.5.5", "A syntax error in expression, near `.5'."),
        ("08", "Invalid number \"08\"."),
        ("12abc", "Invalid number \"12abc\"."),
        ("99999999999999999999", "Numeric constant too large."),
        ("'ab'", "Invalid character constant."),
        ("\"abc", "Unterminated string in expression."),
        ("1/0", "Division by zero"),
        ("5=6", "Left operand of assignment is not an lvalue."),
        ("&5", "Attempt to take address of value not located in memory."),
        ("out.nosuch", "There is no member named nosuch."),
        ("i.x", "Attempt to extract a component of a value that is not a structure."),
        ("i->x", "Attempt to extract a component of a value that is not a structure pointer."),
        ("op+op", "Argument to arithmetic operation not a number or boolean."),
        ("i[0]", "cannot subscript something of type `int'"),
        ("1@2", "Only values in memory can be extended with '@'."),
        ("i@0", "Invalid number 0 of repetitions."),
        ("*(void *)1", "Attempt to dereference a generic pointer."),
        ("(struct nosuch *)0", "No struct type named nosuch."),
        ("struct in", "Attempt to use a type name as an expression"),
        ("5.5%2", "Integer-only operation on floating point number."),
        ("out+1", "Structure has no component named operator+."),
        ("1+out", "Can't do that binary op on that type"),
        ("*out", "Structure has no component named operator*."),
        ("!out", "Structure has no component named operator!."),
        ("out && 1", "Structure has no component named operator&&."),
        ("out[0]", "Structure has no component named operator[]."),
        ("out++", "Structure has no component named operator++."),
        ("wide+1", "That operation is not available on integers of more than 8 bytes."),
        ("bare_data", "'bare_data' has unknown type; cast it to its declared type"),
        ("$9", "History has not yet reached $9."),
        ("clobbered + 1", "value has been optimized out"),
        ("sizeof int", "A syntax error in expression, near `int'."),
    ]);
    let call = World::new().print("fun(1)");
    assert!(call.starts_with("lkdb does not call functions in the guest"), "{call}");
}

#[test]
fn types_are_known_without_a_look_at_memory() {
    let world = World::new();
    let type_of = |text: &str| {
        let ty = expr::type_of(&expr::parse(text, &world).unwrap(), &world).unwrap();
        crate::type_text(&world, ty)
    };
    assert_eq!(type_of("*bad"), "struct out");
    assert_eq!(type_of("bad->in.x + 1ul"), "unsigned long");
    assert_eq!(type_of("&bad->next"), "struct in **");
    assert_eq!(type_of("i = 5"), "int");
    assert_eq!(type_of("fun(1)"), "int");
    assert_eq!(type_of("1/(i-i)"), "int");
    assert_eq!(type_of("struct in *"), "struct in *");
    assert_eq!(world.print("i"), "42");
}

#[test]
fn conditions_are_data() {
    let world = World::new();
    let condition = expr::parse("op->a == 1 && i > 40", &world).unwrap();
    assert_eq!(condition.clone(), condition);
    assert_eq!(crate::expr::evaluate(&condition, &world).unwrap().ty, super::Types(&world).known("int"));
}

#[test]
fn nesting_is_bounded() {
    let world = World::new();
    for text in ["(".repeat(100_000), "*".repeat(100_000), "1+".repeat(100_000), "{int".repeat(50_000)] {
        assert!(world.value(&text).is_err());
    }
    assert_eq!(world.print(&format!("{}1", "1+".repeat(500))), "501");
}
