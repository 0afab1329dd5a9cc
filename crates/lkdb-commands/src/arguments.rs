//! Reading what stands behind a command's name: `/FMT`, quoted words, options.

use crate::{Error, Result};

/// Splits `/FMT` off arguments: its letters, and the rest. None where there is no slash.
pub(crate) fn format(arguments: &str) -> (Option<&str>, &str) {
    match arguments.strip_prefix('/') {
        Some(rest) => {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (format, rest) = rest.split_at(end);
            (Some(format), rest.trim_start())
        }
        None => (None, arguments),
    }
}

/// The words of arguments as a shell would split them: quotes and backslashes.
pub(crate) fn words(arguments: &str) -> Result<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = arguments.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            (_, None) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if let Some(open) = quote {
        return Err(Error::say(format!("Unmatched quote {open} in arguments.")));
    }
    words.extend(word);
    Ok(words)
}

/// Refuses arguments to a command that takes none.
pub(crate) fn none(arguments: &str) -> Result<()> {
    if arguments.is_empty() {
        Ok(())
    } else {
        Err(Error::say(format!("Junk at end of arguments: {arguments}")))
    }
}

/// How often something is to be done; once where nothing is said.
pub(crate) fn count(arguments: &str) -> Result<u64> {
    if arguments.is_empty() {
        return Ok(1);
    }
    arguments.parse().map_err(|_| Error::say(format!("Bad count: {arguments}.")))
}

/// Bytes of a text with gdb's backslashes, as `echo` has them: letters, octal numbers, `\` before a newline or
/// at the end for nothing.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            None | Some('\n') => {}
            Some('a') => out.push('\x07'),
            Some('b') => out.push('\x08'),
            Some('e') => out.push('\x1b'),
            Some('f') => out.push('\x0c'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('v') => out.push('\x0b'),
            Some(first @ '0'..='7') => {
                let mut code = first.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = letters.peek().and_then(|next| next.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    letters.next();
                }
                out.extend(char::from_u32(code));
            }
            Some(other) => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_words_and_escapes() {
        assert_eq!(format("/8xb $sp"), (Some("8xb"), "$sp"));
        assert_eq!(format("a / b"), (None, "a / b"));
        assert_eq!(words("a 'b c' d\\ e \"\"").unwrap(), ["a", "b c", "d e", ""]);
        assert!(words("'a").is_err());
        assert_eq!(unescape("a\\tb\\101\\n\\"), "a\tbA\n");
    }
}
