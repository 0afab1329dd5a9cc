//! BTF made to order, and made wrong.

#![allow(clippy::unwrap_used)] // tests

use lkdb_testkit::btf::BtfMaker;
use proptest::prelude::*;

use super::*;
use crate::types::{CompositeKind, Count, Encoding, Qualifier, Type};

const KERNEL: ObjectId = ObjectId(0);
const MODULE: ObjectId = ObjectId(1);

/// `int`, `struct list { struct list *next; unsigned flags:3; }`, an enum, functions, a per-CPU variable.
fn kernel() -> BtfMaker {
    let mut maker = BtfMaker::new();
    let int = maker.int("int", 4, 1);
    let unsigned = maker.int("unsigned int", 4, 0);
    let pointer = maker.pointer(4);
    let list = maker.structure("list", 16, &[("next", pointer, 0, 0), ("flags", unsigned, 64, 3)]);
    assert_eq!((int, list), (1, 4));
    let values = [maker.name("MINUS"), u32::MAX, maker.name("SEVEN"), 7];
    maker.add(6, true, "sign", 2, 4, &values); // 5
    let long = maker.int("long unsigned int", 8, 0); // 6
    let values = [maker.name("HIGH"), 1, 2];
    maker.add(19, false, "wide", 1, 8, &values); // 7
    maker.add(3, false, "", 0, 0, &[long, int, 3]); // 8
    let first = maker.name("first");
    maker.add(13, false, "", 2, int, &[first, long, 0, 0]); // 9
    maker.add(12, false, "printk", 0, 9, &[]); // 10
    maker.add(13, false, "", 1, int, &[0, 0]); // 11
    let variable = maker.add(14, false, "this_cpu", 0, long, &[1]);
    maker.add(15, false, ".data..percpu", 1, 0, &[variable, 64, 8]);
    maker.add(7, true, "unknown", 0, 0, &[]); // 14
    maker.add(18, false, "user", 0, list, &[]); // 15
    maker.add(10, false, "", 0, 15, &[]); // 16
    maker.add(16, false, "double", 0, 8, &[]); // 17
    maker
}

#[test]
fn each_kind_becomes_its_type() {
    let data = kernel().make();
    let btf = Btf::parse(&data, KERNEL, None).unwrap();
    assert_eq!(btf.numbers(), 1..18);
    let Type::Composite(list) = btf.get(4).unwrap() else { panic!("no struct") };
    assert_eq!((list.name.as_deref(), list.size, list.kind), (Some("list"), 16, CompositeKind::Struct));
    let flags = &list.members[1];
    assert_eq!((flags.name.as_deref(), flags.bit_offset, flags.bit_size), (Some("flags"), 64, Some(3)));
    assert_eq!(list.members[0].bit_size, None);
    let Type::Enum(sign) = btf.get(5).unwrap() else { panic!("no enum") };
    assert_eq!(sign.values.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [-1, 7]);
    let Type::Base(long) = btf.get(6).unwrap() else { panic!("no integer") };
    assert_eq!((&*long.name, long.encoding), ("unsigned long", Encoding::Unsigned));
    let Type::Enum(wide) = btf.get(7).unwrap() else { panic!("no 64-bit enum") };
    assert_eq!(wide.values[0].1, 0x2_0000_0001);
    let row = Type::Array { element: btf.id(6), count: Count::Fixed(3), vector: false };
    assert_eq!(btf.get(8).unwrap(), row);
    let Type::Function(printk) = btf.get(10).unwrap() else { panic!("no function") };
    assert!(printk.variadic && printk.prototyped && printk.parameters.len() == 1);
    let Type::Function(old) = btf.get(11).unwrap() else { panic!("no function") };
    assert!(!old.prototyped && old.parameters.is_empty());
    let Type::Composite(unknown) = btf.get(14).unwrap() else { panic!("no forward") };
    assert!(unknown.declaration && unknown.kind == CompositeKind::Union);
    assert_eq!(btf.get(16).unwrap(), Type::Qualified { qualifier: Qualifier::Const, target: btf.id(15) });
    assert!(matches!(btf.get(15).unwrap(), Type::Composite(tagged) if tagged == list));
    assert!(matches!(btf.get(17).unwrap(), Type::Base(double) if double.encoding == Encoding::Float));
    assert!(matches!(btf.get(13), Err(TypeError::Damaged { .. })));
    assert!(matches!(btf.get(99), Err(TypeError::Damaged { .. })));
}

#[test]
fn names_are_found_by_kind() {
    let data = kernel().make();
    let btf = Btf::parse(&data, KERNEL, None).unwrap();
    assert_eq!(btf.find("list", &[Kind::Struct]), [4]);
    assert_eq!(btf.find("list", &[Kind::Union]), [0; 0]);
    assert_eq!(btf.find("ist", &[Kind::Struct]), [0; 0]);
    assert_eq!(btf.find("", &[Kind::Pointer]), [0; 0]);
    assert_eq!(btf.enumerator("SEVEN"), [5]);
    assert_eq!(btf.enumerator("HIGH"), [7]);
    let variable = btf.variable("this_cpu").unwrap();
    assert_eq!((variable.section, variable.offset, variable.ty), (".data..percpu", 64, btf.id(6)));
    assert_eq!(btf.variables().collect::<Vec<_>>(), [variable]);
}

#[test]
fn a_module_goes_on_where_its_kernel_ends() {
    let maker = kernel();
    let data = maker.make();
    let base = Rc::new(Btf::parse(&data, KERNEL, None).unwrap());
    let mut split = maker.split();
    let pointer = split.pointer(4);
    split.structure("driver", 8, &[("list", pointer, 0, 0)]);
    // A member of the name that the kernel has a string for.
    let next = base.find_string("next");
    split.add(4, false, "shared", 1, 4, &[next, 1, 0]);
    let module = split.make();
    let btf = Btf::parse(&module, MODULE, Some(Rc::clone(&base))).unwrap();
    assert_eq!(btf.numbers(), 18..21);
    assert_eq!(btf.get(pointer).unwrap(), Type::Pointer { size: 8, target: TypeId::Btf(KERNEL, 4) });
    assert_eq!(btf.find("driver", &[Kind::Struct]), [19]);
    assert_eq!(btf.find("list", &[Kind::Struct]), [0; 0], "the kernel's own");
    let Type::Composite(shared) = btf.get(20).unwrap() else { panic!("no struct") };
    assert_eq!(shared.members[0].name.as_deref(), Some("next"));
    assert_eq!(btf.id(19), TypeId::Btf(MODULE, 19));
}

#[test]
fn a_distilled_base_declares() {
    let mut maker = BtfMaker::new();
    let list = maker.structure("list", 16, &[]);
    let data = maker.make();
    let base = Rc::new(Btf::parse_distilled(&data, MODULE).unwrap());
    let mut split = maker.split();
    let empty = split.structure("empty", 0, &[]);
    let module = split.make();
    let btf = Btf::parse(&module, MODULE, Some(base)).unwrap();
    assert!(matches!(btf.get(list).unwrap(), Type::Composite(list) if list.declaration && list.size == 16));
    assert!(matches!(btf.get(empty).unwrap(), Type::Composite(empty) if !empty.declaration));
}

#[test]
fn bit_fields_of_old_kernels_are_integers_with_few_bits() {
    let mut maker = BtfMaker::new();
    let narrow = maker.add(1, false, "unsigned int", 0, 4, &[(5 << 16) | 3]);
    let word = maker.name("word");
    let structure = maker.add(4, false, "old", 1, 4, &[word, narrow, 8]);
    let data = maker.make();
    let btf = Btf::parse(&data, KERNEL, None).unwrap();
    let Type::Composite(old) = btf.get(structure).unwrap() else { panic!("no struct") };
    assert_eq!((old.members[0].bit_offset, old.members[0].bit_size), (13, Some(3)));
}

#[test]
fn what_is_no_btf_says_so() {
    let data = kernel().make();
    assert_eq!(Btf::parse(b"", KERNEL, None).err(), Some(Error::Magic));
    assert_eq!(Btf::parse(b"\xeb\x9f\x01\x00", KERNEL, None).err(), Some(Error::BigEndian));
    assert_eq!(Btf::parse(b"\x9f\xeb\x02\x00", KERNEL, None).err(), Some(Error::Version(2)));
    assert_eq!(Btf::parse(&data[..40], KERNEL, None).err(), Some(Error::Header));
}

#[test]
fn tags_in_a_ring_end() {
    let mut maker = BtfMaker::new();
    maker.add(18, false, "a", 0, 2, &[]);
    maker.add(18, false, "b", 0, 1, &[]);
    let data = maker.make();
    assert_eq!(Btf::parse(&data, KERNEL, None).unwrap().get(1), Err(TypeError::Endless));
}

impl Btf<'_> {
    fn find_string(&self, text: &str) -> u32 {
        memchr::memmem::find(self.strings, text.as_bytes()).unwrap() as u32
    }
}

proptest! {
    #[test]
    fn damage_is_an_answer(at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
        let mut data = kernel().make();
        let (at, cut) = (at.index(data.len()), cut.index(data.len()));
        data[at] = byte;
        for data in [&data[..], &data[..cut]] {
            let Ok(btf) = Btf::parse(data, KERNEL, None) else { continue };
            for number in btf.numbers().chain([0, u32::MAX]) {
                let _ = (btf.get(number), btf.name(number), btf.kind(number));
            }
            let _ = (btf.find("list", &[Kind::Struct]), btf.variables().count());
        }
    }
}
