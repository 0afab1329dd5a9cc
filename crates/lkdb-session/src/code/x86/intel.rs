//! Intel's syntax as binutils has it.

use iced_x86::{Instruction as Decoded, Mnemonic, OpKind, Register};

use super::{is_shift, is_string};

/// Strings of memory are told apart by the operands' sizes; numbers of 64 bits have a mnemonic of their own.
pub(super) fn mnemonic(decoded: &Decoded, mnemonic: &str) -> String {
    if decoded.op_count() > 1 && decoded.op_kind(1) == OpKind::Immediate64 {
        return "movabs".to_owned();
    }
    let sized = is_string(decoded) && !matches!(decoded.mnemonic(), Mnemonic::Xlatb);
    match mnemonic.strip_suffix(['b', 'w', 'd', 'q']) {
        Some(bare) if sized => bare.to_owned(),
        _ => mnemonic.replace("repe ", "repz ").replace("repne ", "repnz "),
    }
}

pub(super) fn operands(decoded: &Decoded, operands: &str, opcode: Option<u8>) -> String {
    let mut operands = operands.strip_prefix("far ").unwrap_or(operands).to_owned();
    if is_string(decoded) {
        operands = operands.replace("[rdi]", "es:[rdi]").replace("[edi]", "es:[edi]");
        if decoded.segment_prefix() == Register::None {
            operands = operands.replace("[rsi]", "ds:[rsi]").replace("[esi]", "ds:[esi]");
        }
        operands = operands.replace("es:es:", "es:").replace("ds:ds:", "ds:");
    }
    // An address alone has no brackets behind a segment.
    if let Some((before, rest)) = operands.split_once(":[0x")
        && let Some((address, behind)) = rest.split_once(']')
        && address.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        operands = format!("{before}:0x{address}{behind}");
    }
    if let Some((before, rest)) = operands.split_once(" [0x")
        && let Some((address, behind)) = rest.split_once(']')
    {
        operands = format!("{before} ds:0x{address}{behind}");
    }
    let register = |operand: u32| format!("{:?}", decoded.op_register(operand)).to_lowercase();
    match decoded.mnemonic() {
        Mnemonic::Stosb | Mnemonic::Stosw | Mnemonic::Stosd | Mnemonic::Stosq => {
            return format!("{operands},{}", register(1));
        }
        Mnemonic::Lodsb
        | Mnemonic::Lodsw
        | Mnemonic::Lodsd
        | Mnemonic::Lodsq
        | Mnemonic::Scasb
        | Mnemonic::Scasw
        | Mnemonic::Scasd
        | Mnemonic::Scasq => return format!("{},{operands}", register(0)),
        Mnemonic::Imul if matches!(opcode, Some(0x69 | 0x6b)) && operands.matches(',').count() == 1 => {
            return format!("{},{operands}", register(0));
        }
        _ => {}
    }
    if is_shift(decoded)
        && matches!(opcode, Some(0xd0 | 0xd1))
        && let Some(bare) = operands.strip_suffix(",0x1")
    {
        return format!("{bare},1");
    }
    operands
}
