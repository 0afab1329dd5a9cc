//! What names mean in an expression: variables, functions, `$registers` and convenience variables, and types.

use std::rc::Rc;

use lkdb_base::RuntimeAddr;
use lkdb_symbols::TypeId;
use lkdb_symbols::types::{Base, Count, Encoding, Function, Parameter, Type};

use super::arithmetic::Number;
use super::ast::{Expr, TypeName};
use super::evaluate::{Evaluator, refuse, type_of};
use crate::context::{Context, Error, Named};
use crate::shape::Types;
use crate::value::{Name, Value};

/// The type that a type name names.
///
/// # Errors
/// When a tag or typedef is not known.
pub fn resolve_type(name: &TypeName, context: &dyn Context) -> Result<TypeId, Error> {
    let types = context.types();
    Ok(match name {
        // Whether it has a sign is the compiler's choice: kernels since 6.2 have none (-funsigned-char).
        TypeName::Base("char") => context.type_named("char").unwrap_or_else(|_| Types(types).known("char")),
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

impl Evaluator<'_> {
    pub(super) fn named(&self, named: Named, name: &str) -> Result<Value, Error> {
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
    pub(super) fn bare(&self, code: bool) -> TypeId {
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
    pub(super) fn bare_data(&self, expr: &Expr) -> Result<Option<RuntimeAddr>, Error> {
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

    pub(super) fn dollar(&self, name: &Rc<str>) -> Result<Value, Error> {
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
}
