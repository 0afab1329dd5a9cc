//! From words to an expression. Operators bind as in C, with gdb's `@` between shifts and sums.
//!
//! Only one question goes to the context while parsing: whether a name is a type's, since `(a) - b`
//! hangs on it. Type names are read in `type_name`.

use std::rc::Rc;

use super::ast::{Binary, Expr, TypeName, Unary};
use super::lexer::{Token, lex};
use crate::context::{Context, Error, Named};

/// Brackets and prefix operators within each other.
const DEPTH: usize = 128;

/// Reads an expression.
///
/// # Errors
/// Texts that are no expression, and names that mean nothing here.
pub fn parse(text: &str, context: &dyn Context) -> Result<Expr, Error> {
    let mut parser = Parser { text, tokens: lex(text)?, at: 0, depth: 0, context };
    let expr = parser.comma()?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.syntax()),
    }
}

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    pub(super) context: &'a dyn Context,
}

/// What a binary operator makes.
enum Level {
    Plain(Binary),
    And,
    Or,
    Repeat,
}

/// How tightly an operator binds; more is tighter.
fn level(sign: &str) -> Option<(u8, Level)> {
    use Level::{And, Or, Plain, Repeat};
    Some(match sign {
        "||" => (1, Or),
        "&&" => (2, And),
        "|" => (3, Plain(Binary::BitOr)),
        "^" => (4, Plain(Binary::BitXor)),
        "&" => (5, Plain(Binary::BitAnd)),
        "==" => (6, Plain(Binary::Equal)),
        "!=" => (6, Plain(Binary::NotEqual)),
        "<" => (7, Plain(Binary::Less)),
        ">" => (7, Plain(Binary::Greater)),
        "<=" => (7, Plain(Binary::LessEqual)),
        ">=" => (7, Plain(Binary::GreaterEqual)),
        "<<" => (8, Plain(Binary::ShiftLeft)),
        ">>" => (8, Plain(Binary::ShiftRight)),
        "@" => (9, Repeat),
        "+" => (10, Plain(Binary::Add)),
        "-" => (10, Plain(Binary::Subtract)),
        "*" => (11, Plain(Binary::Multiply)),
        "/" => (11, Plain(Binary::Divide)),
        "%" => (11, Plain(Binary::Remainder)),
        _ => return None,
    })
}

fn assignment(sign: &str) -> Option<Binary> {
    Some(match sign {
        "+=" => Binary::Add,
        "-=" => Binary::Subtract,
        "*=" => Binary::Multiply,
        "/=" => Binary::Divide,
        "%=" => Binary::Remainder,
        "&=" => Binary::BitAnd,
        "|=" => Binary::BitOr,
        "^=" => Binary::BitXor,
        "<<=" => Binary::ShiftLeft,
        ">>=" => Binary::ShiftRight,
        _ => return None,
    })
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, further: usize) -> Option<&Token> {
        self.tokens.get(self.at + further).map(|(token, _)| token)
    }

    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    pub(super) fn sign(&self) -> Option<&'static str> {
        match self.peek() {
            Some(Token::Sign(sign)) => Some(sign),
            _ => None,
        }
    }

    /// Takes this sign if it is next.
    pub(super) fn take(&mut self, sign: &str) -> bool {
        let there = self.sign() == Some(sign);
        self.at += usize::from(there);
        there
    }

    pub(super) fn need(&mut self, sign: &str) -> Result<(), Error> {
        if self.take(sign) { Ok(()) } else { Err(self.syntax()) }
    }

    pub(super) fn syntax(&self) -> Error {
        let from = self.tokens.get(self.at).map_or(self.text.len(), |(_, from)| *from);
        Error::Syntax { near: self.text.get(from..).unwrap_or_default().to_owned() }
    }

    /// Goes one bracket deeper.
    pub(super) fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.depth >= DEPTH {
            return Err(Error::Operation("The expression is nested too deeply.".into()));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    pub(super) fn comma(&mut self) -> Result<Expr, Error> {
        let mut left = self.assign()?;
        while self.take(",") {
            left = Expr::Comma(Box::new(left), Box::new(self.assign()?));
        }
        Ok(left)
    }

    fn assign(&mut self) -> Result<Expr, Error> {
        self.deeper(|parser| {
            let left = parser.choice()?;
            let Some(sign) = parser.sign() else { return Ok(left) };
            if sign == "=" {
                parser.skip();
                return Ok(Expr::Assign(Box::new(left), Box::new(parser.assign()?)));
            }
            let Some(operator) = assignment(sign) else { return Ok(left) };
            parser.skip();
            Ok(Expr::AssignWith(operator, Box::new(left), Box::new(parser.assign()?)))
        })
    }

    fn choice(&mut self) -> Result<Expr, Error> {
        let condition = self.binary(1)?;
        if !self.take("?") {
            return Ok(condition);
        }
        self.deeper(|parser| {
            let yes = parser.comma()?;
            parser.need(":")?;
            let no = parser.choice()?;
            Ok(Expr::Choice(Box::new(condition), Box::new(yes), Box::new(no)))
        })
    }

    fn binary(&mut self, least: u8) -> Result<Expr, Error> {
        let mut left = self.unary()?;
        while let Some((binds, operator)) = self.sign().and_then(level) {
            if binds < least {
                break;
            }
            self.skip();
            let (a, b) = (Box::new(left), Box::new(self.binary(binds + 1)?));
            left = match operator {
                Level::Plain(operator) => Expr::Binary(operator, a, b),
                Level::And => Expr::And(a, b),
                Level::Or => Expr::Or(a, b),
                Level::Repeat => Expr::Repeat(a, b),
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Error> {
        self.deeper(Self::unary_here)
    }

    fn unary_here(&mut self) -> Result<Expr, Error> {
        let operator = match self.sign() {
            Some("-") => Unary::Minus,
            Some("+") => Unary::Plus,
            Some("!") => Unary::Not,
            Some("~") => Unary::Complement,
            Some("*") => Unary::Dereference,
            Some("&") => Unary::Address,
            Some(sign @ ("++" | "--")) => {
                self.skip();
                let by = if sign == "++" { 1 } else { -1 };
                return Ok(Expr::Before(Box::new(self.unary()?), by));
            }
            Some("{") => {
                self.skip();
                let ty = self.type_name()?;
                self.need("}")?;
                return Ok(Expr::In(ty, Box::new(self.unary()?)));
            }
            Some("(") if self.type_starts(1) => return self.cast(),
            _ => return self.word(),
        };
        self.skip();
        Ok(Expr::Unary(operator, Box::new(self.unary()?)))
    }

    fn cast(&mut self) -> Result<Expr, Error> {
        self.need("(")?;
        let ty = self.type_name()?;
        self.need(")")?;
        // `ptype (struct file)`: a type in brackets, and nothing that could be cast.
        match self.peek() {
            None | Some(Token::Sign(")" | "]" | "," | "}")) => Ok(Expr::Type(ty)),
            _ => Ok(Expr::Cast(ty, Box::new(self.unary()?))),
        }
    }

    /// `sizeof` and its like, or what has suffixes.
    fn word(&mut self) -> Result<Expr, Error> {
        let Some(Token::Name(name)) = self.peek() else { return self.postfix() };
        match &**name {
            "sizeof" => {
                self.skip();
                if self.sign() == Some("(") && self.type_starts(1) {
                    return Ok(Expr::SizeOfType(self.bracketed_type()?));
                }
                if self.type_starts(0) {
                    return Err(self.syntax());
                }
                Ok(Expr::SizeOf(Box::new(self.unary()?)))
            }
            "_Alignof" | "alignof" => {
                self.skip();
                Ok(Expr::AlignOf(self.bracketed_type()?))
            }
            _ => self.postfix(),
        }
    }

    fn bracketed_type(&mut self) -> Result<TypeName, Error> {
        self.need("(")?;
        let ty = self.type_name()?;
        self.need(")")?;
        Ok(ty)
    }

    fn postfix(&mut self) -> Result<Expr, Error> {
        let mut expr = self.primary()?;
        while let Some(sign) = self.sign() {
            match sign {
                "[" => {
                    self.skip();
                    let index = self.comma()?;
                    self.need("]")?;
                    expr = Expr::Index(Box::new(expr), Box::new(index));
                }
                "." | "->" => {
                    self.skip();
                    let Some(Token::Name(name)) = self.peek() else { return Err(self.syntax()) };
                    let name = Rc::clone(name);
                    self.skip();
                    expr = match sign {
                        "." => Expr::Member(Box::new(expr), name),
                        _ => Expr::Arrow(Box::new(expr), name),
                    };
                }
                "++" | "--" => {
                    self.skip();
                    expr = Expr::After(Box::new(expr), if sign == "++" { 1 } else { -1 });
                }
                "(" => {
                    self.skip();
                    expr = Expr::Call(Box::new(expr), self.arguments()?);
                }
                _ => break,
            }
        }
        Ok(expr)
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, Error> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.assign()?);
            if self.take(")") {
                return Ok(arguments);
            }
            self.need(",")?;
        }
    }

    fn primary(&mut self) -> Result<Expr, Error> {
        if self.type_starts(0) {
            return Ok(Expr::Type(self.type_name()?));
        }
        if self.take("(") {
            let inner = self.comma()?;
            self.need(")")?;
            return Ok(inner);
        }
        let Some(token) = self.peek().cloned() else { return Err(self.syntax()) };
        let expr = match token {
            Token::Integer(value, ty) => Expr::Integer(value, ty),
            Token::Float(value, ty) => Expr::Float(value, ty),
            Token::Character(value, ty) => Expr::Character(value, ty),
            Token::Text(text, ty) => Expr::Text(text.into(), ty),
            Token::Dollar(name) => Expr::Dollar(name),
            Token::Name(name) | Token::Quoted(name) => {
                self.skip();
                return self.name(name);
            }
            Token::Sign(_) => return Err(self.syntax()),
        };
        self.skip();
        Ok(expr)
    }

    /// A name, after which a scope's `::` may come. That it means something is found out now, as gdb does,
    /// so that the first mistake is the one that is named.
    fn name(&mut self, name: Rc<str>) -> Result<Expr, Error> {
        if !self.take("::") {
            self.context.named(&name)?;
            return Ok(Expr::Name(name));
        }
        match self.peek().cloned() {
            Some(Token::Name(inner) | Token::Quoted(inner)) => {
                self.skip();
                self.context.scoped(&name, &inner)?;
                Ok(Expr::Scoped(name, inner))
            }
            _ => Err(self.syntax()),
        }
    }

    /// Whether the word this far ahead begins a type.
    pub(super) fn type_starts(&self, further: usize) -> bool {
        let Some(Token::Name(name)) = self.peek_at(further) else { return false };
        if super::type_name::is_keyword(name) {
            return true;
        }
        if self.peek_at(further + 1) == Some(&Token::Sign("::")) {
            return false;
        }
        matches!(self.context.named(name), Ok(Named::Type(_)))
    }
}
