//! Expressions and formats: what users and scripts type, over memory that may hold anything.

use std::rc::Rc;

use lkdb_base::{Memory, RuntimeAddr, Unreadable};
use lkdb_symbols::types::{Composite, CompositeKind, Count, MadeTypes, Member, Type};
use lkdb_symbols::{DwarfRegister, Gone, Piece, Place, TypeError, TypeId, TypeSource};
use lkdb_value::format::{Settings, Spec, print};
use lkdb_value::{Bytes, Context, Error, Named, data, expr};

/// Where the memory is.
const BASE: u64 = 0x1000;

/// A world where every name means something, and memory holds the input.
struct World<'a> {
    types: MadeTypes,
    memory: &'a [u8],
}

impl Memory for World<'_> {
    fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable> {
        for (index, byte) in into.iter_mut().enumerate() {
            let address = address.offset(index as u64);
            let at = usize::try_from(address.0.wrapping_sub(BASE)).unwrap_or(usize::MAX);
            *byte = *self.memory.get(at).ok_or_else(|| Unreadable::new(address, "nothing"))?;
        }
        Ok(())
    }
}

impl TypeSource for World<'_> {
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

impl World<'_> {
    /// A type for a name: a number, an array of them, a struct, or a pointer to one.
    fn type_for(&self, name: &str) -> TypeId {
        let int = || expr::resolve_type(&expr::ast::TypeName::Base("int"), self).unwrap_or(TypeId::Void);
        let member = |name: &str, bit_offset, bit_size| Member {
            name: (!name.is_empty()).then(|| name.into()),
            ty: int(),
            bit_offset,
            bit_size,
        };
        let members = [member("a", 0, None), member("b", 32, Some(5)), member("c", 37, Some(200))];
        let composite = || {
            self.make(Type::Composite(Composite {
                kind: CompositeKind::Struct,
                name: Some("s".into()),
                size: 8,
                declaration: false,
                members: members.clone().into(),
            }))
        };
        match name.len() % 5 {
            0 => int(),
            1 => self.make(Type::Pointer { size: 8, target: composite() }),
            2 => {
                self.make(Type::Array { element: composite(), count: Count::Fixed(u64::MAX), vector: false })
            }
            3 => self.make(Type::Array { element: int(), count: Count::Fixed(20), vector: false }),
            _ => composite(),
        }
    }
}

impl Context for World<'_> {
    fn types(&self) -> &dyn TypeSource {
        self
    }

    fn memory(&self) -> &dyn Memory {
        self
    }

    fn named(&self, name: &str) -> Result<Named, Error> {
        let place = match name.as_bytes().first() {
            Some(b'g') => Place::Gone(Gone::OptimizedOut),
            Some(b'r') => Place::Register(DwarfRegister(0)),
            Some(b'p') => {
                let piece = |bits, place| Piece { bits, bit_offset: 3, place };
                let memory = Place::Memory(RuntimeAddr(BASE));
                Place::Pieces([piece(13, memory), piece(u64::MAX, Place::Literal([1, 2].into()))].into())
            }
            Some(b't') => return Ok(Named::Type(self.type_for(name))),
            Some(b'i') => Place::Implicit(Box::new(Place::Memory(RuntimeAddr(BASE))), -1),
            _ => Place::Memory(RuntimeAddr(BASE)),
        };
        Ok(Named::Variable(self.type_for(name), place))
    }

    fn tagged(&self, _: &'static str, name: &str) -> Result<TypeId, Error> {
        Ok(self.type_for(name))
    }

    fn type_named(&self, name: &str) -> Result<TypeId, Error> {
        Ok(self.type_for(name))
    }

    fn symbol_at(&self, address: RuntimeAddr) -> Option<String> {
        (address.0 == BASE).then(|| "base".to_owned())
    }

    fn register(&self, _: DwarfRegister) -> Result<Rc<[u8]>, Gone> {
        Ok(self.memory.get(..8).unwrap_or_default().into())
    }

    fn register_named(&self, _: &str) -> Option<Result<Bytes, Error>> {
        None
    }

    fn convenience(&self, _: &str) -> Option<Bytes> {
        None
    }
}

/// The first line is what follows `print`; the rest is memory.
pub fn expression(input: &[u8]) {
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (text, memory) = input.split_at(at);
    let world = World { types: MadeTypes::default(), memory: memory.get(1..).unwrap_or_default() };
    let text = String::from_utf8_lossy(text);
    let Ok((settings, rest)) = Settings::default().with_options(&text) else { return };
    let Ok((spec, rest)) = Spec::parse(rest) else { return };
    let Ok(parsed) = expr::parse(rest, &world) else { return };
    expr::type_of(&parsed, &world).ok();
    let Ok(value) = expr::evaluate(&parsed, &world) else { return };
    print(&value, &world, &settings, spec.letter).ok();
    data(&value, &world, &settings).ok();
}
