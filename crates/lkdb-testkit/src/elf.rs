//! Small 64-bit little-endian ELF files: sections, symbols, one segment, notes.

/// A file being made.
#[derive(Debug, Clone)]
pub struct ElfMaker {
    machine: u16,
    entry: u64,
    sections: Vec<MadeSection>,
    symbols: Vec<MadeSymbol>,
    segments: Vec<(u64, u64, u64)>,
}

#[derive(Debug, Clone)]
struct MadeSection {
    name: String,
    kind: u32,
    flags: u64,
    address: u64,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone)]
struct MadeSymbol {
    name: String,
    address: u64,
    size: u64,
    /// `st_info`.
    info: u8,
}

/// `SHT_PROGBITS`, `SHT_NOTE`.
const PROGBITS: u32 = 1;
const NOTE: u32 = 7;

impl ElfMaker {
    /// An executable for a machine (`e_machine`) that starts at `entry`.
    #[must_use]
    pub fn new(machine: u16, entry: u64) -> Self {
        Self { machine, entry, sections: Vec::new(), symbols: Vec::new(), segments: Vec::new() }
    }

    /// Adds a section that is in memory at run time; with instructions if `code`.
    #[must_use]
    pub fn section(mut self, name: &str, address: u64, code: bool, bytes: &[u8]) -> Self {
        let flags = if code { 6 } else { 3 };
        self.sections.push(MadeSection {
            name: name.to_owned(),
            kind: PROGBITS,
            flags,
            address,
            bytes: bytes.to_vec(),
        });
        self
    }

    /// Adds a `.notes` section with a build ID in it, behind a note of another kind.
    #[must_use]
    pub fn build_id(mut self, address: u64, id: &[u8]) -> Self {
        let mut bytes = note(b"Xen\0", 6, b"linux\0");
        bytes.extend(note(b"GNU\0", 3, id));
        self.sections.push(MadeSection { name: ".notes".to_owned(), kind: NOTE, flags: 2, address, bytes });
        self
    }

    /// Adds a function (or, if not `global`, a static one).
    #[must_use]
    pub fn function(mut self, name: &str, address: u64, size: u64, global: bool) -> Self {
        let info = if global { 0x12 } else { 0x02 };
        self.symbols.push(MadeSymbol { name: name.to_owned(), address, size, info });
        self
    }

    /// Adds a loadable segment.
    #[must_use]
    pub fn segment(mut self, address: u64, physical: u64, size: u64) -> Self {
        self.segments.push((address, physical, size));
        self
    }

    /// The file.
    #[must_use]
    pub fn make(&self) -> Vec<u8> {
        let mut all =
            vec![MadeSection { name: String::new(), kind: 0, flags: 0, address: 0, bytes: Vec::new() }];
        all.extend(self.sections.iter().cloned());
        let (table, strings) = self.symbol_table();
        let symtab = all.len();
        for (name, kind, bytes) in
            [(".symtab", 2, table), (".strtab", 3, strings), (".shstrtab", 3, Vec::new())]
        {
            all.push(MadeSection { name: name.to_owned(), kind, flags: 0, address: 0, bytes });
        }
        let mut names = Vec::new();
        let offsets: Vec<u32> = all.iter().map(|section| push_name(&mut names, &section.name)).collect();
        if let Some(last) = all.last_mut() {
            last.bytes = names;
        }
        self.assemble(&all, &offsets, symtab)
    }

    fn assemble(&self, all: &[MadeSection], names: &[u32], symtab: usize) -> Vec<u8> {
        let mut file = vec![0; 64 + 56 * self.segments.len()];
        let mut headers = Vec::new();
        for (index, (section, name)) in all.iter().zip(names).enumerate() {
            file.resize(file.len().next_multiple_of(8), 0);
            let (link, entry) = if index == symtab { (symtab as u32 + 1, 24) } else { (0, 0) };
            headers.extend(name.to_le_bytes());
            headers.extend(section.kind.to_le_bytes());
            for word in [section.flags, section.address, file.len() as u64, section.bytes.len() as u64] {
                headers.extend(word.to_le_bytes());
            }
            headers.extend(link.to_le_bytes());
            headers.extend(u32::from(index == symtab).to_le_bytes());
            headers.extend(8_u64.to_le_bytes());
            headers.extend(u64::to_le_bytes(entry));
            file.extend(&section.bytes);
        }
        file.resize(file.len().next_multiple_of(8), 0);
        let header = self.header(file.len() as u64, all.len() as u16);
        file.extend(headers);
        file.splice(..header.len(), header);
        file
    }

    fn header(&self, sections_at: u64, sections: u16) -> Vec<u8> {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(16, 0);
        header.extend(2_u16.to_le_bytes());
        header.extend(self.machine.to_le_bytes());
        header.extend(1_u32.to_le_bytes());
        for word in [self.entry, 64, sections_at] {
            header.extend(word.to_le_bytes());
        }
        header.extend(0_u32.to_le_bytes());
        for half in [64, 56, self.segments.len() as u16, 64, sections, sections - 1] {
            header.extend(half.to_le_bytes());
        }
        for (address, physical, size) in &self.segments {
            header.extend(1_u32.to_le_bytes());
            header.extend(7_u32.to_le_bytes());
            for word in [0, *address, *physical, 0, *size, 0] {
                header.extend(word.to_le_bytes());
            }
        }
        header
    }

    fn symbol_table(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut table, mut strings) = (vec![0; 24], vec![0]);
        for symbol in &self.symbols {
            let within = |section: &MadeSection| {
                (section.address..section.address + section.bytes.len() as u64).contains(&symbol.address)
            };
            // Sections are numbered from 1; a symbol outside of them is absolute.
            let index = self.sections.iter().position(within).map_or(0xfff1, |at| at as u16 + 1);
            table.extend(push_name(&mut strings, &symbol.name).to_le_bytes());
            table.extend([symbol.info, 0]);
            table.extend(index.to_le_bytes());
            table.extend(symbol.address.to_le_bytes());
            table.extend(symbol.size.to_le_bytes());
        }
        (table, strings)
    }
}

/// One note as it lies in a section, with a name that ends in NUL.
#[must_use]
pub fn note(name: &[u8], kind: u32, descriptor: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [name.len() as u32, descriptor.len() as u32, kind] {
        bytes.extend(word.to_le_bytes());
    }
    for part in [name, descriptor] {
        bytes.extend(part);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn push_name(strings: &mut Vec<u8>, name: &str) -> u32 {
    let at = strings.len() as u32;
    strings.extend(name.bytes());
    strings.push(0);
    at
}
