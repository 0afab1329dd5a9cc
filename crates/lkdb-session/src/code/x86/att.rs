//! AT&T's syntax as binutils has it.

use iced_x86::{Code, FlowControl, Instruction as Decoded, Mnemonic, Register};

use super::{is_shift, is_string};

/// In 64-bit code these have one size only, which binutils does not say.
pub(super) fn mnemonic(decoded: &Decoded, mnemonic: &str) -> String {
    let bare = match decoded.mnemonic() {
        Mnemonic::Call | Mnemonic::Jmp | Mnemonic::Push | Mnemonic::Pop => "q",
        _ => "",
    };
    let far = matches!(decoded.flow_control(), FlowControl::IndirectBranch | FlowControl::IndirectCall)
        && mnemonic.starts_with('l');
    let cut = if far { "l" } else { bare };
    match mnemonic.strip_suffix(cut) {
        Some(rest) if !cut.is_empty() && rest != "cal" && !rest.is_empty() => rest.to_owned(),
        _ => mnemonic.replace("repe ", "repz ").replace("repne ", "repnz "),
    }
}

pub(super) fn operands(decoded: &Decoded, operands: &str, opcode: Option<u8>) -> String {
    // Without an index the scale is shown all the same.
    let mut operands = operands.replace(",)", ")");
    if is_string(decoded) {
        operands = operands.replace("(%rdi)", "%es:(%rdi)").replace("(%edi)", "%es:(%edi)");
        if decoded.segment_prefix() == Register::None {
            operands = operands.replace("(%rsi)", "%ds:(%rsi)").replace("(%esi)", "%ds:(%esi)");
        }
        operands = operands.replace("%es:%es:", "%es:").replace("%ds:%ds:", "%ds:");
    }
    match decoded.mnemonic() {
        Mnemonic::In
        | Mnemonic::Out
        | Mnemonic::Insb
        | Mnemonic::Insd
        | Mnemonic::Insw
        | Mnemonic::Outsb
        | Mnemonic::Outsd
        | Mnemonic::Outsw => operands.replace("%dx", "(%dx)"),
        _ if is_shift(decoded) && matches!(opcode, Some(0xd0 | 0xd1)) => {
            operands.strip_prefix("$0x1,").map_or(operands.clone(), str::to_owned)
        }
        // Written with both registers, even when they are one.
        Mnemonic::Imul if matches!(opcode, Some(0x69 | 0x6b)) && operands.matches(',').count() == 1 => {
            let register = operands.rsplit(',').next().unwrap_or_default().to_owned();
            format!("{operands},{register}")
        }
        _ => operands,
    }
}

/// Operands that binutils writes although the instruction has no other.
pub(super) fn implied(decoded: &Decoded) -> &'static str {
    match decoded.code() {
        Code::Monitorq => "%rax,%ecx,%edx",
        Code::Monitord => "%eax,%ecx,%edx",
        Code::Mwait => "%eax,%ecx",
        Code::Monitorxq => "%rax,%ecx,%edx",
        Code::Mwaitx => "%eax,%ecx,%ebx",
        _ => "",
    }
}
