//! Values as text, in gdb's words: `print`'s and `x`'s formats, and the settings of `set print`.

mod composite;
mod examine;
mod print;
mod scalar;
mod settings;
mod spec;
mod text;

pub use examine::{Disassembler, Examine, Examined, ExaminedLine};
pub(crate) use print::{enumerator, string};
pub use print::{print, print_formatted, print_within};
pub use settings::Settings;
pub use spec::{Letter, Size, Spec};
