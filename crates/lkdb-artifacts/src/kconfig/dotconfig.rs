//! `.config` files: `CONFIG_X=y`, `# CONFIG_X is not set`.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::kconfig::expr::Values;

/// What a whole `.config` says. An option it does not name is off.
#[derive(Debug, Default, Clone)]
pub(crate) struct DotConfig(HashMap<String, String>);

impl DotConfig {
    pub(crate) fn parse(text: &str) -> Self {
        Self(assignments(text).collect())
    }

    /// An option's value without quotes; `n` when it is off.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("n", |value| unquote(value))
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), "y" | "m")
    }
}

impl Values for DotConfig {
    fn value(&self, symbol: &str) -> Option<String> {
        Some(self.get(symbol).to_owned())
    }
}

/// The assignments of a `.config` or a fragment of one, `is not set` as `n`, in their order.
pub(crate) fn assignments(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("# CONFIG_").and_then(|rest| rest.strip_suffix(" is not set")) {
            return Some((name.to_owned(), "n".to_owned()));
        }
        let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    })
}

/// A configuration with these values in the place of its own.
pub(crate) fn merged<'a>(text: &str, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let values: Vec<(&str, &str)> = values.into_iter().collect();
    let ours = |line: &str| {
        assignments(line).next().is_some_and(|(name, _)| values.iter().any(|(ours, _)| *ours == name))
    };
    let mut merged: String = text.lines().filter(|line| !ours(line)).flat_map(|line| [line, "\n"]).collect();
    for (name, value) in values {
        let _ = match value {
            "n" => writeln!(merged, "# CONFIG_{name} is not set"),
            value => writeln!(merged, "CONFIG_{name}={value}"),
        };
    }
    merged
}

/// A text's value without its quotes.
pub(crate) fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#\n# Linux\n#\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_S=\"x y\"\nCONFIG_N=0x10\n";

    #[test]
    fn values_are_read() {
        let config = DotConfig::parse(TEXT);
        assert_eq!(["A", "B", "S", "N", "Z"].map(|name| config.get(name)), ["y", "n", "x y", "0x10", "n"]);
        assert!(config.is_on("A") && !config.is_on("B"));
    }

    #[test]
    fn merging_replaces_and_adds() {
        let merged = merged(TEXT, [("A", "n"), ("B", "y"), ("NEW", "\"s\"")]);
        let config = DotConfig::parse(&merged);
        assert_eq!(["A", "B", "S", "NEW"].map(|name| config.get(name)), ["n", "y", "x y", "s"]);
        assert_eq!(merged.matches("CONFIG_A").count(), 1);
        assert!(merged.contains("# CONFIG_A is not set\n"));
    }
}
