//! Why a command did not do what was asked, in gdb's words where gdb has them.

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No command of this name. `prefix` is `""`, or `info `, `set ` and so on.
    #[error("Undefined {prefix}command: \"{name}\".  Try \"help{}{}\".",
        if prefix.is_empty() { "" } else { " " }, prefix.trim_end())]
    Undefined {
        /// The command whose sub-command it would be, with a space behind it.
        prefix: String,
        /// What was typed.
        name: String,
    },
    /// A command of gdb's that lkdb does not have.
    #[error("Undefined command: \"{name}\": {instead}.")]
    Stranger {
        /// What was typed.
        name: String,
        /// What does what it is for.
        instead: &'static str,
    },
    /// Several commands begin so.
    #[error("Ambiguous {prefix}command \"{name}\": {}.", candidates.join(", "))]
    Ambiguous {
        /// The command whose sub-command it would be, with a space behind it.
        prefix: String,
        /// What was typed.
        name: String,
        /// Those that begin so, by name.
        candidates: Vec<&'static str>,
    },
    /// Arguments that make no sense; the whole sentence.
    #[error("{0}")]
    Arguments(String),
    /// What the session has to say.
    #[error(transparent)]
    Session(#[from] lkdb_session::Error),
    /// An expression without a value.
    #[error(transparent)]
    Value(#[from] lkdb_value::Error),
    /// A type that cannot be read.
    #[error(transparent)]
    Type(#[from] lkdb_symbols::TypeError),
}

impl Error {
    /// An error that is one sentence.
    pub fn say(sentence: impl Into<String>) -> Self {
        Self::Arguments(sentence.into())
    }
}
