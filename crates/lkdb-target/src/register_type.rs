//! What registers are made of, as target.xml describes it (gdb's manual, "Target Description Format"): flags by
//! name, vectors, and unions of several ways to look at the same bits.
//!
//! A type is made of those described before it, so none contains itself. What makes no sense is left out: a register
//! without a type is a number.

use std::sync::Arc;

use quick_xml::events::BytesStart;

use crate::error::Result;
use crate::registers::attribute;

/// More fields than any description has.
const MOST_FIELDS: usize = 64;
/// The widest, in bits: as the widest register.
const WIDEST: u64 = 16 * 1024;

/// A register's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterType {
    /// A number, one of those that every description may use.
    Number(NumberType),
    /// Single bits and groups of them.
    Flags(FlagsType),
    /// Several of one type, the first in the lowest bits.
    Vector {
        /// Its name: `v4f`.
        name: String,
        /// What each is.
        element: Arc<RegisterType>,
        /// How many.
        count: u32,
    },
    /// The same bits as different types.
    Union {
        /// Its name: `vec128`.
        name: String,
        /// Names and types, in target.xml's order.
        fields: Vec<(String, Arc<RegisterType>)>,
    },
}

/// A number's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberType {
    /// As target.xml has it: `int8`, `ieee_single`.
    pub name: &'static str,
    /// As gdb calls it: `int8_t`.
    pub shown: &'static str,
    /// How wide it is.
    pub bits: u64,
    /// Whole numbers, with a sign or without, or floating point.
    pub kind: NumberKind,
}

/// How a number's bits are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// Two's complement.
    Signed,
    /// A whole number.
    Unsigned,
    /// IEEE 754, or x87's own.
    Float,
}

/// The type of a register of flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagsType {
    /// Its name: `x64_eflags`.
    pub name: String,
    /// Its fields: name (empty for bits that mean nothing), lowest bit, number of bits. In target.xml's order.
    pub fields: Vec<(String, u32, u32)>,
}

const fn number(name: &'static str, shown: &'static str, bits: u64, kind: NumberKind) -> NumberType {
    NumberType { name, shown, bits, kind }
}

const NUMBERS: [NumberType; 13] = [
    number("int8", "int8_t", 8, NumberKind::Signed),
    number("int16", "int16_t", 16, NumberKind::Signed),
    number("int32", "int32_t", 32, NumberKind::Signed),
    number("int64", "int64_t", 64, NumberKind::Signed),
    number("int128", "int128_t", 128, NumberKind::Signed),
    number("uint8", "uint8_t", 8, NumberKind::Unsigned),
    number("uint16", "uint16_t", 16, NumberKind::Unsigned),
    number("uint32", "uint32_t", 32, NumberKind::Unsigned),
    number("uint64", "uint64_t", 64, NumberKind::Unsigned),
    number("uint128", "uint128_t", 128, NumberKind::Unsigned),
    number("ieee_single", "builtin_type_ieee_single", 32, NumberKind::Float),
    number("ieee_double", "builtin_type_ieee_double", 64, NumberKind::Float),
    number("i387_ext", "builtin_type_i387_ext", 80, NumberKind::Float),
];

impl RegisterType {
    /// Its name in target.xml.
    fn name(&self) -> &str {
        match self {
            Self::Number(number) => number.name,
            Self::Flags(flags) => &flags.name,
            Self::Vector { name, .. } | Self::Union { name, .. } => name,
        }
    }

    /// How wide it is; none for flags, which fit any register.
    #[must_use]
    pub fn bits(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number.bits),
            Self::Flags(_) => None,
            Self::Vector { element, count, .. } => element.bits()?.checked_mul(u64::from(*count)),
            Self::Union { fields, .. } => fields.iter().map(|(_, ty)| ty.bits()).max()?,
        }
    }
}

/// The types of one document, as they are read.
#[derive(Debug, Default)]
pub(crate) struct Types {
    described: Vec<Arc<RegisterType>>,
    open: Option<RegisterType>,
}

impl Types {
    /// The type of a register that is so wide.
    pub(crate) fn of_register(&self, name: &str, bits: u32) -> Option<Arc<RegisterType>> {
        self.named(name).filter(|ty| match &**ty {
            // Whole numbers of the usual sizes have gdb's own names.
            RegisterType::Number(number) => {
                number.kind == NumberKind::Float && number.bits == u64::from(bits)
            }
            ty => ty.bits().is_none_or(|own| own == u64::from(bits)),
        })
    }

    fn named(&self, name: &str) -> Option<Arc<RegisterType>> {
        let described = self.described.iter().find(|one| one.name() == name).cloned();
        let number = || NUMBERS.iter().find(|one| one.name == name).copied();
        described.or_else(|| Some(Arc::new(RegisterType::Number(number()?))))
    }

    /// Takes an element that describes a type or begins to.
    pub(crate) fn begin(&mut self, tag: &BytesStart<'_>) -> Result<()> {
        let name = attribute(tag, "id")?.unwrap_or_default();
        match tag.local_name().as_ref() {
            b"flags" => self.open = Some(RegisterType::Flags(FlagsType { name, fields: Vec::new() })),
            b"union" => self.open = Some(RegisterType::Union { name, fields: Vec::new() }),
            b"vector" => {
                let element = attribute(tag, "type")?.and_then(|name| self.named(&name));
                let count = attribute(tag, "count")?.and_then(|count| count.parse().ok());
                if let Some((element, count)) = element.zip(count) {
                    self.add(RegisterType::Vector { name, element, count });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes a field of what was begun.
    pub(crate) fn field(&mut self, tag: &BytesStart<'_>) -> Result<()> {
        let number =
            |name| -> Result<Option<u32>> { Ok(attribute(tag, name)?.and_then(|text| text.parse().ok())) };
        let name = attribute(tag, "name")?.unwrap_or_default();
        let ty = attribute(tag, "type")?.and_then(|name| self.named(&name));
        match &mut self.open {
            Some(RegisterType::Flags(flags)) => {
                if let (Some(start), Some(end)) = (number("start")?, number("end")?)
                    && start <= end
                    && end < 64
                    && flags.fields.len() < MOST_FIELDS
                {
                    flags.fields.push((name, start, end - start + 1));
                }
            }
            Some(RegisterType::Union { fields, .. }) if fields.len() < MOST_FIELDS => {
                fields.extend(ty.map(|ty| (name, ty)));
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends what was begun.
    pub(crate) fn end(&mut self) {
        if let Some(ty) = self.open.take() {
            self.add(ty);
        }
    }

    /// One that is too wide is left out, so those made of it cannot grow without end.
    fn add(&mut self, ty: RegisterType) {
        let fits = match &ty {
            RegisterType::Flags(_) => true,
            ty => ty.bits().is_some_and(|bits| (1..=WIDEST).contains(&bits)),
        };
        if fits {
            self.described.push(Arc::new(ty));
        }
    }
}
