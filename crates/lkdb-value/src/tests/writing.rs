//! Assignments: what changes, and what does not.

use super::World;
use crate::{Error, expr};

#[test]
fn memory_registers_and_bits_are_changed() {
    let world = World::new();
    for (text, answer, now, then) in [
        ("i = 5", "5", "i", "5"),
        ("i += 2", "7", "i", "7"),
        ("i++", "7", "i", "8"),
        ("--i", "7", "i", "7"),
        ("out.sign = 2", "2", "out.low", "5"),
        ("out.low = 1", "1", "out.sign", "2"),
        ("op->in.y = -1", "-1", "out.in", "{x = 2, y = -1}"),
        ("b = 17", "true", "b", "true"),
        ("d = 3", "3", "d", "3"),
        ("flags = 2", "F_B", "flags", "F_B"),
        ("str = 0", "0x0", "str", "0x0"),
        ("$rdi = 9", "9", "in_register", "9"),
        ("both.x = 4", "4", "in_register", "4"),
        ("both.y = 6", "6", "i", "6"),
        ("$n = 3", "3", "$n + 1", "4"),
        ("$n++", "3", "$n", "4"),
        ("*out.next = *out.next", "{x = 2, y = -1}", "out.a", "1"),
        ("numbers[3] = i", "6", "numbers[3]", "6"),
    ] {
        assert_eq!(world.print(text), answer, "{text}");
        assert_eq!(world.print(now), then, "{now} after {text}");
    }
}

#[test]
fn what_is_gone_is_not_written() {
    let world = World::new();
    let gone = |text: &str| matches!(world.value(text), Err(Error::Gone(_)));
    assert!(gone("pieces.y = 1"));
    assert!(gone("clobbered = 1"));
    assert!(gone("gone.x = 1"));
}

#[test]
fn nothing_changes_where_it_may_not() {
    let world = World::new();
    for text in ["i = 5", "i++", "$n = 1", "$rdi = 1"] {
        let refused = expr::evaluate(&expr::parse(text, &world).unwrap(), &world).unwrap_err();
        assert_eq!(refused.to_string(), "This expression may not change anything here.", "{text}");
    }
    assert_eq!(world.print("i"), "42");
}
