//! Rows: how the caller of a function is found when it is stopped at one instruction.
//!
//! Where rows come from is not said here: see [`crate::Orc`] and [`crate::Cfi`].

use std::rc::Rc;

use lkdb_base::arch::{AcrossCalls, Arch};

/// How the canonical frame address (CFA) is found: on x86-64 the stack pointer's value before the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CfaRule {
    /// A register's value plus this.
    Register(u16, i64),
    /// What lies in memory at a register's value plus `before`; plus `after`.
    AtRegister {
        /// The register.
        register: u16,
        /// Added before the memory is read.
        before: i64,
        /// Added to what was read.
        after: i64,
    },
    /// What a DWARF expression gives.
    Expression(Rc<[u8]>),
}

/// How a register of the caller is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Not at all. Never the same as [`Rule::SameValue`].
    Unknown,
    /// It has not been changed.
    SameValue,
    /// In memory at the CFA plus this.
    AtCfa(i64),
    /// It is the CFA plus this.
    CfaPlus(i64),
    /// In another register.
    Register(u16),
    /// In memory at a register's value plus this.
    AtRegister(u16, i64),
    /// In memory at the address that a DWARF expression gives, which finds the CFA on its stack.
    AtExpression(Rc<[u8]>),
    /// What such an expression gives.
    Expression(Rc<[u8]>),
}

/// What is true of registers that a row does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Preserved ones are as they were (CFI names each one it changes).
    AsPreserved,
    /// Only constant ones are known (ORC speaks of two registers only).
    Unknown,
}

/// A row for code that was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where the frame is.
    pub cfa: CfaRule,
    /// The registers it names.
    pub rules: Vec<(u16, Rule)>,
    /// All others.
    pub others: Others,
    /// The column of the return address.
    pub return_address: u16,
    /// What it returns to is the instruction to be executed next, not one behind a call.
    pub interrupted: bool,
}

impl Call {
    /// The rule for a register.
    #[must_use]
    pub fn rule(&self, arch: &Arch, dwarf: u16) -> Rule {
        if let Some((_, rule)) = self.rules.iter().find(|(named, _)| *named == dwarf) {
            return rule.clone();
        }
        if dwarf == arch.frames.stack_pointer {
            return Rule::CfaPlus(0);
        }
        match (arch.register(dwarf).map(|fact| fact.across), self.others) {
            (Some(AcrossCalls::Constant), _) | (Some(AcrossCalls::Preserved), Others::AsPreserved) => {
                Rule::SameValue
            }
            _ => Rule::Unknown,
        }
    }
}

/// How the caller is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// The code was called.
    Call(Call),
    /// The code interrupted other code, whose registers it has saved.
    Saved {
        /// Where: `struct pt_regs`, or only the part of it that the processor saves.
        at: CfaRule,
        /// All of `struct pt_regs` is there.
        full: bool,
    },
    /// The code has no caller.
    Outermost,
    /// Whoever made the table did not know.
    Undefined,
}

/// What is known of one instruction, by source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// From ORC.
    pub orc: Option<Row>,
    /// From DWARF's call frame information.
    pub cfi: Option<Row>,
}
