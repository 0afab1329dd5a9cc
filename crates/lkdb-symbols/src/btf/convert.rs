//! From BTF's types to [`Type`], one level at a time.

use std::rc::Rc;

use super::{Btf, Kind, Raw};
use crate::types::{
    Base, Composite, CompositeKind, Count, Encoding, Enum, Function, Member, Parameter, Qualifier, Type,
    TypeError, canonical_name,
};

/// BTF describes 64-bit kernels alone here, and no pointer says its size.
const POINTER: u64 = 8;

/// More tags on one type than anyone writes.
const TAGS: usize = 64;

/// The encoding of integers (`BTF_INT_*`).
const SIGNED: u32 = 1;
const CHAR: u32 = 2;
const BOOL: u32 = 4;

impl<'d> Btf<'d> {
    /// What a type is. A function is the type of its prototype, a variable its type's; tags are looked
    /// through.
    ///
    /// # Errors
    /// [`TypeError::Damaged`] for numbers it does not have, and kinds that are no type.
    pub fn get(&self, number: u32) -> Result<Type, TypeError> {
        let mut number = number;
        for _ in 0..TAGS {
            if number == 0 {
                return Ok(Type::Void);
            }
            let raw = self.raw(number).ok_or_else(|| self.damaged(number, "there is no such type"))?;
            match raw.kind {
                Kind::TypeTag | Kind::Function | Kind::Variable => number = raw.value,
                _ => {
                    let ty = self.convert(&raw, number);
                    return ty.ok_or_else(|| self.damaged(number, "it is no type, or cut off"));
                }
            }
        }
        Err(TypeError::Endless)
    }

    fn convert(&self, raw: &Raw<'d>, number: u32) -> Option<Type> {
        let target = self.id(raw.value);
        Some(match raw.kind {
            Kind::Int => Type::Base(self.int(raw)?),
            Kind::Float => Type::Base(Base {
                name: canonical_name(self.string(raw.name)?).into(),
                size: u64::from(raw.value),
                encoding: Encoding::Float,
            }),
            Kind::Pointer => Type::Pointer { size: POINTER, target },
            Kind::Array => Type::Array {
                element: self.id(raw.word(0)?),
                // `[]` and `[0]` look alike here; the first is what people write.
                count: match raw.word(2)? {
                    0 => Count::Open,
                    count => Count::Fixed(u64::from(count)),
                },
                vector: false,
            },
            Kind::Struct | Kind::Union => Type::Composite(self.composite(raw, number)),
            Kind::Forward => Type::Composite(self.forward(raw)),
            Kind::Enum | Kind::Enum64 => Type::Enum(self.enumeration(raw)),
            Kind::Typedef => Type::Typedef { name: self.string(raw.name)?.into(), target },
            Kind::Volatile => Type::Qualified { qualifier: Qualifier::Volatile, target },
            Kind::Const => Type::Qualified { qualifier: Qualifier::Const, target },
            Kind::Restrict => Type::Qualified { qualifier: Qualifier::Restrict, target },
            Kind::FunctionPrototype => Type::Function(self.prototype(raw)),
            Kind::Function | Kind::Variable | Kind::DataSection | Kind::DeclarationTag | Kind::TypeTag => {
                return None;
            }
        })
    }

    fn int(&self, raw: &Raw<'d>) -> Option<Base> {
        let encoding = (raw.word(0)? >> 24) & 0xf;
        let encoding = match (encoding & SIGNED != 0, raw.value) {
            _ if encoding & BOOL != 0 => Encoding::Boolean,
            (signed, 1) if signed || encoding & CHAR != 0 => Encoding::SignedChar,
            (_, 1) => Encoding::UnsignedChar,
            (true, _) => Encoding::Signed,
            (false, _) => Encoding::Unsigned,
        };
        let name = canonical_name(self.string(raw.name)?).into();
        Some(Base { name, size: u64::from(raw.value), encoding })
    }

    fn composite(&self, raw: &Raw<'d>, number: u32) -> Composite {
        let members: Rc<[Member]> = raw.entries().map(|entry| self.member(entry, raw.flag)).collect();
        let distilled = match &self.base {
            Some(base) if number < self.first => base.distilled,
            _ => self.distilled,
        };
        Composite {
            kind: if raw.kind == Kind::Union { CompositeKind::Union } else { CompositeKind::Struct },
            name: self.string(raw.name).map(Rc::from),
            size: u64::from(raw.value),
            declaration: distilled && members.is_empty(),
            members,
        }
    }

    /// With the struct's flag set an offset is 24 bits, under 8 of a bit field's size; without it bit fields
    /// are integer types of their own, with the bits they have and where in their bytes those begin.
    fn member(&self, [name, ty, offset]: [u32; 3], flag: bool) -> Member {
        let name = self.string(name).map(Rc::from);
        let (ty_number, ty) = (ty, self.id(ty));
        if flag {
            let bits = offset >> 24;
            let bit_size = (bits != 0).then_some(u64::from(bits));
            return Member { name, ty, bit_offset: u64::from(offset & 0xff_ffff), bit_size };
        }
        let (shift, bits) = self.narrow(ty_number).unzip();
        let bit_offset = u64::from(offset) + u64::from(shift.unwrap_or(0));
        Member { name, ty, bit_offset, bit_size: bits.map(u64::from) }
    }

    /// The bits of an integer type that has fewer than its bytes: where they begin, and how many.
    pub(super) fn narrow(&self, number: u32) -> Option<(u32, u32)> {
        let raw = self.raw(number).filter(|raw| raw.kind == Kind::Int)?;
        let about = raw.word(0)?;
        let (shift, bits) = ((about >> 16) & 0xff, about & 0xff);
        (bits != 0 && bits < raw.value.saturating_mul(8)).then_some((shift, bits))
    }

    fn forward(&self, raw: &Raw<'d>) -> Composite {
        Composite {
            kind: if raw.flag { CompositeKind::Union } else { CompositeKind::Struct },
            name: self.string(raw.name).map(Rc::from),
            size: 0,
            declaration: true,
            members: Rc::default(),
        }
    }

    fn enumeration(&self, raw: &Raw<'d>) -> Enum {
        let named = |offset: u32| Rc::from(self.string(offset).unwrap_or_default());
        let values: Rc<[(Rc<str>, i128)]> = if raw.kind == Kind::Enum {
            let value =
                |value: u32| if raw.flag { i128::from(value.cast_signed()) } else { i128::from(value) };
            raw.entries().map(|[name, bits]| (named(name), value(bits))).collect()
        } else {
            let value = |low: u32, high: u32| {
                let value = (u64::from(high) << 32) | u64::from(low);
                if raw.flag { i128::from(value.cast_signed()) } else { i128::from(value) }
            };
            raw.entries().map(|[name, low, high]| (named(name), value(low, high))).collect()
        };
        Enum {
            name: self.string(raw.name).map(Rc::from),
            size: u64::from(raw.value),
            signed: raw.flag,
            declaration: values.is_empty(),
            values,
        }
    }

    /// A last parameter without name and type stands for `...`, and alone for a function of no prototype.
    fn prototype(&self, raw: &Raw<'d>) -> Function {
        let mut entries: Vec<[u32; 2]> = raw.entries().collect();
        let variadic = entries.last() == Some(&[0, 0]);
        if variadic {
            entries.pop();
        }
        let parameters: Rc<[Parameter]> = entries
            .iter()
            .map(|[name, ty]| Parameter { name: self.string(*name).map(Rc::from), ty: self.id(*ty) })
            .collect();
        let prototyped = !(variadic && parameters.is_empty());
        Function { result: self.id(raw.value), parameters, variadic, prototyped }
    }
}
