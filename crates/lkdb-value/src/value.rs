//! A value: a type, and where its bytes are. They are read when they are needed, and only those that are.

use std::rc::Rc;

use lkdb_base::RuntimeAddr;
use lkdb_symbols::types::Type;
use lkdb_symbols::{Gone, Place, TypeId};

use crate::context::{Bytes, Context, Error};
use crate::shape::Types;

/// gdb's `max-value-size`: what one value may take, in bytes.
pub const MAX_VALUE_SIZE: u64 = 65536;

/// Pieces within pieces.
const NESTING: usize = 8;

/// A typed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its type.
    pub ty: TypeId,
    /// Where it is, or what it lies in.
    pub place: Place,
    /// How many bytes into `place` it begins; 0 in memory, whose addresses count it.
    pub offset: u64,
    /// The bits it has, for a bit field.
    pub bits: Option<Bits>,
    /// What else than a place it can be assigned through.
    pub name: Option<Name>,
}

/// Which bits, counted from a value's first (lowest) one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// What stands behind a `$`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A register by the name users type.
    Register(Rc<str>),
    /// A convenience variable.
    Convenience(Rc<str>),
}

/// Bytes of a value, as they were at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Them; zero where a gap is.
    pub bytes: Rc<[u8]>,
    /// What could not be had.
    pub gaps: Vec<Gap>,
    /// Where they are from, when from memory in one run.
    pub address: Option<RuntimeAddr>,
}

/// Bits of a value that are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The first bit.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Why; none for a pointer that the compiler replaced by what it points to.
    pub why: Option<Gone>,
}

impl Value {
    /// A value at a place.
    #[must_use]
    pub fn at(ty: TypeId, place: Place) -> Self {
        Self { ty, place, offset: 0, bits: None, name: None }
    }

    /// A value in memory.
    #[must_use]
    pub fn in_memory(ty: TypeId, address: RuntimeAddr) -> Self {
        Self::at(ty, Place::Memory(address))
    }

    /// A value some bytes into a place.
    #[must_use]
    pub fn within(ty: TypeId, place: Place, offset: u64) -> Self {
        match place {
            Place::Memory(address) => {
                let address = RuntimeAddr(address.0.wrapping_add(offset));
                Self::at(ty, Place::Memory(address))
            }
            // What is said of the whole, once.
            Place::Unset(register) => Self { offset, ..Self::at(ty, Place::Register(register)) },
            place => Self { offset, ..Self::at(ty, place) },
        }
    }

    /// A value that is its bytes.
    #[must_use]
    pub fn literal(ty: TypeId, bytes: impl Into<Rc<[u8]>>) -> Self {
        Self::at(ty, Place::Literal(bytes.into()))
    }

    /// `void`: no value at all.
    #[must_use]
    pub fn void() -> Self {
        Self::literal(TypeId::Void, [])
    }

    /// Where it is in memory.
    #[must_use]
    pub fn address(&self) -> Option<RuntimeAddr> {
        match self.place {
            Place::Memory(address) => Some(address),
            _ => None,
        }
    }

    /// The same bytes as another type.
    #[must_use]
    pub fn retyped(&self, ty: TypeId) -> Self {
        Self { ty, ..self.clone() }
    }

    /// Its bytes, read now.
    ///
    /// # Errors
    /// Memory that cannot be read, a damaged type, or more than [`MAX_VALUE_SIZE`]. What is gone is no
    /// error but a gap.
    pub fn read(&self, context: &dyn Context) -> Result<Contents, Error> {
        let size = Types(context.types()).size(self.ty)?;
        if size > MAX_VALUE_SIZE {
            return Err(Error::Operation(format!(
                "value requires {size} bytes, which is more than max-value-size"
            )));
        }
        let Some(bits) = self.bits else { return fetch(&self.place, self.offset, size, context, NESTING) };
        let start = self.offset.saturating_add(bits.first / 8);
        let inside = bits.first % 8;
        let count = bits.count.min(128);
        let whole = fetch(&self.place, start, (inside + count).div_ceil(8), context, NESTING)?;
        let signed = is_signed(context, self.ty)?;
        let raw = extract(&whole.bytes, inside, count, signed);
        let bytes = raw.to_le_bytes().into_iter().take(usize::try_from(size).unwrap_or(16)).collect();
        let gap = whole.gap(inside, count);
        Ok(Contents { bytes, gaps: gap.into_iter().cloned().collect(), address: None })
    }

    /// Its type and bytes, for the history.
    ///
    /// # Errors
    /// As [`Value::read`], and when it is gone.
    pub fn bytes(&self, context: &dyn Context) -> Result<Bytes, Error> {
        let contents = self.read(context)?;
        match contents.gaps.into_iter().next() {
            None => Ok((self.ty, contents.bytes)),
            Some(gap) => Err(Error::Gone(gap.why.unwrap_or(Gone::OptimizedOut))),
        }
    }
}

impl Contents {
    /// The first gap that touches these bits.
    pub(crate) fn gap(&self, first: u64, count: u64) -> Option<&Gap> {
        let end = first.saturating_add(count);
        self.gaps.iter().find(|gap| gap.first < end && first < gap.first.saturating_add(gap.count))
    }
}

/// Whether a scalar type's bits are in two's complement.
pub(crate) fn is_signed(context: &dyn Context, ty: TypeId) -> Result<bool, Error> {
    use lkdb_symbols::types::Encoding;
    Ok(match &*Types(context.types()).bare(ty)? {
        Type::Base(base) => matches!(base.encoding, Encoding::Signed | Encoding::SignedChar),
        Type::Enum(one) => one.signed,
        _ => false,
    })
}

/// Bits of little-endian bytes as a number, sign-extended on demand; at most 128 of them.
pub(crate) fn extract(bytes: &[u8], first: u64, count: u64, signed: bool) -> i128 {
    let mut raw: u128 = 0;
    for index in 0..count.min(128) {
        let bit = first.saturating_add(index);
        let byte = usize::try_from(bit / 8).ok().and_then(|at| bytes.get(at)).copied().unwrap_or(0);
        raw |= u128::from(byte >> (bit % 8) & 1) << index;
    }
    if signed && (1..128).contains(&count) && raw >> (count - 1) & 1 == 1 {
        raw |= u128::MAX << count;
    }
    raw.cast_signed()
}

fn fetch(
    place: &Place,
    offset: u64,
    size: u64,
    context: &dyn Context,
    nesting: usize,
) -> Result<Contents, Error> {
    let length = usize::try_from(size.min(MAX_VALUE_SIZE)).unwrap_or(0);
    let gone = |why: Option<Gone>| Contents {
        bytes: vec![0; length].into(),
        gaps: vec![Gap { first: 0, count: size.saturating_mul(8), why }],
        address: None,
    };
    let part = |bytes: &[u8]| {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut part: Vec<u8> = bytes.iter().skip(from).take(length).copied().collect();
        part.resize(length, 0);
        Contents { bytes: part.into(), gaps: Vec::new(), address: None }
    };
    Ok(match place {
        Place::Memory(address) => {
            let address = RuntimeAddr(address.0.wrapping_add(offset));
            let mut bytes = vec![0; length];
            if length > 0 {
                context.memory().read(address, &mut bytes)?;
            }
            Contents { bytes: bytes.into(), gaps: Vec::new(), address: Some(address) }
        }
        Place::Register(register) | Place::Unset(register) => match context.register(*register) {
            Ok(bytes) => part(&bytes),
            Err(why) => gone(Some(why)),
        },
        Place::Literal(bytes) => part(bytes),
        Place::Implicit(..) => gone(None),
        Place::Gone(why @ Gone::NoSymbol(_)) => return Err(Error::gone(why.clone())),
        Place::Gone(why) => gone(Some(why.clone())),
        Place::Pieces(pieces) => match nesting.checked_sub(1) {
            Some(nesting) => assemble(pieces, offset, length, context, nesting)?,
            None => gone(Some(Gone::Description("pieces within pieces without end".into()))),
        },
    })
}

/// A value of parts. Bits count from the value's lowest, which is right for little-endian machines.
fn assemble(
    pieces: &[lkdb_symbols::Piece],
    offset: u64,
    length: usize,
    context: &dyn Context,
    nesting: usize,
) -> Result<Contents, Error> {
    let wanted = (offset.saturating_mul(8), (offset.saturating_add(length as u64)).saturating_mul(8));
    let mut bytes = vec![0_u8; length];
    let mut gaps = Vec::new();
    let mut at = 0_u64;
    for piece in pieces {
        let end = at.saturating_add(piece.bits);
        let (from, to) = (at.max(wanted.0), end.min(wanted.1));
        if from < to {
            let first = piece.bit_offset.saturating_add(from - at);
            let inside = first % 8;
            let part = fetch(&piece.place, first / 8, (inside + (to - from)).div_ceil(8), context, nesting)?;
            for gap in part.gaps {
                gaps.push(Gap { first: from - wanted.0, count: to - from, why: gap.why });
            }
            copy_bits(&part.bytes, inside, &mut bytes, from - wanted.0, to - from);
        }
        at = end;
    }
    if at < wanted.1 {
        let first = at.max(wanted.0);
        gaps.push(Gap { first: first - wanted.0, count: wanted.1 - first, why: Some(Gone::OptimizedOut) });
    }
    Ok(Contents { bytes: bytes.into(), gaps, address: None })
}

/// Copies `count` bits of `from`, from bit `first` on, to bit `at` of `into`.
pub(crate) fn copy_bits(from: &[u8], first: u64, into: &mut [u8], at: u64, count: u64) {
    for index in 0..count {
        let (source, target) = (first + index, at + index);
        let bit = usize::try_from(source / 8).ok().and_then(|byte| from.get(byte)).copied().unwrap_or(0)
            >> (source % 8)
            & 1;
        if let Some(byte) = usize::try_from(target / 8).ok().and_then(|byte| into.get_mut(byte)) {
            *byte = *byte & !(1 << (target % 8)) | bit << (target % 8);
        }
    }
}
