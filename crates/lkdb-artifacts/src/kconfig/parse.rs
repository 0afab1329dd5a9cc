//! Reading Kconfig files (Documentation/kbuild/kconfig-language.rst).
//!
//! Line by line: a keyword opens an entry or a block, the lines under it are its attributes. Blocks
//! (`if`, `menu`, `choice`) pass their conditions on to what is in them. Help texts end where the
//! indentation does. Preprocessor variables are not expanded, but for `$(SRCARCH)` in `source` lines.

use std::fs;
use std::path::Path;

use crate::kconfig::expr::{Expr, macro_length};
use crate::kconfig::tree::{Entry, Kind, Symbol, Tree};

/// Files that source each other deeper than this go in a circle.
const MAX_DEPTH: usize = 32;
/// A Kconfig file is smaller than this.
const MAX_FILE: u64 = 4 << 20;

/// Reads all files, from `Kconfig` at the top.
pub(crate) fn tree(source: &Path, arch_dir: &str) -> Tree {
    let mut reader =
        Reader { source, arch_dir, tree: Tree::default(), blocks: Vec::new(), now: Now::Nothing };
    reader.file("Kconfig", 0);
    reader.tree
}

struct Reader<'a> {
    source: &'a Path,
    arch_dir: &'a str,
    tree: Tree,
    blocks: Vec<Block>,
    /// What the attributes that follow belong to.
    now: Now,
}

#[derive(Debug, Default)]
struct Block {
    conditions: Vec<Expr>,
    choice: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Now {
    Nothing,
    /// The last block opened.
    Block,
    /// The last declaration of this option.
    Option(String),
}

impl Reader<'_> {
    fn file(&mut self, name: &str, depth: usize) {
        let path = self.source.join(name);
        let small = fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_FILE);
        if depth > MAX_DEPTH || !small {
            return;
        }
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
        let mut help: Option<Help> = None;
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            if help.as_mut().is_some_and(|help| help.covers(line)) {
                continue;
            }
            help = None;
            let mut joined = line.to_owned();
            while joined.ends_with('\\') {
                joined.pop();
                joined.push_str(lines.next().map_or("", |(_, next)| next));
            }
            let words = joined.trim();
            if matches!(words, "help" | "---help---") {
                help = Some(Help { indent: None });
            } else if !words.is_empty() && !words.starts_with('#') {
                self.line(words, &format!("{name}:{}", number + 1), depth);
            }
        }
        self.now = Now::Nothing;
    }

    fn line(&mut self, line: &str, place: &str, depth: usize) {
        let (keyword, rest) = split_word(line);
        match keyword {
            "config" | "menuconfig" => self.option(rest, place),
            "if" => self.open(Some(Expr::parse(rest)), None),
            "menu" => self.open(None, None),
            "choice" => {
                self.tree.choices.push(Vec::new());
                self.open(None, Some(self.tree.choices.len() - 1));
            }
            "endif" | "endmenu" | "endchoice" => {
                self.blocks.pop();
                self.now = Now::Nothing;
            }
            "source" | "osource" | "rsource" | "orsource" => {
                let named = rest.trim().trim_matches('"').replace("$(SRCARCH)", self.arch_dir);
                let named = named.replace("$SRCARCH", self.arch_dir);
                let file = match place.rsplit_once('/') {
                    Some((dir, _)) if keyword.ends_with("rsource") => format!("{dir}/{named}"),
                    _ => named,
                };
                if !file.contains("$(") && !file.starts_with('/') {
                    self.file(&file, depth + 1);
                }
            }
            "comment" | "mainmenu" => self.now = Now::Nothing,
            _ => self.attribute(keyword, rest),
        }
    }

    fn open(&mut self, condition: Option<Expr>, choice: Option<usize>) {
        self.blocks.push(Block { conditions: condition.into_iter().collect(), choice });
        self.now = Now::Block;
    }

    fn option(&mut self, name: &str, place: &str) {
        let name = name.trim();
        let choice = self.blocks.iter().rev().find_map(|block| block.choice);
        let depends = self.blocks.iter().flat_map(|block| block.conditions.iter().cloned()).collect();
        let entry = Entry { place: place.to_owned(), depends, choice, ..Entry::default() };
        self.tree.symbols.entry(name.to_owned()).or_default().entries.push(entry);
        if let Some(members) = choice.and_then(|choice| self.tree.choices.get_mut(choice))
            && !members.iter().any(|member| member == name)
        {
            members.push(name.to_owned());
        }
        self.now = Now::Option(name.to_owned());
    }

    fn attribute(&mut self, keyword: &str, rest: &str) {
        if keyword == "depends" {
            let condition = Expr::parse(rest.trim_start().strip_prefix("on").unwrap_or(rest));
            match &self.now {
                Now::Block => self.blocks.last_mut().map(|block| block.conditions.push(condition)),
                Now::Option(_) => self.entry().map(|entry| entry.depends.push(condition)),
                Now::Nothing => None,
            };
            return;
        }
        let Now::Option(name) = self.now.clone() else { return };
        let kind = match keyword {
            "bool" | "def_bool" | "boolean" => Kind::Bool,
            "tristate" | "def_tristate" => Kind::Tristate,
            "string" => Kind::Text,
            "int" | "hex" => Kind::Number,
            "select" => return self.select(name, rest),
            "prompt" => Kind::Unknown,
            _ => return,
        };
        if let Some(symbol) = self.tree.symbols.get_mut(&name).filter(|symbol| symbol.kind == Kind::Unknown) {
            symbol.kind = kind;
        }
        if !keyword.starts_with("def_") {
            let (prompt, condition) = prompt(rest);
            if let Some(entry) = self.entry().filter(|_| prompt) {
                entry.prompt = true;
                entry.prompt_if = condition;
            }
        }
    }

    fn select(&mut self, selector: String, rest: &str) {
        let (target, condition) = split_word(rest.trim());
        let condition = condition.trim().strip_prefix("if ").map(Expr::parse);
        let symbol: &mut Symbol = self.tree.symbols.entry(target.to_owned()).or_default();
        symbol.selected_by.push((selector, condition));
    }

    fn entry(&mut self) -> Option<&mut Entry> {
        let Now::Option(name) = &self.now else { return None };
        self.tree.symbols.get_mut(name)?.entries.last_mut()
    }
}

/// A help text being passed over: it lasts while lines are indented at least as its first one.
struct Help {
    indent: Option<usize>,
}

impl Help {
    fn covers(&mut self, line: &str) -> bool {
        if line.trim().is_empty() {
            return true;
        }
        let indent = indentation(line);
        match self.indent {
            Some(first) => indent >= first,
            None => {
                self.indent = Some(indent);
                indent > 0
            }
        }
    }
}

fn indentation(line: &str) -> usize {
    let blanks = line.chars().take_while(|c| c.is_whitespace());
    blanks.fold(0, |column, c| if c == '\t' { (column / 8 + 1) * 8 } else { column + 1 })
}

fn split_word(line: &str) -> (&str, &str) {
    // `bool "x"` and `$(error-if,…)` alike.
    if line.starts_with("$(") {
        return line.split_at(macro_length(line).min(line.len()));
    }
    line.split_at(line.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(line.len()))
}

/// Whether `"text" if COND` has a prompt, and its condition.
fn prompt(rest: &str) -> (bool, Option<Expr>) {
    let rest = rest.trim();
    let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return (false, None) };
    let after = rest.get(1..).and_then(|text| text.find(quote).and_then(|end| text.get(end + 1..)));
    (true, after.and_then(|text| text.trim().strip_prefix("if ")).map(Expr::parse))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: &str = r#"
mainmenu "Linux"
source "scripts/missing"
source "arch/$(SRCARCH)/Kconfig"
NAME := value
$(error-if,$(failure,command -v x),no x)
menu "Hacking"
	depends on MENU
config DEBUG_KERNEL
	bool "Kernel debugging"
	help
	  config FAKE
	    bool "not an option"

	  Ends here.
if DEBUG_KERNEL
choice
	prompt "Debug information"
	depends on !SMALL || \
		   EXPERT
config NONE
	bool "None"
config DWARF5
	bool "Five" if EXPERT
	depends on $(cc-option,-gdwarf-5)
	select HAS_DWARF if !NONE
endchoice
endif
endmenu
config HAS_DWARF
	bool
config AFTER
	def_tristate y
	depends on AFTER_ALL
"#;

    fn read() -> Tree {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("arch/x86")).unwrap();
        fs::write(dir.path().join("Kconfig"), TOP).unwrap();
        fs::write(dir.path().join("arch/x86/Kconfig"), "config X86\n\tint \"n\"\n").unwrap();
        tree(dir.path(), "x86")
    }

    #[test]
    fn entries_conditions_and_choices_are_read() {
        let tree = read();
        assert!(tree.get("FAKE").is_none());
        let dwarf5 = tree.get("DWARF5").unwrap();
        assert_eq!(dwarf5.kind, Kind::Bool);
        let entry = &dwarf5.entries[0];
        let conditions: Vec<String> = entry.conditions().map(ToString::to_string).collect();
        assert_eq!(
            conditions,
            ["MENU", "DEBUG_KERNEL", "!SMALL || EXPERT", "$(cc-option,-gdwarf-5)", "EXPERT"]
        );
        assert!(entry.prompt && entry.place.starts_with("Kconfig:"));
        assert_eq!(tree.rivals("DWARF5"), ["NONE"]);
        assert!(!tree.can_be_chosen("HAS_DWARF"));
        assert_eq!(tree.get("HAS_DWARF").unwrap().selected_by[0].0, "DWARF5");
        let after: Vec<String> =
            tree.get("AFTER").unwrap().entries[0].conditions().map(|c| c.to_string()).collect();
        assert_eq!(after, ["AFTER_ALL"]);
        assert_eq!(tree.get("X86").unwrap().kind, Kind::Number);
    }

    #[test]
    fn files_that_source_each_other_end() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("Kconfig"), "config A\n\tbool\nsource \"Kconfig\"\n").unwrap();
        let tree = tree(dir.path(), "x86");
        assert!(tree.get("A").is_some_and(|symbol| symbol.entries.len() <= MAX_DEPTH + 1));
    }
}
