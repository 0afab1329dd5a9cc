//! The part of a declaration around the name: `(*name[3])(int)`.
//!
//! C writes a pointer left of the name and what it points to around it, so the parts are gathered from the
//! type outwards: what stands before and what stands behind, with brackets where a pointer leads to an array
//! or a function.

use lkdb_symbols::types::{Bare, Count, Function, Type, TypeError};

use super::{CHAIN, DEPTH, Offsets, Writer, modifiers, named};

impl Writer<'_> {
    /// What stands before the name and what behind it. `declares` tells whether there is a name.
    pub(super) fn around(
        &self,
        bare: &Bare,
        show: i32,
        declares: bool,
    ) -> Result<(String, String), TypeError> {
        let mut bare = bare.clone();
        // Before the name the type that is nearest to it comes last.
        let (mut before, mut after) = (Vec::new(), String::new());
        let (mut pointed, mut space) = (false, declares);
        for _ in 0..CHAIN {
            if show <= 0 && named(&bare.ty).is_some() {
                return Ok((joined(before), after));
            }
            let next = match &*bare.ty {
                Type::Pointer { target, .. } => {
                    let modifiers = modifiers(bare.qualifiers);
                    let modifiers = if space { &modifiers } else { modifiers.trim_end() };
                    before.push(if modifiers.is_empty() { "*".to_owned() } else { format!("* {modifiers}") });
                    (pointed, space) = (true, true);
                    *target
                }
                Type::Function(function) => {
                    bracket(pointed, &mut before, &mut after);
                    after.push_str(&self.parameters(function)?);
                    (pointed, space) = (false, false);
                    function.result
                }
                Type::Array { element, count, vector } => {
                    self.doubt_if(true);
                    bracket(pointed, &mut before, &mut after);
                    after.push_str(&brackets(*count, *vector));
                    pointed = false;
                    *element
                }
                // Seen through only where show is above 0, as its target is when the name's own type.
                Type::Typedef { target, .. } => {
                    space = false;
                    *target
                }
                _ => return Ok((joined(before), after)),
            };
            self.spend()?;
            bare = self.types.unqualified(next)?;
        }
        Err(TypeError::Endless)
    }

    fn parameters(&self, function: &Function) -> Result<String, TypeError> {
        let mut parts = Vec::with_capacity(function.parameters.len() + 1);
        for parameter in function.parameters.iter() {
            self.spend()?;
            // Parameters of parameters are few; their depth is that of the text.
            let deep = self.nested.get();
            if deep >= DEPTH {
                return Err(TypeError::Endless);
            }
            self.nested.set(deep + 1);
            let written = self.written(parameter.ty, "", -1, 0);
            self.nested.set(deep);
            parts.push(written?.text(Offsets::No));
        }
        if parts.is_empty() {
            return Ok(if function.prototyped { "(void)" } else { "()" }.to_owned());
        }
        if function.variadic {
            parts.push("...".to_owned());
        }
        Ok(format!("({})", parts.join(", ")))
    }
}

/// What a pointer leads to is put around it in brackets.
fn bracket(pointed: bool, before: &mut Vec<String>, after: &mut String) {
    if pointed {
        before.push("(".to_owned());
        after.push(')');
    }
}

fn brackets(count: Count, vector: bool) -> String {
    let count = match count {
        Count::Fixed(count) => count.to_string(),
        Count::Open => String::new(),
        Count::Variable => "variable length".to_owned(),
    };
    if vector { format!(" __attribute__ ((vector_size({count})))") } else { format!("[{count}]") }
}

fn joined(before: Vec<String>) -> String {
    before.into_iter().rev().collect()
}
