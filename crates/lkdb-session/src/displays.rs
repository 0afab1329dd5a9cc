//! What is shown at each stop: the expressions of `display`.
//!
//! One with locals belongs to the block that declares them, and is shown in frames of that block alone, be it that
//! of a function inlined there.

use std::cell::Cell;

use lkdb_symbols::dwarf::{Block, DieRef};
use lkdb_value::expr::{evaluate, parse};
use lkdb_value::{Context as _, Error as ValueError, Named as Meaning};
use serde::Serialize;

use crate::frames::ends_with_frame;
use crate::overlay::{Over, Overlay};
use crate::{Error, Result, Session};

/// One expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Display {
    /// Its number, from 1 on.
    pub number: u32,
    /// As typed, without its format.
    pub expression: String,
    /// The format, as typed behind the slash: `x`, `8gx`, `i`.
    pub format: String,
    /// It is shown.
    pub enabled: bool,
    /// The block whose locals it has.
    #[serde(skip)]
    block: Option<DieRef>,
}

/// All of a session's, by number.
#[derive(Debug, Default)]
pub struct Displays {
    all: Vec<Display>,
    last: u32,
}

impl Displays {
    /// By number.
    pub fn iter(&self) -> impl Iterator<Item = &Display> {
        self.all.iter()
    }

    /// Shows one, or keeps it from being shown.
    ///
    /// # Errors
    /// When it is not there.
    pub fn enable(&mut self, number: u32, enabled: bool) -> Result<()> {
        let found = self.all.iter_mut().find(|one| one.number == number);
        found.ok_or_else(|| none(number))?.enabled = enabled;
        Ok(())
    }

    /// Forgets one.
    ///
    /// # Errors
    /// When it is not there.
    pub fn delete(&mut self, number: u32) -> Result<()> {
        let before = self.all.len();
        self.all.retain(|one| one.number != number);
        if self.all.len() == before { Err(none(number)) } else { Ok(()) }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.all.clear();
    }
}

fn none(number: u32) -> Error {
    Error::say(format!("No display number {number}."))
}

impl Session<'_> {
    /// What is shown at each stop.
    #[must_use]
    pub fn displays(&self) -> &Displays {
        &self.displays
    }

    /// What is shown at each stop, to be changed.
    pub fn displays_mut(&mut self) -> &mut Displays {
        &mut self.displays
    }

    /// Adds an expression to what is shown at each stop; its number.
    ///
    /// # Errors
    /// When it is no expression here.
    pub fn add_display(&mut self, expression: &str, format: &str) -> Result<u32> {
        let block = self.innermost_block(expression)?;
        let displays = &mut self.displays;
        displays.last += 1;
        let (number, enabled) = (displays.last, true);
        let (expression, format) = (expression.to_owned(), format.to_owned());
        displays.all.push(Display { number, expression, format, enabled, block });
        Ok(number)
    }

    /// The frame that an expression is shown in: the selected one, or the one that it is inlined into; none where its
    /// block is not.
    #[must_use]
    pub fn frame_of_display(&self, display: &Display) -> Option<usize> {
        let selected = self.selected_frame();
        let Some(block) = display.block else { return Some(selected) };
        let physical = self.frame(selected).ok()?.physical;
        for level in selected.. {
            let row = self.frame(level).ok().filter(|row| row.physical == physical)?;
            if self.blocks_of(&row).ok()?.iter().any(|one| one.die == block) {
                return Some(level);
            }
        }
        None
    }

    /// The innermost block whose locals an expression has.
    fn innermost_block(&self, expression: &str) -> Result<Option<DieRef>> {
        let row = self.frame(self.selected_frame());
        let blocks = row.and_then(|row| self.blocks_of(&row)).unwrap_or_default();
        let over = Over { session: self, overlay: Blocks { blocks, innermost: Cell::new(None) } };
        // What has no value now may have one at another stop.
        let _ = evaluate(&parse(expression, &over)?, &over);
        let Blocks { blocks, innermost } = over.overlay;
        Ok(innermost.get().and_then(|at| blocks.get(at)).map(|block| block.die))
    }
}

/// The blocks around a place, innermost first, and the first of them that names were found in.
struct Blocks<'d> {
    blocks: Vec<Block<'d>>,
    innermost: Cell<Option<usize>>,
}

impl Overlay for Blocks<'_> {
    fn named(&self, session: &Session<'_>, name: &str) -> Result<Meaning, ValueError> {
        let mut blocks = self.blocks.iter().enumerate();
        let declared = blocks.find_map(|(at, block)| Some((at, ends_with_frame(block, name)?)));
        if let Some((at, true)) = declared {
            self.innermost.set(Some(self.innermost.get().map_or(at, |known| known.min(at))));
        }
        session.named(name)
    }
}
