//! C expressions as data: what a user typed, with names not yet looked up. A breakpoint's condition is
//! kept as one, and evaluated wherever and by whomever it is needed.

use std::rc::Rc;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A whole number of a C type.
    Integer(u64, &'static str),
    /// A number with a fraction, of a C type.
    Float(f64, &'static str),
    /// A character of a C type.
    Character(i64, &'static str),
    /// A string: its characters without the last zero, and what one of them is.
    Text(Rc<[u32]>, &'static str),
    /// A plain name.
    Name(Rc<str>),
    /// `'file.c'::name` or `function::name`.
    Scoped(Rc<str>, Rc<str>),
    /// What stands behind a `$`: a register, a convenience variable, or a value of the history.
    Dollar(Rc<str>),
    /// A type where an expression may be: `ptype struct file`.
    Type(TypeName),
    /// An operator before its operand.
    Unary(Unary, Box<Expr>),
    /// An operator between its operands.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `a && b`.
    And(Box<Expr>, Box<Expr>),
    /// `a || b`.
    Or(Box<Expr>, Box<Expr>),
    /// `a ? b : c`.
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a , b`.
    Comma(Box<Expr>, Box<Expr>),
    /// `a[b]`.
    Index(Box<Expr>, Box<Expr>),
    /// `a.name`.
    Member(Box<Expr>, Rc<str>),
    /// `a->name`.
    Arrow(Box<Expr>, Rc<str>),
    /// `(type) a`.
    Cast(TypeName, Box<Expr>),
    /// `{type} a`.
    In(TypeName, Box<Expr>),
    /// `sizeof (type)`.
    SizeOfType(TypeName),
    /// `sizeof a`.
    SizeOf(Box<Expr>),
    /// `_Alignof (type)`.
    AlignOf(TypeName),
    /// `a@b`.
    Repeat(Box<Expr>, Box<Expr>),
    /// `a = b`.
    Assign(Box<Expr>, Box<Expr>),
    /// `a += b` and its like.
    AssignWith(Binary, Box<Expr>, Box<Expr>),
    /// `a++`, `a--`: 1 or -1.
    After(Box<Expr>, i8),
    /// `++a`, `--a`: 1 or -1.
    Before(Box<Expr>, i8),
    /// `f(a, b)`.
    Call(Box<Expr>, Vec<Expr>),
}

/// An operator before its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    /// `-`
    Minus,
    /// `+`
    Plus,
    /// `!`
    Not,
    /// `~`
    Complement,
    /// `*`
    Dereference,
    /// `&`
    Address,
}

/// An operator between its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `&`
    BitAnd,
    /// `^`
    BitXor,
    /// `|`
    BitOr,
}

impl Binary {
    /// As C writes it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::BitAnd => "&",
            Self::BitXor => "^",
            Self::BitOr => "|",
        }
    }
}

/// A type as it was typed.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeName {
    /// One of C's own: `unsigned long`, `void`.
    Base(&'static str),
    /// A typedef.
    Named(Rc<str>),
    /// `struct`, `union` or `enum`, and a tag.
    Tagged(&'static str, Rc<str>),
    /// `typeof (a)`.
    Of(Box<Expr>),
    /// `T *`.
    Pointer(Box<TypeName>),
    /// `T [n]`, `T []`.
    Array(Box<TypeName>, Option<u64>),
    /// A function: what it returns, what it takes, whether more than that, whether that is known.
    Function {
        /// What it returns.
        result: Box<TypeName>,
        /// What it takes.
        parameters: Vec<TypeName>,
        /// And more.
        variadic: bool,
        /// What it takes was said.
        prototyped: bool,
    },
    /// `const T`, `volatile T`.
    Qualified(lkdb_symbols::types::Qualifier, Box<TypeName>),
}
