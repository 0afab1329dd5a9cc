//! Going through the DIEs of one unit from its start: to a given place, or over all of them.

use super::unit::{Die, Reader};

/// More levels than C code nests; deeper is damage, or a list whose end is missing.
const DEEPEST: usize = 1024;

/// What a DIE is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Within {
    /// Its parent's offset.
    pub(crate) parent: usize,
    /// It is in a function, or in a namespace of Rust's: its name alone does not mean it.
    pub(crate) local: bool,
}

/// Tags whose children are local: subprogram, lexical block, inlined subroutine, namespace.
fn localizes(tag: u16) -> bool {
    matches!(tag, 0x2e | 0x0b | 0x1d | 0x39)
}

/// Whether the chain of DIEs from the unit's start comes by `target`, and what the DIE there is in.
pub(crate) fn reach(reader: &Reader<'_>, target: usize) -> Option<Within> {
    let mut open: Vec<Within> = Vec::new();
    let mut at = reader.head.first;
    while at <= target {
        let within = open.last().copied();
        if at == target {
            let none = Within { parent: target, local: false };
            return reader.code(at)?.0.map(|_| within.unwrap_or(none));
        }
        let (abbrev, attributes) = reader.code(at)?;
        let Some(abbrev) = abbrev else {
            open.pop();
            at = attributes;
            continue;
        };
        let (end, sibling) = reader.pass(abbrev, attributes)?;
        if abbrev.children && (end..=target).contains(&sibling) {
            at = sibling;
            continue;
        }
        if abbrev.children {
            let local = within.is_some_and(|within| within.local) || localizes(abbrev.tag);
            open.push(Within { parent: at, local });
            (open.len() < DEEPEST).then_some(())?;
        }
        at = end;
    }
    None
}

/// What to do with a DIE's children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Children {
    Enter,
    /// Go past them, at once if the DIE says where its sibling is.
    Pass,
}

/// Goes over the DIEs of a unit. `want` tells by tag which are read in full and handed to `each`.
/// None when the unit is damaged: what lies in front of the damage has been handed over.
pub(crate) fn over(
    reader: &Reader<'_>,
    from: usize,
    want: impl Fn(u16) -> bool,
    mut each: impl FnMut(&Die, Within) -> Children,
) -> Option<()> {
    let mut open: Vec<(Within, bool)> = Vec::new();
    let mut at = from;
    while at < reader.head.end {
        let (abbrev, attributes) = reader.code(at)?;
        let Some(abbrev) = abbrev else {
            open.pop();
            at = attributes;
            if open.is_empty() {
                return Some(());
            }
            continue;
        };
        let none = Within { parent: at, local: false };
        let (within, silent) = open.last().copied().unwrap_or((none, false));
        let (end, sibling, children) = if !silent && want(abbrev.tag) {
            let die = reader.attributes(abbrev, at, attributes, &mut ())?;
            (die.end, die.sibling, each(&die, within))
        } else {
            let (end, sibling) = reader.pass(abbrev, attributes)?;
            (end, sibling, if silent { Children::Pass } else { Children::Enter })
        };
        if !abbrev.children {
            at = end;
            if open.is_empty() {
                return Some(());
            }
            continue;
        }
        if children == Children::Pass && sibling >= end && sibling <= reader.head.end {
            at = sibling;
            continue;
        }
        let local = within.local || localizes(abbrev.tag);
        open.push((Within { parent: at, local }, children == Children::Pass));
        (open.len() < DEEPEST).then_some(())?;
        at = end;
    }
    Some(())
}
