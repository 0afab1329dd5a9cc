//! All options of one source tree: where each is declared, what it depends on, what selects it.

use std::collections::HashMap;
use std::path::Path;

use crate::kconfig::expr::Expr;
use crate::kconfig::parse;
use crate::{Error, Result};

/// The options a tree has.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) symbols: HashMap<String, Symbol>,
    /// Members of each choice, by its number.
    pub(crate) choices: Vec<Vec<String>>,
}

/// One option. It may be declared in several places, each with conditions of its own.
#[derive(Debug, Default)]
pub(crate) struct Symbol {
    pub(crate) kind: Kind,
    pub(crate) entries: Vec<Entry>,
    /// Options that switch it on, each with the condition under which it does.
    pub(crate) selected_by: Vec<(String, Option<Expr>)>,
}

/// An option's type.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Unknown,
    Bool,
    Tristate,
    /// string, and also what is quoted in `.config`.
    Text,
    Number,
}

/// One declaration.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// `lib/Kconfig.debug:371`.
    pub(crate) place: String,
    /// Whether it has a prompt: without one its value can't be chosen.
    pub(crate) prompt: bool,
    /// The condition behind the prompt.
    pub(crate) prompt_if: Option<Expr>,
    /// `depends on` of its own and of all that is around it.
    pub(crate) depends: Vec<Expr>,
    /// The choice it is a member of.
    pub(crate) choice: Option<usize>,
}

impl Entry {
    /// Every condition under which its value can be chosen.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Expr> {
        self.depends.iter().chain(&self.prompt_if).flat_map(Expr::conjuncts)
    }
}

impl Tree {
    /// Reads the tree's Kconfig files, `arch_dir` (`x86`) standing for `$(SRCARCH)`.
    ///
    /// # Errors
    /// When the topmost file is not there. Files that are named but missing are passed over, as many
    /// are made by other builds.
    pub(crate) fn read(source: &Path, arch_dir: &str) -> Result<Self> {
        if !source.join("Kconfig").is_file() {
            return Err(Error::Unfit(format!(
                "{} is no kernel source tree: it has no Kconfig",
                source.display()
            )));
        }
        Ok(parse::tree(source, arch_dir))
    }

    /// One option.
    pub(crate) fn get(&self, name: &str) -> Option<&Symbol> {
        self.symbols.get(name).filter(|symbol| !symbol.entries.is_empty())
    }

    /// Whether a value can be chosen for it.
    pub(crate) fn can_be_chosen(&self, name: &str) -> bool {
        self.get(name).is_some_and(|symbol| symbol.entries.iter().any(|entry| entry.prompt))
    }

    /// The other members of the choices it belongs to.
    pub(crate) fn rivals(&self, name: &str) -> Vec<&str> {
        let entries = self.get(name).map(|symbol| symbol.entries.as_slice()).unwrap_or_default();
        let choices = entries.iter().filter_map(|entry| self.choices.get(entry.choice?));
        choices.flatten().map(String::as_str).filter(|other| *other != name).collect()
    }
}
