//! How C declares a type, in gdb's words: what `ptype`, `ptype/o` and `whatis` print, and type names.
//!
//! A type is first laid out as data ([`Written`]: what stands left of the name, and the rest), from which
//! its text is made. [`layout()`] gives the same struct as plain data with true offsets and holes, for JSON.
//!
//! How much of a type is shown is gdb's "show" level: at 1 the type itself is spelled out and typedefs are
//! seen through; at 0 what has a name goes by it and what has none is spelled out; below 0 what has no name
//! is `{...}`. Each level of struct takes one off.

mod declarator;
mod layout;
mod offsets;
mod sure;
#[cfg(test)]
mod tests;
mod text;

use std::cell::Cell;

use lkdb_symbols::types::{
    Bare, Composite, CompositeKind, Enum, FlagField, Flags, Member, Qualifier, Qualifiers, Type, TypeError,
    TypeId, TypeSource,
};

use crate::context::Context;

pub use layout::{Layout, LayoutMember, layout};
pub use offsets::Offsets;
pub use sure::ptype_from_btf;

/// Structs within structs deeper than any C code has them.
const DEPTH: usize = 48;

/// Pointers, arrays and functions of each other, likewise.
const CHAIN: usize = 256;

/// How many members one answer may have in all: a struct of a damaged file can hold itself many times over.
const MEMBERS: u32 = 1 << 20;

/// A type written in C, with or without a name that is declared by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What stands left.
    specifier: Specifier,
    /// The rest with the name in it, and a space before it where there must be one: ` *name[3]`.
    declarator: String,
}

/// What stands left of a declared name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Specifier {
    /// `const struct file`, `enum {A, B}`.
    Plain(String),
    /// A struct or union with its members.
    Body(Box<Body>),
}

/// A struct or union, spelled out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Body {
    /// `const struct list_head `, up to the brace.
    head: String,
    union: bool,
    size: u64,
    /// Nothing defines it.
    declaration: bool,
    /// It is what was asked for, or a struct in that with offsets: its size is printed behind it.
    whole: bool,
    fields: Vec<Field>,
}

/// One member of a struct that is spelled out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    written: Written,
    bit_offset: u64,
    bit_size: Option<u64>,
    size: u64,
    /// It is a struct or union itself, by no typedef, array or pointer.
    composite: bool,
}

/// The name of a type as gdb writes it in `whatis EXPR` and before values: `struct file *`, `int (*)(void)`.
///
/// # Errors
/// When the type is damaged.
pub fn type_name(types: &dyn TypeSource, id: TypeId) -> Result<String, TypeError> {
    declare(types, id, "")
}

/// The name of a type for a message or a value's cast: as [`type_name`], and `<unknown type>` for a damaged
/// one.
#[must_use]
pub fn type_text(context: &dyn Context, id: TypeId) -> String {
    type_name(context.types(), id).unwrap_or_else(|_| "<unknown type>".to_owned())
}

/// The declaration of `name` with a type: `struct file *f`, `int (*f[3])(void)`.
///
/// # Errors
/// When the type is damaged.
pub fn declare(types: &dyn TypeSource, id: TypeId, name: &str) -> Result<String, TypeError> {
    Ok(Writer::new(types, false).written(id, name, -1, 0)?.text(Offsets::No))
}

/// The same with a struct, union or enum that has no name spelled out, as gdb lists variables.
///
/// # Errors
/// When the type is damaged.
pub fn declare_spelled(types: &dyn TypeSource, id: TypeId, name: &str) -> Result<String, TypeError> {
    Ok(Writer::new(types, false).written(id, name, 0, 0)?.text(Offsets::No))
}

/// What `whatis` prints behind `type = `. Where a type was named, and not a value's asked for, one typedef
/// is looked through.
///
/// # Errors
/// When the type is damaged.
pub fn whatis(types: &dyn TypeSource, id: TypeId, named: bool) -> Result<String, TypeError> {
    let bare = types.unqualified(id)?;
    match &*bare.ty {
        Type::Typedef { target, .. } if named => type_name(types, *target),
        _ => type_name(types, id),
    }
}

/// What `ptype` prints behind `type = `; with offsets what `ptype/o` does.
///
/// # Errors
/// When the type is damaged.
pub fn ptype(types: &dyn TypeSource, id: TypeId, offsets: Offsets) -> Result<String, TypeError> {
    Ok(Writer::new(types, offsets != Offsets::No).written(id, "", 1, 0)?.text(offsets))
}

/// The whole line of `ptype` or `ptype/o`, with gdb's heading.
///
/// # Errors
/// When the type is damaged.
pub fn ptype_answer(types: &dyn TypeSource, id: TypeId, offsets: Offsets) -> Result<String, TypeError> {
    let composite = matches!(*types.unqualified(id)?.ty, Type::Composite(_));
    let heading = if composite && offsets != Offsets::No { "/* offset      |    size */  " } else { "" };
    Ok(format!("{heading}type = {}", ptype(types, id, offsets)?))
}

/// Lays types out; counts what it makes.
struct Writer<'a> {
    types: &'a dyn TypeSource,
    /// Structs in structs are spelled out, whatever their names.
    offsets: bool,
    budget: Cell<u32>,
    /// How deep in parameters of parameters it is.
    nested: Cell<usize>,
    /// Something was written that BTF may tell in another way than DWARF.
    doubt: Cell<bool>,
}

impl<'a> Writer<'a> {
    fn new(types: &'a dyn TypeSource, offsets: bool) -> Self {
        Self { types, offsets, budget: Cell::new(MEMBERS), nested: Cell::new(0), doubt: Cell::new(false) }
    }

    fn spend(&self) -> Result<(), TypeError> {
        let left = self.budget.get().checked_sub(1).ok_or(TypeError::Endless)?;
        self.budget.set(left);
        Ok(())
    }

    fn doubt_if(&self, doubtful: bool) {
        self.doubt.set(self.doubt.get() || doubtful);
    }

    fn written(&self, id: TypeId, name: &str, show: i32, depth: usize) -> Result<Written, TypeError> {
        let bare = self.bare(id, show)?;
        let specifier = self.specifier(bare.clone(), show, depth)?;
        let derived = match &*bare.ty {
            Type::Array { vector, .. } => !vector,
            ty => matches!(ty, Type::Pointer { .. } | Type::Function(_)),
        };
        let space = if derived || !name.is_empty() { " " } else { "" };
        let (before, after) = self.around(&bare, show, !name.is_empty())?;
        Ok(Written { specifier, declarator: format!("{space}{before}{name}{after}") })
    }

    /// A type as it is shown: through typedefs where show is above 0.
    fn bare(&self, id: TypeId, show: i32) -> Result<Bare, TypeError> {
        if show <= 0 {
            return self.types.unqualified(id);
        }
        let bare = self.types.resolved(id)?;
        if !matches!(*bare.ty, Type::Array { .. }) {
            return Ok(bare);
        }
        // gdb loses the qualifiers that a typedef of an array is given, and keeps the array's own.
        let mut own = self.types.unqualified(id)?;
        while let Type::Typedef { target, .. } = &*own.ty {
            self.spend()?;
            own = self.types.unqualified(*target)?;
        }
        Ok(own)
    }

    /// What stands left: that of the type at the end of pointers, arrays and functions.
    fn specifier(&self, bare: Bare, show: i32, depth: usize) -> Result<Specifier, TypeError> {
        let mut bare = bare;
        for _ in 0..CHAIN {
            let qualifiers = modifiers(bare.qualifiers);
            if show <= 0
                && let Some(name) = named(&bare.ty)
            {
                return Ok(Specifier::Plain(format!("{qualifiers}{name}")));
            }
            let mut inherited = Qualifiers::default();
            let next = match &*bare.ty {
                Type::Pointer { target, .. } => *target,
                Type::Function(function) => function.result,
                // C knows qualified elements, not qualified arrays.
                Type::Array { element, .. } => {
                    inherited = bare.qualifiers;
                    *element
                }
                Type::Composite(composite) => {
                    return self.composite(composite, &qualifiers, show, depth);
                }
                Type::Enum(enumeration) => {
                    self.doubt_if(sure::doubtful_enum(enumeration));
                    return Ok(spelled(enumeration, &qualifiers, show));
                }
                Type::Flags(flags) => return Ok(described(flags, &qualifiers)),
                ty => {
                    let name = named(ty).unwrap_or_default();
                    return Ok(Specifier::Plain(format!("{qualifiers}{name}")));
                }
            };
            let under = self.bare(next, show)?;
            bare = Bare { qualifiers: under.qualifiers.union(inherited), ..under };
        }
        Err(TypeError::Endless)
    }

    fn composite(
        &self,
        composite: &Composite,
        qualifiers: &str,
        show: i32,
        depth: usize,
    ) -> Result<Specifier, TypeError> {
        let keyword = keyword(composite.kind);
        let head = match &composite.name {
            Some(name) => format!("{qualifiers}{keyword} {name} "),
            None => format!("{qualifiers}{keyword} "),
        };
        if show < 0 {
            return Ok(Specifier::Plain(format!("{head}{{...}}")));
        }
        if depth >= DEPTH {
            return Err(TypeError::Endless);
        }
        self.doubt_if(composite.declaration);
        let fields = composite.members.iter().map(|member| self.field(member, show, depth));
        Ok(Specifier::Body(Box::new(Body {
            head,
            union: composite.kind == CompositeKind::Union,
            size: composite.size,
            declaration: composite.declaration,
            whole: show > 0,
            fields: fields.collect::<Result<_, _>>()?,
        })))
    }

    fn field(&self, member: &Member, show: i32, depth: usize) -> Result<Field, TypeError> {
        self.spend()?;
        let composite = matches!(*self.types.unqualified(member.ty)?.ty, Type::Composite(_));
        let show = if composite && self.offsets { show } else { show - 1 };
        Ok(Field {
            written: self.written(member.ty, member.name.as_deref().unwrap_or_default(), show, depth + 1)?,
            bit_offset: member.bit_offset,
            bit_size: member.bit_size,
            size: self.types.size(member.ty)?,
            composite,
        })
    }
}

/// A register's flags with their places.
fn described(flags: &Flags, qualifiers: &str) -> Specifier {
    let number = if flags.size > 4 { "uint64_t" } else { "uint32_t" };
    let mut text = format!("{qualifiers}flag {} {{\n", flags.name);
    for FlagField { name, bit, bits } in flags.fields.iter() {
        text.push_str(&match bits {
            0 | 1 => format!("    bool {name} @{bit};\n"),
            _ => format!("    {number} {name} @{bit}-{};\n", bit.saturating_add(*bits) - 1),
        });
    }
    text.push('}');
    Specifier::Plain(text)
}

/// An enumeration with its values; those that are one more than the last go without.
fn spelled(enumeration: &Enum, qualifiers: &str, show: i32) -> Specifier {
    let name = enumeration.name.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
    if show < 0 {
        return Specifier::Plain(format!("{qualifiers}enum {name}{{...}}"));
    }
    let mut text = format!("{qualifiers}enum {name}{{");
    let mut next = 0_i64;
    for (index, (name, value)) in enumeration.values.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(name);
        // gdb counts in 64 bits with a sign, whatever the type.
        let value = (*value & i128::from(u64::MAX)) as u64;
        let value = value.cast_signed();
        if value != next {
            text.push_str(&format!(" = {value}"));
        }
        next = value.wrapping_add(1);
    }
    text.push('}');
    Specifier::Plain(text)
}

/// What a type goes by, where it has a name.
fn named(ty: &Type) -> Option<String> {
    match ty {
        Type::Void => Some("void".to_owned()),
        Type::Base(base) => Some(base.name.to_string()),
        Type::Typedef { name, .. } => Some(name.to_string()),
        Type::Composite(composite) => {
            composite.name.as_ref().map(|name| format!("{} {name}", keyword(composite.kind)))
        }
        Type::Enum(enumeration) => enumeration.name.as_ref().map(|name| format!("enum {name}")),
        Type::Flags(flags) => Some(flags.name.to_string()),
        Type::Pointer { .. } | Type::Array { .. } | Type::Qualified { .. } | Type::Function(_) => None,
    }
}

fn keyword(kind: CompositeKind) -> &'static str {
    match kind {
        CompositeKind::Struct => "struct",
        CompositeKind::Union => "union",
    }
}

/// Qualifiers in gdb's order, each with a space behind it.
fn modifiers(qualifiers: Qualifiers) -> String {
    let words = [
        (Qualifier::Const, "const "),
        (Qualifier::Volatile, "volatile "),
        (Qualifier::Restrict, "restrict "),
        (Qualifier::Atomic, "_Atomic "),
    ];
    words.iter().filter(|(qualifier, _)| qualifiers.has(*qualifier)).map(|(_, word)| *word).collect()
}
