//! A kernel's `.config`: its options and their values, from the text.
//!
//! The format is what `scripts/kconfig/confdata.c` writes: `CONFIG_X=y`, `=m`, a number, a quoted
//! string; and `# CONFIG_X is not set` for what is off. An option that is not named at all is off
//! too, or unknown to that kernel. Reading only: what changes a tree's configuration is elsewhere.

use std::collections::HashMap;

/// The value of an option.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "value")]
pub enum Value {
    /// `y`: in the kernel itself.
    Yes,
    /// `m`: as a module.
    Module,
    /// `n`, or `# CONFIG_X is not set`: known to that kernel, and off.
    No,
    /// Not named: off, or an option that kernel does not have.
    Absent,
    /// A decimal or `0x` number, as it is written.
    Number(String),
    /// A string, without its quotes and escapes.
    Text(String),
}

impl Value {
    /// Whether it is in the kernel or a module.
    #[must_use]
    pub fn is_on(&self) -> bool {
        matches!(self, Value::Yes | Value::Module)
    }

    fn parse(text: &str) -> Self {
        match text {
            "y" => Value::Yes,
            "m" => Value::Module,
            "n" => Value::No,
            _ => match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(quoted) => Value::Text(unescape(quoted)),
                None => Value::Number(text.to_owned()),
            },
        }
    }
}

/// `y`, `m`, `n`, a number, a quoted string; `not set` for what is absent.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Yes => f.write_str("y"),
            Value::Module => f.write_str("m"),
            Value::No => f.write_str("n"),
            Value::Absent => f.write_str("not set"),
            Value::Number(number) => f.write_str(number),
            Value::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// Kconfig escapes `"` and `\` with a backslash.
fn unescape(text: &str) -> String {
    let mut characters = text.chars();
    std::iter::from_fn(|| match characters.next()? {
        '\\' => characters.next(),
        other => Some(other),
    })
    .collect()
}

/// A kernel's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    values: HashMap<String, Value>,
    title: Option<String>,
}

impl Config {
    /// Reads a `.config`. Lines that are neither an option nor `# … is not set` are passed over, as
    /// the kernel's own reader does with comments; where an option is named twice, the last counts.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut config = Config::default();
        for line in text.lines() {
            if let Some((name, value)) = option(line) {
                config.values.insert(name.to_owned(), value);
            } else if config.title.is_none() && line.ends_with("Kernel Configuration") {
                config.title = Some(line.trim_start_matches(['#', ' ']).to_owned());
            }
        }
        config
    }

    /// The value of an option, named with or without `CONFIG_`.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        // As it stands first: nothing forbids an option whose own name begins so.
        let found = self.values.get(name).or_else(|| self.values.get(name.strip_prefix("CONFIG_")?));
        found.unwrap_or(&Value::Absent)
    }

    /// Whether an option is in the kernel or a module.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_on()
    }

    /// Whether an option is in the kernel itself, so that it is there before modules can be loaded.
    #[must_use]
    pub fn is_built_in(&self, name: &str) -> bool {
        *self.get(name) == Value::Yes
    }

    /// How many options are on, off or have a value in it. 0: it is no kernel configuration.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it names no option at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What the head of the file says it is for: `Linux/x86 6.1.192 Kernel Configuration`.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Every option that is named, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// The option that one line sets.
fn option(line: &str) -> Option<(&str, Value)> {
    let line = line.trim();
    let off = line.strip_prefix("# CONFIG_").and_then(|rest| rest.strip_suffix(" is not set"));
    let (name, value) = match off {
        Some(name) => (name, Value::No),
        None => {
            let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
            (name, Value::parse(value))
        }
    };
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    named.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.1.192 Kernel Configuration
#
CONFIG_64BIT=y
CONFIG_VIRTIO_PCI=m
# CONFIG_KALLSYMS_ALL is not set
CONFIG_HZ=250
CONFIG_PHYSICAL_START=0x1000000
CONFIG_CC_VERSION_TEXT="gcc-12 (Debian \"12\") \\ 12.2.0"
CONFIG_EMPTY=""
# CONFIG_WORDS is not set in stone
CONFIG_ODD NAME=y
CONFIG_EXPLICIT=n
"#;

    #[test]
    fn each_kind_of_value_is_read() {
        let config = Config::parse(TEXT);
        assert_eq!(config.get("64BIT"), &Value::Yes);
        assert_eq!(config.get("CONFIG_VIRTIO_PCI"), &Value::Module);
        assert_eq!(config.get("KALLSYMS_ALL"), &Value::No);
        assert_eq!(config.get("EXPLICIT"), &Value::No);
        assert_eq!(config.get("NET_9P"), &Value::Absent);
        assert_eq!(config.get("HZ"), &Value::Number("250".into()));
        assert_eq!(config.get("PHYSICAL_START").to_string(), "0x1000000");
        assert_eq!(config.get("CC_VERSION_TEXT"), &Value::Text(r#"gcc-12 (Debian "12") \ 12.2.0"#.into()));
        assert_eq!(config.get("EMPTY"), &Value::Text(String::new()));
        assert_eq!(config.len(), 8);
        assert_eq!(config.title(), Some("Linux/x86 6.1.192 Kernel Configuration"));
    }

    #[test]
    fn a_module_is_on_but_not_built_in() {
        let config = Config::parse(TEXT);
        assert!(config.is_on("VIRTIO_PCI") && !config.is_built_in("VIRTIO_PCI"));
        assert!(config.is_built_in("64BIT"));
        assert!(!config.is_on("KALLSYMS_ALL") && !config.is_on("NET_9P") && !config.is_on("HZ"));
    }

    #[test]
    fn an_option_may_be_named_like_the_prefix() {
        let config = Config::parse("CONFIG_CONFIG_X=y\nCONFIG_Y=m\n");
        assert_eq!(config.get("CONFIG_X"), &Value::Yes);
        assert_eq!(config.get("CONFIG_CONFIG_X"), &Value::Yes);
        assert_eq!(config.get("X"), &Value::Absent);
        assert_eq!(config.get("CONFIG_Y"), &Value::Module);
    }

    #[test]
    fn other_text_is_no_configuration() {
        assert!(Config::parse("root:x:0:0:root:/root:/bin/bash\n").is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text: String) {
            let _ = Config::parse(&text);
            let _ = Config::parse(&format!("CONFIG_X=\"{text}\nCONFIG_Y={text}"));
        }
    }
}
