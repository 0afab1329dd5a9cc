//! Types: `whatis`, `ptype`.

use lkdb_session::Session;
use lkdb_symbols::names::Kinds;
use lkdb_symbols::{TypeId, TypeSource};
use lkdb_value::declare::{self, Offsets, ptype_answer, ptype_from_btf};
use lkdb_value::expr::{Expr, parse, type_of};
use lkdb_value::{Context, Named};
use serde::Serialize;

use crate::answer::Layout;
use crate::page::Page;
use crate::table::{Command, Group, Takes};
use crate::{Error, Result};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new(
        &["whatis"],
        "EXPRESSION | TYPE",
        "The type of an expression, by its name",
        Group::Data,
        what_is,
    )
    .takes(Takes::Expression),
    Command::new(
        &["ptype"],
        "[/o[x]] EXPRESSION | TYPE",
        "What a type is made of\n/o: with offsets and sizes in bytes, /ox: in hexadecimal.",
        Group::Data,
        p_type,
    )
    .takes(Takes::Expression),
];

/// A type.
#[derive(Debug, Serialize)]
struct Type {
    #[serde(rename = "type")]
    text: String,
    /// A struct's members and holes.
    #[serde(skip_serializing_if = "Option::is_none")]
    layout: Option<declare::Layout>,
    /// Files that define another type of this tag.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also_defined_in: Vec<String>,
}

impl Type {
    fn of(text: String) -> Box<Self> {
        Box::new(Self { text, layout: None, also_defined_in: Vec::new() })
    }
}

impl Layout for Type {
    fn lay_out(&self, page: &mut Page) {
        page.plain(&self.text).plain("\n");
    }
}

fn what_is(session: &mut Session<'_>, rest: &str) -> Result {
    let (_, rest) = flags(rest)?;
    let context: &dyn Context = session;
    let expression = parse(rest, context)?;
    if is_bare_data(context, &expression) {
        return Ok(Type::of(BARE_DATA.to_owned()));
    }
    let named = matches!(expression, Expr::Type(_));
    let ty = type_of(&expression, context)?;
    Ok(Type::of(format!("type = {}", declare::whatis(context.types(), ty, named)?)))
}

fn p_type(session: &mut Session<'_>, rest: &str) -> Result {
    let (offsets, rest) = flags(rest)?;
    let (symbols, tag) = (session.symbols(), tag(rest));
    if let Some((kinds, name)) = tag {
        let candidates = symbols.all_in_btf(kinds, name);
        if let Ok(Some(text)) = ptype_from_btf(symbols, &candidates, offsets) {
            let layout = candidates.first().map(|id| declare::layout(symbols, *id)).transpose()?.flatten();
            return Ok(Box::new(Type { text, layout, also_defined_in: Vec::new() }));
        }
    }
    let context: &dyn Context = session;
    let expression = parse(rest, context)?;
    if is_bare_data(context, &expression) {
        return Ok(Type::of(BARE_DATA.to_owned()));
    }
    let ty = type_of(&expression, context)?;
    let text = ptype_answer(symbols, ty, offsets)?;
    let also_defined_in = tag.map(|(kinds, name)| others(session, kinds, name, ty)).unwrap_or_default();
    Ok(Box::new(Type { text, layout: declare::layout(symbols, ty)?, also_defined_in }))
}

/// What gdb calls the type of data that only the symbol table knows. Such data has no value.
const BARE_DATA: &str = "type = <data variable, no debug info>";

fn is_bare_data(context: &dyn Context, expression: &Expr) -> bool {
    let Expr::Name(name) = expression else { return false };
    matches!(context.named(name), Ok(Named::Bare { code: false, .. }))
}

fn others(session: &Session<'_>, kinds: Kinds, name: &str, ty: TypeId) -> Vec<String> {
    let symbols = session.symbols();
    let whole = symbols.resolved(ty).map_or(ty, |bare| bare.id);
    let others = symbols.other_definitions(kinds, name, whole);
    others.into_iter().map(|other| other.file).collect()
}

/// `struct NAME`, `union NAME` or `enum NAME` and no more.
fn tag(text: &str) -> Option<(Kinds, &str)> {
    let (keyword, name) = text.split_once(char::is_whitespace)?;
    let kinds = match keyword {
        "struct" => Kinds::STRUCT,
        "union" => Kinds::UNION,
        "enum" => Kinds::ENUM,
        _ => return None,
    };
    let name = name.trim();
    let plain =
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    plain.then_some((kinds, name))
}

/// The letters behind a slash, and the expression: `$` where there is none.
fn flags(rest: &str) -> Result<(Offsets, &str)> {
    let (letters, rest) = crate::arguments::format(rest);
    let (mut offsets, mut hex) = (false, false);
    for letter in letters.unwrap_or_default().chars() {
        match letter {
            'o' => offsets = true,
            'x' => hex = true,
            'd' => hex = false,
            // About C++'s methods and typedefs.
            'r' | 'm' | 'M' | 't' | 'T' => {}
            other => return Err(Error::say(format!("unrecognized flag '{other}'"))),
        }
    }
    let offsets = match (letters, offsets, hex) {
        (Some(""), ..) => return Err(Error::say("flag expected")),
        (Some(_), ..) if rest.is_empty() => return Err(Error::say("expected space after format")),
        (_, true, true) => Offsets::Hex,
        (_, true, false) => Offsets::Decimal,
        (_, false, _) => Offsets::No,
    };
    Ok((offsets, if rest.is_empty() { "$" } else { rest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_alone_is_told_from_an_expression() {
        assert_eq!(tag("struct  file "), Some((Kinds::STRUCT, "file")));
        assert_eq!(tag("enum e"), Some((Kinds::ENUM, "e")));
        for other in ["struct file *", "struct", "file", "union a.b", "(struct file)"] {
            assert_eq!(tag(other), None, "{other}");
        }
    }

    #[test]
    fn flags_are_gdbs() {
        let of = |text| flags(text).map_err(|error| error.to_string());
        assert_eq!(of("/xo struct s"), Ok((Offsets::Hex, "struct s")));
        assert_eq!(of("/o x"), Ok((Offsets::Decimal, "x")));
        assert_eq!(of("/x x"), Ok((Offsets::No, "x")));
        assert_eq!(of(""), Ok((Offsets::No, "$")));
        assert_eq!(of("/q x"), Err("unrecognized flag 'q'".to_owned()));
        assert_eq!(of("/ x"), Err("flag expected".to_owned()));
        assert_eq!(of("/o"), Err("expected space after format".to_owned()));
    }
}
