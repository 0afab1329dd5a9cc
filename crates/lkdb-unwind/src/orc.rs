//! ORC, Linux's own unwind tables for x86-64, in its four layouts.
//!
//! `.orc_unwind_ip` holds a 32-bit distance from each of its own entries to a code address, in order;
//! `.orc_unwind` a 6-byte `struct orc_entry` for each, which is true up to the next. Facts from
//! `arch/x86/include/asm/orc_types.h`: two signed 16-bit offsets, then 16 bits of fields:
//!
//! | since | bits 0-3, 4-7 | 8 | 9 | 10 | 11 |
//! | --- | --- | --- | --- | --- | --- |
//! | ee9f8fce9964 (4.14) | `sp_reg`, `bp_reg` | `type` | `type` | `end` (none in the first kernels) | |
//! | ffb1b4a41016 (6.3) | | `type` | `type` | `signal` | `end` |
//! | fb799447ae29 (6.4) | | `type` | `type` | `type` | `signal` |
//!
//! `type` is CALL 0, REGS 1, REGS_PARTIAL 2 in the first two; UNDEFINED 0, END_OF_STACK 1, CALL 2, REGS 3,
//! REGS_PARTIAL 4 in the last. Newer kernels know AX as well and number `sp_reg` and `bp_reg` anew, as the
//! header of 7.2 has it (6.12 is still of the old kind), without a trace of it elsewhere:
//!
//! | | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 |
//! | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
//! | before | PREV_SP | DX | DI | BP | SP | R10 | R13 | BP_INDIRECT | SP_INDIRECT | |
//! | since | AX | DX | SP | BP | DI | R10 | R13 | PREV_SP | SP_INDIRECT | BP_INDIRECT |
//!
//! Nothing in the file says which it is (`.orc_header` holds but a hash of the header's
//! text), so [`Layout::detect`] goes by what the entries of a whole kernel say. A module's few entries
//! cannot tell; they have their kernel's layout.

use std::borrow::Cow;

use lkdb_base::LinkAddr;

use crate::row::{Call, CfaRule, Others, Row, Rule};

/// Bytes of an entry.
const ENTRY: usize = 6;
/// The most entries a table may have: 20 times an all-yes kernel's.
const MOST: usize = 1 << 26;

/// Which fields an entry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// With `end`; `signal` goes without saying for saved registers. `ends` is false in kernels that
    /// do not mark ends, where an entry without a base may be one.
    End {
        /// There is an `end` bit.
        ends: bool,
    },
    /// With `signal` and `end`.
    SignalAndEnd,
    /// With `signal`, and ends told by `type`.
    Typed,
    /// The same with AX among the registers, and other numbers for them.
    TypedWithAx,
}

/// What an address is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    /// None.
    Undefined,
    /// The CFA.
    PreviousStack,
    /// A register with an offset: of any register, though Linux itself leaves it out for some and loses its way at
    /// the one place that has one, where an NMI leaves its own stack.
    Offset(u16),
    /// What the frame pointer with an offset points to.
    AtFramePointer,
    /// What the stack pointer points to, with an offset.
    AtStackPointer,
    /// A number that means nothing.
    Unknown,
}

/// The fields of an entry, in whichever layout.
#[derive(Debug, Clone, Copy)]
struct Entry {
    sp_offset: i16,
    bp_offset: i16,
    fields: u16,
}

impl Entry {
    fn at(entries: &[u8], index: usize) -> Option<Self> {
        let start = index.checked_mul(ENTRY)?;
        match *entries.get(start..start.checked_add(ENTRY)?)? {
            [a, b, c, d, e, f] => Some(Self {
                sp_offset: i16::from_le_bytes([a, b]),
                bp_offset: i16::from_le_bytes([c, d]),
                fields: u16::from_le_bytes([e, f]),
            }),
            _ => None,
        }
    }

    fn bits(self, from: u32, count: u32) -> u16 {
        (self.fields >> from) & ((1 << count) - 1)
    }
}

/// `type`, whatever its number.
enum Kind {
    Call,
    Saved { full: bool },
    Outermost,
    Undefined,
}

impl Layout {
    /// Tells from a kernel's whole `.orc_unwind`; none when its entries tell nothing.
    #[must_use]
    pub fn detect(entries: &[u8]) -> Option<Self> {
        let count = entries.len() / ENTRY;
        // Nearly all entries are of calls. Read as the older layouts these would all be REGS_PARTIAL.
        let step = (count / 256).max(1);
        let based = (0..count).step_by(step).filter_map(|index| Entry::at(entries, index));
        let (mut typed, mut all, mut with_ax) = (0, 0, 0_usize);
        for entry in based.filter(|entry| entry.bits(0, 4) != 0) {
            all += 1;
            typed += usize::from(entry.bits(8, 3) == 2);
            // Nearly all are based on the stack pointer: 3 if AX is known, else 5. Neither number's other
            // meaning, DI, is ever seen in C code.
            with_ax += usize::from(entry.bits(0, 4) == 3);
        }
        if all == 0 {
            return None;
        }
        if typed * 2 > all {
            return Some(if with_ax * 2 > all { Self::TypedWithAx } else { Self::Typed });
        }
        // Bit 11 was first `end`. With a base, bit 10 is `signal`; without, `end`.
        for index in 0..count.min(MOST) {
            let entry = Entry::at(entries, index)?;
            if entry.bits(11, 1) == 1 || (entry.bits(10, 1) == 1 && entry.bits(0, 4) != 0) {
                return Some(Self::SignalAndEnd);
            }
            if entry.bits(10, 1) == 1 {
                return Some(Self::End { ends: true });
            }
        }
        Some(Self::End { ends: false })
    }

    /// What a register's number means.
    fn base(self, number: u16) -> Base {
        let with_ax = self == Self::TypedWithAx;
        match number {
            0 => Base::Undefined,
            1 if with_ax => Base::Offset(RAX),
            1 => Base::PreviousStack,
            2 => Base::Offset(RDX),
            3 if with_ax => Base::Offset(RSP),
            3 => Base::Offset(RDI),
            4 => Base::Offset(RBP),
            5 if with_ax => Base::Offset(RDI),
            5 => Base::Offset(RSP),
            6 => Base::Offset(R10),
            7 => Base::Offset(R13),
            8 if with_ax => Base::PreviousStack,
            8 => Base::AtFramePointer,
            9 => Base::AtStackPointer,
            10 if with_ax => Base::AtFramePointer,
            _ => Base::Unknown,
        }
    }

    /// The type, and whether what is found is an interrupted instruction.
    fn read(self, entry: Entry) -> (Kind, bool) {
        if matches!(self, Self::Typed | Self::TypedWithAx) {
            let kind = match entry.bits(8, 3) {
                1 => Kind::Outermost,
                2 => Kind::Call,
                3 => Kind::Saved { full: true },
                4 => Kind::Saved { full: false },
                _ => Kind::Undefined,
            };
            return (kind, entry.bits(11, 1) == 1);
        }
        let (end, signal) = match self {
            Self::End { ends: true } => (entry.bits(10, 1) == 1, None),
            Self::End { ends: false } => (true, None),
            _ => (entry.bits(11, 1) == 1, Some(entry.bits(10, 1) == 1)),
        };
        let kind = match entry.bits(8, 2) {
            _ if entry.bits(0, 4) == 0 && end => Kind::Outermost,
            _ if entry.bits(0, 4) == 0 => Kind::Undefined,
            0 => Kind::Call,
            1 => Kind::Saved { full: true },
            2 => Kind::Saved { full: false },
            _ => Kind::Undefined,
        };
        let saved = matches!(kind, Kind::Saved { .. });
        (kind, signal.unwrap_or(saved))
    }
}

/// DWARF numbers of what ORC bases addresses on.
const RAX: u16 = 0;
const RDX: u16 = 1;
const RDI: u16 = 5;
const R10: u16 = 10;
const R13: u16 = 13;
const RBP: u16 = 6;
const RSP: u16 = 7;
const RIP: u16 = 16;

/// One table: a kernel's, or a module's.
#[derive(Debug, Clone)]
pub struct Orc<'d> {
    ips: &'d [u8],
    ips_at: LinkAddr,
    entries: &'d [u8],
    layout: Layout,
    /// Indexes in the order of addresses, where the table itself is not sorted.
    order: Cow<'d, [u32]>,
}

impl<'d> Orc<'d> {
    /// A table: `.orc_unwind_ip`, where that runs, `.orc_unwind`. The bytes may be the file's, or a copy of the
    /// kernel's memory, where modules' tables are sorted and relocated.
    ///
    /// Tables that nobody has sorted (kernels before 5.6 were sorted at boot; modules are when loaded) cost a sort.
    /// None when the two do not fit each other.
    #[must_use]
    pub fn new(ips: &'d [u8], ips_at: LinkAddr, entries: &'d [u8], layout: Layout) -> Option<Self> {
        let count = ips.len() / 4;
        if count == 0 || count > MOST || count != entries.len() / ENTRY || !ips.len().is_multiple_of(4) {
            return None;
        }
        let mut orc = Self { ips, ips_at, entries, layout, order: Cow::Borrowed(&[]) };
        if !orc.sorted() {
            let mut order: Vec<u32> = (0..u32::try_from(count).ok()?).collect();
            order.sort_by_key(|index| orc.ip(*index as usize));
            orc.order = Cow::Owned(order);
        }
        Some(orc)
    }

    /// The layout of its entries.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// How many entries it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ips.len() / 4
    }

    /// Looks at every entry of a small table, at a sample of a large one: a table nobody sorted goes
    /// section by section and fails any sample, and looking at all would read a megabyte of the file.
    fn sorted(&self) -> bool {
        let step = (self.count() / 1024).max(1);
        (0..self.count()).step_by(step).map(|index| self.ip(index)).is_sorted()
    }

    /// The address an entry begins at; entries are compared by it, so it must not fail.
    fn ip(&self, index: usize) -> u64 {
        let at = index.saturating_mul(4);
        let distance =
            self.ips.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |b| i32::from_le_bytes(*b));
        self.ips_at.0.wrapping_add(at as u64).wrapping_add_signed(distance.into())
    }

    fn index(&self, position: usize) -> usize {
        self.order.get(position).map_or(position, |index| *index as usize)
    }

    /// The row for the instruction at `address`; none where the table begins behind it.
    #[must_use]
    pub fn row(&self, address: LinkAddr) -> Option<Row> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.ip(self.index(middle)) <= address.0 { low = middle + 1 } else { high = middle }
        }
        let entry = Entry::at(self.entries, self.index(low.checked_sub(1)?))?;
        Some(self.to_row(entry))
    }

    fn to_row(&self, entry: Entry) -> Row {
        let (kind, interrupted) = self.layout.read(entry);
        let full = match kind {
            Kind::Outermost => return Row::Outermost,
            Kind::Undefined => return Row::Undefined,
            Kind::Saved { full } => Some(full),
            Kind::Call => None,
        };
        let offset = i64::from(entry.sp_offset);
        let cfa = match self.layout.base(entry.bits(0, 4)) {
            Base::Offset(register) => CfaRule::Register(register, offset),
            Base::AtFramePointer => CfaRule::AtRegister { register: RBP, before: offset, after: 0 },
            Base::AtStackPointer => CfaRule::AtRegister { register: RSP, before: 0, after: offset },
            Base::Undefined | Base::PreviousStack | Base::Unknown => return Row::Undefined,
        };
        if let Some(full) = full {
            return Row::Saved { at: cfa, full };
        }
        let frame_pointer = match self.layout.base(entry.bits(4, 4)) {
            Base::Undefined => Rule::SameValue,
            Base::PreviousStack => Rule::AtCfa(entry.bp_offset.into()),
            Base::Offset(RBP) => Rule::AtRegister(RBP, entry.bp_offset.into()),
            _ => Rule::Unknown,
        };
        Row::Call(Call {
            cfa,
            rules: vec![(RBP, frame_pointer), (RIP, Rule::AtCfa(-8))],
            others: Others::Unknown,
            return_address: RIP,
            interrupted,
        })
    }
}

#[cfg(test)]
mod tests;
