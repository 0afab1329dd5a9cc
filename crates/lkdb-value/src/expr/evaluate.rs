//! An expression's value, or only its type: then nothing is read, written or divided.

use std::rc::Rc;

use lkdb_base::RuntimeAddr;
use lkdb_symbols::types::{Base, Count, Encoding, Function, Parameter, Type};
use lkdb_symbols::{Place, TypeId};

use super::arithmetic::Number;
use super::ast::{Binary, Expr, TypeName, Unary};
use crate::context::{Context, Error, Named, Writer};
use crate::shape::Types;
use crate::value::{Name, Value};

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

/// The type that a type name names.
///
/// # Errors
/// When a tag or typedef is not known.
pub fn resolve_type(name: &TypeName, context: &dyn Context) -> Result<TypeId, Error> {
    let types = context.types();
    Ok(match name {
        TypeName::Base(base) => Types(types).known(base),
        TypeName::Named(name) => match context.named(name)? {
            Named::Type(ty) => ty,
            _ => return Err(Error::NoType { kind: "symbol", name: name.to_string() }),
        },
        TypeName::Tagged(kind, tag) => context.tagged(kind, tag)?,
        TypeName::Of(expr) => type_of(expr, context)?,
        TypeName::Pointer(target) => Types(types).pointer_to(resolve_type(target, context)?),
        TypeName::Array(element, count) => {
            let element = resolve_type(element, context)?;
            types.make(Type::Array { element, count: count.map_or(Count::Open, Count::Fixed), vector: false })
        }
        TypeName::Qualified(qualifier, target) => {
            types.make(Type::Qualified { qualifier: *qualifier, target: resolve_type(target, context)? })
        }
        TypeName::Function { result, parameters, variadic, prototyped } => {
            let parameters: Result<Rc<[Parameter]>, Error> = parameters
                .iter()
                .map(|one| Ok(Parameter { name: None, ty: resolve_type(one, context)? }))
                .collect();
            types.make(Type::Function(Function {
                result: resolve_type(result, context)?,
                parameters: parameters?,
                variadic: *variadic,
                prototyped: *prototyped,
            }))
        }
    })
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
            Expr::And(a, b) => {
                let a = self.value(a)?;
                self.refuse_struct("&&", &a, b)?;
                let both = self.truth(&a)? && self.truth(&self.value(b)?)?;
                self.int(i128::from(both))
            }
            Expr::Or(a, b) => {
                let a = self.value(a)?;
                self.refuse_struct("||", &a, b)?;
                let any = self.truth(&a)? || self.truth(&self.value(b)?)?;
                self.int(i128::from(any))
            }
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
                let address = self.address_in(&self.value(address)?)?;
                Ok(Value::in_memory(ty, address))
            }
            Expr::SizeOfType(ty) => self.size_of(resolve_type(ty, self.context)?),
            Expr::SizeOf(inner) => self.size_of(type_of(inner, self.context)?),
            Expr::AlignOf(ty) => {
                let alignment = self.types.alignment(resolve_type(ty, self.context)?)?;
                self.int(i128::from(alignment))
            }
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
                let new = self.binary(Binary::Add, &place, &self.int(i128::from(*by))?)?;
                self.assign(&place, &new)?;
                Ok(old)
            }
            Expr::Before(place, by) => {
                let place = self.counted(place, *by)?;
                let new = self.binary(Binary::Add, &place, &self.int(i128::from(*by))?)?;
                self.assign(&place, &new)
            }
            Expr::Call(function, _) => self.call(function),
        }
    }

    /// What `&&` or `||` cannot be used on. The other side is looked at only for its type.
    fn refuse_struct(&self, operator: &str, a: &Value, b: &Expr) -> Result<(), Error> {
        let b = Self { mode: Mode::Types, ..*self }.value(b)?;
        self.refuse_structs(operator, a, &b)
    }

    /// What `++` or `--` is used on.
    fn counted(&self, place: &Expr, by: i8) -> Result<Value, Error> {
        let place = self.value(place)?;
        self.refuse_structs(if by < 0 { "--" } else { "++" }, &place, &place)?;
        Ok(place)
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

    fn named(&self, named: Named, name: &str) -> Result<Value, Error> {
        match named {
            Named::Variable(ty, place) => Ok(Value::at(ty, place)),
            Named::Function(ty, address) => Ok(Value::in_memory(ty, address)),
            Named::Bare { address, code: true, function } => {
                Ok(Value::in_memory(function.unwrap_or_else(|| self.bare(true)), address))
            }
            Named::Bare { code: false, .. } => {
                refuse(format!("'{name}' has unknown type; cast it to its declared type"))
            }
            Named::Enumerator(ty, value) => self.number(Number::Int(value), ty),
            Named::Type(_) => refuse("Attempt to use a type name as an expression"),
        }
    }

    /// What gdb calls the type of a symbol without debug info.
    fn bare(&self, code: bool) -> TypeId {
        let (name, target) = if code {
            let result = self.types.0.make(Type::Base(Base {
                name: "<unknown return type>".into(),
                size: 4,
                encoding: Encoding::Signed,
            }));
            let function = Function { result, parameters: [].into(), variadic: false, prototyped: false };
            ("<text variable, no debug info>", self.types.0.make(Type::Function(function)))
        } else {
            ("<data variable, no debug info>", self.types.known("int"))
        };
        self.types.0.make(Type::Typedef { name: name.into(), target })
    }

    /// Data without debug info behind `expr`: its address, for a cast or `&` to give it a type.
    fn bare_data(&self, expr: &Expr) -> Result<Option<RuntimeAddr>, Error> {
        let named = match expr {
            Expr::Name(name) => self.context.named(name)?,
            Expr::Scoped(scope, name) => self.context.scoped(scope, name)?,
            _ => return Ok(None),
        };
        Ok(match named {
            Named::Bare { address, code: false, .. } => Some(address),
            _ => None,
        })
    }

    fn dollar(&self, name: &Rc<str>) -> Result<Value, Error> {
        if let Some(register) = self.context.register_named(name) {
            let (ty, bytes) = register?;
            return Ok(Value { name: Some(Name::Register(Rc::clone(name))), ..Value::literal(ty, bytes) });
        }
        let number = name.trim_start_matches('$');
        let history = number.is_empty() || number.bytes().all(|byte| byte.is_ascii_digit());
        let handle = (!history).then(|| Name::Convenience(Rc::clone(name)));
        match self.context.convenience(name) {
            Some((ty, bytes)) => Ok(Value { name: handle, ..Value::literal(ty, bytes) }),
            None if history
                && !name.starts_with('$')
                && number.parse().is_ok_and(|number: u64| number > 0) =>
            {
                refuse(format!("History has not yet reached ${number}."))
            }
            None => Ok(Value { name: handle, ..Value::void() }),
        }
    }

    fn size_of(&self, ty: TypeId) -> Result<Value, Error> {
        if matches!(&*self.types.bare(ty)?, Type::Array { count: Count::Open | Count::Variable, .. }) {
            return Ok(Value::at(self.types.known("int"), Place::Gone(lkdb_symbols::Gone::OptimizedOut)));
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

    /// A pointer to `target`.
    pub(super) fn pointer(&self, target: TypeId, address: RuntimeAddr) -> Result<Value, Error> {
        Ok(Value::literal(self.types.pointer_to(target), address.0.to_le_bytes()))
    }

    /// Of a name, where gdb's words tell what it is instead.
    fn address_of_named(&self, value: &Value, name: &str) -> Result<Value, Error> {
        match &value.place {
            Place::Gone(lkdb_symbols::Gone::NoSymbol(_)) => self.address_of(value),
            Place::Literal(_) | Place::Register(_) if self.dry() => {
                refuse("Attempt to take address of register or constant.")
            }
            Place::Register(number) if !self.dry() => {
                let register = self.context.register_name(*number).unwrap_or_default();
                refuse(format!(
                    "Address requested for identifier \"{name}\" which is in register ${register}"
                ))
            }
            Place::Literal(_) | Place::Gone(_) | Place::Pieces(_) | Place::Implicit(..) if !self.dry() => {
                refuse(format!("Can't take address of \"{name}\" which isn't an lvalue."))
            }
            _ => self.address_of(value),
        }
    }

    fn address_of(&self, value: &Value) -> Result<Value, Error> {
        match &value.place {
            Place::Memory(address) => {
                let skipped = value.bits.map_or(0, |bits| bits.first / 8);
                self.pointer(value.ty, address.offset(skipped))
            }
            Place::Gone(why) if !self.dry() => Err(Error::gone(why.clone())),
            _ if self.dry() => self.pointer(value.ty, RuntimeAddr(0)),
            _ => refuse("Attempt to take address of value not located in memory."),
        }
    }

    /// Arrays and functions as the pointers that they are in most places.
    pub(super) fn decay(&self, value: Value) -> Result<Value, Error> {
        match &*self.types.bare(value.ty)? {
            Type::Array { element, .. } => {
                let pointer = self.address_of(&value)?;
                Ok(pointer.retyped(self.types.pointer_to(*element)))
            }
            Type::Function(_) => self.address_of(&value),
            _ => Ok(value),
        }
    }

    fn dereference(&self, value: &Value) -> Result<Value, Error> {
        let value = self.decay(value.clone())?;
        match &*self.types.bare(value.ty)? {
            Type::Pointer { target, .. } => {
                if matches!(&*self.types.bare(*target)?, Type::Void) {
                    return refuse("Attempt to dereference a generic pointer.");
                }
                if let Place::Implicit(place, offset) = &value.place {
                    return Ok(Value::within(*target, (**place).clone(), offset.cast_unsigned()));
                }
                Ok(Value::in_memory(*target, self.address_in(&value)?))
            }
            // gdb lets a number be followed, as a pointer to long.
            Type::Base(base) if base.encoding != lkdb_symbols::types::Encoding::Float => {
                Ok(Value::in_memory(self.types.known("long"), self.address_in(&value)?))
            }
            _ => refuse("Attempt to take contents of a non-pointer value."),
        }
    }

    /// A value as an address: pointers, numbers, arrays and functions.
    pub(super) fn address_in(&self, value: &Value) -> Result<RuntimeAddr, Error> {
        let value = self.decay(value.clone())?;
        match self.load(&value)? {
            Number::Int(address) => {
                Ok(RuntimeAddr(u64::try_from(address & i128::from(u64::MAX)).unwrap_or(0)))
            }
            Number::Float(_) => refuse("Value can't be converted to integer."),
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

/// The address that a value is for commands that take one (`x`, `list *`): a pointer's, a number's, where
/// an array or function lies.
///
/// # Errors
/// When it is none of these, or cannot be read.
pub fn address_in(value: &Value, context: &dyn Context) -> Result<RuntimeAddr, Error> {
    Evaluator { context, types: Types(context.types()), mode: Mode::Read }.address_in(value)
}
