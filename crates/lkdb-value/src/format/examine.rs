//! `x`: memory in units, strings or instructions. Its formats and sizes last from one command to the next.

use std::fmt;

use lkdb_base::RuntimeAddr;
use lkdb_symbols::TypeId;

use super::print::{print_formatted, string};
use super::settings::Settings;
use super::spec::{Letter, Size, Spec};
use crate::context::{Context, Error};
use crate::shape::Types;
use crate::value::Value;

/// Units of one command at most; what is more is a mistyped count.
const MOST_UNITS: u64 = 1 << 20;

/// Tells instructions from bytes; whoever knows the architecture implements it.
pub trait Disassembler {
    /// The instruction at an address as text, and its length in bytes.
    ///
    /// # Errors
    /// When its bytes cannot be read.
    fn instruction(&self, address: RuntimeAddr) -> Result<(String, u64), Error>;

    /// The next instruction of the selected frame is this one: it is marked.
    fn is_current(&self, address: RuntimeAddr) -> bool;
}

/// What `x` remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Examine {
    /// The last format, of `print` as well.
    pub letter: Letter,
    /// The last size; none after strings of plain characters.
    pub size: Option<Size>,
    /// Where the next one begins; none before the first.
    pub next: Option<RuntimeAddr>,
}

impl Default for Examine {
    fn default() -> Self {
        Self { letter: Letter::Hex, size: Some(Size::Word), next: None }
    }
}

/// What was there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Examined {
    /// Line by line.
    pub lines: Vec<ExaminedLine>,
    /// The last unit: its type and place, which are `$__`, and its address `$_`.
    #[serde(skip)]
    pub last: Option<(TypeId, RuntimeAddr)>,
    /// Why it ends before all was shown.
    #[serde(skip)]
    pub error: Option<Error>,
}

/// A line: where it is, and its units.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ExaminedLine {
    /// The address, in hexadecimal.
    pub address: String,
    /// Its symbol and offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// What is before it: `=> ` or spaces for instructions.
    #[serde(skip)]
    pub mark: &'static str,
    /// Its units as text.
    pub units: Vec<String>,
}

impl fmt::Display for Examined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            write!(f, "{}{}", line.mark, line.address)?;
            if let Some(symbol) = &line.symbol {
                write!(f, " <{symbol}>")?;
            }
            write!(f, ":")?;
            for unit in &line.units {
                write!(f, "\t{unit}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Examine {
    /// Completes what was typed by what was used last, as gdb does.
    fn complete(&self, spec: Spec) -> (Letter, Option<Size>) {
        let letter = match (spec.letter, spec.size) {
            (Some(letter), _) => letter,
            (None, None) => return (self.letter, self.size),
            (None, Some(_)) if self.letter == Letter::Instruction => Letter::Hex,
            (None, Some(_)) => self.letter,
        };
        let size = spec.size.or(match letter {
            Letter::Address => Some(Size::Giant),
            Letter::Float if matches!(self.size, Some(Size::Word | Size::Giant)) => self.size,
            Letter::Float => Some(Size::Giant),
            Letter::Character => Some(Size::Byte),
            Letter::Text => None,
            _ => self.size,
        });
        (letter, size)
    }

    /// `x/SPEC` from `start` on, or from where the last one ended.
    pub fn examine(
        &mut self,
        spec: Spec,
        start: Option<RuntimeAddr>,
        context: &dyn Context,
        settings: &Settings,
        disassembler: &dyn Disassembler,
    ) -> Examined {
        let (letter, size) = self.complete(spec);
        let mut run =
            Run { context, settings, disassembler, letter, size: size.unwrap_or(Size::Byte), explicit: size };
        let failed = |error: &str| Examined {
            lines: Vec::new(),
            last: None,
            error: Some(Error::Operation(error.into())),
        };
        let Some(from) = start.or(self.next) else {
            return failed("Argument required (starting display address).");
        };
        let count = spec.count.unwrap_or(1);
        let (from, count) = match (count, letter) {
            (0.., _) => (from, count.unsigned_abs()),
            (_, Letter::Text | Letter::Instruction) => {
                return failed("Only units of a fixed size are examined backwards.");
            }
            _ => {
                let back = count.unsigned_abs().wrapping_mul(run.size.bytes());
                (RuntimeAddr(from.0.wrapping_sub(back)), count.unsigned_abs())
            }
        };
        let (examined, next) = run.lines(from, count.min(MOST_UNITS));
        self.next = Some(if spec.count.is_some_and(|count| count < 0) { from } else { next });
        if examined.error.is_some() {
            return examined;
        }
        self.letter = letter;
        self.size = if letter == Letter::Text { Some(Size::Byte) } else { size };
        examined
    }
}

struct Run<'a> {
    context: &'a dyn Context,
    settings: &'a Settings,
    disassembler: &'a dyn Disassembler,
    letter: Letter,
    size: Size,
    explicit: Option<Size>,
}

impl Run<'_> {
    fn lines(&mut self, from: RuntimeAddr, count: u64) -> (Examined, RuntimeAddr) {
        let mut examined = Examined { lines: Vec::new(), last: None, error: None };
        let per_line = match (self.letter, self.size) {
            (Letter::Text | Letter::Instruction, _) => 1,
            (_, Size::Word) => 4,
            (_, Size::Giant) => 2,
            _ => 8,
        };
        let mut at = from;
        let mut left = count;
        while left > 0 {
            let marked = self.letter == Letter::Instruction;
            let mark = match marked {
                true if self.disassembler.is_current(at) => "=> ",
                true => "   ",
                false => "",
            };
            let symbol = self.context.symbol_at(at);
            let mut line = ExaminedLine { address: format!("{:#x}", at.0), symbol, mark, units: Vec::new() };
            for _ in 0..left.min(per_line) {
                match self.unit(at) {
                    Ok((text, length, ty)) => {
                        line.units.push(text);
                        examined.last = Some((ty, at));
                        at = at.offset(length);
                        left -= 1;
                    }
                    Err(error) => {
                        line.units.push(String::new());
                        examined.lines.push(line);
                        examined.error = Some(error);
                        return (examined, at);
                    }
                }
            }
            examined.lines.push(line);
        }
        (examined, at)
    }

    /// One unit: its text, its length and its type.
    fn unit(&self, at: RuntimeAddr) -> Result<(String, u64, TypeId), Error> {
        let types = Types(self.context.types());
        match self.letter {
            Letter::Instruction => {
                let (text, length) = self.disassembler.instruction(at)?;
                Ok((text, length.max(1), types.known("int8_t")))
            }
            Letter::Text => {
                let (name, prefix) = match self.explicit {
                    Some(Size::Half) => ("char16_t", "u"),
                    Some(Size::Word) => ("char32_t", "U"),
                    _ => ("int8_t", ""),
                };
                let ty = types.known(name);
                let width = types.size(ty)?;
                let (text, read) = string(self.context, self.settings, at, width, prefix);
                // A string that cannot be read at all is passed as one character.
                Ok((text, read.max(1).saturating_mul(width), ty))
            }
            letter => {
                let ty = types.known(match self.size {
                    Size::Byte => "int8_t",
                    Size::Half => "int16_t",
                    Size::Word => "int32_t",
                    Size::Giant => "int64_t",
                });
                let mut probe = [0; 8];
                let length = self.size.bytes();
                let bytes = probe.get_mut(..usize::try_from(length).unwrap_or(8)).unwrap_or_default();
                self.context.memory().read(at, bytes)?;
                let value = Value::literal(ty, &*bytes);
                Ok((print_formatted(&value, self.context, letter)?, length, ty))
            }
        }
    }
}
