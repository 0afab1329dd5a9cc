//! BTF made to order: types by their numbers, names given as text.

/// BTF being made. Each call adds one type and gives its number.
#[derive(Debug, Clone)]
pub struct BtfMaker {
    types: Vec<u8>,
    strings: Vec<u8>,
    next: u32,
    first_string: u32,
}

impl Default for BtfMaker {
    fn default() -> Self {
        Self::new()
    }
}

impl BtfMaker {
    /// A kernel's.
    #[must_use]
    pub fn new() -> Self {
        Self { types: Vec::new(), strings: vec![0], next: 1, first_string: 0 }
    }

    /// A module's, on top of this.
    #[must_use]
    pub fn split(&self) -> Self {
        let first_string = self.first_string + self.strings.len() as u32;
        Self { types: Vec::new(), strings: vec![0], next: self.next, first_string }
    }

    /// Any type: kind, flag, name, count, size or type, and what follows.
    pub fn add(&mut self, kind: u32, flag: bool, name: &str, count: u32, value: u32, rest: &[u32]) -> u32 {
        let info = (u32::from(flag) << 31) | (kind << 24) | count;
        for word in [self.name(name), info, value].iter().chain(rest) {
            self.types.extend(word.to_le_bytes());
        }
        self.next += 1;
        self.next - 1
    }

    /// The offset of a string.
    pub fn name(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.first_string + self.strings.len() as u32;
        self.strings.extend(text.bytes());
        self.strings.push(0);
        at
    }

    /// An integer type of whole bytes; `encoding` is 1 for signed, 4 for `_Bool`.
    pub fn int(&mut self, name: &str, size: u32, encoding: u32) -> u32 {
        self.add(1, false, name, 0, size, &[(encoding << 24) | (size * 8)])
    }

    /// A pointer.
    pub fn pointer(&mut self, target: u32) -> u32 {
        self.add(2, false, "", 0, target, &[])
    }

    /// A struct, its members as name, type, offset and size in bits (0 for no bit field).
    pub fn structure(&mut self, name: &str, size: u32, members: &[(&str, u32, u32, u32)]) -> u32 {
        let mut rest = Vec::new();
        for (member, ty, offset, bits) in members {
            rest.extend([self.name(member), *ty, (bits << 24) | offset]);
        }
        self.add(4, true, name, members.len() as u32, size, &rest)
    }

    /// The section.
    #[must_use]
    pub fn make(&self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, types, types, strings] {
            bytes.extend(u32::to_le_bytes(word));
        }
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }
}
