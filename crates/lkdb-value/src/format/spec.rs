//! What stands behind the slash of `print/x` and `x/8gx`: a count, a format letter, a size letter.

use crate::context::Error;

/// How a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    /// `x`: hexadecimal.
    Hex,
    /// `d`: with a sign.
    Decimal,
    /// `u`: without one.
    Unsigned,
    /// `o`: octal.
    Octal,
    /// `t`: binary.
    Binary,
    /// `z`: hexadecimal, filled with zeros.
    Zeros,
    /// `c`: a character.
    Character,
    /// `a`: an address, with its symbol.
    Address,
    /// `f`: a floating point number.
    Float,
    /// `s`: a string.
    Text,
    /// `i`: an instruction.
    Instruction,
}

/// How big a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// `b`: one byte.
    Byte,
    /// `h`: two.
    Half,
    /// `w`: four.
    Word,
    /// `g`: eight.
    Giant,
}

impl Letter {
    /// As it is typed.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Hex => 'x',
            Self::Decimal => 'd',
            Self::Unsigned => 'u',
            Self::Octal => 'o',
            Self::Binary => 't',
            Self::Zeros => 'z',
            Self::Character => 'c',
            Self::Address => 'a',
            Self::Float => 'f',
            Self::Text => 's',
            Self::Instruction => 'i',
        }
    }
}

impl Size {
    /// As it is typed.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Byte => 'b',
            Self::Half => 'h',
            Self::Word => 'w',
            Self::Giant => 'g',
        }
    }

    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
            Self::Giant => 8,
        }
    }
}

/// A count, a format and a size, as they were typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spec {
    /// How many; negative for those before the address.
    pub count: Option<i64>,
    /// The format.
    pub letter: Option<Letter>,
    /// The size.
    pub size: Option<Size>,
    /// `r`: without pretty printers, of which there are none.
    pub raw: bool,
}

const LETTERS: [Letter; 11] = [
    Letter::Hex,
    Letter::Decimal,
    Letter::Unsigned,
    Letter::Octal,
    Letter::Binary,
    Letter::Zeros,
    Letter::Character,
    Letter::Address,
    Letter::Float,
    Letter::Text,
    Letter::Instruction,
];

fn letter(one: char) -> Option<Letter> {
    LETTERS.into_iter().find(|letter| letter.letter() == one)
}

fn size(one: char) -> Option<Size> {
    [Size::Byte, Size::Half, Size::Word, Size::Giant].into_iter().find(|size| size.letter() == one)
}

impl Spec {
    /// Reads what follows a command's name: `/8gx ADDRESS`; with no slash there is no format. Also gives what
    /// is behind it.
    ///
    /// # Errors
    /// For a letter that is no format.
    pub fn parse(text: &str) -> Result<(Self, &str), Error> {
        let text = text.trim_start();
        let Some(text) = text.strip_prefix('/') else { return Ok((Self::default(), text)) };
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let digits_end = text
            .char_indices()
            .find(|(at, one)| !(one.is_ascii_digit() || *at == 0 && *one == '-'))
            .map_or(text.len(), |(at, _)| at);
        let digits = text.get(..digits_end).unwrap_or_default();
        let mut spec = Self::default();
        if !digits.is_empty() {
            spec.count = Some(match digits {
                "-" => -1,
                _ => digits.parse().unwrap_or(if digits.starts_with('-') { -i64::MAX } else { i64::MAX }),
            });
        }
        let mut at = digits_end;
        for one in text.get(digits_end..end.max(digits_end)).unwrap_or_default().chars() {
            match (size(one), letter(one)) {
                (Some(size), _) => spec.size = Some(size),
                (_, Some(letter)) => spec.letter = Some(letter),
                _ if one == 'r' => spec.raw = true,
                _ if one.is_ascii_lowercase() => {
                    return Err(Error::Operation(format!("Undefined output format \"{one}\".")));
                }
                // `p/x(1)`: the expression begins.
                _ => break,
            }
            at += one.len_utf8();
        }
        Ok((spec, text.get(at..).unwrap_or_default().trim_start()))
    }

    /// The format of a command that shows one value.
    ///
    /// # Errors
    /// gdb's, for what such a command has no use for.
    pub fn for_value(&self, command: &str) -> Result<Option<Letter>, Error> {
        let complain = |text: String| Err(Error::Operation(text));
        if self.size.is_some() {
            return complain(format!("Size letters are meaningless in \"{command}\" command."));
        }
        if self.count.is_some_and(|count| count != 1) {
            return complain(format!("Item count other than 1 is meaningless in \"{command}\" command."));
        }
        if self.letter == Some(Letter::Instruction) {
            return complain(format!("Format letter \"i\" is meaningless in \"{command}\" command."));
        }
        Ok(self.letter)
    }
}
