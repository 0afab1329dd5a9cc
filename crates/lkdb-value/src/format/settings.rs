//! How values are laid out: what `set print …` and `print -…` change.

use crate::context::Error;

/// gdb's print settings, with gdb's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Elements of arrays and characters of strings at most; none for all.
    pub elements: Option<u64>,
    /// From how many equal ones in a row on they are counted instead; none for never.
    pub repeats: Option<u64>,
    /// Structs over several lines.
    pub pretty: bool,
    /// Arrays over several lines.
    pub array: bool,
    /// Elements with their numbers.
    pub array_indexes: bool,
    /// Unions within structs are shown.
    pub unions: bool,
    /// Addresses are shown.
    pub address: bool,
    /// Pointers with the symbol they point to.
    pub symbol: bool,
    /// Character arrays end at their first zero.
    pub null_stop: bool,
    /// Structs within structs at most; none for all.
    pub max_depth: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            elements: Some(200),
            repeats: Some(10),
            pretty: false,
            array: false,
            array_indexes: false,
            unions: true,
            address: true,
            symbol: true,
            null_stop: false,
            max_depth: Some(20),
        }
    }
}

const NAMES: [&str; 10] = [
    "address",
    "array",
    "array-indexes",
    "elements",
    "max-depth",
    "null-stop",
    "pretty",
    "repeats",
    "symbol",
    "union",
];

fn complain<T>(text: String) -> Result<T, Error> {
    Err(Error::Operation(text))
}

/// The full name of a setting that starts with `prefix`.
fn full_name(prefix: &str) -> Option<&'static str> {
    if let Some(exact) = NAMES.iter().find(|name| **name == prefix) {
        return Some(exact);
    }
    let mut fitting = NAMES.iter().filter(|name| !prefix.is_empty() && name.starts_with(prefix));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    }
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "" | "on" | "1" | "yes" | "enable" => Some(true),
        "off" | "0" | "no" | "disable" => Some(false),
        _ => None,
    }
}

fn limit(text: &str, zero_is_all: bool) -> Result<Option<u64>, Error> {
    match text {
        "unlimited" | "-1" => Ok(None),
        "" => complain("Argument required (integer to set it to, or \"unlimited\".).".into()),
        _ => match text.parse::<u64>() {
            Ok(0) if zero_is_all => Ok(None),
            Ok(number) => Ok(Some(number)),
            Err(_) => complain(format!("No symbol \"{text}\" in current context.")),
        },
    }
}

impl Settings {
    /// `set print NAME VALUE`.
    ///
    /// # Errors
    /// gdb's, for a name or value that there is not.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let value = value.trim();
        let Some(name) = full_name(name) else {
            return complain(format!("Undefined set print command: \"{name}\".  Try \"help set print\"."));
        };
        match name {
            "elements" => self.elements = limit(value, true)?,
            "repeats" => self.repeats = limit(value, true)?,
            "max-depth" => self.max_depth = limit(value, false)?,
            _ => {
                let Some(on) = switch(value) else {
                    return complain("\"on\" or \"off\" expected.".into());
                };
                if let Some(setting) = self.switch_named(name) {
                    *setting = on;
                }
            }
        }
        Ok(())
    }

    fn switch_named(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "address" => &mut self.address,
            "array" => &mut self.array,
            "array-indexes" => &mut self.array_indexes,
            "null-stop" => &mut self.null_stop,
            "pretty" => &mut self.pretty,
            "symbol" => &mut self.symbol,
            "union" => &mut self.unions,
            _ => return None,
        })
    }

    /// What `show print NAME` shows of it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let number = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
        let name = full_name(name)?;
        Some(match name {
            "elements" => number(self.elements),
            "repeats" => number(self.repeats),
            "max-depth" => number(self.max_depth),
            _ => {
                let on = *self.clone().switch_named(name)?;
                (if on { "on" } else { "off" }).to_owned()
            }
        })
    }

    /// The options at the start of `print`'s argument, and what is behind them: `-pretty -elements 5 -- x`.
    ///
    /// # Errors
    /// As [`Settings::set`]. What begins with `-` and is no option is an expression.
    pub fn with_options<'t>(&self, text: &'t str) -> Result<(Self, &'t str), Error> {
        let mut settings = *self;
        let mut rest = text.trim_start();
        while let Some(option) = rest.strip_prefix('-') {
            if let Some(behind) = option.strip_prefix('-')
                && (behind.is_empty() || behind.starts_with(char::is_whitespace))
            {
                return Ok((settings, behind.trim_start()));
            }
            let end =
                option.find(|one: char| !one.is_ascii_lowercase() && one != '-').unwrap_or(option.len());
            let (name, behind) = option.split_at(end);
            let Some(name) = full_name(name) else { break };
            let behind = behind.trim_start();
            let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
            let (value, after) = behind.split_at(end);
            let takes_number = matches!(name, "elements" | "repeats" | "max-depth");
            if takes_number && value.is_empty() {
                break;
            }
            if takes_number || !value.is_empty() && switch(value).is_some() {
                settings.set(name, value)?;
                rest = after.trim_start();
            } else {
                settings.set(name, "on")?;
                rest = behind;
            }
        }
        Ok((settings, rest))
    }
}
