//! Instructions: decoded and written as gdb writes them, with the symbols of the addresses in them.

mod x86;

use std::cell::RefCell;

use lkdb_base::{Arch, RuntimeAddr};
use lkdb_value::Context;
use lkdb_value::format::Disassembler;

use crate::{Error, Result, Session};
use x86::{Address, Flavor, X86};

/// One instruction where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Where.
    pub address: RuntimeAddr,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// As gdb writes it.
    pub text: String,
}

/// Reads and writes instructions of a session's memory.
pub struct Decoder<'s, 'd> {
    session: &'s Session<'d>,
    x86: RefCell<X86>,
    current: Option<RuntimeAddr>,
}

impl<'s, 'd> Decoder<'s, 'd> {
    /// # Errors
    /// For an architecture whose instructions lkdb does not know.
    pub fn new(session: &'s Session<'d>) -> Result<Self> {
        let arch = session
            .arch()
            .ok_or_else(|| Error::say("No symbol table is loaded.  Use the \"file\" command."))?;
        if arch.instructions != lkdb_base::arch::Instructions::X86 {
            return Err(unknown(arch));
        }
        let flavor =
            if session.settings().disassembly_flavor == "intel" { Flavor::Intel } else { Flavor::Att };
        Ok(Self { session, x86: RefCell::new(X86::new(flavor)), current: session.selected_pc() })
    }

    /// The instruction at an address.
    ///
    /// # Errors
    /// When its bytes cannot be read.
    pub fn at(&self, address: RuntimeAddr) -> Result<Code> {
        let mut bytes = [0; x86::LONGEST];
        let memory = self.session.memory();
        let mut length = bytes.len();
        // Up to the end of what is readable: an instruction may be the last before it.
        let mut failed = memory.read(address, &mut bytes).err();
        while failed.is_some() && length > 1 {
            length -= 1;
            failed = bytes.get_mut(..length).and_then(|part| memory.read(address, part).err());
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
        let bytes = bytes.get(..length).unwrap_or_default();
        let decoded = self.x86.borrow_mut().decode(bytes, address.0);
        let decoded =
            decoded.ok_or_else(|| Error::say(format!("Cannot access memory at address {address}")))?;
        let mut text = decoded.text;
        let place = match decoded.address {
            Some(Address::Target(to)) => Some(to),
            Some(Address::Operand(to)) => {
                text.push_str(&format!("        # {to:#x}"));
                Some(to)
            }
            None => None,
        };
        if let Some(symbol) = place.and_then(|to| self.session.symbol_at(RuntimeAddr(to))) {
            text.push_str(&format!(" <{symbol}>"));
        }
        let bytes = bytes.get(..decoded.length).unwrap_or(bytes).to_vec();
        Ok(Code { address, bytes, text })
    }

    /// The instructions from `start` up to `end`; the last may go beyond.
    ///
    /// # Errors
    /// When bytes cannot be read, or the user wants no more.
    pub fn range(&self, start: RuntimeAddr, end: RuntimeAddr) -> Result<Vec<Code>> {
        let mut all = Vec::new();
        let mut at = start;
        while at < end {
            self.session.interrupt().check()?;
            let code = self.at(at)?;
            at = at.offset(code.bytes.len().max(1) as u64);
            all.push(code);
        }
        Ok(all)
    }
}

fn unknown(arch: &Arch) -> Error {
    Error::say(format!("lkdb cannot disassemble {} yet: use x/8xw to see the words", arch.name))
}

impl Disassembler for Decoder<'_, '_> {
    fn instruction(&self, address: RuntimeAddr) -> Result<(String, u64), lkdb_value::Error> {
        match self.at(address) {
            Ok(code) => Ok((code.text, code.bytes.len() as u64)),
            Err(Error::Memory(error)) => Err(error.into()),
            Err(error) => Err(lkdb_value::Error::Operation(error.to_string())),
        }
    }

    fn is_current(&self, address: RuntimeAddr) -> bool {
        self.current == Some(address)
    }
}
