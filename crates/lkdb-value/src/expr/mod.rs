//! C expressions as gdb takes them: read into data, typed, evaluated.

mod address;
mod arithmetic;
pub mod ast;
mod cast;
mod evaluate;
mod lexer;
mod member;
mod name;
mod parser;
mod type_name;

pub use address::address_in;
pub use ast::Expr;
pub use evaluate::{evaluate, evaluate_and_write, type_of};
pub(crate) use member::part;
pub use member::{Found, find_member};
pub use name::resolve_type;
pub use parser::parse;
