//! The names of types, as messages and pointers show them.

use lkdb_symbols::TypeId;
use lkdb_symbols::types::{CompositeKind, Function, Qualifier, Type};

use crate::context::Context;

/// Pointers and dimensions in one name.
const NESTING: usize = 32;

/// A type as C names it, without a variable: `struct list_head *`, `int (*)(void)`.
#[must_use]
pub fn type_text(context: &dyn Context, ty: TypeId) -> String {
    let (before, after) = split(context, ty, NESTING);
    format!("{}{after}", before.trim_end())
}

/// What stands before and behind a name that has this type.
fn split(context: &dyn Context, ty: TypeId, nesting: usize) -> (String, String) {
    let unknown = || ("<unknown type>".to_owned(), String::new());
    let (Some(nesting), Ok(one)) = (nesting.checked_sub(1), context.types().get(ty)) else {
        return unknown();
    };
    let tagged =
        |kind: &str, name: Option<&str>| (format!("{kind} {}", name.unwrap_or("{...}")), String::new());
    match &*one {
        Type::Void => ("void".into(), String::new()),
        Type::Base(base) => (base.name.to_string(), String::new()),
        Type::Typedef { name, .. } => (name.to_string(), String::new()),
        Type::Composite(one) => {
            tagged(if one.kind == CompositeKind::Struct { "struct" } else { "union" }, one.name.as_deref())
        }
        Type::Enum(one) => tagged("enum", one.name.as_deref()),
        Type::Pointer { target, .. } => pointer(context, *target, "*", nesting),
        Type::Qualified { qualifier, target } => {
            let word = match qualifier {
                Qualifier::Const => "const",
                Qualifier::Volatile => "volatile",
                Qualifier::Restrict => "restrict",
                Qualifier::Atomic => "_Atomic",
            };
            match context.types().get(*target).as_deref() {
                Ok(Type::Pointer { .. }) => {
                    let (before, after) = split(context, *target, nesting);
                    (format!("{before} {word}"), after)
                }
                _ => {
                    let (before, after) = split(context, *target, nesting);
                    (format!("{word} {before}"), after)
                }
            }
        }
        Type::Array { element, count, .. } => {
            let (before, after) = split(context, *element, nesting);
            let space = if before.ends_with([' ', '*', '(']) { "" } else { " " };
            let count = count.fixed().map(|count| count.to_string()).unwrap_or_default();
            (format!("{before}{space}"), format!("[{count}]{after}"))
        }
        Type::Function(function) => {
            let (before, after) = split(context, function.result, nesting);
            (format!("{before} "), format!("({}){after}", parameters(context, function)))
        }
    }
}

fn pointer(context: &dyn Context, target: TypeId, star: &str, nesting: usize) -> (String, String) {
    let (before, after) = split(context, target, nesting);
    if after.starts_with(['[', '(']) {
        let space = if before.ends_with([' ', '*', '(']) { "" } else { " " };
        return (format!("{before}{space}({star}"), format!("){after}"));
    }
    let space = if before.ends_with(['*', '(']) { "" } else { " " };
    (format!("{before}{space}{star}"), after)
}

fn parameters(context: &dyn Context, function: &Function) -> String {
    let mut all: Vec<String> = function.parameters.iter().map(|one| type_text(context, one.ty)).collect();
    if function.variadic {
        all.push("...".into());
    }
    if all.is_empty() && function.prototyped { "void".into() } else { all.join(", ") }
}
