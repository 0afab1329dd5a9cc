//! All that is asked of a configuration: gathered from lkdb's own wishes, flags, fragments and `--set`,
//! and freed of contradictions before anything is changed.
//!
//! Who asks decides who gives way: what the user wrote stands above what lkdb wishes, and two wishes of
//! the user's that exclude each other are an error.

use std::collections::BTreeMap;

use crate::config::options::Need;
use crate::kconfig::expr::{Expr, Tri, Values};
use crate::kconfig::tree::{Kind, Tree};
use crate::{Error, Result};

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// lkdb's table.
    Lkdb(Need),
    /// `--reduced`, `--btf`.
    Flag(&'static str),
    /// `--fragment FILE`.
    Fragment(String),
    /// `--set OPT=VAL`.
    Set,
}

impl Origin {
    fn rank(&self) -> u8 {
        match self {
            Self::Lkdb(_) => 0,
            Self::Flag(_) => 1,
            Self::Fragment(_) => 2,
            Self::Set => 3,
        }
    }

    fn say(&self, name: &str, value: &str) -> String {
        match self {
            Self::Lkdb(_) => format!("{name}={value}"),
            Self::Flag(flag) => (*flag).to_owned(),
            Self::Fragment(file) => format!("{name}={value} of {file}"),
            Self::Set => format!("--set {name}={value}"),
        }
    }
}

/// One value asked for; without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// The requests, by option.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    map: BTreeMap<String, Request>,
    /// Wishes of lkdb's that were given up, each with the reason.
    pub(crate) left_out: Vec<(String, String)>,
}

impl Values for Requests {
    fn value(&self, symbol: &str) -> Option<String> {
        let asked = self.map.get(symbol).map(|request| request.value.clone());
        // What was given up is off, and what hangs on it with it.
        asked.or_else(|| self.gave_up(symbol).then(|| "n".to_owned()))
    }
}

impl Requests {
    fn gave_up(&self, symbol: &str) -> bool {
        self.left_out.iter().any(|(name, _)| name == symbol)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Request)> {
        self.map.iter().map(|(name, request)| (name.as_str(), request))
    }

    /// Adds a request; one of higher rank takes the place of a lower one.
    ///
    /// # Errors
    /// When it contradicts a flag, or the tree has no such option (lkdb's own are passed over then).
    pub(crate) fn add(&mut self, tree: &Tree, name: &str, value: &str, origin: Origin) -> Result<()> {
        let name = name.strip_prefix("CONFIG_").unwrap_or(name);
        if let Origin::Lkdb(_) = origin {
            // Without a prompt it comes with others, or not at all.
            if !tree.can_be_chosen(name) {
                return Ok(());
            }
        } else if tree.get(name).is_none() {
            let asked = origin.say(name, value);
            return Err(Error::Unfit(format!(
                "{asked}: this kernel has no option {name}; nothing was changed"
            )));
        }
        let request = Request { value: value.to_owned(), origin };
        if let Some(before) = self.map.get(name) {
            let flag = matches!(before.origin, Origin::Flag(_)) && before.value != request.value;
            if flag && request.origin.rank() > 0 {
                return Err(contradiction(
                    &before.origin.say(name, &before.value),
                    &request.origin.say(name, value),
                    &format!("the one sets {name} to {}, the other to {value}", before.value),
                ));
            }
            if before.origin.rank() > request.origin.rank() {
                return Ok(());
            }
        }
        self.map.insert(name.to_owned(), request);
        Ok(())
    }

    /// Gives up a wish of lkdb's for a reason that Kconfig does not know; the user's own stays.
    pub(crate) fn give_up(&mut self, name: &str, reason: String) {
        let of_lkdb = |request: &Request| matches!(request.origin, Origin::Lkdb(_));
        if self.map.get(name).is_some_and(of_lkdb) {
            self.map.remove(name);
            self.left_out.push((name.to_owned(), reason));
        }
    }

    /// Finds requests that the tree does not allow together: lkdb's own wish gives way.
    ///
    /// # Errors
    /// When both are the user's.
    pub(crate) fn settle(&mut self, tree: &Tree) -> Result<()> {
        while let Some((loser, winner, reason)) = self.clash(tree) {
            let request = self.map.get(&loser).cloned();
            match request {
                Some(Request { origin: Origin::Lkdb(_), .. }) => {
                    self.map.remove(&loser);
                    self.left_out.push((loser, reason));
                }
                Some(request) => {
                    let other = self
                        .map
                        .get(&winner)
                        .map_or_else(String::new, |other| other.origin.say(&winner, &other.value));
                    return Err(contradiction(&request.origin.say(&loser, &request.value), &other, &reason));
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Two requests that exclude each other, the one that should give way first, and why.
    fn clash(&self, tree: &Tree) -> Option<(String, String, String)> {
        let on = self.map.iter().filter(|(_, request)| matches!(request.value.as_str(), "y" | "m"));
        for (name, _) in on {
            if let Some(rival) = tree.rivals(name).into_iter().find(|rival| self.asks_for(rival)) {
                let reason = format!("{name} and {rival} are of one choice");
                return Some(self.order(name, rival, reason));
            }
            let Some((condition, place)) = self.forbidden(tree, name) else { continue };
            // A wish of the user's that hangs on one given up is left to olddefconfig, and explained then.
            let of_lkdb = self.rank(name) == 0;
            let counts = |symbol: &&str| self.map.contains_key(*symbol) || (of_lkdb && self.gave_up(symbol));
            let blamed: Vec<&str> = condition.symbols().into_iter().filter(counts).collect();
            // Of those that stand in the way the user's own counts.
            let rank = |symbol: &&&str| self.map.get(**symbol).map_or(0, |request| request.origin.rank());
            let Some(blame) = blamed.iter().max_by_key(rank) else { continue };
            let value = self.value(blame).unwrap_or_default();
            let reason =
                format!("{name} depends on {condition} ({place}), and {blame}={value} was asked for");
            return Some(self.order(name, blame, reason));
        }
        None
    }

    fn order(&self, a: &str, b: &str, reason: String) -> (String, String, String) {
        let (loser, winner) = if self.rank(b) < self.rank(a) { (b, a) } else { (a, b) };
        (loser.to_owned(), winner.to_owned(), reason)
    }

    fn rank(&self, name: &str) -> u8 {
        self.map.get(name).map_or(0, |request| request.origin.rank())
    }

    /// Whether it is asked to be on.
    pub(crate) fn asks_for(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|request| request.value == "y")
    }

    /// A condition that the requests themselves break, when every declaration has one.
    fn forbidden<'t>(&self, tree: &'t Tree, name: &str) -> Option<(&'t Expr, &'t str)> {
        let symbol = tree.get(name)?;
        let mut found = None;
        for entry in symbol.entries.iter().filter(|entry| entry.prompt) {
            let broken = entry.conditions().find(|condition| condition.eval(self) == Some(Tri::N))?;
            found = found.or(Some((broken, entry.place.as_str())));
        }
        found
    }

    /// The values as `.config` has them, rivals of a choice switched off.
    pub(crate) fn lines(&self, tree: &Tree) -> Vec<(String, String)> {
        let mut lines: BTreeMap<String, String> = BTreeMap::new();
        for name in self.map.iter().filter(|(_, request)| request.value == "y").map(|(name, _)| name) {
            let rivals = tree.rivals(name).into_iter().map(|rival| (rival.to_owned(), "n".to_owned()));
            lines.extend(rivals);
        }
        for (name, request) in &self.map {
            let text = tree.get(name).is_some_and(|symbol| symbol.kind == Kind::Text);
            let value = if text { format!("\"{}\"", request.value) } else { request.value.clone() };
            lines.insert(name.clone(), value);
        }
        lines.into_iter().collect()
    }
}

fn contradiction(one: &str, other: &str, reason: &str) -> Error {
    Error::Unfit(format!("{one} and {other} exclude each other: {reason}; nothing was changed"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const KCONFIG: &str = r#"
config DEBUG_INFO_REDUCED
	bool "r"
config DEBUG_INFO_BTF
	bool "b"
	depends on !DEBUG_INFO_SPLIT && !DEBUG_INFO_REDUCED
config DEBUG_INFO_SPLIT
	bool "s"
config GDB_SCRIPTS
	bool "g"
	depends on !DEBUG_INFO_REDUCED
choice
	prompt "c"
config DWARF4
	bool "4"
config DWARF5
	bool "5"
endchoice
config NAME
	string "n"
config HIDDEN
	bool
"#;

    fn tree() -> Tree {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("Kconfig"), KCONFIG).unwrap();
        Tree::read(dir.path(), "x86").unwrap()
    }

    fn requests(tree: &Tree, all: &[(&str, &str, Origin)]) -> Result<Requests> {
        let mut requests = Requests::default();
        for (name, value, origin) in all {
            requests.add(tree, name, value, origin.clone())?;
        }
        requests.settle(tree)?;
        Ok(requests)
    }

    const OURS: Origin = Origin::Lkdb(Need::Must);

    #[test]
    fn reduced_and_btf_are_refused_together() {
        let tree = tree();
        let both = [
            ("DEBUG_INFO_REDUCED", "y", Origin::Flag("--reduced")),
            ("DEBUG_INFO_BTF", "y", Origin::Flag("--btf")),
        ];
        let error = requests(&tree, &both).unwrap_err().to_string();
        assert!(
            error.starts_with("--btf and --reduced exclude each other: DEBUG_INFO_BTF depends on"),
            "{error}"
        );
        assert!(error.contains("Kconfig:4") && error.ends_with("nothing was changed"), "{error}");
    }

    #[test]
    fn what_lkdb_wishes_gives_way() {
        let tree = tree();
        let all = [
            ("GDB_SCRIPTS", "y", OURS),
            ("DWARF5", "y", OURS),
            ("HIDDEN", "y", OURS),
            ("DEBUG_INFO_REDUCED", "y", Origin::Flag("--reduced")),
            ("CONFIG_DWARF4", "y", Origin::Set),
            ("NAME", "x", Origin::Set),
        ];
        let requests = requests(&tree, &all).unwrap();
        let left_out: Vec<&str> = requests.left_out.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(left_out, ["DWARF5", "GDB_SCRIPTS"]);
        let lines = requests.lines(&tree);
        let line =
            |name: &str| lines.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        assert_eq!(
            ["DWARF4", "DWARF5", "NAME", "HIDDEN"].map(line),
            [Some("y"), Some("n"), Some("\"x\""), None]
        );
    }

    #[test]
    fn what_hangs_on_a_given_up_wish_is_given_up_too() {
        let dir = tempfile::tempdir().unwrap();
        let text = "config NET\n\tbool \"n\"\nconfig NET_9P\n\tbool \"p\"\n\tdepends on NET\n\
                    config 9P_FS\n\tbool \"f\"\n\tdepends on NET_9P\n";
        fs::write(dir.path().join("Kconfig"), text).unwrap();
        let tree = Tree::read(dir.path(), "x86").unwrap();
        let all = [("NET_9P", "y", OURS), ("9P_FS", "y", OURS), ("NET", "n", Origin::Set)];
        let requests = requests(&tree, &all).unwrap();
        let left_out: Vec<&str> = requests.left_out.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(left_out, ["NET_9P", "9P_FS"]);
    }

    #[test]
    fn contradictions_and_unknown_options_of_the_user_are_errors() {
        let tree = tree();
        for (all, text) in [
            ([("DWARF4", "y", Origin::Set), ("DWARF5", "y", Origin::Set)], "of one choice"),
            ([("DWARF4", "y", Origin::Set), ("NO_SUCH", "y", Origin::Set)], "no option NO_SUCH"),
            (
                [("GDB_SCRIPTS", "y", Origin::Set), ("DEBUG_INFO_REDUCED", "y", Origin::Flag("--reduced"))],
                "exclude each other",
            ),
        ] {
            let error = requests(&tree, &all).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
