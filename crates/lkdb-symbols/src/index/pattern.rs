//! gdb's regular expressions, which are those of POSIX, basic kind, with GNU's additions (`\|`, `\+`, `\?`,
//! `\w`, `\b`, `\<`, `\>`): rewritten for the `regex` crate, whose search takes linear time.

use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};

/// Why a pattern is none. The words are those that gdb says, after the C library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It breaks the rules.
    #[error("Invalid regexp: {0}")]
    Syntax(&'static str),
    /// It refers to what a group matched.
    #[error("the pattern refers to a group (\\{0}), which lkdb does not match")]
    Reference(char),
    /// It is too large.
    #[error("the pattern is too large: {0}")]
    Large(String),
}

const BRACKET: PatternError = PatternError::Syntax("Unmatched [, [^, [:, [., or [=");

/// A pattern that names are compared with.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    prefix: String,
}

impl Pattern {
    /// Reads a pattern. The empty one matches every name.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let translated = translate(pattern)?;
        let regex = RegexBuilder::new(&translated)
            .unicode(false)
            .dot_matches_new_line(true)
            .size_limit(1 << 22)
            .build()
            .map_err(|error| PatternError::Large(error.to_string()))?;
        Ok(Self { regex, prefix: literal_start(pattern) })
    }

    /// Whether a name has a match in it.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        self.regex.is_match(name)
    }

    /// What every match begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// The literal that names must begin with: what follows `^` up to anything special. Empty where there
/// may be alternatives.
fn literal_start(pattern: &str) -> String {
    let Some(rest) = pattern.strip_prefix('^') else { return String::new() };
    if pattern.contains("\\|") {
        return String::new();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = rest.find(|c| !plain(c)).unwrap_or(rest.len());
    let (start, behind) = rest.split_at(end);
    let mut start = start.to_owned();
    // `a*`, `a\?` and `a\{0\}` need no a.
    if behind.starts_with('*') || behind.starts_with('\\') {
        start.pop();
    }
    start
}

fn literal(to: &mut String, c: char) {
    let mut bytes = [0; 4];
    to.push_str(&regex::escape(c.encode_utf8(&mut bytes)));
}

/// The pattern in the `regex` crate's syntax.
fn translate(pattern: &str) -> Result<String, PatternError> {
    let mut to = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern.chars().peekable();
    let mut groups = 0u32;
    // Nothing that could be repeated has come yet in this branch.
    let mut fresh = true;
    while let Some(c) = rest.next() {
        let ahead: String = rest.clone().take(2).collect();
        let was_fresh = std::mem::replace(&mut fresh, false);
        match c {
            '\\' => fresh = escaped(&mut rest, &mut to, &mut groups, was_fresh)?,
            '[' => bracket(&mut rest, &mut to)?,
            '*' if !was_fresh => to.push('*'),
            '^' if was_fresh => {
                to.push('^');
                fresh = true;
            }
            '$' if ahead.is_empty() || ahead == "\\)" || ahead == "\\|" => to.push('$'),
            '.' => to.push('.'),
            other => literal(&mut to, other),
        }
    }
    if groups > 0 {
        return Err(PatternError::Syntax("Unmatched ( or \\("));
    }
    Ok(to)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What follows a backslash. Whether a branch begins behind it.
fn escaped(
    rest: &mut Chars<'_>,
    to: &mut String,
    groups: &mut u32,
    fresh: bool,
) -> Result<bool, PatternError> {
    match rest.next().ok_or(PatternError::Syntax("Trailing backslash"))? {
        '(' => {
            *groups += 1;
            to.push_str("(?:");
            return Ok(true);
        }
        ')' => {
            *groups = groups.checked_sub(1).ok_or(PatternError::Syntax("Unmatched ) or \\)"))?;
            to.push(')');
        }
        '|' => {
            to.push('|');
            return Ok(true);
        }
        // Nothing in front to repeat: the character itself.
        c @ ('+' | '?') if fresh => literal(to, c),
        c @ ('+' | '?') => to.push(c),
        '{' if fresh => return Err(PatternError::Syntax("Invalid preceding regular expression")),
        '{' => interval(rest, to)?,
        c @ ('w' | 'W' | 's' | 'S' | 'b' | 'B') => {
            let _ = write!(to, "\\{c}");
        }
        '<' => to.push_str(r"\b{start}"),
        '>' => to.push_str(r"\b{end}"),
        '`' => to.push_str(r"\A"),
        '\'' => to.push_str(r"\z"),
        c @ '1'..='9' => return Err(PatternError::Reference(c)),
        c => literal(to, c),
    }
    Ok(false)
}

/// `\{m,n\}`, behind its beginning.
fn interval(rest: &mut Chars<'_>, to: &mut String) -> Result<(), PatternError> {
    let mut inner = String::new();
    loop {
        match rest.next() {
            Some('\\') if rest.peek() == Some(&'}') => break,
            Some(c) => inner.push(c),
            None => return Err(PatternError::Syntax("Unmatched \\{")),
        }
    }
    rest.next();
    let (low, high) = inner.split_once(',').unwrap_or((&inner, &inner));
    let bad = PatternError::Syntax("Invalid content of \\{\\}");
    let low: u32 = if low.is_empty() { 0 } else { low.parse().map_err(|_| bad.clone())? };
    let high: Option<u32> = if high.is_empty() { None } else { Some(high.parse().map_err(|_| bad.clone())?) };
    if inner.is_empty() || high.is_some_and(|high| high < low) {
        return Err(bad);
    }
    let _ = match high {
        Some(high) => write!(to, "{{{low},{high}}}"),
        None => write!(to, "{{{low},}}"),
    };
    Ok(())
}

/// A bracket expression, behind its `[`. Backslashes mean themselves in it.
fn bracket(rest: &mut Chars<'_>, to: &mut String) -> Result<(), PatternError> {
    to.push('[');
    if rest.next_if_eq(&'^').is_some() {
        to.push('^');
    }
    let mut first = true;
    loop {
        let c = rest.next().ok_or(BRACKET)?;
        match c {
            ']' if !first => break,
            '[' if rest.peek() == Some(&':') => class(rest, to)?,
            // A range, unless it is the first or the last.
            '-' if !first && rest.peek().is_some_and(|next| *next != ']') => to.push('-'),
            c if c.is_ascii_alphanumeric() || c == '_' => to.push(c),
            c => {
                to.push('\\');
                if c.is_ascii_punctuation() {
                    to.push(c);
                } else {
                    to.pop();
                    to.push(c);
                }
            }
        }
        first = false;
    }
    to.push(']');
    Ok(())
}

/// `[:alpha:]`, behind its first bracket.
fn class(rest: &mut Chars<'_>, to: &mut String) -> Result<(), PatternError> {
    rest.next();
    let mut name = String::new();
    loop {
        match rest.next().ok_or(BRACKET)? {
            ':' if rest.next_if_eq(&']').is_some() => break,
            c => name.push(c),
        }
    }
    const CLASSES: [&str; 12] = [
        "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
        "xdigit",
    ];
    if !CLASSES.contains(&name.as_str()) {
        return Err(PatternError::Syntax("Invalid character class name"));
    }
    let _ = write!(to, "[:{name}:]");
    Ok(())
}
