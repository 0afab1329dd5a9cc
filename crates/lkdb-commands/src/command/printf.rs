//! `printf`: C's formats over the session's values.

use lkdb_base::RuntimeAddr;
use lkdb_session::Session;
use lkdb_value::Value;

use crate::answer::Text;
use crate::{Error, Result, arguments};

/// Bytes of a string in memory, at most.
const LONGEST: u64 = 64 << 10;
/// Letters that one conversion is padded to, at most.
const WIDEST: usize = 1 << 16;

pub(crate) fn printf(session: &mut Session<'_>, rest: &str) -> Result {
    if rest.is_empty() {
        return Err(Error::say("Argument required (format-control string and values to print)."));
    }
    let (format, behind) = quoted(rest)?;
    let behind = behind.trim_start();
    let expressions = match behind.strip_prefix(',') {
        Some(list) => split(list),
        None if behind.is_empty() => Vec::new(),
        None => return Err(Error::say("Invalid argument syntax")),
    };
    let pieces = pieces(&format)?;
    let wanted = pieces.iter().filter(|piece| matches!(piece, Piece::Conversion(_))).count();
    if wanted != expressions.len() {
        return Err(Error::say("Wrong number of arguments for specified format-string"));
    }
    let mut expressions = expressions.into_iter();
    let mut text = String::new();
    for piece in &pieces {
        match piece {
            Piece::Plain(plain) => text.push_str(plain),
            Piece::Conversion(conversion) => {
                let value = session.evaluate(expressions.next().unwrap_or_default())?;
                text.push_str(&conversion.text(session, &value)?);
            }
        }
    }
    Ok(Box::new(Text { text }))
}

/// The format between its quotes, with its backslashes read, and what is behind it.
fn quoted(text: &str) -> Result<(String, &str)> {
    let bad = || Error::say("Bad format string");
    let inside = text.strip_prefix('"').ok_or_else(bad)?;
    let mut escaped = false;
    for (at, letter) in inside.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let (format, behind) = inside.split_at(at);
                return Ok((arguments::unescape(format), behind.get(1..).unwrap_or_default()));
            }
            _ => {}
        }
    }
    Err(Error::say("Bad format string, non-terminated '\"'"))
}

/// Expressions between commas, not those within brackets or quotes.
fn split(list: &str) -> Vec<&str> {
    let (mut all, mut start, mut depth, mut quote, mut escaped) = (Vec::new(), 0, 0_i32, None, false);
    for (at, letter) in list.char_indices() {
        match (letter, quote) {
            _ if escaped => escaped = false,
            ('\\', Some(_)) => escaped = true,
            (_, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(letter),
            ('(' | '[' | '{', None) => depth += 1,
            (')' | ']' | '}', None) => depth -= 1,
            (',', None) if depth == 0 => {
                all.push(list.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    all.push(list.get(start..).unwrap_or_default().trim());
    all
}

enum Piece {
    Plain(String),
    Conversion(Conversion),
}

/// `%-08lx`.
#[derive(Debug, Default)]
struct Conversion {
    left: bool,
    zeros: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    /// Bytes of the number: of `int` without a length.
    size: u32,
    letter: char,
}

fn pieces(format: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            plain.push(letter);
            continue;
        }
        if letters.next_if_eq(&'%').is_some() {
            plain.push('%');
            continue;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Conversion(Conversion::read(&mut letters)?));
    }
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    Ok(pieces)
}

impl Conversion {
    fn read(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Self> {
        let mut one = Self { size: 4, ..Self::default() };
        while let Some(flag) = letters.next_if(|letter| "-+ #0'".contains(*letter)) {
            match flag {
                '-' => one.left = true,
                '+' => one.plus = true,
                ' ' => one.space = true,
                '#' => one.alternate = true,
                '0' => one.zeros = true,
                _ => {}
            }
        }
        one.width = number(letters).unwrap_or(0).min(WIDEST);
        if letters.next_if_eq(&'.').is_some() {
            one.precision = Some(number(letters).unwrap_or(0).min(WIDEST));
        }
        while let Some(length) = letters.next_if(|letter| "hlLzjtwq".contains(*letter)) {
            one.size = match length {
                'h' if one.size == 2 => 1,
                'h' => 2,
                _ => 8,
            };
        }
        one.letter = match letters.next() {
            Some(letter) if "diuxXocspaefgEG".contains(letter) => letter,
            Some('n') => return Err(Error::say("Format specifier `n' not supported in printf")),
            Some(other) => {
                return Err(Error::say(format!("Unrecognized format specifier '{other}' in printf")));
            }
            None => return Err(Error::say("Incomplete format specifier at end of format string")),
        };
        Ok(one)
    }

    fn text(&self, session: &Session<'_>, value: &Value) -> Result<String> {
        let text = match self.letter {
            's' => {
                let text = string(session, value)?;
                match self.precision {
                    Some(most) => text.chars().take(most).collect(),
                    None => text,
                }
            }
            'c' => {
                let code = u32::try_from(self.bits(session, value)? & 0xff).unwrap_or(0);
                char::from_u32(code).map(String::from).unwrap_or_default()
            }
            'p' => match self.bits_of(session, value, 8)? {
                0 => "(nil)".to_owned(),
                address => format!("{address:#x}"),
            },
            'a' | 'e' | 'f' | 'g' | 'E' | 'G' => self.float(session, value)?,
            _ => self.integer(session, value)?,
        };
        Ok(self.padded(text))
    }

    fn integer(&self, session: &Session<'_>, value: &Value) -> Result<String> {
        let bits = self.bits(session, value)?;
        let signed = || {
            let shift = 64 - self.size * 8;
            (bits << shift).cast_signed() >> shift
        };
        let (sign, mut digits) = match self.letter {
            'd' | 'i' => {
                let number = signed();
                let sign = match (number < 0, self.plus, self.space) {
                    (true, ..) => "-",
                    (_, true, _) => "+",
                    (_, _, true) => " ",
                    _ => "",
                };
                (sign, number.unsigned_abs().to_string())
            }
            'x' => (if self.alternate && bits != 0 { "0x" } else { "" }, format!("{bits:x}")),
            'X' => (if self.alternate && bits != 0 { "0X" } else { "" }, format!("{bits:X}")),
            'o' => (if self.alternate && bits != 0 { "0" } else { "" }, format!("{bits:o}")),
            _ => ("", bits.to_string()),
        };
        let fill = match self.precision {
            Some(precision) => precision,
            None if self.zeros && !self.left => self.width.saturating_sub(sign.len()),
            None => 0,
        };
        while digits.len() < fill {
            digits.insert(0, '0');
        }
        Ok(format!("{sign}{digits}"))
    }

    fn float(&self, session: &Session<'_>, value: &Value) -> Result<String> {
        let (_, bytes) = value.bytes(session)?;
        let number = match <[u8; 8]>::try_from(&*bytes) {
            Ok(bytes) => f64::from_le_bytes(bytes),
            Err(_) => match <[u8; 4]>::try_from(&*bytes) {
                Ok(bytes) => f64::from(f32::from_le_bytes(bytes)),
                Err(_) => return Err(Error::say("Value can't be converted to a floating point number.")),
            },
        };
        let precision = self.precision.unwrap_or(6);
        Ok(match self.letter {
            'f' => format!("{number:.precision$}"),
            _ => format!("{number:e}"),
        })
    }

    /// The number's bits, as many as the conversion takes.
    fn bits(&self, session: &Session<'_>, value: &Value) -> Result<u64> {
        self.bits_of(session, value, self.size)
    }

    fn bits_of(&self, session: &Session<'_>, value: &Value, size: u32) -> Result<u64> {
        let number = session.integer_of(value)?;
        let bits = number.cast_unsigned() as u64;
        Ok(if size >= 8 { bits } else { bits & ((1_u64 << (size * 8)) - 1) })
    }

    fn padded(&self, text: String) -> String {
        let width = self.width;
        if self.left { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }
}

fn number(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut number = None;
    while let Some(digit) = letters.peek().and_then(|letter| letter.to_digit(10)) {
        letters.next();
        number = Some(number.unwrap_or(0_usize).saturating_mul(10).saturating_add(digit as usize));
    }
    number
}

/// A string: of an array's bytes, or of what a pointer points to.
fn string(session: &Session<'_>, value: &Value) -> Result<String> {
    let mut bytes = Vec::new();
    if let Some(held) = session.array_bytes(value)? {
        bytes.extend(held.iter().take_while(|byte| **byte != 0));
    } else {
        let mut at = RuntimeAddr(session.integer_of(value)?.cast_unsigned() as u64);
        let memory = session.memory();
        for _ in 0..LONGEST {
            let mut byte = [0];
            memory.read(at, &mut byte).map_err(lkdb_value::Error::from)?;
            if byte == [0] {
                break;
            }
            bytes.extend(byte);
            at = at.offset(1);
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_taken_apart() {
        let (format, behind) = quoted("\"%d\\n\\\"\", 1, f(2, 3), \"a,b\"").unwrap();
        assert_eq!(format, "%d\n\"");
        assert_eq!(split(behind.trim_start_matches(',')), ["1", "f(2, 3)", "\"a,b\""]);
        assert_eq!(pieces("100%% %-5d|%08.3lx").unwrap().len(), 4);
        for bad in ["%", "%k", "%n"] {
            assert!(pieces(bad).is_err(), "{bad}");
        }
    }
}
