//! A small world for expressions: a few types, a few variables, a page of memory.

mod expressions;
mod printing;
mod properties;
mod writing;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use lkdb_base::{Memory, RuntimeAddr, Unreadable};
use lkdb_symbols::types::{
    Composite, CompositeKind, Count, Enum, Function, MadeTypes, Member, Parameter, Type,
};
use lkdb_symbols::{DwarfRegister, Gone, Piece, Place, TypeError, TypeId, TypeSource};

use crate::format::{Settings, Spec, print};
use crate::shape::Types;
use crate::{Bytes, Context, Error, History, Named, Value, Writer, expr};

/// Where the page is.
pub(crate) const BASE: u64 = 0xffff_ffff_8100_0000;
const PAGE: usize = 4096;

pub(crate) struct World {
    types: MadeTypes,
    memory: Page,
    names: HashMap<&'static str, Named>,
    tags: HashMap<&'static str, TypeId>,
    pub(crate) registers: RefCell<HashMap<u16, Rc<[u8]>>>,
    pub(crate) history: RefCell<History>,
}

struct Page(RefCell<Vec<u8>>);

impl Memory for Page {
    fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable> {
        let page = self.0.borrow();
        for (index, byte) in into.iter_mut().enumerate() {
            let address = address.offset(index as u64);
            let at = usize::try_from(address.0.wrapping_sub(BASE)).unwrap_or(PAGE);
            *byte = *page.get(at).ok_or_else(|| Unreadable::new(address, "nothing is there"))?;
        }
        Ok(())
    }
}

impl TypeSource for World {
    fn get(&self, id: TypeId) -> Result<Rc<Type>, TypeError> {
        if id == TypeId::Void { Ok(Rc::new(Type::Void)) } else { self.types.get(id) }
    }

    fn complete(&self, id: TypeId) -> TypeId {
        id
    }

    fn make(&self, ty: Type) -> TypeId {
        self.types.make(ty)
    }
}

impl Context for World {
    fn types(&self) -> &dyn TypeSource {
        self
    }

    fn memory(&self) -> &dyn Memory {
        &self.memory
    }

    fn named(&self, name: &str) -> Result<Named, Error> {
        self.names.get(name).cloned().ok_or_else(|| Error::NoSymbol(name.into()))
    }

    fn scoped(&self, scope: &str, name: &str) -> Result<Named, Error> {
        assert_eq!(scope, "kernel/fork.c");
        self.named(name)
    }

    fn tagged(&self, kind: &'static str, name: &str) -> Result<TypeId, Error> {
        self.tags.get(name).copied().ok_or(Error::NoType { kind, name: name.into() })
    }

    fn type_named(&self, name: &str) -> Result<TypeId, Error> {
        match self.named(name) {
            Ok(Named::Type(ty)) => Ok(ty),
            _ => Err(Error::NoType { kind: "symbol", name: name.into() }),
        }
    }

    fn symbol_at(&self, address: RuntimeAddr) -> Option<String> {
        let places = self.names.iter().filter_map(|(name, named)| match named {
            Named::Variable(_, Place::Memory(at)) | Named::Function(_, at) => Some((at.0, *name)),
            _ => None,
        });
        let within = address.0.wrapping_sub(BASE) < PAGE as u64;
        let (at, name) = places.filter(|(at, _)| within && *at <= address.0).max()?;
        Some(if at == address.0 { name.into() } else { format!("{name}+{}", address.0 - at) })
    }

    fn register(&self, register: DwarfRegister) -> Result<Rc<[u8]>, Gone> {
        self.registers.borrow().get(&register.0).cloned().ok_or(Gone::Clobbered(register))
    }

    fn register_named(&self, name: &str) -> Option<Result<Bytes, Error>> {
        let bytes = self.registers.borrow().get(&5).cloned()?;
        (name == "rdi").then(|| Ok((Types(self).known("long"), bytes)))
    }

    fn convenience(&self, name: &str) -> Option<Bytes> {
        self.history.borrow().get(name)
    }
}

impl Writer for World {
    fn write_memory(&self, address: RuntimeAddr, bytes: &[u8]) -> Result<(), Error> {
        let at = usize::try_from(address.0 - BASE).unwrap();
        self.memory.0.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn write_register(&self, register: DwarfRegister, bytes: &[u8]) -> Result<(), Error> {
        let mut registers = self.registers.borrow_mut();
        let mut whole = registers[&register.0].to_vec();
        whole[..bytes.len()].copy_from_slice(bytes);
        registers.insert(register.0, whole.into());
        Ok(())
    }

    fn write_register_named(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        assert_eq!(name, "rdi");
        self.write_register(DwarfRegister(5), bytes)
    }

    fn set_convenience(&self, name: &str, value: Bytes) -> Result<(), Error> {
        self.history.borrow_mut().set(name, value)
    }
}

fn member(name: &'static str, ty: TypeId, bit_offset: u64) -> Member {
    let name = (!name.is_empty()).then(|| name.into());
    Member { name, ty, bit_offset, bit_size: None }
}

fn composite(kind: CompositeKind, name: &str, size: u64, members: Vec<Member>) -> Type {
    let name = (!name.is_empty()).then(|| name.into());
    Type::Composite(Composite { kind, name, size, declaration: false, members: members.into() })
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            types: MadeTypes::default(),
            memory: Page(RefCell::new(vec![0; PAGE])),
            names: HashMap::new(),
            tags: HashMap::new(),
            registers: RefCell::new(HashMap::from([(5, 7_u64.to_le_bytes().into())])),
            history: RefCell::default(),
        };
        world.add_scalars();
        world.add_composites();
        world.add_places();
        world
    }

    fn ty(&self, name: &'static str) -> TypeId {
        Types(self).known(name)
    }

    pub(crate) fn array(&self, element: TypeId, count: u64) -> TypeId {
        self.make(Type::Array { element, count: Count::Fixed(count), vector: false })
    }

    /// A variable `at` bytes into the page.
    fn variable(&mut self, name: &'static str, ty: TypeId, at: usize, bytes: &[u8]) {
        self.memory.0.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        let place = Place::Memory(RuntimeAddr(BASE + at as u64));
        self.names.insert(name, Named::Variable(ty, place));
    }

    fn add_scalars(&mut self) {
        let (int, character) = (self.ty("int"), self.ty("char"));
        self.variable("i", int, 0x10, &42_i32.to_le_bytes());
        self.variable("u", self.ty("unsigned int"), 0x14, &4_000_000_000_u32.to_le_bytes());
        self.variable("c", character, 0x18, b"A");
        self.variable("b", self.ty("_Bool"), 0x19, &[1]);
        self.variable("d", self.ty("double"), 0x20, &1.5_f64.to_le_bytes());
        self.variable("wide", self.ty("unsigned __int128"), 0x30, &(1_u128 << 100).to_le_bytes());
        self.variable("text", self.array(character, 16), 0x40, b"abc");
        let pointer = Types(self).pointer_to(character);
        self.variable("str", pointer, 0x50, &(BASE + 0x40).to_le_bytes());
        self.variable("lost", pointer, 0x58, &0x10_u64.to_le_bytes());
        self.variable("numbers", self.array(int, 20), 0x60, &[1, 0, 0, 0, 2, 0, 0, 0, 3]);
        let flags = Enum {
            name: Some("flags".into()),
            size: 4,
            signed: false,
            declaration: false,
            values: [("F_A".into(), 1), ("F_B".into(), 2)].into(),
        };
        let flags = self.make(Type::Enum(flags));
        self.variable("flags", flags, 0xb0, &3_u32.to_le_bytes());
        self.tags.insert("flags", flags);
        self.names.insert("F_A", Named::Enumerator(flags, 1));
        let pid = self.make(Type::Typedef { name: "pid_t".into(), target: int });
        self.names.insert("pid_t", Named::Type(pid));
    }

    fn add_composites(&mut self) {
        let (int, unsigned) = (self.ty("int"), self.ty("unsigned int"));
        let inner =
            composite(CompositeKind::Struct, "in", 8, vec![member("x", int, 0), member("y", int, 32)]);
        let inner = self.make(inner);
        let either =
            composite(CompositeKind::Union, "", 4, vec![member("p", int, 0), member("q", unsigned, 0)]);
        let either = self.make(either);
        let bits =
            |name, ty, bit_offset, bits| Member { bit_size: Some(bits), ..member(name, ty, bit_offset) };
        let members = vec![
            member("a", int, 0),
            member("in", inner, 32),
            member("", either, 96),
            bits("low", unsigned, 128, 3),
            bits("sign", int, 131, 3),
            member("next", Types(self).pointer_to(inner), 192),
            member("flex", self.array(int, 0), 256),
        ];
        let outer = self.make(composite(CompositeKind::Struct, "out", 32, members));
        let mut bytes = vec![0_u8; 32];
        bytes[0] = 1;
        bytes[4] = 2;
        bytes[8] = 3;
        bytes[12] = 0xff;
        bytes[16] = 0b11_1101;
        bytes[24..32].copy_from_slice(&(BASE + 0x104).to_le_bytes());
        self.variable("out", outer, 0x100, &bytes);
        self.variable("op", Types(self).pointer_to(outer), 0x130, &(BASE + 0x100).to_le_bytes());
        self.variable("bad", Types(self).pointer_to(outer), 0x138, &[0; 8]);
        self.tags.extend([("in", inner), ("out", outer)]);
        let parameters = [Parameter { name: None, ty: int }].into();
        let function = Function { result: int, parameters, variadic: false, prototyped: true };
        let function = self.make(Type::Function(function));
        self.names.insert("fun", Named::Function(function, RuntimeAddr(BASE + 0x800)));
        let bare = |code| Named::Bare { address: RuntimeAddr(BASE + 0x10), code, function: None };
        self.names.extend([("bare_data", bare(false)), ("bare_code", bare(true))]);
    }

    fn add_places(&mut self) {
        let (long, inner) = (self.ty("long"), self.tags["in"]);
        let register = Place::Register(DwarfRegister(5));
        let half = |place: &Place| Piece { bits: 32, bit_offset: 0, place: place.clone() };
        let gone = Place::Gone(Gone::OptimizedOut);
        let pointer = Types(self).pointer_to(inner);
        let nothing = self.make(composite(CompositeKind::Struct, "nothing", 0, Vec::new()));
        let places = [
            ("in_register", long, register.clone()),
            ("class", long, Place::Unset(DwarfRegister(5))),
            ("unset", inner, Place::Unset(DwarfRegister(5))),
            ("clobbered", long, Place::Register(DwarfRegister(9))),
            ("gone", inner, gone.clone()),
            ("nothing_gone", nothing, gone.clone()),
            ("pieces", inner, Place::Pieces([half(&register), half(&gone)].into())),
            (
                "both",
                inner,
                Place::Pieces([half(&register), half(&Place::Memory(RuntimeAddr(BASE + 0x10)))].into()),
            ),
            ("implicit", pointer, Place::Implicit(Box::new(Place::Memory(RuntimeAddr(BASE + 0x104))), 0)),
        ];
        for (name, ty, place) in places {
            self.names.insert(name, Named::Variable(ty, place));
        }
    }

    pub(crate) fn value(&self, text: &str) -> Result<Value, Error> {
        expr::evaluate_and_write(&expr::parse(text, self)?, self, self)
    }

    /// What `print` answers: a value, or an error's text.
    pub(crate) fn print(&self, text: &str) -> String {
        let answer = || {
            let (settings, rest) = Settings::default().with_options(text)?;
            let (spec, rest) = Spec::parse(rest)?;
            print(&self.value(rest)?, self, &settings, spec.for_value("print")?)
        };
        answer().unwrap_or_else(|error| error.to_string())
    }
}
