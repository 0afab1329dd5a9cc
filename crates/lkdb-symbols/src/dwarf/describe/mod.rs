//! Where a variable is, in gdb's words: what `info scope` and `info address` say.
//!
//! Text of locations only; the commands' own words around it ("Symbol x is …", ", length 4.") are theirs.

mod disassemble;

use std::fmt::Write as _;

use gimli::{LittleEndian, Range, Reader as _, constants};
use lkdb_base::{Arch, LinkAddr, RuntimeAddr};

use super::{
    Constant, Declaration, DeclarationKind, Dwarf, Error, Expression, ListEntry, LocationDescription,
    LocationList, Reader,
};

/// A location in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// What comes after "is".
    pub text: String,
    /// Which length is said behind it.
    pub length: Length,
}

/// The length that is said with a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// None.
    Unsaid,
    /// That of the declaration's type; none where it has none.
    OfType,
    /// So many bytes: labels and functions have types of gdb's own making.
    Bytes(u64),
}

/// Why a location cannot be put in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescribeError {
    /// The debug info around it is damaged.
    #[error(transparent)]
    Damaged(#[from] Error),
    /// An operation nobody knows.
    #[error("Unrecognized DWARF opcode 0x{0:02x} at {1}")]
    Opcode(u8, usize),
    /// The expression ends within an operation, or goes on where it should not.
    #[error("Corrupted DWARF2 expression for \"{0}\".")]
    Corrupted(String),
    /// Its function does not say what its frame base is.
    #[error("Could not find the frame base for \"{0}\".")]
    NoFrameBase(String),
}

/// Puts locations in words.
pub struct Describer<'a, 'd> {
    /// The debug info they are from.
    pub dwarf: &'a Dwarf<'d>,
    /// Its architecture: register names.
    pub arch: &'static Arch,
    /// Where link addresses run.
    pub runs_at: &'a dyn Fn(LinkAddr) -> RuntimeAddr,
    /// Where the symbol of a name runs, for variables that are declared `extern` only.
    pub symbol: &'a dyn Fn(&str) -> Option<RuntimeAddr>,
}

impl<'d> Describer<'_, 'd> {
    /// What `info scope` says of a declaration in a block that begins at `entry`.
    ///
    /// # Errors
    /// When its location is damaged.
    pub fn in_scope(&self, declared: &Declaration<'d>, entry: LinkAddr) -> Result<Described, DescribeError> {
        let sized = |text: String| Ok(Described { text, length: Length::OfType });
        let plain = |text: &str| Ok(Described { text: text.to_owned(), length: Length::Unsaid });
        let location = match &declared.kind {
            DeclarationKind::Parameter(location) | DeclarationKind::Variable(location) => location,
            DeclarationKind::Label(Some(at)) => {
                let text = format!("a label at address {}", self.shown(*at));
                return Ok(Described { text, length: Length::Bytes(8) });
            }
            DeclarationKind::Label(None) => return plain("optimized out"),
            DeclarationKind::Typedef | DeclarationKind::Tag => return plain("a typedef"),
            DeclarationKind::Enumerator(value) => return sized(number(*value)),
            DeclarationKind::Function(at) => {
                let text = format!("a function at address {}", self.shown(*at));
                return Ok(Described { text, length: Length::Bytes(1) });
            }
        };
        match location {
            LocationDescription::OptimizedOut => plain("optimized out"),
            LocationDescription::Static(at) => {
                sized(format!("in static storage at address {}", self.shown(*at)))
            }
            LocationDescription::Unresolved => match (self.symbol)(declared.name) {
                Some(at) => sized(format!("static storage at address {at}")),
                None => sized("Unresolved Static".to_owned()),
            },
            LocationDescription::Constant(Constant::Number(value)) => sized(number(*value)),
            LocationDescription::Constant(Constant::Bytes(bytes)) => {
                let bytes: String = bytes.iter().map(|byte| format!(" {byte:02x}")).collect();
                sized(format!("constant bytes: {bytes}"))
            }
            computed => sized(self.computed(declared.name, computed, entry)?),
        }
    }

    /// What `info address` says of a variable or parameter, in a frame at `address`.
    ///
    /// # Errors
    /// When its location is damaged.
    pub fn address(&self, declared: &Declaration<'d>, address: LinkAddr) -> Result<String, DescribeError> {
        let location = match &declared.kind {
            DeclarationKind::Parameter(location) | DeclarationKind::Variable(location) => location,
            DeclarationKind::Label(Some(at)) => return Ok(format!("a label at address {}", self.shown(*at))),
            DeclarationKind::Label(None) => return Ok("optimized out".to_owned()),
            DeclarationKind::Typedef | DeclarationKind::Tag => return Ok("a typedef".to_owned()),
            DeclarationKind::Enumerator(_) => return Ok("constant".to_owned()),
            DeclarationKind::Function(at) => {
                return Ok(format!("a function at address {}", self.shown(*at)));
            }
        };
        match location {
            LocationDescription::OptimizedOut => Ok("optimized out".to_owned()),
            LocationDescription::Static(at) => Ok(format!("static storage at address {}", self.shown(*at))),
            LocationDescription::Unresolved => Ok(match (self.symbol)(declared.name) {
                Some(at) => format!("static storage at address {at}"),
                None => "unresolved".to_owned(),
            }),
            LocationDescription::Constant(_) => Ok("constant".to_owned()),
            computed => self.computed(declared.name, computed, address),
        }
    }

    fn shown(&self, address: LinkAddr) -> RuntimeAddr {
        (self.runs_at)(address)
    }

    fn computed(
        &self,
        name: &str,
        location: &LocationDescription<'d>,
        address: LinkAddr,
    ) -> Result<String, DescribeError> {
        match location {
            LocationDescription::Expression(expression) => self.expression(name, expression, address),
            LocationDescription::List(list) => self.list(name, *list),
            _ => Ok(String::new()),
        }
    }

    fn list(&self, name: &str, list: LocationList) -> Result<String, DescribeError> {
        let mut text = "multi-location:\n".to_owned();
        for entry in self.dwarf.location_list(list)? {
            match entry {
                ListEntry::Base(address) => {
                    let _ = write!(text, "  Base address {}", self.shown(address));
                }
                ListEntry::Range(Range { begin, end }, expression) => {
                    let (low, high) = (self.shown(LinkAddr(begin)), self.shown(LinkAddr(end)));
                    let place = self.expression(name, &expression, LinkAddr(begin))?;
                    let _ = writeln!(text, "  Range {low}-{high}: {place}");
                }
                ListEntry::Default(_) => {}
            }
        }
        Ok(text)
    }

    /// An expression, piece by piece.
    fn expression(
        &self,
        name: &str,
        expression: &Expression<'d>,
        address: LinkAddr,
    ) -> Result<String, DescribeError> {
        let corrupted = |_| DescribeError::Corrupted(name.to_owned());
        let mut rest = Reader::new(expression.bytes, LittleEndian);
        let mut text = String::new();
        while !rest.is_empty() {
            if !text.is_empty() {
                text.push_str(", and ");
            }
            let before = rest.len();
            let start = rest;
            let mut words = self.piece(name, &mut rest, address)?;
            if words.is_some() && !at_piece(&rest) {
                // gdb calls that corrupted and ends.
                (words, rest) = (None, start);
            }
            let known = words.is_some();
            if let Some(words) = words {
                text.push_str(&words);
            } else if !at_piece(&rest) {
                text.push_str("a complex DWARF expression:\n");
                disassemble::piece(self, expression, &mut rest, &mut text)?;
            }
            if rest.is_empty() {
                break;
            }
            let empty = rest.len() == before;
            if !known && !empty {
                text.push_str("   ");
            }
            match constants::DwOp(rest.read_u8().map_err(corrupted)?) {
                constants::DW_OP_piece => {
                    let bytes = rest.read_uleb128().map_err(corrupted)?;
                    let _ = match empty {
                        true => write!(text, "an empty {bytes}-byte piece"),
                        false => write!(text, " [{bytes}-byte piece]"),
                    };
                }
                constants::DW_OP_bit_piece => {
                    let bits = rest.read_uleb128().map_err(corrupted)?;
                    let offset = rest.read_uleb128().map_err(corrupted)?;
                    let _ = match empty {
                        true => write!(text, "an empty {bits}-bit piece"),
                        false => write!(text, " [{bits}-bit piece, offset {offset} bits]"),
                    };
                }
                _ => return Err(DescribeError::Corrupted(name.to_owned())),
            }
        }
        Ok(text)
    }

    /// A piece that there are words for; none, and nothing read, for others.
    fn piece(
        &self,
        name: &str,
        rest: &mut Reader<'d>,
        address: LinkAddr,
    ) -> Result<Option<String>, DescribeError> {
        let corrupted = |_| DescribeError::Corrupted(name.to_owned());
        let mut next = *rest;
        let operation = next.read_u8().map_err(corrupted)?;
        let words = match constants::DwOp(operation) {
            op if (constants::DW_OP_reg0..=constants::DW_OP_reg31).contains(&op) => {
                let register = u64::from(op.0 - constants::DW_OP_reg0.0);
                format!("a variable in ${}", self.register(register))
            }
            constants::DW_OP_regx => {
                let register = next.read_uleb128().map_err(corrupted)?;
                format!("a variable in ${}", self.register(register))
            }
            constants::DW_OP_fbreg => {
                let offset = next.read_sleb128().map_err(corrupted)?;
                if !at_piece(&next) {
                    return Ok(None);
                }
                match self.frame_base(address)? {
                    Some((register, base)) => {
                        format!("a variable at frame base reg ${register} offset {base}+{offset}")
                    }
                    None => return Ok(None),
                }
            }
            op if (constants::DW_OP_lit0..=constants::DW_OP_lit31).contains(&op) => {
                match next.read_u8().map(constants::DwOp) {
                    Ok(constants::DW_OP_stack_value) => {
                        format!("the constant {}", op.0 - constants::DW_OP_lit0.0)
                    }
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        *rest = next;
        Ok(Some(words))
    }

    /// The frame base of the function at an address where that is a register and an offset. There is no function
    /// at a range of no length behind the last instruction.
    fn frame_base(&self, address: LinkAddr) -> Result<Option<(String, i64)>, DescribeError> {
        let Some(function) = self.dwarf.function_at(address)? else { return Ok(None) };
        let missing = || DescribeError::NoFrameBase(function.name.to_owned());
        let location = self.dwarf.frame_base(&function)?;
        let expression = self.dwarf.expression_at(&location, address)?.ok_or_else(missing)?;
        let mut rest = Reader::new(expression.bytes, LittleEndian);
        let operation = rest.read_u8().map_err(|_| missing())?;
        let of = |first: constants::DwOp| operation.checked_sub(first.0).filter(|register| *register < 32);
        if let Some(register) = of(constants::DW_OP_breg0) {
            let offset = rest.read_sleb128().map_err(|_| missing())?;
            return Ok(Some((self.register(register.into()), offset)));
        }
        Ok(of(constants::DW_OP_reg0).map(|register| (self.register(register.into()), 0)))
    }

    fn register(&self, number: u64) -> String {
        let registers = self.arch.registers.iter().map(|register| (register.dwarf, register.name));
        let mut all = registers.chain(self.arch.vector_registers.iter().copied());
        let named = all.find(|(dwarf, _)| u64::from(*dwarf) == number);
        named.map_or("bad_register_number", |(_, name)| name).to_owned()
    }
}

/// Nothing follows, or a piece ends here.
fn at_piece(rest: &Reader<'_>) -> bool {
    let next = rest.slice().first();
    next.is_none_or(|op| [constants::DW_OP_piece.0, constants::DW_OP_bit_piece.0].contains(op))
}

fn number(value: i64) -> String {
    format!("a constant with value {value} ({value:#x})")
}
