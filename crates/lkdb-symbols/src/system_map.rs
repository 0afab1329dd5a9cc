//! `System.map`: `nm`'s list of a kernel's symbols, one `address type name` a line.

use lkdb_base::LinkAddr;

use crate::table::{Symbol, SymbolKind, SymbolTable};

/// Why a text is no `System.map`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A line that is not of the form.
    #[error("line {line} is not `ADDRESS TYPE NAME`: `{text}`")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The line's start.
        text: String,
    },
    /// Debian's image package has a file that only says where the real one is.
    #[error("it lists no symbols (Debian's image package has only a stand-in; the -dbg package has the map)")]
    Empty,
}

/// Symbols read from a `System.map`.
#[derive(Debug, Clone, Default)]
pub struct SystemMap;

impl SystemMap {
    /// Reads the whole text.
    ///
    /// # Errors
    /// Names the first line that is not of the form.
    pub fn parse(text: &str) -> Result<SymbolTable<'_>, Error> {
        if text.starts_with("ffffffffffffffff B ") {
            return Err(Error::Empty);
        }
        let mut symbols = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let wrong = || Error::Line { line: number + 1, text: line.chars().take(60).collect() };
            let mut words = line.split_ascii_whitespace();
            let (Some(address), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else {
                return Err(wrong());
            };
            let address = u64::from_str_radix(address, 16).map_err(|_| wrong())?;
            let [letter] = kind.as_bytes() else { return Err(wrong()) };
            symbols.push(Symbol {
                name,
                address: LinkAddr(address),
                size: 0,
                kind: match letter.to_ascii_lowercase() {
                    b't' | b'w' => SymbolKind::Function,
                    b'd' | b'b' | b'r' | b'v' => SymbolKind::Object,
                    _ => SymbolKind::Untyped,
                },
                global: letter.is_ascii_uppercase(),
                section: None,
            });
        }
        if symbols.is_empty() { Err(Error::Empty) } else { Ok(SymbolTable::new(symbols)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_symbols() {
        let text = "0000000000034000 A __per_cpu_end\nffffffff81000000 T _text\nffffffff81000040 t early\n";
        let table = SystemMap::parse(text).unwrap();
        assert_eq!(table.address("_text"), Some(LinkAddr(0xffff_ffff_8100_0000)));
        let near = table.nearest(LinkAddr(0xffff_ffff_8100_0050)).unwrap();
        assert_eq!((near.symbol.name, near.offset), ("early", 0x10));
    }

    #[test]
    fn other_texts_are_refused() {
        assert_eq!(SystemMap::parse("").err(), Some(Error::Empty));
        let stand_in = "ffffffffffffffff B The real System.map is in the linux-image-dbg package\n";
        assert_eq!(SystemMap::parse(stand_in).err(), Some(Error::Empty));
        let cut = SystemMap::parse("ffffffff81000000 T _text\nfffff");
        assert!(matches!(cut, Err(Error::Line { line: 2, .. })), "{cut:?}");
    }
}
