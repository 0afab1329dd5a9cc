//! Reading type names: `unsigned long`, `struct list_head *`, `int (*)(void)`.

use std::rc::Rc;

use lkdb_symbols::types::Qualifier;

use super::ast::{Expr, TypeName};
use super::lexer::Token;
use super::parser::Parser;
use crate::context::Error;

const KEYWORDS: [&str; 23] = [
    "struct",
    "union",
    "enum",
    "unsigned",
    "signed",
    "long",
    "short",
    "int",
    "char",
    "float",
    "double",
    "void",
    "_Bool",
    "__int128",
    "const",
    "volatile",
    "restrict",
    "_Atomic",
    "typeof",
    "__typeof__",
    "__typeof",
    "__const",
    "__volatile__",
];

/// A word that begins a type, whatever symbols there are.
pub(super) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// What a declarator adds to a type.
enum Step {
    Pointer(Vec<Qualifier>),
    Array(Option<u64>),
    Function { parameters: Vec<TypeName>, variadic: bool, prototyped: bool },
}

/// The words before a declarator, counted.
#[derive(Default)]
struct Words {
    unsigned: bool,
    signed: bool,
    short: bool,
    longs: u8,
    base: Option<&'static str>,
}

impl Words {
    /// Takes one of C's own words; no if it is none or does not fit the others.
    fn take(&mut self, word: &str) -> bool {
        let base = match word {
            "unsigned" => return !std::mem::replace(&mut self.unsigned, true),
            "signed" => return !std::mem::replace(&mut self.signed, true),
            "short" => return !std::mem::replace(&mut self.short, true),
            "long" => {
                self.longs += 1;
                return self.longs <= 2;
            }
            "int" => "int",
            "char" => "char",
            "float" => "float",
            "double" => "double",
            "void" => "void",
            "_Bool" => "_Bool",
            "__int128" => "__int128",
            _ => return false,
        };
        self.base.replace(base).is_none()
    }

    /// The type they name, as gdb calls it; none for words that do not go together.
    fn name(&self) -> Option<&'static str> {
        if self.unsigned && self.signed || self.short && self.longs > 0 {
            return None;
        }
        Some(match (self.base, self.short, self.longs, self.unsigned) {
            (None | Some("int"), false, 0, false) => "int",
            (None | Some("int"), false, 0, true) => "unsigned int",
            (None | Some("int"), true, 0, false) => "short",
            (None | Some("int"), true, 0, true) => "unsigned short",
            (None | Some("int"), false, 1, false) => "long",
            (None | Some("int"), false, 1, true) => "unsigned long",
            (None | Some("int"), false, 2, false) => "long long",
            (None | Some("int"), false, 2, true) => "unsigned long long",
            (Some("char"), false, 0, true) => "unsigned char",
            (Some("char"), false, 0, false) if self.signed => "signed char",
            (Some("__int128"), false, 0, true) => "unsigned __int128",
            (Some("double"), false, 1, false) => "long double",
            (Some(base), false, 0, false) => base,
            _ => return None,
        })
    }
}

fn qualifier(word: &str) -> Option<Qualifier> {
    match word {
        "const" | "__const" => Some(Qualifier::Const),
        "volatile" | "__volatile__" => Some(Qualifier::Volatile),
        "restrict" => Some(Qualifier::Restrict),
        "_Atomic" => Some(Qualifier::Atomic),
        _ => None,
    }
}

fn qualify(ty: TypeName, qualifiers: Vec<Qualifier>) -> TypeName {
    qualifiers.into_iter().fold(ty, |ty, one| TypeName::Qualified(one, Box::new(ty)))
}

impl Parser<'_> {
    /// A type name with its abstract declarator.
    pub(super) fn type_name(&mut self) -> Result<TypeName, Error> {
        self.deeper(|parser| {
            let base = parser.specifiers()?;
            let steps = parser.declarator()?;
            Ok(steps.into_iter().fold(base, |ty, step| {
                let ty = Box::new(ty);
                match step {
                    Step::Pointer(qualifiers) => qualify(TypeName::Pointer(ty), qualifiers),
                    Step::Array(count) => TypeName::Array(ty, count),
                    Step::Function { parameters, variadic, prototyped } => {
                        TypeName::Function { result: ty, parameters, variadic, prototyped }
                    }
                }
            }))
        })
    }

    fn specifiers(&mut self) -> Result<TypeName, Error> {
        let mut qualifiers = Vec::new();
        let mut words = Words::default();
        let mut own = false;
        let mut other = None;
        while let Some(Token::Name(name)) = self.peek() {
            let name = Rc::clone(name);
            if let Some(one) = qualifier(&name) {
                qualifiers.push(one);
                self.skip();
            } else if other.is_none() && is_keyword(&name) && words.take(&name) {
                own = true;
                self.skip();
            } else if other.is_none() && !own {
                other = Some(self.specified(&name)?);
            } else {
                break;
            }
        }
        let ty = match (other, own) {
            (Some(other), false) => other,
            (None, true) => TypeName::Base(words.name().ok_or_else(|| self.syntax())?),
            _ => return Err(self.syntax()),
        };
        Ok(qualify(ty, qualifiers))
    }

    /// A type that is named, not one of C's own words.
    fn specified(&mut self, name: &Rc<str>) -> Result<TypeName, Error> {
        let kind = match &**name {
            "struct" => "struct",
            "union" => "union",
            "enum" => "enum",
            "typeof" | "__typeof__" | "__typeof" => {
                self.skip();
                self.need("(")?;
                let inner = match self.comma()? {
                    Expr::Type(ty) => ty,
                    expr => TypeName::Of(Box::new(expr)),
                };
                self.need(")")?;
                return Ok(inner);
            }
            _ if is_keyword(name) => return Err(self.syntax()),
            _ => {
                if !self.type_starts(0) {
                    // Says that nobody has the name, if so.
                    self.context.named(name)?;
                    return Err(self.syntax());
                }
                self.skip();
                return Ok(TypeName::Named(Rc::clone(name)));
            }
        };
        self.skip();
        let Some(Token::Name(tag)) = self.peek() else { return Err(self.syntax()) };
        let tag = Rc::clone(tag);
        self.skip();
        self.context.tagged(kind, &tag)?;
        Ok(TypeName::Tagged(kind, tag))
    }

    /// What follows the name of a type, in the order in which it applies to it.
    fn declarator(&mut self) -> Result<Vec<Step>, Error> {
        self.deeper(|parser| {
            let mut steps = Vec::new();
            while parser.take("*") {
                let mut qualifiers = Vec::new();
                while let Some(Token::Name(name)) = parser.peek()
                    && let Some(one) = qualifier(name)
                {
                    qualifiers.push(one);
                    parser.skip();
                }
                steps.push(Step::Pointer(qualifiers));
            }
            let grouped =
                parser.sign() == Some("(") && matches!(parser.peek_at(1), Some(Token::Sign("*" | "(" | "[")));
            let inner = if grouped {
                parser.skip();
                let inner = parser.declarator()?;
                parser.need(")")?;
                inner
            } else {
                Vec::new()
            };
            let mut suffixes = Vec::new();
            while let Some(suffix) = parser.suffix()? {
                suffixes.push(suffix);
            }
            steps.extend(suffixes.into_iter().rev());
            steps.extend(inner);
            Ok(steps)
        })
    }

    fn suffix(&mut self) -> Result<Option<Step>, Error> {
        if self.take("[") {
            let count = match self.peek() {
                Some(Token::Integer(count, _)) => Some(*count),
                _ => None,
            };
            if count.is_some() {
                self.skip();
            }
            self.need("]")?;
            return Ok(Some(Step::Array(count)));
        }
        if !self.take("(") {
            return Ok(None);
        }
        let (mut parameters, mut variadic) = (Vec::new(), false);
        if self.take(")") {
            return Ok(Some(Step::Function { parameters, variadic, prototyped: false }));
        }
        loop {
            if self.take("...") {
                variadic = true;
                self.need(")")?;
                break;
            }
            parameters.push(self.type_name()?);
            if self.take(")") {
                break;
            }
            self.need(",")?;
        }
        if parameters == [TypeName::Base("void")] {
            parameters.clear();
        }
        Ok(Some(Step::Function { parameters, variadic, prototyped: true }))
    }
}
