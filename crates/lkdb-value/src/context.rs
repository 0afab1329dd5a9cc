//! What an expression needs from the world: types, memory, registers, and what a name means.

use std::rc::Rc;

use lkdb_base::{Memory, RuntimeAddr, Unreadable};
use lkdb_symbols::{DwarfRegister, Gone, Place, TypeError, TypeId, TypeSource};

/// What a name means where an expression stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A variable or parameter: its type and where it is.
    Variable(TypeId, Place),
    /// A function: its type (of kind function) and its entry.
    Function(TypeId, RuntimeAddr),
    /// A symbol without debug info: code or data, as gdb's "text variable, no debug info".
    Bare {
        /// Where it is.
        address: RuntimeAddr,
        /// It is code.
        code: bool,
        /// The type of the function of another name that begins there: GCC gives functions with the same code one
        /// body, and the debug info knows one of them.
        function: Option<TypeId>,
    },
    /// An enumerator, with its enumeration.
    Enumerator(TypeId, i128),
    /// A typedef or base type.
    Type(TypeId),
}

/// Why an expression has no value. Texts are gdb's where gdb has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The expression is no C that lkdb knows.
    #[error("A syntax error in expression, near `{near}'.")]
    Syntax {
        /// The rest of the expression from the mistake on.
        near: String,
    },
    /// Nobody has this name here.
    #[error("No symbol \"{0}\" in current context.")]
    NoSymbol(String),
    /// No such struct, union, enum or typedef.
    #[error("No {kind} type named {name}.")]
    NoType {
        /// `struct`, `union`, `enum`, or `symbol` for others.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// No such member.
    #[error("There is no member named {0}.")]
    NoMember(String),
    /// An operation its operands do not have; the whole sentence.
    #[error("{0}")]
    Operation(String),
    /// Memory that cannot be read.
    #[error(transparent)]
    Memory(#[from] Unreadable),
    /// A value that is not there.
    #[error("value has been optimized out")]
    Gone(Gone),
    /// A type that cannot be read.
    #[error(transparent)]
    Type(#[from] TypeError),
}

impl Error {
    /// What reading a value that is not there comes to.
    pub(crate) fn gone(why: Gone) -> Self {
        match why {
            Gone::NoSymbol(name) => Self::Operation(format!("Missing ELF symbol \"{name}\".")),
            why => Self::Gone(why),
        }
    }
}

/// A value's bytes, of a type.
pub type Bytes = (TypeId, Rc<[u8]>);

/// The world around an expression.
pub trait Context {
    /// Types by number.
    fn types(&self) -> &dyn TypeSource;

    /// Memory as the selected frame's CPU sees it.
    fn memory(&self) -> &dyn Memory;

    /// What a plain name means here: innermost scope first, then the file's statics, then all.
    ///
    /// # Errors
    /// [`Error::NoSymbol`], or what stands in the way of an answer.
    fn named(&self, name: &str) -> Result<Named, Error>;

    /// What a name means outside of every function: no local hides it.
    ///
    /// # Errors
    /// As [`Context::named`].
    fn global(&self, name: &str) -> Result<Named, Error> {
        self.named(name)
    }

    /// What a name means in a file or function: `'kernel/fork.c'::max_threads`, `schedule::count`.
    ///
    /// # Errors
    /// [`Error::NoSymbol`], or that there is no such file or function.
    fn scoped(&self, scope: &str, name: &str) -> Result<Named, Error> {
        let _ = name;
        Err(Error::Operation(format!("No file or function \"{scope}\".")))
    }

    /// A struct, union or enum by its tag. `kind` is `struct`, `union` or `enum`.
    ///
    /// # Errors
    /// [`Error::NoType`].
    fn tagged(&self, kind: &'static str, name: &str) -> Result<TypeId, Error>;

    /// A base type or typedef by its name: `unsigned int`, `pid_t`.
    ///
    /// # Errors
    /// [`Error::NoType`].
    fn type_named(&self, name: &str) -> Result<TypeId, Error>;

    /// `<symbol+offset>` of an address, without the angle brackets; none where no symbol is.
    fn symbol_at(&self, address: RuntimeAddr) -> Option<String>;

    /// The bytes of a register of the selected frame, by its DWARF number.
    ///
    /// # Errors
    /// Why it is not known.
    fn register(&self, register: DwarfRegister) -> Result<Rc<[u8]>, Gone>;

    /// A register by the name users type behind `$`: its bytes and its type; none where there is no such.
    fn register_named(&self, name: &str) -> Option<Result<Bytes, Error>>;

    /// The name that users type for a register, without `$`; none where nobody knows.
    fn register_name(&self, register: DwarfRegister) -> Option<&'static str> {
        let _ = register;
        None
    }

    /// A convenience variable (`$foo`, `$1`, `$`); none when it is void.
    fn convenience(&self, name: &str) -> Option<Bytes>;
}

/// What an assignment changes. The session implements it, and tells its own caches.
pub trait Writer {
    /// Writes memory, all or nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    fn write_memory(&self, address: RuntimeAddr, bytes: &[u8]) -> Result<(), Error>;

    /// Writes the low bytes of a register of the selected frame, by its DWARF number; the others stay.
    ///
    /// # Errors
    /// When the target refuses, or when it is not known where the frame's register was saved.
    fn write_register(&self, register: DwarfRegister, bytes: &[u8]) -> Result<(), Error>;

    /// Writes a register by the name users type behind `$`.
    ///
    /// # Errors
    /// As [`Writer::write_register`].
    fn write_register_named(&self, name: &str, bytes: &[u8]) -> Result<(), Error>;

    /// Sets a convenience variable.
    ///
    /// # Errors
    /// When it is none that can be set (`$1`).
    fn set_convenience(&self, name: &str, value: Bytes) -> Result<(), Error>;
}
