//! A list of symbols, from whatever file, and the two questions asked of it: name and address.

use lkdb_base::LinkAddr;

/// What a symbol names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SymbolKind {
    /// Code.
    Function,
    /// Data.
    Object,
    /// The file does not say: labels, linker script symbols.
    Untyped,
}

/// One symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol<'data> {
    /// Its name.
    pub name: &'data str,
    /// Its value: a link address; an offset into its section in a module; for a per-CPU variable the
    /// offset into each CPU's area, which never slides.
    pub address: LinkAddr,
    /// Its length, 0 when unknown.
    pub size: u64,
    /// What it names.
    pub kind: SymbolKind,
    /// Visible outside its file; several static symbols may share a name.
    pub global: bool,
    /// The number of its section; none for absolute symbols and where the source does not tell.
    pub section: Option<usize>,
}

/// The symbol that an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearest<'data> {
    /// The symbol.
    pub symbol: Symbol<'data>,
    /// How far behind its start the address is.
    pub offset: u64,
}

/// Symbols ordered by address.
#[derive(Debug, Clone, Default)]
pub struct SymbolTable<'data> {
    symbols: Vec<Symbol<'data>>,
}

impl<'data> SymbolTable<'data> {
    pub(crate) fn new(mut symbols: Vec<Symbol<'data>>) -> Self {
        symbols.sort_by_key(|symbol| symbol.address);
        Self { symbols }
    }

    /// Every symbol, by address.
    #[must_use]
    pub fn symbols(&self) -> &[Symbol<'data>] {
        &self.symbols
    }

    /// Every symbol of a name, global ones first: static functions may share a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<Symbol<'data>> {
        let mut found: Vec<_> = self.symbols.iter().filter(|symbol| symbol.name == name).copied().collect();
        found.sort_by_key(|symbol| !symbol.global);
        found
    }

    /// The address of a name that only one symbol has, or of the global one among several.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<LinkAddr> {
        match self.named(name).as_slice() {
            [only] => Some(only.address),
            [first, second, ..] if first.global && !second.global => Some(first.address),
            _ => None,
        }
    }

    /// The symbol that `address` is in, or else the last one before it in the kernel's text. Among
    /// several at one address: a function, a global one, one with a size, the first by name.
    #[must_use]
    pub fn nearest(&self, address: LinkAddr) -> Option<Nearest<'data>> {
        // Sizes nest rarely (cold parts, aliases); looking a few dozen symbols back finds those.
        const LOOK_BACK: usize = 64;
        let end = self.symbols.partition_point(|symbol| symbol.address <= address);
        let before = self.symbols.get(..end)?;
        let covers =
            |symbol: &&Symbol<'_>| address.0.wrapping_sub(symbol.address.0) < symbol.size && symbol.size > 0;
        let start = match before.iter().rev().take(LOOK_BACK).find(covers) {
            Some(symbol) => symbol.address,
            None => before.last()?.address,
        };
        let symbol = before
            .iter()
            .rev()
            .skip_while(|symbol| symbol.address > start)
            .take_while(|symbol| symbol.address == start)
            .min_by_key(|symbol| {
                (symbol.kind != SymbolKind::Function, !symbol.global, symbol.size == 0, symbol.name)
            })?;
        Some(Nearest { symbol: *symbol, offset: address.0 - symbol.address.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &'static str, address: u64, size: u64, global: bool) -> Symbol<'static> {
        let address = LinkAddr(address);
        Symbol { name, address, size, kind: SymbolKind::Function, global, section: Some(1) }
    }

    fn table() -> SymbolTable<'static> {
        SymbolTable::new(vec![
            symbol("outer", 0x1000, 0x100, true),
            symbol("label", 0x1010, 0, false),
            symbol("twin", 0x2000, 0x10, false),
            symbol("twin", 0x3000, 0x10, false),
            symbol("alias", 0x3000, 0x10, true),
            symbol("both", 0x4000, 4, false),
            symbol("both", 0x4100, 4, true),
        ])
    }

    #[test]
    fn static_namesakes_are_all_listed() {
        let addresses: Vec<_> = table().named("twin").iter().map(|symbol| symbol.address.0).collect();
        assert_eq!(addresses, [0x2000, 0x3000]);
        assert_eq!(table().address("twin"), None, "ambiguous");
        assert_eq!(table().address("both"), Some(LinkAddr(0x4100)), "the global one");
        assert_eq!(table().address("nobody"), None);
    }

    #[test]
    fn an_address_belongs_to_what_covers_it() {
        let near = |address| table().nearest(LinkAddr(address)).map(|near| (near.symbol.name, near.offset));
        assert_eq!(near(0x1080), Some(("outer", 0x80)), "not the label within");
        assert_eq!(near(0x3004), Some(("alias", 4)), "the global one of two");
        assert_eq!(near(0x5000), Some(("both", 0xf00)), "behind everything");
        assert_eq!(near(0xfff), None, "before everything");
    }
}
