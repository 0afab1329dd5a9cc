//! A struct as plain data, for programs: members with their true places, and what lies unused between them.

use lkdb_symbols::types::{Composite, CompositeKind, Type, TypeError, TypeId, TypeSource};
use serde::Serialize;

use super::{DEPTH, Writer};

/// A struct or union.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// `struct` or `union`.
    pub kind: &'static str,
    /// Its tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Nothing defines it: it has no members that are known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// Its members in their order.
    pub members: Vec<LayoutMember>,
    /// Bits unused behind the last member (for a union: behind its longest).
    pub padding_bits: u64,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayoutMember {
    /// Its name; none for an unnamed struct or union.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its type, as C writes it without the name.
    #[serde(rename = "type")]
    pub ty: String,
    /// Where it begins, in bytes from the start of the outermost struct.
    pub offset: u64,
    /// For a bit field, which bit of that byte it begins at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit: Option<u64>,
    /// For a bit field, how many bits it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<u64>,
    /// The size of its type in bytes.
    pub size: u64,
    /// Bits unused before it.
    #[serde(skip_serializing_if = "is_zero")]
    pub hole_bits: u64,
    /// What it consists of, where it is a struct or union without a typedef.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Box<Layout>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The layout of a struct or union, through typedefs and qualifiers; none for other types.
///
/// # Errors
/// When the type, or that of a member, is damaged.
pub fn layout(types: &dyn TypeSource, id: TypeId) -> Result<Option<Layout>, TypeError> {
    match &*types.resolved(id)?.ty {
        Type::Composite(composite) => Writer::new(types, true).layout(composite, 0, 0).map(Some),
        _ => Ok(None),
    }
}

impl Writer<'_> {
    fn layout(&self, composite: &Composite, start: u64, depth: usize) -> Result<Layout, TypeError> {
        if depth >= DEPTH {
            return Err(TypeError::Endless);
        }
        let (mut members, mut end) = (Vec::with_capacity(composite.members.len()), 0_u64);
        let union = composite.kind == CompositeKind::Union;
        for member in composite.members.iter() {
            self.spend()?;
            let size = self.types.size(member.ty)?;
            let bare = self.types.unqualified(member.ty)?;
            let at = start.wrapping_add(member.bit_offset);
            let layout = match &*bare.ty {
                Type::Composite(_) => match &*self.types.resolved(member.ty)?.ty {
                    Type::Composite(inner) => Some(Box::new(self.layout(inner, at, depth + 1)?)),
                    _ => None,
                },
                _ => None,
            };
            let hole_bits = if union { 0 } else { member.bit_offset.saturating_sub(end) };
            members.push(LayoutMember {
                name: member.name.as_ref().map(ToString::to_string),
                ty: super::type_name(self.types, member.ty)?,
                offset: at / 8,
                bit: member.bit_size.map(|_| at % 8),
                bits: member.bit_size,
                size,
                hole_bits,
                layout,
            });
            let length = member.bit_size.unwrap_or(size.saturating_mul(8));
            end = end.max(member.bit_offset.saturating_add(length));
        }
        Ok(Layout {
            kind: super::keyword(composite.kind),
            name: composite.name.as_ref().map(ToString::to_string),
            size: composite.size,
            incomplete: composite.declaration,
            members,
            padding_bits: composite.size.saturating_mul(8).saturating_sub(end),
        })
    }
}
