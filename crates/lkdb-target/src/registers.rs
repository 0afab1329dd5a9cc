//! The target's registers: what target.xml says there is, and the bytes of one CPU read by it.
//!
//! No register is known beforehand: names, sizes and order are the stub's. (A client that assumes them
//! is what "Remote 'g' packet reply is too long" comes from.)

use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::error::{Error, Result};
use crate::register_type::{RegisterType, Types};

/// More registers than any machine has; a description with more is a lie.
const MOST_REGISTERS: usize = 4096;
/// The widest register taken, in bits: a whole SVE or AVX-512 state fits.
const WIDEST: u32 = 16 * 1024;

/// One register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// As in target.xml: `rip`, `cr3`, `k_gs_base`.
    pub name: String,
    /// The number `p` and `P` take.
    pub number: usize,
    /// Its width.
    pub bits: u32,
    /// Where it starts in the answer to `g`, in bytes.
    pub offset: usize,
    /// What it is made of, where target.xml tells; else it is a number.
    pub ty: Option<Arc<RegisterType>>,
}

impl Register {
    /// Bytes it takes in `g`.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bits.div_ceil(8) as usize
    }
}

/// Every register of a target, in the order of `g`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegisterLayout {
    /// What target.xml calls the architecture: `i386:x86-64`.
    pub architecture: Option<String>,
    registers: Vec<Register>,
}

impl RegisterLayout {
    /// The registers, ordered by number.
    #[must_use]
    pub fn registers(&self) -> &[Register] {
        &self.registers
    }

    /// A register by its name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Register> {
        self.registers.iter().find(|register| register.name == name)
    }

    /// Reads target.xml. `include` fetches the documents it includes, by their `href`.
    ///
    /// # Errors
    /// When the XML is broken, includes itself, or describes impossible registers.
    pub fn parse(main: &str, mut include: impl FnMut(&str) -> Result<String>) -> Result<Self> {
        let mut layout = Self::default();
        let mut next = 0;
        let mut documents = 0;
        // Included documents number their registers where the including one left off.
        let mut pending = vec![main.to_owned()];
        while let Some(document) = pending.pop() {
            documents += 1;
            if documents > 64 {
                return Err(Error::Description("it includes more than 64 documents".to_owned()));
            }
            let hrefs = layout.document(&document, &mut next)?;
            for href in hrefs.iter().rev() {
                pending.push(include(href)?);
            }
        }
        layout.place()?;
        Ok(layout)
    }

    /// Takes one document's registers; returns what it includes. QEMU's documents either include or
    /// describe, so that the order between the two is no question.
    fn document(&mut self, text: &str, next: &mut usize) -> Result<Vec<String>> {
        let broken = |error: &dyn std::fmt::Display| Error::Description(format!("broken XML: {error}"));
        let mut reader = Reader::from_str(text);
        let mut hrefs = Vec::new();
        let mut in_architecture = false;
        // Types are described before the registers that have them.
        let mut types = Types::default();
        loop {
            match reader.read_event().map_err(|error| broken(&error))? {
                Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                    b"reg" => self.register(&tag, next, &types)?,
                    b"flags" | b"union" | b"vector" => types.begin(&tag)?,
                    b"field" => types.field(&tag)?,
                    b"include" => hrefs.extend(attribute(&tag, "href")?),
                    b"architecture" => in_architecture = true,
                    _ => {}
                },
                Event::Text(name) if in_architecture => {
                    self.architecture = Some(String::from_utf8_lossy(&name).trim().to_owned());
                }
                Event::End(tag) => {
                    in_architecture = false;
                    if matches!(tag.local_name().as_ref(), b"flags" | b"union") {
                        types.end();
                    }
                }
                Event::Eof => return Ok(hrefs),
                _ => {}
            }
        }
    }

    fn register(&mut self, tag: &BytesStart<'_>, next: &mut usize, types: &Types) -> Result<()> {
        let lacks = |what: &str| Error::Description(format!("a register without a usable {what}"));
        let name = attribute(tag, "name")?.ok_or_else(|| lacks("name"))?;
        let bits = attribute(tag, "bitsize")?
            .and_then(|bits| bits.parse().ok())
            .filter(|bits| (1..=WIDEST).contains(bits))
            .ok_or_else(|| lacks("bitsize"))?;
        let number = match attribute(tag, "regnum")? {
            Some(number) => number.parse().map_err(|_| lacks("regnum"))?,
            None => *next,
        };
        if self.registers.len() >= MOST_REGISTERS || number >= MOST_REGISTERS {
            return Err(Error::Description(format!("more than {MOST_REGISTERS} registers")));
        }
        *next = number + 1;
        let ty = attribute(tag, "type")?.and_then(|ty| types.of_register(&ty, bits));
        self.registers.push(Register { name, number, bits, offset: 0, ty });
        Ok(())
    }

    /// Gives each register its place in `g`, where they lie by number without gaps.
    fn place(&mut self) -> Result<()> {
        if self.registers.is_empty() {
            return Err(Error::Description("it names no register".to_owned()));
        }
        self.registers.sort_by_key(|register| register.number);
        let mut offset = 0;
        let mut last = None;
        for register in &mut self.registers {
            if last == Some(register.number) {
                return Err(Error::Description(format!("two registers have the number {}", register.number)));
            }
            last = Some(register.number);
            register.offset = offset;
            offset += register.bytes();
        }
        Ok(())
    }
}

pub(crate) fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>> {
    let found = tag
        .try_get_attribute(name)
        .map_err(|error| Error::Description(format!("broken XML attribute: {error}")))?;
    Ok(found.map(|attribute| String::from_utf8_lossy(&attribute.value).into_owned()))
}

/// What one CPU's registers held when `g` was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registers {
    layout: Arc<RegisterLayout>,
    bytes: Vec<Option<u8>>,
}

impl Registers {
    /// From the answer to `g`: hex digits, `xx` for a byte that is not available.
    pub(crate) fn parse(layout: Arc<RegisterLayout>, answer: &[u8]) -> Option<Self> {
        use crate::packet::hex_digit;
        let mut bytes = Vec::with_capacity(answer.len() / 2);
        for pair in answer.chunks(2) {
            bytes.push(match pair {
                b"xx" => None,
                [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
                _ => return None,
            });
        }
        Some(Self { layout, bytes })
    }

    /// The layout these are laid out by.
    #[must_use]
    pub fn layout(&self) -> &RegisterLayout {
        &self.layout
    }

    /// A register's bytes in the target's order; `None` where the target has no such register or did
    /// not give it.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let register = self.layout.find(name)?;
        let end = register.offset.checked_add(register.bytes())?;
        self.bytes.get(register.offset..end)?.iter().copied().collect()
    }

    /// A register of up to 64 bits as a number (both of our architectures are little-endian).
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        let bytes = self.bytes(name).filter(|bytes| bytes.len() <= 8)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register_type::FlagsType;
    use proptest::prelude::*;

    const MAIN: &str = r#"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">
        <target><architecture>i386:x86-64</architecture><xi:include href="core.xml"/>
        <xi:include href="more.xml"/></target>"#;
    const CORE: &str = r#"<feature name="org.gnu.gdb.i386.core"><flags id="f" size="4"><field name="IOPL"
        start="12" end="13"/><field name="CF" start="0" end="0"/><field name="bad" start="9" end="70"/></flags>
        <reg name="rax" bitsize="64"/>
        <reg name="eflags" bitsize="32" type="f"/><reg name="st0" bitsize="80"></reg></feature>"#;
    const MORE: &str = r#"<feature name="x"><reg name="cr3" bitsize="64" regnum="40"/></feature>"#;

    fn layout() -> RegisterLayout {
        let fetch = |href: &str| Ok(if href == "core.xml" { CORE } else { MORE }.to_owned());
        RegisterLayout::parse(MAIN, fetch).unwrap()
    }

    #[test]
    fn registers_lie_in_g_as_described() {
        let layout = layout();
        assert_eq!(layout.architecture.as_deref(), Some("i386:x86-64"));
        let places: Vec<_> = layout
            .registers()
            .iter()
            .map(|register| (register.name.as_str(), register.number, register.offset))
            .collect();
        assert_eq!(places, [("rax", 0, 0), ("eflags", 1, 8), ("st0", 2, 12), ("cr3", 40, 22)]);
    }

    #[test]
    fn flags_have_names() {
        let layout = layout();
        let fields = vec![("IOPL".to_owned(), 12, 2), ("CF".to_owned(), 0, 1)];
        let flags = RegisterType::Flags(FlagsType { name: "f".to_owned(), fields });
        assert_eq!(layout.find("eflags").unwrap().ty.as_deref(), Some(&flags));
        assert_eq!(layout.find("rax").unwrap().ty, None);
    }

    fn described(types: &str, ty: &str, bits: u32) -> Option<RegisterType> {
        let text = format!("<target>{types}<reg name=\"r\" bitsize=\"{bits}\" type=\"{ty}\"/></target>");
        let layout = RegisterLayout::parse(&text, |_| Ok(String::new())).unwrap();
        layout.find("r").unwrap().ty.as_deref().cloned()
    }

    #[test]
    fn vectors_and_unions_are_made_of_what_came_before() {
        let types = r#"<vector id="v4f" type="ieee_single" count="4"/><vector id="odd" type="none" count="4"/>
            <union id="vec"><field name="floats" type="v4f"/><field name="whole" type="uint128"/>
            <field name="bad" type="odd"/></union>"#;
        let Some(RegisterType::Union { name, fields }) = described(types, "vec", 128) else { panic!() };
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((name.as_str(), names), ("vec", vec!["floats", "whole"]));
        let RegisterType::Vector { element, count: 4, .. } = &*fields[0].1 else { panic!() };
        assert!(
            matches!(&**element, RegisterType::Number(number) if number.shown == "builtin_type_ieee_single")
        );
        assert_eq!(described(types, "vec", 64), None, "another width");
        assert!(matches!(described("", "i387_ext", 80), Some(RegisterType::Number(_))));
        assert_eq!(described("", "int64", 64), None, "a number as any");
    }

    #[test]
    fn types_do_not_grow_without_end() {
        let mut types =
            r#"<vector id="t0" type="uint8" count="4294967295"/><vector id="t1" type="uint8" count="2"/>"#
                .to_owned();
        for one in 1..40 {
            types += &format!("<vector id=\"t{}\" type=\"t{one}\" count=\"2\"/>", one + 1);
        }
        assert_eq!(described(&types, "t0", 64), None);
        assert!(described(&types, "t3", 64).is_some());
        assert_eq!(described(&types, "t30", 64), None);
    }

    #[test]
    fn values_are_little_endian_and_may_be_missing() {
        let text = "0102030405060708xxxxxxxx000000000000000000ff00f0ff0300000000";
        let registers = Registers::parse(Arc::new(layout()), text.as_bytes()).unwrap();
        assert_eq!(registers.number("rax"), Some(0x0807_0605_0403_0201));
        assert_eq!(registers.number("eflags"), None, "not available");
        assert_eq!(registers.number("st0"), None, "80 bits are no u64");
        assert_eq!(registers.bytes("st0").map(|bytes| bytes[9]), Some(0xff));
        assert_eq!(registers.number("cr3"), Some(0x03ff_f000));
        assert_eq!(registers.number("xmm0"), None);
    }

    #[test]
    fn impossible_descriptions_are_refused() {
        let none = |_: &str| -> Result<String> { Ok(String::new()) };
        for wrong in [
            "",
            "<target></target>",
            "<target><reg name=\"a\" bitsize=\"0\"/></target>",
            "<target><reg name=\"a\" bitsize=\"99999999\"/></target>",
            "<target><reg bitsize=\"64\"/></target>",
            "<target><reg name=\"a\" bitsize=\"64\" regnum=\"99999999\"/></target>",
            "<target><reg name=\"a\" bitsize=\"8\"/><reg name=\"b\" bitsize=\"8\" regnum=\"0\"/></target>",
            "<target><reg name=\"a\" bitsize=\"64\"></target>",
        ] {
            assert!(RegisterLayout::parse(wrong, none).is_err(), "{wrong}");
        }
        let endless = |_: &str| Ok(MAIN.to_owned());
        assert!(RegisterLayout::parse(MAIN, endless).is_err(), "includes itself");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(<reg name=\"[a-z]\" bitsize=\"[0-9]{1,3}\"/>|<|>|[ -~]){0,20}") {
            let _ = RegisterLayout::parse(&text, |_| Ok(CORE.to_owned()));
        }
    }
}
