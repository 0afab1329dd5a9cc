//! Numbers: what values are to arithmetic, C's conversions, and the operators on them.

use lkdb_symbols::types::{Composite, CompositeKind, Encoding, Type};
use lkdb_symbols::{Gone, Place, TypeId};

use super::ast::{Binary, Unary};
use super::evaluate::{Evaluator, refuse};
use crate::context::Error;
use crate::float;
use crate::value::Value;

const NOT_A_NUMBER: &str = "Argument to arithmetic operation not a number or boolean.";
const TOO_WIDE: &str = "That operation is not available on integers of more than 8 bytes.";

/// What arithmetic works on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "as C converts")]
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    fn truth(self) -> bool {
        match self {
            Self::Int(value) => value != 0,
            Self::Float(value) => value != 0.0,
        }
    }
}

/// How arithmetic sees a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int { size: u64, signed: bool },
    Float { size: u64 },
    Pointer(TypeId),
    Composite,
    Other,
}

impl Evaluator<'_> {
    pub(super) fn kind(&self, ty: TypeId) -> Result<Kind, Error> {
        Ok(match &*self.types.bare(ty)? {
            Type::Base(base) if base.encoding == Encoding::Float => Kind::Float { size: base.size },
            Type::Base(base) => Kind::Int {
                size: base.size,
                signed: matches!(base.encoding, Encoding::Signed | Encoding::SignedChar),
            },
            Type::Enum(one) => Kind::Int { size: one.size, signed: one.signed },
            Type::Flags(one) => Kind::Int { size: one.size, signed: false },
            Type::Pointer { target, .. } => Kind::Pointer(*target),
            Type::Composite(_) => Kind::Composite,
            _ => Kind::Other,
        })
    }

    /// A scalar's number.
    pub(super) fn load(&self, value: &Value) -> Result<Number, Error> {
        let kind = self.kind(value.ty)?;
        let float = matches!(kind, Kind::Float { .. });
        if matches!(kind, Kind::Composite | Kind::Other) {
            return refuse(match kind {
                Kind::Composite => "Value can't be converted to integer.",
                _ => NOT_A_NUMBER,
            });
        }
        if self.dry() && !matches!(value.place, Place::Literal(_)) {
            return Ok(if float { Number::Float(0.0) } else { Number::Int(0) });
        }
        let contents = value.read(self.context)?;
        if let Some(gap) = contents.gaps.into_iter().next() {
            return Err(Error::Gone(gap.why.unwrap_or(Gone::OptimizedOut)));
        }
        let bytes = &contents.bytes;
        if float {
            return Ok(Number::Float(float::decode(bytes).to_f64()));
        }
        let signed = matches!(kind, Kind::Int { signed: true, .. });
        let raw = crate::value::extract(bytes, 0, bytes.len() as u64 * 8, signed);
        match kind {
            // Beyond what a signed 128-bit number holds.
            Kind::Int { size: 16, signed: false } if raw < 0 => refuse(TOO_WIDE),
            _ => Ok(Number::Int(raw)),
        }
    }

    /// A value of a scalar type; numbers are cut to fit, as C does.
    pub(super) fn number(&self, number: Number, ty: TypeId) -> Result<Value, Error> {
        let size = usize::try_from(self.types.size(ty)?).unwrap_or(0);
        let bare = self.types.bare(ty)?;
        let bytes = match (&*bare, number) {
            (Type::Base(base), number) if base.encoding == Encoding::Float => {
                float::encode(number.float(), size)
            }
            (Type::Base(base), number) if base.encoding == Encoding::Boolean => {
                let mut bytes = vec![0; size];
                if let Some(first) = bytes.first_mut() {
                    *first = u8::from(number.truth());
                }
                bytes
            }
            #[expect(clippy::cast_possible_truncation, reason = "saturates, where C says nothing")]
            (_, Number::Float(value)) => {
                (value.trunc() as i128).to_le_bytes().into_iter().take(size).collect()
            }
            (_, Number::Int(value)) => value.to_le_bytes().into_iter().take(size).collect(),
        };
        Ok(Value::literal(ty, bytes))
    }

    /// Operators on structs, which gdb looks for in them as C++ would define them. (Not on unions.)
    pub(super) fn refuse_structs(&self, operator: &str, a: &Value, b: &Value) -> Result<(), Error> {
        let is_struct = |value: &Value| -> Result<bool, Error> {
            Ok(
                matches!(&*self.types.bare(value.ty)?, Type::Composite(one) if one.kind != CompositeKind::Union),
            )
        };
        if is_struct(a)? {
            // gdb looks for an operator of the structure's own, and passes that its address.
            if !matches!(a.place, Place::Memory(_)) {
                return refuse("Attempt to take address of value not located in memory.");
            }
            return refuse(format!("Structure has no component named operator{operator}."));
        }
        if is_struct(b)? {
            return refuse("Can't do that binary op on that type");
        }
        Ok(())
    }

    pub(super) fn truth(&self, value: &Value) -> Result<bool, Error> {
        if self.kind(value.ty)? == Kind::Composite && !self.dry() {
            return Ok(value.bytes(self.context)?.1.iter().any(|byte| *byte != 0));
        }
        Ok(self.load(&self.decay(value.clone())?)?.truth())
    }

    /// The type that a binary operator works in.
    fn common(&self, a: Kind, b: Kind, types: (TypeId, TypeId)) -> Result<TypeId, Error> {
        match (a, b) {
            (Kind::Float { size: one }, Kind::Float { size: two }) => {
                Ok(if two > one { types.1 } else { types.0 })
            }
            (Kind::Float { .. }, Kind::Int { .. }) => Ok(types.0),
            (Kind::Int { .. }, Kind::Float { .. }) => Ok(types.1),
            (Kind::Int { size: one, signed: s1 }, Kind::Int { size: two, signed: s2 }) => {
                if one > 8 || two > 8 {
                    return refuse(TOO_WIDE);
                }
                // Smaller ones become int, which holds all that they hold.
                let (one, s1) = if one < 4 { (4, true) } else { (one, s1) };
                let (two, s2) = if two < 4 { (4, true) } else { (two, s2) };
                let unsigned = match one.cmp(&two) {
                    std::cmp::Ordering::Greater => !s1,
                    std::cmp::Ordering::Less => !s2,
                    std::cmp::Ordering::Equal => !s1 || !s2,
                };
                Ok(self.types.known(match (one.max(two) <= 4, unsigned) {
                    (true, false) => "int",
                    (true, true) => "unsigned int",
                    (false, false) => "long",
                    (false, true) => "unsigned long",
                }))
            }
            _ => refuse(NOT_A_NUMBER),
        }
    }

    pub(super) fn sign(&self, operator: Unary, value: &Value) -> Result<Value, Error> {
        let kind = self.kind(value.ty)?;
        let complaint = match operator {
            Unary::Complement => "Argument to complement operation not an integer, boolean.",
            Unary::Plus => "Argument to positive operation not a number.",
            _ => "Argument to arithmetic operation not a number or boolean.",
        };
        match kind {
            Kind::Float { .. } if operator != Unary::Complement => {
                let number = self.load(value)?.float();
                self.number(Number::Float(if operator == Unary::Minus { -number } else { number }), value.ty)
            }
            Kind::Int { .. } => {
                let int = Kind::Int { size: 4, signed: true };
                let ty = self.common(kind, int, (value.ty, value.ty))?;
                let Number::Int(number) = self.load(value)? else { return refuse(complaint) };
                let number = match operator {
                    Unary::Minus => number.wrapping_neg(),
                    Unary::Complement => !number,
                    _ => number,
                };
                self.number(Number::Int(number), ty)
            }
            _ => refuse(complaint),
        }
    }

    pub(super) fn binary(&self, operator: Binary, a: &Value, b: &Value) -> Result<Value, Error> {
        use Binary::{Add, Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual, Subtract};
        self.refuse_structs(operator.text(), a, b)?;
        let (a, b) = (self.decay(a.clone())?, self.decay(b.clone())?);
        let (left, right) = (self.kind(a.ty)?, self.kind(b.ty)?);
        let pointers = matches!(left, Kind::Pointer(_)) || matches!(right, Kind::Pointer(_));
        match operator {
            Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual => self.compare(operator, &a, &b),
            Add | Subtract if pointers => self.move_pointer(operator, &a, &b),
            _ if pointers => refuse(NOT_A_NUMBER),
            _ => {
                let ty = self.common(left, right, (a.ty, b.ty))?;
                let (x, y) = (self.load(&a)?, self.load(&b)?);
                if let Kind::Float { .. } = self.kind(ty)? {
                    return self.number(Number::Float(float_operation(operator, x.float(), y.float())?), ty);
                }
                let (Number::Int(x), Number::Int(y)) = (x, y) else { return refuse(NOT_A_NUMBER) };
                let ty = match operator {
                    // A shift's type is its left operand's.
                    Binary::ShiftLeft | Binary::ShiftRight => {
                        let int = Kind::Int { size: 4, signed: true };
                        self.common(left, int, (a.ty, a.ty))?
                    }
                    _ => ty,
                };
                let x = self.converted(x, ty)?;
                let y = match operator {
                    Binary::ShiftLeft | Binary::ShiftRight => y,
                    _ => self.converted(y, ty)?,
                };
                if y == 0 && self.dry() {
                    return self.number(Number::Int(0), ty);
                }
                let bits = self.types.size(ty)?.saturating_mul(8);
                self.number(Number::Int(whole_operation(operator, x, y, bits)?), ty)
            }
        }
    }

    /// A number as a value of an integer type would hold it.
    fn converted(&self, number: i128, ty: TypeId) -> Result<i128, Error> {
        match self.load(&self.number(Number::Int(number), ty)?)? {
            Number::Int(number) => Ok(number),
            Number::Float(_) => Ok(number),
        }
    }

    fn compare(&self, operator: Binary, a: &Value, b: &Value) -> Result<Value, Error> {
        let (left, right) = (self.kind(a.ty)?, self.kind(b.ty)?);
        let (x, y) = (self.load(a)?, self.load(b)?);
        let order = match (left, right) {
            (Kind::Float { .. }, _) | (_, Kind::Float { .. }) => x.float().partial_cmp(&y.float()),
            (Kind::Pointer(_), _) | (_, Kind::Pointer(_)) => {
                let (Number::Int(x), Number::Int(y)) = (x, y) else { return refuse(NOT_A_NUMBER) };
                let mask = i128::from(u64::MAX);
                Some((x & mask).cmp(&(y & mask)))
            }
            _ => {
                let ty = self.common(left, right, (a.ty, b.ty))?;
                let (Number::Int(x), Number::Int(y)) = (x, y) else { return refuse(NOT_A_NUMBER) };
                Some(self.converted(x, ty)?.cmp(&self.converted(y, ty)?))
            }
        };
        let holds = match operator {
            Binary::Less => order.is_some_and(std::cmp::Ordering::is_lt),
            Binary::LessEqual => order.is_some_and(std::cmp::Ordering::is_le),
            Binary::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
            Binary::GreaterEqual => order.is_some_and(std::cmp::Ordering::is_ge),
            Binary::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
            _ => !order.is_some_and(std::cmp::Ordering::is_eq),
        };
        self.int(i128::from(holds))
    }

    /// How many bytes a pointer to a type moves by.
    fn step(&self, target: TypeId) -> Result<i128, Error> {
        match self.types.size(target)? {
            0 => {}
            size => return Ok(i128::from(size)),
        }
        match &*self.types.bare(target)? {
            Type::Composite(Composite { name: Some(name), .. }) => refuse(format!(
                "Cannot perform pointer math on incomplete type \"{name}\", try casting to a known type, or void *."
            )),
            Type::Composite(_) | Type::Array { .. } => refuse(
                "Cannot perform pointer math on incomplete types, try casting to a known type, or void *.",
            ),
            _ => Ok(1),
        }
    }

    fn move_pointer(&self, operator: Binary, a: &Value, b: &Value) -> Result<Value, Error> {
        let step = |target: TypeId| self.step(target);
        let (left, right) = (self.kind(a.ty)?, self.kind(b.ty)?);
        match (left, right, operator) {
            (Kind::Pointer(one), Kind::Pointer(two), Binary::Subtract) => {
                let size = step(one)?;
                if size != step(two)? {
                    return refuse(
                        "First argument of `-' is a pointer and second argument is neither\n\
                         an integer nor a pointer of the same type.",
                    );
                }
                let (x, y) = (self.address_in(a)?.0, self.address_in(b)?.0);
                let distance = i128::from(x.wrapping_sub(y).cast_signed()) / size;
                self.number(Number::Int(distance), self.types.known("long"))
            }
            (Kind::Pointer(target), Kind::Int { .. }, _) => {
                let step = step(target)?;
                let Number::Int(by) = self.load(b)? else { return refuse(NOT_A_NUMBER) };
                let by = by.wrapping_mul(step);
                let by = if operator == Binary::Subtract { by.wrapping_neg() } else { by };
                if let Place::Implicit(place, offset) = &a.place {
                    let offset = offset.wrapping_add(i64::try_from(by).unwrap_or(i64::MAX));
                    return Ok(Value::at(a.ty, Place::Implicit(place.clone(), offset)));
                }
                let address = i128::from(self.address_in(a)?.0).wrapping_add(by);
                self.number(Number::Int(address), a.ty)
            }
            (Kind::Int { .. }, Kind::Pointer(_), Binary::Add) => self.move_pointer(operator, b, a),
            _ => refuse(NOT_A_NUMBER),
        }
    }
}

fn float_operation(operator: Binary, x: f64, y: f64) -> Result<f64, Error> {
    Ok(match operator {
        Binary::Add => x + y,
        Binary::Subtract => x - y,
        Binary::Multiply => x * y,
        Binary::Divide => x / y,
        _ => return refuse("Integer-only operation on floating point number."),
    })
}

fn whole_operation(operator: Binary, x: i128, y: i128, bits: u64) -> Result<i128, Error> {
    let shift = |y: i128| u32::try_from(y).ok().filter(|by| u64::from(*by) < bits);
    Ok(match operator {
        Binary::Add => x.wrapping_add(y),
        Binary::Subtract => x.wrapping_sub(y),
        Binary::Multiply => x.wrapping_mul(y),
        Binary::Divide | Binary::Remainder if y == 0 => return refuse("Division by zero"),
        Binary::Divide => x.wrapping_div(y),
        Binary::Remainder => x.wrapping_rem(y),
        Binary::ShiftLeft => shift(y).map_or(0, |by| x.wrapping_shl(by)),
        Binary::ShiftRight => shift(y).map_or(if x < 0 { -1 } else { 0 }, |by| x.wrapping_shr(by)),
        Binary::BitAnd => x & y,
        Binary::BitXor => x ^ y,
        Binary::BitOr => x | y,
        _ => return refuse(NOT_A_NUMBER),
    })
}
