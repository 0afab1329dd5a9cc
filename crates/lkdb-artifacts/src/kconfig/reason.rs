//! Why an option has not the value that was asked for, out of the tree's Kconfig and a `.config`.

use crate::kconfig::dotconfig::DotConfig;
use crate::kconfig::expr::{Expr, Tri};
use crate::kconfig::tree::{Entry, Symbol, Tree};

/// One sentence for the user.
pub(crate) fn why(tree: &Tree, config: &DotConfig, name: &str, wanted: &str) -> String {
    let Some(symbol) = tree.get(name) else {
        return "this tree has no such option".into();
    };
    if wanted == "n" {
        return why_on(symbol, config).unwrap_or_else(|| "the tree's defaults switch it on".into());
    }
    let prompts: Vec<&Entry> = symbol.entries.iter().filter(|entry| entry.prompt).collect();
    if prompts.is_empty() {
        let selectors: Vec<&str> = symbol.selected_by.iter().map(|(name, _)| name.as_str()).take(6).collect();
        return if selectors.is_empty() {
            "it cannot be chosen: the tree decides it".into()
        } else {
            format!("it cannot be chosen: it comes with {}", selectors.join(", "))
        };
    }
    if let Some(text) = unmet(&prompts, config) {
        return text;
    }
    if let Some(rival) = tree.rivals(name).into_iter().find(|rival| config.is_on(rival)) {
        return format!("{rival} of the same choice is set");
    }
    unknown(&prompts).unwrap_or_else(|| format!("the tree's own rules set it to {}", config.get(name)))
}

/// The conditions that are not met, of the declaration that lacks the fewest.
fn unmet(entries: &[&Entry], config: &DotConfig) -> Option<String> {
    let lacking = |entry: &Entry| -> Vec<String> {
        let off = entry.conditions().filter(|condition| {
            matches!(condition.eval(config), Some(Tri::N)) || matches!(condition.eval(config), Some(Tri::M))
        });
        let mut texts: Vec<String> = off.map(|condition| explain(condition, config)).collect();
        texts.dedup();
        texts
    };
    let (entry, lacks) =
        entries.iter().map(|entry| (entry, lacking(entry))).min_by_key(|(_, lacks)| lacks.len())?;
    (!lacks.is_empty()).then(|| format!("it depends on {} ({})", lacks.join(", and on "), entry.place))
}

/// `NET && INET (INET is off)`.
fn explain(condition: &Expr, config: &DotConfig) -> String {
    let state = |name: &str| match config.get(name) {
        "n" => format!("{name} is off"),
        value => format!("{name} is {value}"),
    };
    let mut states: Vec<String> = condition.symbols().into_iter().map(state).collect();
    states.dedup();
    format!("{condition} [{}]", states.join(", "))
}

/// Conditions that ask the compiler or a program, when nothing else explains it.
fn unknown(entries: &[&Entry]) -> Option<String> {
    let asks = |condition: &&Expr| matches!(condition, Expr::Unknown(_));
    let condition = entries.iter().flat_map(|entry| entry.conditions()).find(asks)?;
    Some(format!("it depends on what the compiler or a program here can do: {condition}"))
}

fn why_on(symbol: &Symbol, config: &DotConfig) -> Option<String> {
    let selects = |selector: &&(String, Option<Expr>)| {
        let (name, condition) = selector;
        let holds = condition.as_ref().is_none_or(|condition| condition.eval(config) != Some(Tri::N));
        config.is_on(name) && holds
    };
    let names: Vec<&str> = symbol.selected_by.iter().filter(selects).map(|(name, _)| name.as_str()).collect();
    (!names.is_empty()).then(|| format!("{} selects it", names.join(" and ")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const KCONFIG: &str = r#"
config NET
	bool "net"
config NET_9P
	tristate "9p"
	depends on NET && (VIRTIO || XEN)
	select LIB
config LIB
	bool
config HELD
	bool "held"
config HOLDER
	def_bool y
	select HELD if NET
choice
	prompt "c"
config ONE
	bool "1"
config TWO
	bool "2"
endchoice
config PAHOLE
	bool "p"
	depends on $(success,pahole)
"#;

    #[test]
    fn each_kind_of_obstacle_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("Kconfig"), KCONFIG).unwrap();
        let tree = Tree::read(dir.path(), "x86").unwrap();
        let config = DotConfig::parse("CONFIG_NET=y\nCONFIG_ONE=y\nCONFIG_HOLDER=y\nCONFIG_HELD=y\n");
        for (name, wanted, text) in [
            ("NET_9P", "y", "it depends on VIRTIO || XEN [VIRTIO is off, XEN is off] (Kconfig:4)"),
            ("LIB", "y", "it cannot be chosen: it comes with NET_9P"),
            ("HELD", "n", "HOLDER selects it"),
            ("TWO", "y", "ONE of the same choice is set"),
            ("PAHOLE", "y", "can do: $(success,pahole)"),
            ("NOWHERE", "y", "no such option"),
        ] {
            let why = why(&tree, &config, name, wanted);
            assert!(why.contains(text), "{name}: {why}");
        }
    }
}
