//! C expressions as gdb takes them: read into data, typed, evaluated.

mod arithmetic;
pub mod ast;
mod cast;
mod evaluate;
mod lexer;
mod member;
mod parser;
mod type_name;

pub use ast::Expr;
pub use evaluate::{address_in, evaluate, evaluate_and_write, resolve_type, type_of};
pub(crate) use member::part;
pub use member::{Found, find_member};
pub use parser::parse;
