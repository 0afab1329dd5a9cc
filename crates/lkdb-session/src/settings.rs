//! What `set` changes, and its first values: gdb's.
//!
//! Names and sentences of settings are the commands' affair; what each does is said where it is read.

use lkdb_value::format::Settings as PrintSettings;

/// Every setting.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How values are printed.
    pub print: PrintSettings,
    /// Lines that `list` lists; none for all.
    pub listsize: Option<u64>,
    /// How many debug registers there are for breakpoints; none: what the machine has.
    pub hardware_limit: Option<u64>,
    /// Ask before something is thrown away.
    pub confirm: bool,
    /// `att` or `intel`.
    pub disassembly_flavor: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            print: PrintSettings::default(),
            listsize: Some(10),
            hardware_limit: None,
            confirm: true,
            disassembly_flavor: "att",
        }
    }
}
