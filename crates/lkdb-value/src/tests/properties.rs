//! Whatever is typed, and whatever lies in memory, an answer comes back.

use lkdb_base::RuntimeAddr;
use lkdb_symbols::TypeSource;
use lkdb_symbols::types::{Composite, CompositeKind, Member, Type};
use proptest::prelude::*;

use super::{BASE, World};
use crate::Value;
use crate::format::{Settings, Spec, print};

proptest! {
    #[test]
    fn any_text_has_an_answer(text in ".{0,60}") {
        World::new().print(&text);
    }

    #[test]
    fn any_words_have_an_answer(words in proptest::collection::vec(prop::sample::select(vec![
        "i", "out", "op", "->", ".", "a", "in", "x", "[", "]", "(", ")", "*", "&", "+", "-", "<<", "/", "%", "@",
        "=", "+=", "++", "?", ":", "1", "-1", "0x7fffffffffffffff", "1.5", "'a'", "\"s\"", "int", "struct in",
        "sizeof", "{", "}", ",", "$", "$x", "text", "numbers", "str", "fun", "wide", "d", "gone", "pieces", "!", "~",
    ]), 0..12)) {
        World::new().print(&words.join(" "));
    }

    #[test]
    fn any_bytes_are_printed(bytes in proptest::collection::vec(any::<u8>(), 32), letter in "[xduotzcasf]") {
        let world = World::new();
        let literal = |ty| Value::literal(ty, bytes.clone());
        let (spec, _) = Spec::parse(&format!("/{letter}")).unwrap();
        for name in ["out", "numbers", "text", "d", "wide", "flags", "c"] {
            let ty = world.value(name).unwrap().ty;
            print(&literal(ty), &world, &Settings::default(), spec.letter).ok();
        }
    }
}

#[test]
fn a_struct_that_holds_itself_ends() {
    let world = World::new();
    let inner = world.make(Type::Composite(Composite {
        kind: CompositeKind::Struct,
        name: Some("leaf".into()),
        size: 8,
        declaration: false,
        members: [].into(),
    }));
    let mut nested = inner;
    for _ in 0..40 {
        let member = |ty| Member { name: Some("m".into()), ty, bit_offset: 0, bit_size: None };
        nested = world.make(Type::Composite(Composite {
            kind: CompositeKind::Struct,
            name: Some("nest".into()),
            size: 8,
            declaration: false,
            members: [member(nested), member(nested)].into(),
        }));
    }
    let value = Value::in_memory(nested, RuntimeAddr(BASE));
    // 2^20 of them: cut off, and said so.
    assert!(print(&value, &world, &Settings::default(), None).is_err());
    let huge = Value::in_memory(world.array(inner, 1 << 60), RuntimeAddr(BASE));
    assert!(print(&huge, &world, &Settings::default(), None).is_err());
}
