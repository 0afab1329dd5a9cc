//! What is written of types made by hand, word for word as gdb 13 does.

#![allow(clippy::unwrap_used)] // tests

use std::cell::RefCell;
use std::rc::Rc;

use lkdb_symbols::types::{Base, Count, Encoding, Function, MadeTypes, Parameter};
use proptest::prelude::*;

use super::*;

/// Made types, and structs that hold others by number: `Dwarf` ids are places in a list.
#[derive(Default)]
struct Source {
    made: MadeTypes,
    listed: RefCell<Vec<Rc<Type>>>,
}

impl TypeSource for Source {
    fn get(&self, id: TypeId) -> Result<Rc<Type>, TypeError> {
        match id {
            TypeId::Void => Ok(Rc::new(Type::Void)),
            TypeId::Dwarf(_, at) => {
                self.listed.borrow().get(at as usize).cloned().ok_or(TypeError::Unknown(id))
            }
            _ => self.made.get(id),
        }
    }

    fn complete(&self, id: TypeId) -> TypeId {
        id
    }

    fn make(&self, ty: Type) -> TypeId {
        self.made.make(ty)
    }
}

impl Source {
    fn base(&self, name: &str, size: u64) -> TypeId {
        self.make(Type::Base(Base { name: name.into(), size, encoding: Encoding::Signed }))
    }

    fn pointer(&self, target: TypeId) -> TypeId {
        self.make(Type::Pointer { size: 8, target })
    }

    fn array(&self, element: TypeId, count: Count) -> TypeId {
        self.make(Type::Array { element, count, vector: false })
    }

    fn constant(&self, target: TypeId) -> TypeId {
        self.make(Type::Qualified { qualifier: Qualifier::Const, target })
    }

    fn typedef(&self, name: &str, target: TypeId) -> TypeId {
        self.make(Type::Typedef { name: name.into(), target })
    }

    fn function(&self, result: TypeId, parameters: &[TypeId], variadic: bool) -> TypeId {
        let parameters = parameters.iter().map(|ty| Parameter { name: None, ty: *ty }).collect();
        self.make(Type::Function(Function { result, parameters, variadic, prototyped: true }))
    }

    /// Members as name (none if empty), type, place and size in bits (0 for no bit field).
    fn composite(
        &self,
        kind: CompositeKind,
        name: &str,
        size: u64,
        members: &[(&str, TypeId, u64, u64)],
    ) -> TypeId {
        let option = |name: &str| (!name.is_empty()).then(|| Rc::from(name));
        let members = members.iter().map(|(name, ty, at, bits)| Member {
            name: option(name),
            ty: *ty,
            bit_offset: *at,
            bit_size: (*bits != 0).then_some(*bits),
        });
        let members = members.collect();
        self.make(Type::Composite(Composite { kind, name: option(name), size, declaration: false, members }))
    }

    fn structure(&self, name: &str, size: u64, members: &[(&str, TypeId, u64, u64)]) -> TypeId {
        self.composite(CompositeKind::Struct, name, size, members)
    }
}

#[test]
fn declarators_go_around_the_name() {
    let types = Source::default();
    let int = types.base("int", 4);
    let callback = types.function(int, &[types.pointer(types.constant(TypeId::Void)), int], true);
    let five = types.array(int, Count::Fixed(5));
    let cases = [
        (types.pointer(int), "x", "int *x"),
        (five, "x", "int x[5]"),
        (types.array(five, Count::Open), "x", "int x[][5]"),
        (types.pointer(five), "x", "int (*x)[5]"),
        (types.array(types.pointer(int), Count::Variable), "x", "int *x[variable length]"),
        (types.pointer(callback), "x", "int (*x)(const void *, int, ...)"),
        (types.constant(types.pointer(callback)), "x", "int (* const x)(const void *, int, ...)"),
        (types.constant(types.pointer(int)), "", "int * const"),
        (types.pointer(types.constant(types.pointer(types.constant(int)))), "", "const int * const *"),
        (types.array(types.pointer(callback), Count::Fixed(2)), "", "int (*[2])(const void *, int, ...)"),
        (types.constant(five), "x", "const int x[5]"),
        (types.function(types.pointer(callback), &[], false), "x", "int (*x(void))(const void *, int, ...)"),
        (types.pointer(types.structure("", 4, &[("a", int, 0, 0)])), "", "struct {...} *"),
    ];
    for (id, name, text) in cases {
        assert_eq!(declare(&types, id, name).unwrap(), text);
    }
}

#[test]
fn whatis_looks_through_one_typedef_of_a_named_type() {
    let types = Source::default();
    let int = types.base("int", 4);
    let inner = types.typedef("inner_t", types.array(int, Count::Fixed(3)));
    let outer = types.constant(types.typedef("outer_t", inner));
    assert_eq!(whatis(&types, outer, false).unwrap(), "const outer_t");
    assert_eq!(whatis(&types, outer, true).unwrap(), "inner_t");
    assert_eq!(whatis(&types, inner, true).unwrap(), "int [3]");
    assert_eq!(ptype(&types, outer, Offsets::No).unwrap(), "int [3]");
}

#[test]
fn unnamed_structs_are_spelled_out_one_level_deep() {
    let types = Source::default();
    let int = types.base("int", 4);
    let deepest = types.structure("", 4, &[("c", int, 0, 0)]);
    let inner = types.composite(CompositeKind::Union, "", 4, &[("b", int, 0, 0), ("", deepest, 0, 0)]);
    let named = types.structure("named", 4, &[("n", int, 0, 0)]);
    let outer = types.structure("outer", 12, &[("", inner, 0, 0), ("n", named, 32, 0), ("f", int, 64, 3)]);
    let text = "struct outer {\n    union {\n        int b;\n        struct {...};\n    };\n    \
                struct named n;\n    int f : 3;\n}";
    assert_eq!(ptype(&types, outer, Offsets::No).unwrap(), text);
    let empty = types.pointer(types.structure("empty", 0, &[]));
    assert_eq!(ptype(&types, empty, Offsets::No).unwrap(), "struct empty {\n    <no data fields>\n} *");
}

#[test]
fn offsets_show_holes_bits_and_sizes() {
    let types = Source::default();
    let (int, char) = (types.base("int", 4), types.base("char", 1));
    let inner = types.structure("in", 8, &[("a", char, 0, 0), ("b", int, 32, 0)]);
    let members = [("p", char, 0, 0), ("in", inner, 32, 0), ("x", int, 96, 3), ("y", int, 99, 2)];
    let outer = types.structure("out", 16, &members);
    let text = "\
/* offset      |    size */  type = struct out {
/*      0      |       1 */    char p;
/* XXX  3-byte hole      */
/*      4      |       8 */    struct in {
/*      4      |       1 */        char a;
/* XXX  3-byte hole      */
/*      8      |       4 */        int b;

                                   /* total size (bytes):    8 */
                               } in;
/*     12: 0   |       4 */    int x : 3;
/*     12: 3   |       4 */    int y : 2;
/* XXX  3-bit padding    */
/* XXX  3-byte padding   */

                               /* total size (bytes):   16 */
                             }";
    assert_eq!(ptype_answer(&types, outer, Offsets::Decimal).unwrap(), text);
    let hex = ptype_answer(&types, outer, Offsets::Hex).unwrap();
    assert!(hex.contains("/* 0x000c: 0x3 |  0x0004 */    int y : 2;"), "{hex}");
}

#[test]
fn a_layout_tells_true_places_where_gdbs_text_does_not() {
    let types = Source::default();
    let (int, char) = (types.base("int", 4), types.base("char", 1));
    let union = types.composite(CompositeKind::Union, "", 4, &[("a", int, 0, 0), ("b", char, 0, 0)]);
    let outer = types.structure("out", 12, &[("x", char, 0, 0), ("", union, 32, 0), ("y", char, 64, 0)]);
    let layout = layout(&types, outer).unwrap().unwrap();
    assert_eq!((layout.members[1].offset, layout.members[1].hole_bits), (4, 24));
    let inner = layout.members[1].layout.as_ref().unwrap();
    assert_eq!((inner.members[1].offset, inner.padding_bits), (4, 0));
    assert_eq!(layout.padding_bits, 24);
    assert_eq!(super::layout(&types, int).unwrap(), None);
}

#[test]
fn enumerators_have_values_where_they_do_not_count_on() {
    let types = Source::default();
    let values = [("A", -1), ("B", 0), ("C", 5), ("D", 6), ("E", i128::from(u64::MAX))];
    let values = values.iter().map(|(name, value)| (Rc::from(*name), *value)).collect();
    let name = Some("e".into());
    let id = types.make(Type::Enum(Enum { name, size: 8, signed: true, declaration: false, values }));
    assert_eq!(ptype(&types, id, Offsets::No).unwrap(), "enum e {A = -1, B, C = 5, D, E = -1}");
    assert_eq!(type_name(&types, id).unwrap(), "enum e");
}

#[test]
fn btf_is_believed_where_it_tells_as_much_as_dwarf() {
    let types = Source::default();
    let int = types.base("int", 4);
    let sure = types.structure("s", 8, &[("a", int, 0, 0), ("p", types.pointer(int), 32, 0)]);
    assert!(ptype_from_btf(&types, &[sure], Offsets::No).unwrap().is_some());
    assert_eq!(ptype_from_btf(&types, &[], Offsets::No), Ok(None));
    let other = types.structure("s", 4, &[("b", int, 0, 0)]);
    assert_eq!(ptype_from_btf(&types, &[sure, other], Offsets::No), Ok(None), "two of one tag");
    let array = types.structure("s", 8, &[("a", types.array(int, Count::Fixed(2)), 0, 0)]);
    assert_eq!(ptype_from_btf(&types, &[array], Offsets::No), Ok(None));
    let hidden = types.typedef("t", types.array(int, Count::Fixed(2)));
    let hidden = types.structure("s", 8, &[("a", hidden, 0, 0)]);
    assert!(ptype_from_btf(&types, &[hidden], Offsets::No).unwrap().is_some(), "a name is a name");
}

#[test]
fn a_struct_that_holds_itself_ends() {
    let types = Source::default();
    let own = TypeId::Dwarf(lkdb_symbols::ObjectId(0), 0);
    let member = |name: &str| Member { name: Some(name.into()), ty: own, bit_offset: 0, bit_size: None };
    types.listed.borrow_mut().push(Rc::new(Type::Composite(Composite {
        kind: CompositeKind::Struct,
        name: Some("own".into()),
        size: 8,
        declaration: false,
        members: (0..8).map(|at| member(&format!("m{at}"))).collect(),
    })));
    assert_eq!(ptype(&types, own, Offsets::Decimal), Err(TypeError::Endless));
    assert_eq!(layout(&types, own), Err(TypeError::Endless));
    assert!(ptype(&types, own, Offsets::No).unwrap().contains("struct own m7;"));
}

/// Types that refer to any of the others, themselves included.
fn any_type(count: u64) -> impl Strategy<Value = Type> {
    let id = (0..count).prop_map(|at| TypeId::Dwarf(lkdb_symbols::ObjectId(0), at));
    prop_oneof![
        id.clone().prop_map(|target| Type::Pointer { size: 8, target }),
        (id.clone(), any::<u64>(), any::<bool>()).prop_map(|(element, count, vector)| Type::Array {
            element,
            count: Count::Fixed(count),
            vector
        }),
        id.clone().prop_map(|target| Type::Typedef { name: "t".into(), target }),
        id.clone().prop_map(|target| Type::Qualified { qualifier: Qualifier::Volatile, target }),
        prop::collection::vec(id.clone(), 0..4).prop_map(|types| Type::Function(Function {
            result: types.first().copied().unwrap_or(TypeId::Void),
            parameters: types.iter().map(|ty| Parameter { name: None, ty: *ty }).collect(),
            variadic: false,
            prototyped: true,
        })),
        (prop::collection::vec((id, any::<u64>(), any::<Option<u64>>()), 0..4), any::<u64>(), any::<bool>())
            .prop_map(|(members, size, named)| Type::Composite(Composite {
                kind: CompositeKind::Struct,
                name: named.then(|| "s".into()),
                size,
                declaration: false,
                members: members
                    .into_iter()
                    .map(|(ty, bit_offset, bit_size)| Member { name: None, ty, bit_offset, bit_size })
                    .collect(),
            })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_tangle_of_types_is_an_answer(tangle in prop::collection::vec(any_type(6), 6)) {
        let types = Source::default();
        *types.listed.borrow_mut() = tangle.into_iter().map(Rc::new).collect();
        for at in 0..6 {
            let id = TypeId::Dwarf(lkdb_symbols::ObjectId(0), at);
            let _ = (ptype(&types, id, Offsets::No), ptype(&types, id, Offsets::Hex));
            let _ = (whatis(&types, id, true), types.size(id));
        }
    }
}
