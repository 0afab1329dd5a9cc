//! `print`: a value as text, scalars and pointers. Structs and arrays are `composite`'s.

use std::fmt::Write;

use lkdb_base::RuntimeAddr;
use lkdb_symbols::types::{Base, Encoding, Enum, Flags, Type};
use lkdb_symbols::{Place, TypeError, TypeId};

use super::scalar::Scalar;
use super::settings::Settings;
use super::spec::Letter;
use super::text::{Text, character, fetch};
use crate::context::{Context, Error};
use crate::float;
use crate::shape::Types;
use crate::value::{Bits, Contents, Value, extract};

/// Text that one value makes at most; hostile types nest without end.
pub(super) const MOST_TEXT: usize = 4 << 20;
/// Characters of one string where no limit is set.
pub(super) const MOST_CHARACTERS: u64 = 1 << 20;

/// A value as `print/FORMAT` shows it, without `$1 = `.
///
/// # Errors
/// When it cannot be read. A value that is gone is no error: its text says so.
pub fn print(
    value: &Value,
    context: &dyn Context,
    settings: &Settings,
    format: Option<Letter>,
) -> Result<String, Error> {
    print_at(value, context, settings, format, true)
}

/// A value as it is shown within others, and behind a variable's name: a pointer does not say its type.
///
/// # Errors
/// As [`print()`].
pub fn print_within(value: &Value, context: &dyn Context, settings: &Settings) -> Result<String, Error> {
    print_at(value, context, settings, None, false)
}

fn print_at(
    value: &Value,
    context: &dyn Context,
    settings: &Settings,
    format: Option<Letter>,
    outermost: bool,
) -> Result<String, Error> {
    let types = Types(context.types());
    let bare = types.bare(value.ty)?;
    let contents = match &*bare {
        Type::Void => return Ok("void".into()),
        Type::Function(_) if !matches!(format, None | Some(Letter::Text)) => {
            return first_byte(value, context, format);
        }
        Type::Function(_) => Contents { bytes: [].into(), gaps: Vec::new(), address: value.address() },
        Type::Composite(one) if one.declaration => return Ok("<incomplete type>".into()),
        _ => value.read(context)?,
    };
    let whole = contents.bytes.len() as u64 * 8;
    let gap = contents.gaps.iter().find(|gap| gap.first == 0 && gap.count >= whole.max(1));
    // A structure without members may be gone, too.
    if matches!(value.place, Place::Gone(_)) || gap.is_some_and(|gap| gap.why.is_some()) {
        return Ok("<optimized out>".into());
    }
    let mut printer =
        Printer { context, types, settings, format, contents: &contents, out: String::new(), uncounted: 0 };
    let bits = value.bits.map(|bits| Bits { first: 0, count: bits.count });
    let node = Node { ty: value.ty, offset: 0, bits };
    if outermost {
        printer.outermost(node, &bare, matches!(value.place, Place::Unset(_)))?;
    } else {
        printer.node(node, 0)?;
    }
    Ok(printer.out)
}

/// A value as one unit of `x` shows it: numbers filled to their size.
///
/// # Errors
/// As [`print()`].
pub fn print_formatted(value: &Value, context: &dyn Context, letter: Letter) -> Result<String, Error> {
    let contents = value.read(context)?;
    let signed = crate::value::is_signed(context, value.ty)?;
    let fill = Scalar { bytes: &contents.bytes, signed, float: false, fill: true };
    Ok(fill.format(letter, context))
}

/// A function in a format is, to gdb, a value of one byte.
fn first_byte(value: &Value, context: &dyn Context, format: Option<Letter>) -> Result<String, Error> {
    match format {
        Some(Letter::Character | Letter::Address) => {
            Err(Error::Operation("Value can't be converted to integer.".into()))
        }
        _ => {
            let ty = Types(context.types()).known("unsigned char");
            let format = if format == Some(Letter::Float) { Some(Letter::Decimal) } else { format };
            print(&value.retyped(ty), context, &Settings::default(), format)
        }
    }
}

/// A part of the contents with its type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) ty: TypeId,
    /// Bytes into the contents.
    pub(super) offset: u64,
    /// Which bits from there on, for a bit field.
    pub(super) bits: Option<Bits>,
}

pub(super) struct Printer<'a> {
    pub(super) context: &'a dyn Context,
    pub(super) types: Types<'a>,
    pub(super) settings: &'a Settings,
    pub(super) format: Option<Letter>,
    pub(super) contents: &'a Contents,
    pub(super) out: String,
    /// Levels that do not count: anonymous structs and unions are at their parents' depth.
    pub(super) uncounted: u64,
}

impl Printer<'_> {
    /// Pointers say their types here, and what is `unset` that it is, and nowhere deeper.
    fn outermost(&mut self, node: Node, bare: &Type, unset: bool) -> Result<(), Error> {
        let plain = matches!(self.format, None | Some(Letter::Text));
        if let Type::Pointer { .. } = bare
            && plain
            && !self.is_plain_string(node.ty)?
        {
            let name = crate::type_text(self.context, node.ty);
            _ = write!(self.out, "({name}) ");
        }
        if unset && (plain || matches!(bare, Type::Composite(_) | Type::Array { .. })) {
            self.out.push_str(" [uninitialized] ");
        }
        self.node(node, 0)
    }

    /// `char *`, spelled so: its string says what it is.
    fn is_plain_string(&self, ty: TypeId) -> Result<bool, TypeError> {
        let Type::Pointer { target, .. } = &*self.types.unqualified(ty)? else {
            return Ok(false);
        };
        let target = self.types.unqualified(*target)?;
        Ok(matches!(&*target, Type::Base(base) if &*base.name == "char"))
    }

    /// Bytes of the contents, fewer where they end.
    pub(super) fn bytes(&self, offset: u64, size: u64) -> &[u8] {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = usize::try_from(offset.saturating_add(size)).unwrap_or(usize::MAX);
        self.contents.bytes.get(start..end.min(self.contents.bytes.len())).unwrap_or_default()
    }

    /// Where a part lies in memory.
    pub(super) fn address(&self, offset: u64) -> Option<RuntimeAddr> {
        self.contents.address.map(|address| address.offset(offset))
    }

    pub(super) fn node(&mut self, node: Node, depth: u64) -> Result<(), Error> {
        if self.out.len() > MOST_TEXT {
            return Err(Error::Operation("The value is too long to print.".into()));
        }
        let bare = self.types.bare(node.ty)?;
        if let Some(text) = self.missing(node, &bare)? {
            self.out.push_str(text);
            return Ok(());
        }
        match &*bare {
            Type::Void => self.out.push_str("void"),
            Type::Function(_) => {
                let name = crate::type_text(self.context, node.ty);
                _ = write!(self.out, "{{{name}}} ");
                let address = self.address(node.offset).unwrap_or(RuntimeAddr(0));
                self.put_symbolic(address);
            }
            Type::Array { element, count, .. } => {
                self.array(node, *element, count.fixed().unwrap_or(0), depth)?;
            }
            Type::Composite(composite) => self.composite(node, composite, depth)?,
            Type::Base(base) => self.base(node, base)?,
            Type::Enum(one) => self.enumeration(node, one)?,
            Type::Flags(one) => self.flags(node, one)?,
            Type::Pointer { size, target } => self.pointer(node, *size, *target)?,
            // `strip` went through these.
            Type::Typedef { .. } | Type::Qualified { .. } => self.out.push_str("<incomplete type>"),
        }
        Ok(())
    }

    /// What is said instead of a scalar that is not there.
    fn missing(&self, node: Node, bare: &Type) -> Result<Option<&'static str>, Error> {
        if matches!(bare, Type::Composite(_) | Type::Array { .. }) || self.contents.gaps.is_empty() {
            return Ok(None);
        }
        let (first, count) = match node.bits {
            Some(bits) => (node.offset.saturating_mul(8).saturating_add(bits.first), bits.count),
            None => (node.offset.saturating_mul(8), self.types.size(node.ty)?.saturating_mul(8)),
        };
        Ok(self.contents.gap(first, count).map(|gap| match gap.why {
            Some(_) => "<optimized out>",
            None => "<synthetic pointer>",
        }))
    }

    /// A scalar's bytes, those of a bit field drawn apart and sign-extended.
    fn scalar_bytes(&self, node: Node, size: u64, signed: bool) -> Vec<u8> {
        let Some(bits) = node.bits else { return self.bytes(node.offset, size).to_vec() };
        let first = node.offset.saturating_mul(8).saturating_add(bits.first);
        let raw = extract(&self.contents.bytes, first, bits.count, signed);
        raw.to_le_bytes().into_iter().take(usize::try_from(size).unwrap_or(16)).collect()
    }

    fn formatted(&mut self, bytes: &[u8], letter: Letter, signed: bool, float: bool) -> Result<(), Error> {
        if bytes.len() > 8 && !float && matches!(letter, Letter::Character | Letter::Address) {
            return Err(Error::Operation(
                "That operation is not available on integers of more than 8 bytes.".into(),
            ));
        }
        let scalar = Scalar { bytes, signed, float, fill: false };
        let text = scalar.format(letter, self.context);
        self.out.push_str(&text);
        Ok(())
    }

    /// The format that scalars are to have: none for `s`, which is about text.
    fn letter(&self) -> Option<Letter> {
        self.format.filter(|letter| *letter != Letter::Text)
    }

    /// `[ ZF PF ]`: flags that are set, and numbers.
    fn flags(&mut self, node: Node, flags: &Flags) -> Result<(), Error> {
        let bytes = self.scalar_bytes(node, flags.size, false);
        if let Some(letter) = self.letter() {
            return self.formatted(&bytes, letter, false, false);
        }
        self.out.push_str("[ ");
        for field in flags.fields.iter().filter(|field| !field.name.is_empty()) {
            let value = extract(&bytes, field.bit.into(), field.bits.into(), false);
            _ = match field.bits {
                1 if value == 0 => Ok(()),
                1 => write!(self.out, "{} ", field.name),
                _ => write!(self.out, "{}={value} ", field.name),
            };
        }
        self.out.push(']');
        Ok(())
    }

    fn base(&mut self, node: Node, base: &Base) -> Result<(), Error> {
        let signed = matches!(base.encoding, Encoding::Signed | Encoding::SignedChar);
        let float = base.encoding == Encoding::Float;
        let bytes = self.scalar_bytes(node, base.size, signed);
        if let Some(letter) = self.letter() {
            return self.formatted(&bytes, letter, signed, float);
        }
        if float {
            self.out.push_str(&float::decode(&bytes).text());
            return Ok(());
        }
        let scalar = Scalar { bytes: &bytes, signed, float, fill: false };
        if base.encoding == Encoding::Boolean {
            let text = match scalar.decimal(false).as_str() {
                "0" => "false".to_owned(),
                "1" => "true".to_owned(),
                other => other.to_owned(),
            };
            self.out.push_str(&text);
            return Ok(());
        }
        self.out.push_str(&scalar.decimal(signed));
        if let Some((width, prefix)) = self.types.text_width(node.ty)? {
            let unit = super::text::units(&bytes, width).first().copied().unwrap_or(0);
            self.out.push(' ');
            self.out.push_str(&character(unit, prefix));
        }
        Ok(())
    }

    fn enumeration(&mut self, node: Node, ty: &Enum) -> Result<(), Error> {
        let bytes = self.scalar_bytes(node, ty.size, ty.signed);
        if let Some(letter) = self.letter() {
            return self.formatted(&bytes, letter, ty.signed, false);
        }
        let value = extract(&bytes, 0, bytes.len() as u64 * 8, ty.signed);
        self.out.push_str(&enumerator(ty, value));
        Ok(())
    }

    fn pointer(&mut self, node: Node, size: u64, target: TypeId) -> Result<(), Error> {
        let bytes = self.scalar_bytes(node, size, false);
        if let Some(letter) = self.letter() {
            return self.formatted(&bytes, letter, false, false);
        }
        let raw = extract(&bytes, 0, bytes.len() as u64 * 8, false);
        let address = RuntimeAddr(u64::try_from(raw & i128::from(u64::MAX)).unwrap_or(0));
        self.pointed(address, target)
    }

    /// An address, and what a pointer shows of what is there.
    pub(super) fn pointed(&mut self, address: RuntimeAddr, target: TypeId) -> Result<(), Error> {
        let before = self.out.len();
        if matches!(&*self.types.bare(target)?, Type::Function(_)) {
            self.put_symbolic(address);
            return Ok(());
        }
        self.put_address(address);
        let written = self.out.len() > before;
        let Some((width, prefix)) =
            self.types.text_width(target)?.filter(|_| address.0 != 0 && self.letter().is_none())
        else {
            return Ok(());
        };
        if written {
            self.out.push(' ');
        }
        let text = string(self.context, self.settings, address, width, prefix).0;
        self.out.push_str(&text);
        Ok(())
    }

    /// What a data pointer holds: its address, and the symbol if that is wanted.
    fn put_address(&mut self, address: RuntimeAddr) {
        if self.settings.symbol {
            self.put_symbolic(address);
        } else if self.settings.address {
            _ = write!(self.out, "{:#x}", address.0);
        }
    }

    /// `0xffffffff81000000 <_text>`.
    fn put_symbolic(&mut self, address: RuntimeAddr) {
        if self.settings.address {
            _ = write!(self.out, "{:#x}", address.0);
        }
        if let Some(symbol) = self.context.symbol_at(address) {
            let space = if self.settings.address { " " } else { "" };
            _ = write!(self.out, "{space}<{symbol}>");
        }
    }
}

/// A string in memory as it is printed, and how many characters were read, the zero among them.
pub(crate) fn string(
    context: &dyn Context,
    settings: &Settings,
    address: RuntimeAddr,
    width: u64,
    prefix: &'static str,
) -> (String, u64) {
    let most = settings.elements.unwrap_or(MOST_CHARACTERS).min(MOST_CHARACTERS);
    let fetched = fetch(context.memory(), address, width, most);
    let mut out = String::new();
    if fetched.failed.is_none() || !fetched.units.is_empty() {
        Text { units: &fetched.units, prefix, more: fetched.more }.put(&mut out, settings);
    }
    if let Some(failed) = fetched.failed {
        _ = write!(out, "<error: Cannot access memory at address {:#x}>", failed.0);
    }
    (out, fetched.units.len() as u64)
}

/// An enumeration's value: its name, the names of its flags, or a number.
pub(crate) fn enumerator(ty: &Enum, value: i128) -> String {
    if let Some((name, _)) = ty.values.iter().find(|(_, one)| *one == value) {
        return name.to_string();
    }
    if !is_flags(ty) {
        return value.to_string();
    }
    let (mut left, mut names) = (value, Vec::new());
    for (name, flag) in ty.values.iter() {
        if left & flag != 0 {
            names.push(name.to_string());
            left &= !flag;
        }
    }
    if left != 0 {
        names.push(format!("unknown: {left:#x}"));
    }
    if names.is_empty() { "0".into() } else { format!("({})", names.join(" | ")) }
}

/// Whether values may be flags together: each of one bit or none.
fn is_flags(ty: &Enum) -> bool {
    ty.values.iter().all(|(_, value)| *value >= 0 && value.count_ones() < 2)
}
