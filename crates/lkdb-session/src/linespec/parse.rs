//! A place's text, taken apart. What its names mean is the resolver's affair.

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// `*EXPR`: an address.
    Address(String),
    /// `FUNC`, or `FILE:FUNC`.
    Function {
        /// The file, if one was given.
        file: Option<String>,
        /// The function.
        name: String,
    },
    /// `LINE`, or `FILE:LINE`.
    Line {
        /// The file, if one was given; else the one that is listed.
        file: Option<String>,
        /// The line.
        line: u32,
    },
    /// `+N` (or `+`) and `-N`: lines from where the listing is.
    Offset(i64),
}

/// Takes a place apart. None for text that is no place.
#[must_use]
pub fn parse(text: &str) -> Option<Spec> {
    let text = text.trim();
    if let Some(expression) = text.strip_prefix('*') {
        return Some(Spec::Address(expression.trim().to_owned()));
    }
    let (sign, digits) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest.trim()),
        Some(("-", rest)) => (-1, rest.trim()),
        _ => (0, text),
    };
    if sign != 0 {
        let count =
            if digits.is_empty() { 1 } else { digits.parse::<i64>().ok().filter(|count| *count >= 0)? };
        return Some(Spec::Offset(sign * count));
    }
    let (file, rest) = match split_file(text) {
        Some((file, rest)) => (Some(unquoted(file)), rest),
        None => (None, text),
    };
    if rest.is_empty() {
        return None;
    }
    if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        // A line that no file has is said to be out of range, however large.
        let line = rest.parse().unwrap_or(u32::MAX >> 1);
        return Some(Spec::Line { file, line });
    }
    Some(Spec::Function { file, name: unquoted(rest) })
}

/// The colon behind a file's name; inside quotes there is none.
fn split_file(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(letter),
            (':', None) => {
                let (file, rest) = text.split_at(at);
                return Some((file.trim(), rest.trim_start_matches(':').trim()));
            }
            _ => {}
        }
    }
    None
}

fn unquoted(text: &str) -> String {
    let text = text.trim();
    let inner = ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    inner.unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_taken_apart() {
        let function = |file: Option<&str>, name: &str| {
            Some(Spec::Function { file: file.map(str::to_owned), name: name.to_owned() })
        };
        assert_eq!(parse("start_kernel"), function(None, "start_kernel"));
        assert_eq!(parse(" init/main.c:start_kernel "), function(Some("init/main.c"), "start_kernel"));
        assert_eq!(parse("'odd:name.c':f"), function(Some("odd:name.c"), "f"));
        assert_eq!(parse("main.c : 10"), Some(Spec::Line { file: Some("main.c".into()), line: 10 }));
        assert_eq!(parse("10"), Some(Spec::Line { file: None, line: 10 }));
        assert_eq!(parse("*&init_task"), Some(Spec::Address("&init_task".into())));
        assert_eq!(parse("+"), Some(Spec::Offset(1)));
        assert_eq!(parse("-5"), Some(Spec::Offset(-5)));
        assert_eq!(parse("main.c:"), None);
        assert_eq!(parse(""), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_place_or_none(text in ".*") {
            let _ = parse(&text);
        }
    }
}
