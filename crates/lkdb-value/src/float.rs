//! Floating point numbers in memory: IEEE 754 single and double, and x87's extended one, printed as
//! C's `%g` with as many digits as tell any two apart.

/// A number as its format has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Float {
    /// Not a number, and the bits that say which.
    Nan { negative: bool, payload: u64 },
    /// Infinity.
    Infinite { negative: bool },
    /// `mantissa * 2^exponent`, and how many significant decimal digits the format needs.
    Finite { negative: bool, mantissa: u64, exponent: i32, digits: usize },
}

/// The number in little-endian bytes of a float type: 4, 8, or more for x87's ten.
pub(crate) fn decode(bytes: &[u8]) -> Float {
    let mut raw = [0; 16];
    for (to, from) in raw.iter_mut().zip(bytes) {
        *to = *from;
    }
    let raw = u128::from_le_bytes(raw);
    let low = u64::try_from(raw & u128::from(u64::MAX)).unwrap_or(0);
    match bytes.len() {
        0..=4 => ieee(low & 0xffff_ffff, 23, 8, 9),
        5..=8 => ieee(low, 52, 11, 17),
        _ => extended(low, u32::try_from(raw >> 64 & 0xffff).unwrap_or(0)),
    }
}

fn ieee(raw: u64, mantissa_bits: u32, exponent_bits: u32, digits: usize) -> Float {
    let negative = raw >> (mantissa_bits + exponent_bits) & 1 == 1;
    let fraction = raw & ((1 << mantissa_bits) - 1);
    let top = (1_u64 << exponent_bits) - 1;
    let biased = raw >> mantissa_bits & top;
    if biased == top {
        return match fraction {
            0 => Float::Infinite { negative },
            payload => Float::Nan { negative, payload },
        };
    }
    let (mantissa, biased) =
        if biased == 0 { (fraction, 1) } else { (fraction | 1 << mantissa_bits, biased) };
    let bias = (1_i32 << (exponent_bits - 1)) - 1 + mantissa_bits.cast_signed();
    let exponent = i32::try_from(biased).unwrap_or(0) - bias;
    Float::Finite { negative, mantissa, exponent, digits }
}

fn extended(mantissa: u64, high: u32) -> Float {
    let negative = high & 0x8000 != 0;
    let biased = high & 0x7fff;
    if biased == 0x7fff {
        return match mantissa & (u64::MAX >> 1) {
            0 => Float::Infinite { negative },
            _ => Float::Nan { negative, payload: mantissa },
        };
    }
    let exponent = biased.max(1).cast_signed() - 16383 - 63;
    Float::Finite { negative, mantissa, exponent, digits: 21 }
}

/// `value` as the bytes of a float type of this size.
pub(crate) fn encode(value: f64, size: usize) -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, reason = "as C converts")]
    let mut bytes = match size {
        0..=4 => (value as f32).to_le_bytes().to_vec(),
        5..=8 => value.to_le_bytes().to_vec(),
        _ => encode_extended(value),
    };
    bytes.resize(size, 0);
    bytes
}

fn encode_extended(value: f64) -> Vec<u8> {
    let sign: u16 = if value.is_sign_negative() { 0x8000 } else { 0 };
    let (mantissa, high) = match decode(&value.to_le_bytes()) {
        Float::Nan { .. } => (0xc000_0000_0000_0000, 0x7fff),
        Float::Infinite { .. } => (0x8000_0000_0000_0000, 0x7fff),
        Float::Finite { mantissa: 0, .. } => (0, 0),
        Float::Finite { mantissa, exponent, .. } => {
            let shift = mantissa.leading_zeros();
            let biased = exponent - shift.cast_signed() + 16383 + 63;
            (mantissa << shift, u16::try_from(biased).unwrap_or(0))
        }
    };
    let mut bytes = mantissa.to_le_bytes().to_vec();
    bytes.extend((high | sign).to_le_bytes());
    bytes
}

impl Float {
    /// The nearest double.
    #[expect(clippy::cast_precision_loss, reason = "to a double is what is asked for")]
    pub(crate) fn to_f64(self) -> f64 {
        let (negative, magnitude) = match self {
            Self::Nan { negative, .. } => (negative, f64::NAN),
            Self::Infinite { negative } => (negative, f64::INFINITY),
            Self::Finite { negative, mantissa, exponent, .. } => {
                // In two steps, since 2^exponent alone may be no double.
                let half = exponent / 2;
                (negative, mantissa as f64 * 2_f64.powi(half) * 2_f64.powi(exponent - half))
            }
        };
        if negative { -magnitude } else { magnitude }
    }

    /// As gdb prints it.
    pub(crate) fn text(self) -> String {
        let sign = |negative: bool| if negative { "-" } else { "" };
        match self {
            Self::Nan { negative, payload } => format!("{}nan({payload:#x})", sign(negative)),
            Self::Infinite { negative } => format!("{}inf", sign(negative)),
            Self::Finite { negative, mantissa: 0, .. } => format!("{}0", sign(negative)),
            Self::Finite { negative, mantissa, exponent, digits } => {
                let (text, power) = decimal(mantissa, exponent, digits);
                format!("{}{}", sign(negative), general(&text, power, digits))
            }
        }
    }
}

/// `%g`: decimal digits and the power of ten of the first, laid out.
fn general(digits: &str, power: i32, precision: usize) -> String {
    let digits = digits.trim_end_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    let (first, rest) = digits.split_at(1);
    if power < -4 || power >= i32::try_from(precision).unwrap_or(i32::MAX) {
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{first}{point}{rest}e{sign}{:02}", power.unsigned_abs());
    }
    let Ok(whole) = usize::try_from(power) else {
        let zeros = usize::try_from(-power - 1).unwrap_or(0);
        return format!("0.{}{digits}", "0".repeat(zeros));
    };
    match digits.len().checked_sub(whole + 1) {
        Some(0) => digits.to_owned(),
        Some(_) => {
            let (whole, fraction) = digits.split_at(whole + 1);
            format!("{whole}.{fraction}")
        }
        None => format!("{digits}{}", "0".repeat(whole + 1 - digits.len())),
    }
}

/// The first `count` decimal digits of `mantissa * 2^exponent`, rounded to nearest, and the power of ten
/// of the first. Exact, by long multiplication: the numbers have at most some 16,000 bits.
fn decimal(mantissa: u64, exponent: i32, count: usize) -> (String, i32) {
    // mantissa * 2^exponent = number / 10^scale, with a whole number.
    let mut number = Big::from(mantissa);
    let scale = exponent.min(0).unsigned_abs();
    for _ in 0..exponent.max(0) {
        number.times(2);
    }
    for _ in 0..scale {
        number.times(5);
    }
    let all = number.decimal();
    let power = i32::try_from(all.len()).unwrap_or(i32::MAX) - 1 - scale.cast_signed();
    let Some((kept, rest)) = all.split_at_checked(count) else {
        return (String::from_utf8_lossy(&all).into_owned(), power);
    };
    let last_is_odd = kept.last().is_some_and(|digit| digit % 2 == 1);
    let up = match rest.first() {
        Some(b'5') => last_is_odd || rest.iter().skip(1).any(|digit| *digit != b'0'),
        Some(digit) => *digit > b'5',
        None => false,
    };
    let mut kept = kept.to_vec();
    if up {
        for digit in kept.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return (String::from_utf8_lossy(&kept).into_owned(), power);
            }
            *digit = b'0';
        }
        kept.insert(0, b'1');
        return (String::from_utf8_lossy(&kept).into_owned(), power + 1);
    }
    (String::from_utf8_lossy(&kept).into_owned(), power)
}

/// A whole number of any size, in base 10^9, lowest first.
struct Big(Vec<u32>);

const BASE: u64 = 1_000_000_000;

impl Big {
    fn from(mut value: u64) -> Self {
        let mut limbs = Vec::new();
        while value > 0 {
            limbs.push(u32::try_from(value % BASE).unwrap_or(0));
            value /= BASE;
        }
        Self(limbs)
    }

    fn times(&mut self, factor: u64) {
        let mut carry = 0;
        for limb in &mut self.0 {
            let product = u64::from(*limb) * factor + carry;
            *limb = u32::try_from(product % BASE).unwrap_or(0);
            carry = product / BASE;
        }
        if carry > 0 {
            self.0.push(u32::try_from(carry).unwrap_or(0));
        }
    }

    fn decimal(&self) -> Vec<u8> {
        let mut text = String::new();
        for (index, limb) in self.0.iter().rev().enumerate() {
            text += &if index == 0 { format!("{limb}") } else { format!("{limb:09}") };
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_c_does() {
        let double = |value: f64| decode(&value.to_le_bytes()).text();
        assert_eq!(double(2.7), "2.7000000000000002");
        assert_eq!(double(1e300), "1.0000000000000001e+300");
        assert_eq!(double(1.5), "1.5");
        assert_eq!(double(-0.0), "-0");
        assert_eq!(double(1e5), "100000");
        assert_eq!(double(1e-5), "1.0000000000000001e-05");
        assert_eq!(double(5e-324), "4.9406564584124654e-324");
        assert_eq!(double(f64::NAN), "nan(0x8000000000000)");
        assert_eq!(double(f64::NEG_INFINITY), "-inf");
        assert_eq!(decode(&0.1_f32.to_le_bytes()).text(), "0.100000001");
        let tenth = [0xcd, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xfb, 0x3f, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode(&tenth).text(), "0.100000000000000000001");
    }

    #[test]
    fn encoding_and_decoding_agree() {
        for value in [0.0, 1.5, -2.75, 1e300, 1e-300, 5e-324] {
            for size in [8, 16] {
                assert!((decode(&encode(value, size)).to_f64() - value).abs() <= 0.0, "{value} in {size}");
            }
        }
    }
}
