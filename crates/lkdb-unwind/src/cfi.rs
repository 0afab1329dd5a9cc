//! DWARF's call frame information, `.debug_frame` or `.eh_frame`, as rows.
//!
//! The section is not parsed as a whole. The first question makes a table of where each function's entry (FDE)
//! lies, by hopping over the entries' headers; an answer parses one entry.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use gimli::{
    BaseAddresses, CieOrFde, DebugFrame, DebugFrameOffset, EhFrame, EhFrameOffset, LittleEndian,
    RegisterRule, UnwindContext, UnwindExpression, UnwindSection, UnwindTableRow,
};
use lkdb_base::LinkAddr;
use lkdb_base::arch::Arch;

use crate::row::{Call, CfaRule, Others, Row, Rule};

type Slice<'d> = gimli::EndianSlice<'d, LittleEndian>;

/// Call frame information that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the call frame information of {address} cannot be read: {why}")]
pub struct CfiError {
    /// Whose.
    pub address: LinkAddr,
    /// What is wrong with it.
    pub why: gimli::Error,
}

/// Where a function's entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fde {
    start: u64,
    length: u32,
    offset: u32,
}

/// One section of it.
pub struct Cfi<'d> {
    section: Section<'d>,
    arch: &'static Arch,
    table: OnceCell<Box<[Fde]>>,
    context: RefCell<UnwindContext<usize>>,
}

enum Section<'d> {
    Debug(DebugFrame<Slice<'d>>, &'d [u8]),
    Eh(EhFrame<Slice<'d>>, BaseAddresses),
}

impl std::fmt::Debug for Cfi<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cfi").field("arch", &self.arch.name).finish_non_exhaustive()
    }
}

impl<'d> Cfi<'d> {
    /// A `.debug_frame`, unpacked and relocated.
    #[must_use]
    pub fn debug_frame(bytes: &'d [u8], arch: &'static Arch) -> Self {
        let mut section = DebugFrame::new(bytes, LittleEndian);
        section.set_address_size(8);
        Self::of(Section::Debug(section, bytes), arch)
    }

    /// An `.eh_frame` that runs at `address`.
    #[must_use]
    pub fn eh_frame(bytes: &'d [u8], address: LinkAddr, arch: &'static Arch) -> Self {
        let mut section = EhFrame::new(bytes, LittleEndian);
        section.set_address_size(8);
        Self::of(Section::Eh(section, BaseAddresses::default().set_eh_frame(address.0)), arch)
    }

    fn of(section: Section<'d>, arch: &'static Arch) -> Self {
        Self { section, arch, table: OnceCell::new(), context: RefCell::new(UnwindContext::new()) }
    }

    /// How many functions it describes. Makes the table.
    #[must_use]
    pub fn count(&self) -> usize {
        self.table().len()
    }

    fn table(&self) -> &[Fde] {
        self.table.get_or_init(|| {
            let mut table = match &self.section {
                Section::Debug(_, bytes) => headers(bytes),
                Section::Eh(section, bases) => parsed(section, bases),
            };
            table.sort_unstable();
            table.into_boxed_slice()
        })
    }

    /// The row for the instruction at `address`; none where no function is described.
    ///
    /// # Errors
    /// When the function's entry is damaged.
    pub fn row(&self, address: LinkAddr) -> Result<Option<Row>, CfiError> {
        let table = self.table();
        let behind = table.partition_point(|fde| fde.start <= address.0);
        // Empty entries, and ones of functions that the linker dropped, may begin at the same address.
        let near = table.get(behind.saturating_sub(8)..behind).unwrap_or_default();
        let covering = near.iter().rev().find(|fde| address.0 - fde.start < u64::from(fde.length));
        let Some(fde) = covering else { return Ok(None) };
        self.parse(*fde, address).map(Some).map_err(|why| CfiError { address, why })
    }

    fn parse(&self, fde: Fde, address: LinkAddr) -> Result<Row, gimli::Error> {
        let offset = fde.offset as usize;
        match &self.section {
            Section::Debug(section, _) => {
                self.parse_in(section, &BaseAddresses::default(), DebugFrameOffset(offset), address)
            }
            Section::Eh(section, bases) => self.parse_in(section, bases, EhFrameOffset(offset), address),
        }
    }

    fn parse_in<S: UnwindSection<Slice<'d>>>(
        &self,
        section: &S,
        bases: &BaseAddresses,
        offset: S::Offset,
        address: LinkAddr,
    ) -> Result<Row, gimli::Error> {
        let fde = section.fde_from_offset(bases, offset, S::cie_from_offset)?;
        let mut context = self.context.borrow_mut();
        let row = fde.unwind_info_for_address(section, bases, &mut context, address.0)?;
        let column = fde.cie().return_address_register().0;
        self.to_row(section, row, column, fde.is_signal_trampoline())
    }

    fn to_row<S: UnwindSection<Slice<'d>>>(
        &self,
        section: &S,
        row: &UnwindTableRow<usize>,
        return_address: u16,
        interrupted: bool,
    ) -> Result<Row, gimli::Error> {
        let bytes = |expression: &UnwindExpression<usize>| -> Result<Rc<[u8]>, gimli::Error> {
            Ok(Rc::from(expression.get(section)?.0.slice()))
        };
        let cfa = match row.cfa() {
            gimli::CfaRule::RegisterAndOffset { register, offset } => CfaRule::Register(register.0, *offset),
            gimli::CfaRule::Expression(expression) => CfaRule::Expression(bytes(expression)?),
        };
        let mut rules = Vec::new();
        for (register, rule) in row.registers() {
            let rule = match rule {
                RegisterRule::SameValue => Rule::SameValue,
                RegisterRule::Offset(offset) => Rule::AtCfa(*offset),
                RegisterRule::ValOffset(offset) => Rule::CfaPlus(*offset),
                RegisterRule::Register(other) => Rule::Register(other.0),
                RegisterRule::Expression(expression) => Rule::AtExpression(bytes(expression)?),
                RegisterRule::ValExpression(expression) => Rule::Expression(bytes(expression)?),
                _ => Rule::Unknown,
            };
            // Arm64's signing state is a column of its own that no register has.
            if self.arch.register(register.0).is_some() {
                rules.push((register.0, rule));
            }
        }
        let returned = rules.iter().find(|(register, _)| *register == return_address);
        if returned.is_some_and(|(_, rule)| *rule == Rule::Unknown) {
            return Ok(Row::Outermost);
        }
        if returned.is_none() {
            // A function that has not saved its return address yet has it in its register.
            let pushed = self.arch.frames.call_pushes;
            rules.push((return_address, if pushed { Rule::AtCfa(-8) } else { Rule::SameValue }));
        }
        Ok(Row::Call(Call { cfa, rules, others: Others::AsPreserved, return_address, interrupted }))
    }
}

/// The FDEs of a `.debug_frame`, from the heads of its entries (DWARF 5, section 6.4.1), up to the first
/// that makes no sense. Addresses are of 8 bytes, without segments.
fn headers(bytes: &[u8]) -> Vec<Fde> {
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    // A kernel's are 50 to 70 bytes long.
    let mut table = Vec::with_capacity(bytes.len() / 64);
    let mut at = 0;
    let mut hop = || -> Option<Option<Fde>> {
        let short = word(at)?;
        let (body, length, width) =
            if short == u32::MAX { (at + 12, long(at + 4)?, 8) } else { (at + 4, short.into(), 4) };
        let cie = if width == 8 { long(body)? == u64::MAX } else { word(body)? == u32::MAX };
        let offset = u32::try_from(at).ok()?;
        at = body.checked_add(usize::try_from(length).ok()?)?;
        if cie || length < width as u64 + 16 {
            return Some(None);
        }
        let (start, length) = (long(body + width)?, long(body + width + 8)?);
        Some(Some(Fde { start, length: u32::try_from(length).unwrap_or(u32::MAX), offset }))
    };
    while let Some(found) = hop() {
        table.extend(found.filter(|fde| fde.length != 0));
    }
    table
}

/// The FDEs of an `.eh_frame`, whose addresses are encoded as each CIE says.
fn parsed(section: &EhFrame<Slice<'_>>, bases: &BaseAddresses) -> Vec<Fde> {
    let mut entries = section.entries(bases);
    let mut table = Vec::new();
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let Ok(fde) = partial.parse(EhFrame::cie_from_offset) else { continue };
        let Ok(offset) = u32::try_from(fde.offset()) else { break };
        let length = u32::try_from(fde.len()).unwrap_or(u32::MAX);
        table.push(Fde { start: fde.initial_address(), length, offset });
    }
    table
}

#[cfg(test)]
mod tests;
