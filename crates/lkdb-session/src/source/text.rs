//! One source file's text, by lines.

/// A file read whole.
#[derive(Debug)]
pub struct Text {
    bytes: Vec<u8>,
    /// Where each line starts.
    starts: Vec<usize>,
}

impl Text {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let mut starts = vec![0];
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        starts.extend(ends.map(|(at, _)| at + 1));
        // A newline ends a line, it starts none at the file's end.
        if starts.last().is_some_and(|last| *last == bytes.len()) {
            starts.pop();
        }
        Self { bytes, starts }
    }

    /// How many lines.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.starts.len() as u64
    }

    /// A line by its number, from 1, without its newline. Bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn line(&self, number: u64) -> Option<String> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).map_or(self.bytes.len(), |next| *next);
        let line = self.bytes.get(start..end)?;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        for (text, lines) in [("", 0), ("a", 1), ("a\n", 1), ("a\n\nb", 3), ("a\r\nb\n", 2)] {
            assert_eq!(Text::new(text.into()).lines(), lines, "{text:?}");
        }
        let text = Text::new("a\r\nb \n".into());
        assert_eq!(text.line(1).as_deref(), Some("a"));
        assert_eq!(text.line(2).as_deref(), Some("b "));
        assert_eq!(text.line(3), None);
        assert_eq!(text.line(0), None);
    }
}
