//! Kconfig expressions: `FOO && !BAR || BAZ != "x"`, in three values, with "unknown" as a fourth answer.
//!
//! Grammar and arithmetic are those of Documentation/kbuild/kconfig-language.rst: `&&` is the lesser
//! and `||` the greater of n < m < y. `$(…)` asks the compiler or a shell and is unknown here.

use std::fmt;

/// n, m or y.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tri {
    N,
    M,
    Y,
}

/// Expressions nested deeper than this are no Kconfig.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expr {
    Symbol(String),
    /// A quoted text.
    Text(String),
    /// A `$(…)`, and everything that could not be read.
    Unknown(String),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare(Box<Expr>, Op, Box<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// The values of symbols. `None`: not known. A symbol that is off is `Some("n")`.
pub(crate) trait Values {
    fn value(&self, symbol: &str) -> Option<String>;
}

impl Expr {
    /// Reads an expression; what cannot be read becomes [`Expr::Unknown`].
    pub(crate) fn parse(text: &str) -> Self {
        let tokens = tokens(text);
        let mut parser = Parser { tokens: &tokens, at: 0 };
        match parser.or(0) {
            Some(expr) if parser.at == tokens.len() => expr,
            _ => Self::Unknown(text.trim().to_owned()),
        }
    }

    /// Its value, where the values known decide it.
    pub(crate) fn eval(&self, values: &dyn Values) -> Option<Tri> {
        match self {
            Self::Symbol(name) => tri(&constant(name).map_or_else(|| values.value(name), Some)?),
            Self::Text(text) => tri(text),
            Self::Unknown(_) => None,
            Self::Not(inner) => inner.eval(values).map(|value| match value {
                Tri::N => Tri::Y,
                Tri::M => Tri::M,
                Tri::Y => Tri::N,
            }),
            Self::And(parts) => fold(parts, values, Tri::N, std::cmp::min, Tri::Y),
            Self::Or(parts) => fold(parts, values, Tri::Y, std::cmp::max, Tri::N),
            Self::Compare(left, op, right) => {
                let (left, right) = (left.text(values)?, right.text(values)?);
                Some(if op.holds(&left, &right) { Tri::Y } else { Tri::N })
            }
        }
    }

    /// What an `&&` joins; the expression itself when it is none.
    pub(crate) fn conjuncts(&self) -> &[Expr] {
        match self {
            Self::And(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// Every symbol in it, constants left out.
    pub(crate) fn symbols(&self) -> Vec<&str> {
        match self {
            Self::Symbol(name) if constant(name).is_none() => vec![name],
            Self::Symbol(_) | Self::Text(_) | Self::Unknown(_) => Vec::new(),
            Self::Not(inner) => inner.symbols(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::symbols).collect(),
            Self::Compare(left, _, right) => {
                [left, right].into_iter().flat_map(|side| side.symbols()).collect()
            }
        }
    }

    fn text(&self, values: &dyn Values) -> Option<String> {
        match self {
            Self::Symbol(name) => constant(name).map_or_else(|| values.value(name), Some),
            Self::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

/// `y`, `m`, `n` and numbers stand for themselves.
fn constant(name: &str) -> Option<String> {
    (matches!(name, "y" | "m" | "n") || number(name).is_some()).then(|| name.to_owned())
}

/// A text that is not n, m or y has no truth of its own: Kconfig takes it for n.
fn tri(text: &str) -> Option<Tri> {
    Some(match text {
        "y" => Tri::Y,
        "m" => Tri::M,
        _ => Tri::N,
    })
}

/// min or max over the parts; `end` decides whatever the unknown ones are.
fn fold(parts: &[Expr], values: &dyn Values, end: Tri, pick: fn(Tri, Tri) -> Tri, start: Tri) -> Option<Tri> {
    let mut unknown = false;
    let mut result = start;
    for part in parts {
        match part.eval(values) {
            Some(value) => result = pick(result, value),
            None => unknown = true,
        }
    }
    (result == end || !unknown).then_some(result)
}

impl Op {
    fn holds(self, left: &str, right: &str) -> bool {
        let order = match (number(left), number(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.cmp(right),
        };
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterEqual => order.is_ge(),
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, parts: &[Expr], sign: &str| {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    write!(f, " {sign} ")?;
                }
                match part {
                    Self::Or(_) | Self::And(_) => write!(f, "({part})")?,
                    _ => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Symbol(name) | Self::Unknown(name) => f.write_str(name),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Not(inner) => match **inner {
                Self::Symbol(_) | Self::Unknown(_) => write!(f, "!{inner}"),
                _ => write!(f, "!({inner})"),
            },
            Self::And(parts) => join(f, parts, "&&"),
            Self::Or(parts) => join(f, parts, "||"),
            Self::Compare(left, op, right) => write!(f, "{left} {} {right}", op.sign()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Macro(String),
    Sign(&'static str),
}

fn tokens(text: &str) -> Vec<Token> {
    const SIGNS: [&str; 11] = ["||", "&&", "!=", "<=", ">=", "=", "<", ">", "!", "(", ")"];
    let mut rest = text.trim_start();
    let mut tokens = Vec::new();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (token, length) = if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let inner = rest.get(1..).unwrap_or_default();
            let end = inner.find(quote).unwrap_or(inner.len());
            let text = inner.get(..end).unwrap_or_default();
            // `"$(ARCH)" = "x86"` is as unknown as a bare `$(…)`.
            let text = text.to_owned();
            let token = if text.contains("$(") { Token::Macro(text) } else { Token::Text(text) };
            (token, (end + 2).min(rest.len()))
        } else if rest.starts_with("$(") {
            let length = macro_length(rest);
            (Token::Macro(rest.get(..length).unwrap_or(rest).to_owned()), length)
        } else {
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let end = if end == 0 { rest.chars().next().map_or(1, char::len_utf8) } else { end };
            (Token::Word(rest.get(..end).unwrap_or(rest).to_owned()), end)
        };
        tokens.push(token);
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')
}

/// The bytes up to the parenthesis that closes a `$(`.
pub(crate) fn macro_length(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    fn or(&mut self, depth: usize) -> Option<Expr> {
        let mut parts = vec![self.and(depth)?];
        while self.take("||") {
            parts.push(self.and(depth)?);
        }
        if parts.len() == 1 { parts.pop() } else { Some(Expr::Or(parts)) }
    }

    fn and(&mut self, depth: usize) -> Option<Expr> {
        let mut parts = vec![self.comparison(depth)?];
        while self.take("&&") {
            parts.push(self.comparison(depth)?);
        }
        if parts.len() == 1 { parts.pop() } else { Some(Expr::And(parts)) }
    }

    fn comparison(&mut self, depth: usize) -> Option<Expr> {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.take("!") {
            return Some(Expr::Not(Box::new(self.comparison(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.or(depth + 1)?;
            return self.take(")").then_some(inner);
        }
        let left = self.atom()?;
        let ops = [
            ("=", Op::Equal),
            ("!=", Op::Unequal),
            ("<=", Op::LessEqual),
            (">=", Op::GreaterEqual),
            ("<", Op::Less),
            (">", Op::Greater),
        ];
        match ops.into_iter().find(|(sign, _)| self.take(sign)) {
            Some((_, op)) => Some(Expr::Compare(Box::new(left), op, Box::new(self.atom()?))),
            None => Some(left),
        }
    }

    fn atom(&mut self) -> Option<Expr> {
        let expr = match self.tokens.get(self.at)? {
            Token::Word(word) => Expr::Symbol(word.clone()),
            Token::Text(text) => Expr::Text(text.clone()),
            Token::Macro(text) => Expr::Unknown(text.clone()),
            Token::Sign(_) => return None,
        };
        self.at += 1;
        Some(expr)
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = matches!(self.tokens.get(self.at), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(there);
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Some3;
    impl Values for Some3 {
        fn value(&self, symbol: &str) -> Option<String> {
            let value = match symbol {
                "ON" => "y",
                "MOD" => "m",
                "OFF" => "n",
                "VERSION" => "125",
                _ => return None,
            };
            Some(value.to_owned())
        }
    }

    #[test]
    fn evaluates_in_three_values_and_unknown() {
        for (text, value) in [
            ("ON && !OFF", Some(Tri::Y)),
            ("ON && MOD", Some(Tri::M)),
            ("MOD || OFF", Some(Tri::M)),
            ("!MOD", Some(Tri::M)),
            ("UNKNOWN && OFF", Some(Tri::N)),
            ("UNKNOWN || ON", Some(Tri::Y)),
            ("UNKNOWN && ON", None),
            ("$(cc-option,-m(x)) || ON", Some(Tri::Y)),
            ("$(success,a && b)", None),
            ("VERSION >= 121", Some(Tri::Y)),
            ("VERSION < 0x10", Some(Tri::N)),
            ("9P_FS=m || ON", Some(Tri::Y)),
            ("64BIT", None),
            ("ON=y", Some(Tri::Y)),
            ("MOD=y || (OFF = n && ON)", Some(Tri::Y)),
            ("\"$(ARCH)\" = \"x86\"", None),
            ("ON && !(OFF || MOD)", Some(Tri::M)),
            ("", None),
            ("&& ON", None),
        ] {
            assert_eq!(Expr::parse(text).eval(&Some3), value, "{text}");
        }
    }

    #[test]
    fn reads_back_what_it_prints() {
        for text in ["A && !B && (C || D = y)", "!(A || B)", "X >= 121", "A = \"s\""] {
            let expr = Expr::parse(text);
            assert_eq!(expr.to_string(), text);
            assert_eq!(Expr::parse(&expr.to_string()), expr);
        }
    }

    #[test]
    fn rubbish_is_unknown_and_ends() {
        let deep = "(".repeat(10_000);
        for text in ["((", "a b", "é ü", "\"", "$(", "!", "A &&", deep.as_str()] {
            let expr = Expr::parse(text);
            assert!(matches!(expr, Expr::Unknown(_) | Expr::Text(_)), "{text}: {expr:?}");
        }
    }
}
