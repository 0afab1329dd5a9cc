//! x86-64 instructions as binutils writes them: AT&T's syntax, or Intel's.
//!
//! `iced-x86` decodes and does most of the writing; here is where binutils goes another way: padding of
//! mnemonics, prefixes that have no effect, comments of addresses, and the names of some instructions.

mod att;
mod intel;
mod prefixes;

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, GasFormatter, Instruction as Decoded, IntelFormatter,
    MemorySizeOptions, Mnemonic, NumberBase, OpKind,
};

use prefixes::Prefixes;

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    /// Its length in bytes; at least 1.
    pub(super) length: usize,
    /// Mnemonic and operands as gdb writes them, without what follows an address.
    pub(super) text: String,
    /// The address that is written in it, whose symbol follows.
    pub(super) address: Option<Address>,
}

/// An address in an instruction's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// A jump's or call's: the text ends with it.
    Target(u64),
    /// An operand's, relative to the instruction: it stands in a comment behind it.
    Operand(u64),
}

/// Whose syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    /// AT&T's.
    Att,
    /// Intel's.
    Intel,
}

/// The longest instruction there is.
pub(super) const LONGEST: usize = 15;

/// Writes instructions.
pub(super) struct X86 {
    formatter: Box<dyn Formatter>,
    flavor: Flavor,
}

impl X86 {
    /// In a syntax.
    #[must_use]
    pub(super) fn new(flavor: Flavor) -> Self {
        let mut formatter: Box<dyn Formatter> = match flavor {
            Flavor::Att => Box::new(GasFormatter::new()),
            Flavor::Intel => Box::new(IntelFormatter::new()),
        };
        let options = formatter.options_mut();
        options.set_uppercase_hex(false);
        options.set_hex_prefix("0x");
        options.set_hex_suffix("");
        options.set_number_base(NumberBase::Hexadecimal);
        options.set_small_hex_numbers_in_decimal(false);
        options.set_signed_memory_displacements(true);
        options.set_rip_relative_addresses(true);
        options.set_branch_leading_zeros(false);
        options.set_leading_zeros(false);
        options.set_show_branch_size(false);
        options.set_first_operand_char_index(0);
        options.set_use_pseudo_ops(true);
        options.set_always_show_scale(true);
        options.set_show_zero_displacements(true);
        if flavor == Flavor::Intel {
            options.set_memory_size_options(MemorySizeOptions::Always);
            options.set_uppercase_keywords(true);
        }
        Self { formatter, flavor }
    }

    /// The instruction that `bytes` begin with, at `address`; none where there are no bytes.
    pub(super) fn decode(&mut self, bytes: &[u8], address: u64) -> Option<Instruction> {
        let bytes = bytes.get(..LONGEST).unwrap_or(bytes);
        if bytes.is_empty() {
            return None;
        }
        let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
        let decoded = decoder.decode();
        if decoded.is_invalid() {
            return Some(Instruction { length: 1, text: "(bad)".into(), address: None });
        }
        let own = bytes.get(..decoded.len()).unwrap_or(bytes);
        let text = self.text(&decoded, own);
        let address = target(&decoded).map(Address::Target).or_else(|| {
            let relative = decoded.is_ip_rel_memory_operand();
            relative.then(|| Address::Operand(decoded.ip_rel_memory_address()))
        });
        Some(Instruction { length: decoded.len(), text, address })
    }

    fn text(&mut self, decoded: &Decoded, bytes: &[u8]) -> String {
        let mut written = String::new();
        self.formatter.format(decoded, &mut written);
        let (mnemonic, operands) = split(&written);
        let prefixes = Prefixes::of(bytes);
        let mut operands = match self.flavor {
            Flavor::Att => att::operands(decoded, operands, prefixes.opcode),
            Flavor::Intel => intel::operands(decoded, operands, prefixes.opcode),
        };
        let mut name = String::new();
        for prefix in prefixes.without_effect(decoded, &operands) {
            if !mnemonic.split(' ').any(|word| word == prefix) {
                name.push_str(prefix);
                name.push(' ');
            }
        }
        name.push_str(&match self.flavor {
            Flavor::Att => att::mnemonic(decoded, mnemonic),
            Flavor::Intel => intel::mnemonic(decoded, mnemonic),
        });
        if operands.is_empty() && self.flavor == Flavor::Att {
            operands = att::implied(decoded).to_owned();
        }
        if operands.is_empty() { name } else { format!("{name:<6} {operands}") }
    }
}

/// The mnemonic, with the prefixes that stand before it, and the operands.
fn split(written: &str) -> (&str, &str) {
    const PREFIXES: [&str; 8] = ["lock", "rep", "repe", "repne", "repz", "repnz", "bnd", "notrack"];
    let mut end = 0;
    for word in written.split(' ') {
        end += word.len();
        if !PREFIXES.contains(&word) {
            break;
        }
        end += 1;
    }
    let (mnemonic, operands) = written.split_at(end.min(written.len()));
    (mnemonic.trim_end(), operands.trim_start())
}

/// The address that a jump or call goes to, where its operand is one.
fn target(decoded: &Decoded) -> Option<u64> {
    let near =
        matches!(decoded.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64);
    (decoded.op_count() > 0 && near).then(|| decoded.near_branch_target())
}

/// It takes memory by rsi or rdi, whose segments are written.
fn is_string(decoded: &Decoded) -> bool {
    (0..decoded.op_count()).any(|operand| {
        matches!(
            decoded.op_kind(operand),
            OpKind::MemorySegSI
                | OpKind::MemorySegESI
                | OpKind::MemorySegRSI
                | OpKind::MemoryESDI
                | OpKind::MemoryESEDI
                | OpKind::MemoryESRDI
        )
    })
}

fn is_shift(decoded: &Decoded) -> bool {
    matches!(
        decoded.mnemonic(),
        Mnemonic::Shl
            | Mnemonic::Shr
            | Mnemonic::Sar
            | Mnemonic::Sal
            | Mnemonic::Rol
            | Mnemonic::Ror
            | Mnemonic::Rcl
            | Mnemonic::Rcr
    )
}

fn is_indirect(decoded: &Decoded) -> bool {
    matches!(decoded.flow_control(), FlowControl::IndirectBranch | FlowControl::IndirectCall)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(flavor: Flavor, bytes: &[u8]) -> String {
        X86::new(flavor).decode(bytes, 0x1000).unwrap().text
    }

    #[test]
    fn instructions_are_written_as_binutils_does() {
        let cases: [(&[u8], &str); 24] = [
            (&[0x48, 0x89, 0xe5], "mov    %rsp,%rbp"),
            (&[0x55], "push   %rbp"),
            (&[0xc3], "ret"),
            (&[0xe8, 0, 0, 0, 0], "call   0x1005"),
            (&[0xff, 0x15, 0x10, 0, 0, 0], "call   *0x10(%rip)"),
            (&[0xff, 0x32], "push   (%rdx)"),
            (&[0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], "nopl   0x0(%rax,%rax,1)"),
            (&[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], "cs nopw 0x0(%rax,%rax,1)"),
            (&[0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], "data16 cs nopw 0x0(%rax,%rax,1)"),
            (&[0x66, 0x90], "xchg   %ax,%ax"),
            (&[0xf3, 0xa5], "rep movsl %ds:(%rsi),%es:(%rdi)"),
            (&[0xf0, 0xff, 0x41, 0x34], "lock incl 0x34(%rcx)"),
            (&[0x48, 0xd1, 0xea], "shr    %rdx"),
            (&[0x48, 0xc1, 0xea, 0x20], "shr    $0x20,%rdx"),
            (&[0x4d, 0x69, 0xe4, 0xc0, 8, 0, 0], "imul   $0x8c0,%r12,%r12"),
            (&[0xee], "out    %al,(%dx)"),
            (&[0x0f, 0x01, 0xc8], "monitor %rax,%ecx,%edx"),
            (&[0x2e, 0xe8, 0, 0, 0, 0], "cs call 0x1006"),
            (&[0x3e, 0x0f, 0xae, 0x38], "ds clflush (%rax)"),
            (&[0x65, 0x48, 0x8b, 0x04, 0x25, 0x80, 0xfb, 1, 0], "mov    %gs:0x1fb80,%rax"),
            (&[0x0f, 0x0b], "ud2"),
            (&[0x48, 0xcb], "lretq"),
            (&[0x48, 0x83, 0xec, 0x80], "sub    $0xffffffffffffff80,%rsp"),
            (&[0x06], "(bad)"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(text(Flavor::Att, bytes), expected, "{bytes:02x?}");
        }
        assert_eq!(text(Flavor::Intel, &[0x48, 0x89, 0xe5]), "mov    rbp,rsp");
    }

    #[test]
    fn addresses_are_told_apart() {
        let address = |bytes: &[u8]| X86::new(Flavor::Att).decode(bytes, 0x1000).unwrap().address;
        assert_eq!(address(&[0xeb, 0xfe]), Some(Address::Target(0x1000)));
        assert_eq!(address(&[0x48, 0x8d, 0x05, 0x10, 0, 0, 0]), Some(Address::Operand(0x1017)));
        assert_eq!(address(&[0x48, 0x89, 0xe5]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_instruction_or_bad(bytes in prop::collection::vec(any::<u8>(), 1..20)) {
            for flavor in [Flavor::Att, Flavor::Intel] {
                let one = X86::new(flavor).decode(&bytes, 0xffff_ffff_ffff_fff8).unwrap();
                prop_assert!((1..=LONGEST).contains(&one.length));
            }
        }
    }
}
