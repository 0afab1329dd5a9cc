//! What `set` changes, and its first values: gdb's.
//!
//! Names and sentences of settings are the commands' affair; what each does is said where it is read.

/// Every setting.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How values are printed.
    pub print: PrintSettings,
    /// Lines that `list` lists; none for all.
    pub listsize: Option<usize>,
    /// Ask before something is thrown away.
    pub confirm: bool,
    /// `att` or `intel`.
    pub disassembly_flavor: &'static str,
}

/// How values are printed. Limits: none for no limit.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)]
pub struct PrintSettings {
    /// Addresses of pointers, functions.
    pub address: bool,
    /// An array element a line.
    pub array: bool,
    /// `[0] = ` before array elements.
    pub array_indexes: bool,
    /// Elements of an array, letters of a string.
    pub elements: Option<usize>,
    /// Structures within structures.
    pub max_depth: Option<usize>,
    /// `char` arrays end at their first NUL.
    pub null_stop: bool,
    /// A member a line.
    pub pretty: bool,
    /// Equal elements that are printed once.
    pub repeats: Option<usize>,
    /// 8-bit characters as octal numbers.
    pub sevenbit_strings: bool,
    /// `<symbol+offset>` behind pointers.
    pub symbol: bool,
    /// Unions within structures.
    pub union: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { print: PrintSettings::default(), listsize: Some(10), confirm: true, disassembly_flavor: "att" }
    }
}

impl Default for PrintSettings {
    fn default() -> Self {
        Self {
            address: true,
            array: false,
            array_indexes: false,
            elements: Some(200),
            max_depth: Some(20),
            null_stop: false,
            pretty: false,
            repeats: Some(10),
            sevenbit_strings: false,
            symbol: true,
            union: true,
        }
    }
}
