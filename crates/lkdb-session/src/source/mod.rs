//! Source files on this host: where the compiler's names for them lead, and their lines.
//!
//! What a file is called in the DWARF is the business of `lkdb-symbols`; which lines are listed is the
//! listing's. Files are read here, since that is I/O on behalf of the user's session.

mod search;
mod text;

pub use search::{SourceName, Sources};
pub use text::Text;
