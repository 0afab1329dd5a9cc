//! An expression's value, or only its type: then nothing is read, written or divided.

use lkdb_symbols::types::{Count, Type};
use lkdb_symbols::{Gone, Place, TypeId};

use super::arithmetic::Number;
use super::ast::{Binary, Expr, TypeName, Unary};
use super::name::resolve_type;
use crate::context::{Context, Error, Writer};
use crate::shape::Types;
use crate::value::Value;

/// What may happen beside the answer.
#[derive(Clone, Copy)]
pub(super) enum Mode<'a> {
    /// Nothing: an assignment is refused.
    Read,
    /// Assignments.
    Write(&'a dyn Writer),
    /// Not even reading: types alone matter.
    Types,
}

#[derive(Clone, Copy)]
pub(super) struct Evaluator<'a> {
    pub(super) context: &'a dyn Context,
    pub(super) types: Types<'a>,
    pub(super) mode: Mode<'a>,
}

/// The value of an expression that changes nothing.
///
/// # Errors
/// gdb's, and a refusal of assignments.
pub fn evaluate(expr: &Expr, context: &dyn Context) -> Result<Value, Error> {
    Evaluator { context, types: Types(context.types()), mode: Mode::Read }.value(expr)
}

/// The value of an expression, and what it assigns is written.
///
/// # Errors
/// gdb's, and those of writing.
pub fn evaluate_and_write(expr: &Expr, context: &dyn Context, writer: &dyn Writer) -> Result<Value, Error> {
    Evaluator { context, types: Types(context.types()), mode: Mode::Write(writer) }.value(expr)
}

/// The type of an expression, or the type that it names. Reads no memory and changes nothing.
///
/// # Errors
/// gdb's.
pub fn type_of(expr: &Expr, context: &dyn Context) -> Result<TypeId, Error> {
    match expr {
        Expr::Type(name) => resolve_type(name, context),
        _ => {
            let evaluator = Evaluator { context, types: Types(context.types()), mode: Mode::Types };
            Ok(evaluator.value(expr)?.ty)
        }
    }
}

/// An operation that its operands do not have.
pub(super) fn refuse<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::Operation(text.into()))
}

impl Evaluator<'_> {
    pub(super) fn dry(&self) -> bool {
        matches!(self.mode, Mode::Types)
    }

    pub(super) fn value(&self, expr: &Expr) -> Result<Value, Error> {
        match expr {
            Expr::Integer(value, ty) => {
                Ok(self.number(Number::Int(i128::from(*value)), self.types.known(ty))?)
            }
            Expr::Character(value, ty) => self.number(Number::Int(i128::from(*value)), self.types.known(ty)),
            Expr::Float(value, ty) => self.number(Number::Float(*value), self.types.known(ty)),
            Expr::Text(text, ty) => self.text(text, ty),
            Expr::Name(name) => self.named(self.context.named(name)?, name),
            Expr::Scoped(scope, name) => self.named(self.context.scoped(scope, name)?, name),
            Expr::Dollar(name) => self.dollar(name),
            Expr::Type(_) => refuse("Attempt to use a type name as an expression"),
            Expr::Unary(operator, inner) => self.unary(*operator, inner),
            Expr::Binary(operator @ (Binary::Add | Binary::Subtract), a, b) => {
                let (a, b) = (self.summand(a)?, self.summand(b)?);
                self.binary(*operator, &a, &b)
            }
            Expr::Binary(operator, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.binary(*operator, &a, &b)
            }
            Expr::And(a, b) => self.both_or_any(false, a, b),
            Expr::Or(a, b) => self.both_or_any(true, a, b),
            Expr::Choice(condition, yes, no) => {
                let chosen = self.truth(&self.value(condition)?)? || self.dry();
                self.value(if chosen { yes } else { no })
            }
            Expr::Comma(a, b) => {
                self.value(a)?;
                self.value(b)
            }
            Expr::Index(array, index) => self.index(&self.value(array)?, &self.value(index)?),
            Expr::Member(object, name) => self.member(&self.value(object)?, name, false),
            Expr::Arrow(object, name) => self.member(&self.value(object)?, name, true),
            Expr::Cast(ty, inner) => self.cast_to(ty, inner),
            Expr::In(ty, address) => {
                let ty = resolve_type(ty, self.context)?;
                Ok(Value::in_memory(ty, self.address_in(&self.value(address)?)?))
            }
            Expr::SizeOfType(ty) => self.size_of(resolve_type(ty, self.context)?),
            Expr::SizeOf(inner) => self.size_of(type_of(inner, self.context)?),
            Expr::AlignOf(ty) => self.int(i128::from(self.types.alignment(resolve_type(ty, self.context)?)?)),
            Expr::Repeat(first, count) => self.repeat(&self.value(first)?, &self.value(count)?),
            Expr::Assign(to, from) => self.assign(&self.value(to)?, &self.value(from)?),
            Expr::AssignWith(operator, to, with) => {
                let (to, with) = (self.value(to)?, self.value(with)?);
                let new = self.binary(*operator, &to, &with)?;
                self.assign(&to, &new)
            }
            Expr::After(place, by) => {
                let place = self.counted(place, *by)?;
                let old = self.frozen(&place)?;
                self.count(&place, *by)?;
                Ok(old)
            }
            Expr::Before(place, by) => self.count(&self.counted(place, *by)?, *by),
            Expr::Call(function, _) => self.call(function),
        }
    }

    /// `&&`, or `||` with `any`. The other side counts only where the first leaves it open; its type always.
    fn both_or_any(&self, any: bool, a: &Expr, b: &Expr) -> Result<Value, Error> {
        let a = self.value(a)?;
        let other = Self { mode: Mode::Types, ..*self }.value(b)?;
        self.refuse_structs(if any { "||" } else { "&&" }, &a, &other)?;
        let first = self.truth(&a)?;
        let whole = if first == any { first } else { self.truth(&self.value(b)?)? };
        self.int(i128::from(whole))
    }

    /// What `++` or `--` is used on.
    fn counted(&self, place: &Expr, by: i8) -> Result<Value, Error> {
        let place = self.value(place)?;
        self.refuse_structs(if by < 0 { "--" } else { "++" }, &place, &place)?;
        Ok(place)
    }

    /// Adds to what [`Self::counted`] gave.
    fn count(&self, place: &Value, by: i8) -> Result<Value, Error> {
        let new = self.binary(Binary::Add, place, &self.int(i128::from(by))?)?;
        self.assign(place, &new)
    }

    /// An operand of a sum or difference: an array that has a name must have an address, too.
    fn summand(&self, expr: &Expr) -> Result<Value, Error> {
        let value = self.value(expr)?;
        if let Expr::Name(name) | Expr::Scoped(_, name) = expr
            && let Type::Array { element, .. } = &*self.types.bare(value.ty)?
        {
            return Ok(self.address_of_named(&value, name)?.retyped(self.types.pointer_to(*element)));
        }
        Ok(value)
    }

    /// A value as it is now, without its place.
    fn frozen(&self, value: &Value) -> Result<Value, Error> {
        if self.dry() {
            return Ok(value.clone());
        }
        let (ty, bytes) = value.bytes(self.context)?;
        Ok(Value::literal(ty, bytes))
    }

    pub(super) fn int(&self, value: i128) -> Result<Value, Error> {
        self.number(Number::Int(value), self.types.known("int"))
    }

    fn text(&self, text: &[u32], of: &'static str) -> Result<Value, Error> {
        let element = self.types.known(of);
        let width = usize::try_from(self.types.size(element)?).unwrap_or(1);
        let bytes: Vec<u8> =
            text.iter().chain(&[0]).flat_map(|one| one.to_le_bytes().into_iter().take(width)).collect();
        Ok(Value::literal(self.types.array_of(element, text.len() as u64 + 1), bytes))
    }

    fn size_of(&self, ty: TypeId) -> Result<Value, Error> {
        if matches!(&*self.types.bare(ty)?, Type::Array { count: Count::Open | Count::Variable, .. }) {
            return Ok(Value::at(self.types.known("int"), Place::Gone(Gone::OptimizedOut)));
        }
        // An int, as gdb has it, so that differences of sizes may be negative.
        self.int(i128::from(self.types.size(ty)?))
    }

    fn cast_to(&self, ty: &TypeName, inner: &Expr) -> Result<Value, Error> {
        let ty = resolve_type(ty, self.context)?;
        match self.bare_data(inner)? {
            Some(address) => Ok(Value::in_memory(ty, address)),
            None => self.cast(&self.value(inner)?, ty),
        }
    }

    fn unary(&self, operator: Unary, inner: &Expr) -> Result<Value, Error> {
        if operator == Unary::Address {
            if let Some(address) = self.bare_data(inner)? {
                return self.pointer(self.bare(false), address);
            }
            if let Expr::Name(name) | Expr::Scoped(_, name) = inner {
                return self.address_of_named(&self.value(inner)?, name);
            }
            return self.address_of(&self.value(inner)?);
        }
        let value = self.value(inner)?;
        let text = match operator {
            Unary::Dereference => "*",
            Unary::Not => "!",
            Unary::Complement => "~",
            Unary::Plus => "+",
            _ => "-",
        };
        self.refuse_structs(text, &value, &value)?;
        match operator {
            Unary::Dereference => self.dereference(&value),
            Unary::Not => self.int(i128::from(!self.truth(&value)?)),
            _ => self.sign(operator, &value),
        }
    }

    fn call(&self, function: &Expr) -> Result<Value, Error> {
        let function = self.value(function)?;
        let mut ty = self.types.bare(function.ty)?;
        if let Type::Pointer { target, .. } = &*ty {
            ty = self.types.bare(*target)?;
        }
        match &*ty {
            Type::Function(one) if self.dry() => Ok(Value::at(one.result, Place::Literal([].into()))),
            Type::Function(_) => refuse(
                "lkdb does not call functions in the guest: that would run kernel code behind the kernel's back.",
            ),
            _ => refuse("Cannot perform a call on a value that is no function."),
        }
    }
}
