//! C's words: names, numbers, characters, strings, operators. What a name means is the parser's question.

use std::rc::Rc;

use crate::context::Error;

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A whole number and its C type.
    Integer(u64, &'static str),
    /// A number with a fraction and its C type.
    Float(f64, &'static str),
    /// A character and its C type.
    Character(i64, &'static str),
    /// A string's characters and what one is.
    Text(Vec<u32>, &'static str),
    /// A name.
    Name(Rc<str>),
    /// A name between single quotes.
    Quoted(Rc<str>),
    /// What stands behind a `$`.
    Dollar(Rc<str>),
    /// An operator or bracket.
    Sign(&'static str),
}

/// Longest first, so that the first that fits is the right one.
const SIGNS: [&str; 44] = [
    "<<=", ">>=", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=", "/=",
    "%=", "&=", "|=", "^=", "::", "...", "+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "=", "<", ">",
    "?", ":", "(", ")", "[", "]", ",", ".",
];
const MORE_SIGNS: [&str; 3] = ["{", "}", "@"];

/// More words than any expression that a hand or a script writes; evaluation recurses through them.
const MAX_TOKENS: usize = 1024;

/// The words of `text`, each with where it begins.
pub(super) fn lex(text: &str) -> Result<Vec<(Token, usize)>, Error> {
    let mut tokens: Vec<(Token, usize)> = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if trimmed.is_empty() {
            return Ok(tokens);
        }
        let (token, length) = word(trimmed)?;
        match (tokens.last_mut(), token) {
            // Strings side by side are one.
            (Some((Token::Text(first, of), _)), Token::Text(second, of_second)) if *of == of_second => {
                first.extend(second);
            }
            (_, token) => tokens.push((token, at)),
        }
        if tokens.len() > MAX_TOKENS {
            return Err(Error::Operation("The expression is too long.".into()));
        }
        at += length;
    }
}

fn word(text: &str) -> Result<(Token, usize), Error> {
    let bytes = text.as_bytes();
    let first = bytes.first().copied().unwrap_or(0);
    let second = bytes.get(1).copied().unwrap_or(0);
    if first.is_ascii_digit() || first == b'.' && second.is_ascii_digit() {
        return number(text);
    }
    if let Some((prefix, kind)) = prefix(text)
        && let Some(quote @ (b'\'' | b'"')) = bytes.get(prefix).copied()
    {
        return quoted(text, prefix, quote, kind);
    }
    if is_name(first) {
        let length = bytes.iter().take_while(|byte| is_name(**byte) || byte.is_ascii_digit()).count();
        let name: Rc<str> = text.get(..length).unwrap_or_default().into();
        return Ok(match name.strip_prefix('$') {
            Some(behind) => (Token::Dollar(behind.into()), length),
            None => (Token::Name(name), length),
        });
    }
    match SIGNS.iter().chain(&MORE_SIGNS).find(|sign| text.starts_with(**sign)) {
        Some(sign) => Ok((Token::Sign(sign), sign.len())),
        None => {
            let wrong = text.chars().next().unwrap_or(' ');
            Err(Error::Operation(format!("Invalid character '{wrong}' in expression.")))
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// How many bytes come before a quote, and what is quoted.
fn prefix(text: &str) -> Option<(usize, &'static str)> {
    match text.as_bytes().first()? {
        b'\'' | b'"' => Some((0, "char")),
        b'L' => Some((1, "wchar_t")),
        b'u' => Some((1, "char16_t")),
        b'U' => Some((1, "char32_t")),
        _ => None,
    }
}

fn quoted(text: &str, prefix: usize, quote: u8, kind: &'static str) -> Result<(Token, usize), Error> {
    let fail = |what: &str| Err(Error::Operation(what.to_owned()));
    let body = text.get(prefix + 1..).unwrap_or_default();
    let mut characters = Vec::new();
    let mut rest = body.char_indices();
    let end = loop {
        match rest.next() {
            None if quote == b'"' => return fail("Unterminated string in expression."),
            None => return fail("Unmatched single quote."),
            Some((at, one)) if one == char::from(quote) => break at,
            Some((at, '\\')) => {
                let (value, used) = escape(body.get(at + 1..).unwrap_or_default())?;
                characters.push(value);
                let next = at + 1 + used;
                while rest.offset() < next && rest.next().is_some() {}
            }
            Some((_, one)) => characters.push(u32::from(one)),
        }
    };
    let length = prefix + 1 + end + 1;
    if quote == b'"' {
        return Ok((Token::Text(bytes_of(characters, kind), kind), length));
    }
    let token = match characters.as_slice() {
        [] => return fail("Empty character constant."),
        [one] if kind == "char" => {
            Token::Character(i64::from(u8::try_from(*one).unwrap_or(b'?').cast_signed()), kind)
        }
        [one] => Token::Character(i64::from(*one), kind),
        [_, _] => return fail("Invalid character constant."),
        _ => Token::Quoted(body.get(..end).unwrap_or_default().into()),
    };
    Ok((token, length))
}

/// Characters beyond ASCII in a plain string are their UTF-8 bytes.
fn bytes_of(characters: Vec<u32>, kind: &'static str) -> Vec<u32> {
    if kind != "char" || characters.iter().all(|one| *one < 0x100) {
        return characters;
    }
    let text: String = characters.into_iter().filter_map(char::from_u32).collect();
    text.bytes().map(u32::from).collect()
}

/// What stands behind a backslash, and how many bytes of it there are.
fn escape(text: &str) -> Result<(u32, usize), Error> {
    let Some(first) = text.chars().next() else {
        return Err(Error::Operation("Unterminated string in expression.".into()));
    };
    let digits = |from: usize, most: usize, radix: u32| {
        let digits = text.get(from..).unwrap_or_default();
        let count = digits.chars().take(most).take_while(|one| one.is_digit(radix)).count();
        (u32::from_str_radix(digits.get(..count).unwrap_or_default(), radix).ok(), from + count)
    };
    let simple = match first {
        'n' => 10,
        't' => 9,
        'r' => 13,
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'v' => 11,
        'e' => 27,
        '0'..='7' => {
            let (value, used) = digits(0, 3, 8);
            return Ok((value.unwrap_or(0), used));
        }
        'x' => match digits(1, 8, 16) {
            (Some(value), used) => return Ok((value, used)),
            _ => return Err(Error::Operation("\\x escape without a following hex digit".into())),
        },
        other => u32::from(other),
    };
    Ok((simple, first.len_utf8()))
}

fn number(text: &str) -> Result<(Token, usize), Error> {
    let bytes = text.as_bytes();
    let hex = text.starts_with("0x") || text.starts_with("0X");
    let (mut dot, mut exponent) = (false, false);
    let mut length = 0;
    while let Some(byte) = bytes.get(length).copied() {
        let before = length.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(0);
        match byte {
            b'.' if !dot && !hex => dot = true,
            b'e' | b'E' if !hex && !exponent => (dot, exponent) = (true, true),
            b'+' | b'-' if exponent && matches!(before, b'e' | b'E') => {}
            _ if byte.is_ascii_alphanumeric() || byte == b'_' => {}
            _ => break,
        }
        length += 1;
    }
    let digits = text.get(..length).unwrap_or_default();
    let bad = || Error::Operation(format!("Invalid number \"{digits}\"."));
    if dot {
        let (number, ty) = match digits.as_bytes().last() {
            Some(b'f' | b'F') => (digits.get(..length - 1), "float"),
            Some(b'l' | b'L') => (digits.get(..length - 1), "long double"),
            _ => (Some(digits), "double"),
        };
        let value = number.and_then(|number| number.parse().ok()).ok_or_else(bad)?;
        return Ok((Token::Float(value, ty), length));
    }
    Ok((integer(digits)?.ok_or_else(bad)?, length))
}

/// A whole number with its suffixes: the smallest of C's types that holds it.
fn integer(text: &str) -> Result<Option<Token>, Error> {
    let lower = text.to_ascii_lowercase();
    let hex = lower.starts_with("0x");
    let digits = lower.trim_end_matches(['u', 'l']);
    let suffix = lower.get(digits.len()..).unwrap_or_default();
    let unsigned = suffix.contains('u');
    let longs = suffix.matches('l').count();
    if suffix.matches('u').count() > 1 || longs > 2 || suffix == "lul" {
        return Ok(None);
    }
    let (digits, radix) = if let Some(rest) = digits.strip_prefix("0x") {
        (rest, 16)
    } else if let Some(rest) = digits.strip_prefix("0b") {
        (rest, 2)
    } else if let Some(rest) = digits.strip_prefix("0t").or_else(|| digits.strip_prefix("0d")) {
        (rest, 10)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (digits, 8)
    } else {
        (digits, 10)
    };
    if digits.is_empty() || !digits.chars().all(|one| one.is_digit(radix)) {
        return Ok(None);
    }
    let Ok(value) = u64::from_str_radix(digits, radix) else {
        return Err(Error::Operation("Numeric constant too large.".into()));
    };
    let decimal = radix == 10 && !hex;
    let ty = match longs {
        0 if !unsigned && i32::try_from(value).is_ok() => "int",
        0 if (unsigned || !decimal) && u32::try_from(value).is_ok() => "unsigned int",
        0 | 1 if !unsigned && i64::try_from(value).is_ok() => "long",
        0 | 1 => "unsigned long",
        _ if !unsigned && i64::try_from(value).is_ok() => "long long",
        _ => "unsigned long long",
    };
    Ok(Some(Token::Integer(value, ty)))
}
