//! Values as data, for `--json`: the same tree that `print` writes as text, with types and addresses.
//!
//! Numbers that JSON readers would round (beyond 2^53) and addresses are strings.

use std::rc::Rc;

use lkdb_base::RuntimeAddr;
use lkdb_symbols::types::{Base, Composite, Encoding, Type};
use lkdb_symbols::{Place, TypeId};
use serde::{Serialize, Serializer};

use crate::context::{Context, Error};
use crate::expr::Found;
use crate::float;
use crate::format::Settings;
use crate::shape::Types;
use crate::value::{Value, extract};

/// Structs within structs; what is deeper is left out.
const DEPTH: u64 = 20;
/// Things in one tree.
const MOST: usize = 1 << 16;

/// A value with its type.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Data {
    /// Its type as C names it.
    #[serde(rename = "type")]
    pub ty: String,
    /// Where it is in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What it is.
    pub value: Tree,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// A number.
    Integer(i128),
    /// A number with a fraction; as text where it is no number.
    Float(f64, String),
    /// `_Bool`.
    Boolean(bool),
    /// An enumeration's value as text, and its number.
    Enumerator(String, i128),
    /// Where a pointer points to, the symbol there, and the string if it is one.
    Pointer {
        /// Where to.
        address: u64,
        /// Its symbol.
        symbol: Option<String>,
        /// What text is there.
        text: Option<String>,
    },
    /// Characters, as text between quotes.
    Text(String),
    /// Members by name; anonymous ones have an empty name.
    Struct(Vec<(Rc<str>, Tree)>),
    /// Elements, and whether there are more.
    Array(Vec<Tree>, bool),
    /// A function.
    Function {
        /// Where it is.
        address: u64,
        /// Its symbol.
        symbol: Option<String>,
    },
    /// `void`.
    Void,
    /// Why it is not there or not shown.
    Missing(String),
}

/// A number, as a string where it is large.
struct Number(i128);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(self.0) {
            Ok(small) if small.unsigned_abs() <= 1 << 53 => serializer.serialize_i64(small),
            _ => serializer.collect_str(&self.0),
        }
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        match self {
            Self::Integer(number) => Number(*number).serialize(serializer),
            Self::Float(number, _) if number.is_finite() => serializer.serialize_f64(*number),
            Self::Float(_, text) | Self::Text(text) => serializer.serialize_str(text),
            Self::Boolean(truth) => serializer.serialize_bool(*truth),
            Self::Array(elements, _) => serializer.collect_seq(elements),
            Self::Struct(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (&**name, value)))
            }
            Self::Void => serializer.serialize_unit(),
            Self::Enumerator(name, number) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("name", name)?;
                map.serialize_entry("number", &Number(*number))?;
                map.end()
            }
            Self::Pointer { address, symbol, text } => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("address", &format!("{address:#x}"))?;
                if let Some(symbol) = symbol {
                    map.serialize_entry("symbol", symbol)?;
                }
                if let Some(text) = text {
                    map.serialize_entry("text", text)?;
                }
                map.end()
            }
            Self::Function { address, symbol } => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("function", &format!("{address:#x}"))?;
                map.serialize_entry("symbol", symbol)?;
                map.end()
            }
            Self::Missing(why) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("missing", why)?;
                map.end()
            }
        }
    }
}

/// A value as data. What cannot be read is [`Tree::Missing`] and says why.
///
/// # Errors
/// When the type is damaged.
pub fn data(value: &Value, context: &dyn Context, settings: &Settings) -> Result<Data, Error> {
    let mut build = Build { context, types: Types(context.types()), settings, left: MOST };
    let address = value.address().map(|address| format!("{:#x}", address.0));
    Ok(Data { ty: crate::type_text(context, value.ty), address, value: build.tree(value, 0)? })
}

struct Build<'a> {
    context: &'a dyn Context,
    types: Types<'a>,
    settings: &'a Settings,
    left: usize,
}

impl Build<'_> {
    fn tree(&mut self, value: &Value, depth: u64) -> Result<Tree, Error> {
        if depth >= DEPTH || self.left == 0 {
            return Ok(Tree::Missing("too deep".into()));
        }
        self.left -= 1;
        let bare = self.types.bare(value.ty)?;
        let is_leaf = !matches!(&*bare, Type::Composite(_) | Type::Array { .. });
        // One read for all that is within, as `print` does.
        let value = if depth == 0 && !is_leaf { &self.whole(value) } else { value };
        match &*bare {
            Type::Void => Ok(Tree::Void),
            Type::Function(_) => {
                let address = value.address().unwrap_or(RuntimeAddr(0));
                Ok(Tree::Function { address: address.0, symbol: self.context.symbol_at(address) })
            }
            Type::Composite(composite) => self.composite(value, composite, depth),
            Type::Array { element, count, .. } => {
                self.array(value, *element, count.fixed().unwrap_or(0), depth)
            }
            _ => match value.bytes(self.context) {
                Ok((_, bytes)) => self.leaf(&bare, value.ty, &bytes),
                Err(error) => Ok(Tree::Missing(error.to_string())),
            },
        }
    }

    /// A value read at once where that works; else its parts are read one by one, and say which cannot be.
    fn whole(&self, value: &Value) -> Value {
        match value.bytes(self.context) {
            Ok((ty, bytes)) if value.bits.is_none() => Value::at(ty, Place::Literal(bytes)),
            _ => value.clone(),
        }
    }

    fn composite(&mut self, value: &Value, ty: &Composite, depth: u64) -> Result<Tree, Error> {
        let mut members = Vec::new();
        for member in ty.members.iter() {
            if self.left == 0 {
                break;
            }
            let found = Found { ty: member.ty, bit_offset: member.bit_offset, bit_size: member.bit_size };
            let part = crate::expr::part(self.types, value, found)?;
            let name = member.name.clone().unwrap_or_else(|| "".into());
            members.push((name, self.tree(&part, depth + 1)?));
        }
        Ok(Tree::Struct(members))
    }

    fn array(&mut self, value: &Value, element: TypeId, count: u64, depth: u64) -> Result<Tree, Error> {
        if self.types.text_width(element)?.is_some() {
            let text = crate::format::print(value, self.context, self.settings, None);
            return Ok(text.map_or_else(|error| Tree::Missing(error.to_string()), Tree::Text));
        }
        let size = self.types.size(element)?;
        let most = count.min(self.settings.elements.unwrap_or(u64::MAX)).min(self.left as u64);
        let mut elements = Vec::new();
        for index in 0..most {
            let offset = value.offset.saturating_add(index.saturating_mul(size));
            let part = Value::within(element, value.place.clone(), offset);
            elements.push(self.tree(&part, depth + 1)?);
        }
        Ok(Tree::Array(elements, most < count))
    }

    fn leaf(&self, bare: &Type, ty: TypeId, bytes: &[u8]) -> Result<Tree, Error> {
        let number = |signed: bool| extract(bytes, 0, bytes.len() as u64 * 8, signed);
        Ok(match bare {
            Type::Base(Base { encoding: Encoding::Float, .. }) => {
                let float = float::decode(bytes);
                Tree::Float(float.to_f64(), float.text())
            }
            Type::Base(Base { encoding: Encoding::Boolean, .. }) => Tree::Boolean(number(false) != 0),
            Type::Base(base) => {
                Tree::Integer(number(matches!(base.encoding, Encoding::Signed | Encoding::SignedChar)))
            }
            Type::Flags(_) => Tree::Integer(number(false)),
            Type::Enum(one) => {
                let number = number(one.signed);
                Tree::Enumerator(crate::format::enumerator(one, number), number)
            }
            Type::Pointer { target, .. } => {
                let address = u64::try_from(number(false) & i128::from(u64::MAX)).unwrap_or(0);
                let text = match self.types.text_width(*target)?.filter(|_| address != 0) {
                    Some((width, prefix)) => {
                        let at = RuntimeAddr(address);
                        Some(crate::format::string(self.context, self.settings, at, width, prefix).0)
                    }
                    None => None,
                };
                Tree::Pointer { address, symbol: self.context.symbol_at(RuntimeAddr(address)), text }
            }
            _ => Tree::Missing(format!("a value of type {}", crate::type_text(self.context, ty))),
        })
    }
}
