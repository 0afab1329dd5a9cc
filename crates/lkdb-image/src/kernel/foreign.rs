//! What a file is that is no kernel image, so that an error can say it.

use super::bytes::{array_at, u32_at};
use super::pe::Pe;

/// Beginnings that tell a file, and what it is then.
const MAGICS: [(&[u8], &str); 22] = [
    (b"070701", "a newc archive (an initramfs?)"),
    (b"070702", "a newc archive (an initramfs?)"),
    (b"070707", "an old cpio archive"),
    (b"!<arch>\ndebian-binary", "a Debian package"),
    (b"!<arch>\n", "an ar archive"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"#!", "a script"),
    (b"#\n# Automatically generated file; DO NOT EDIT.", "a kernel configuration"),
    (b"QFI\xfb", "a qcow2 disk image"),
    (b"KDMV", "a VMDK disk image"),
    (b"hsqs", "a squashfs image"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\xd0\x0d\xfe\xed", "a device tree or a FIT image"),
    (b"\x27\x05\x19\x56", "a U-Boot uImage"),
    (b"ANDROID!", "an Android boot image"),
    (b"KDUMP   ", "a compressed kernel dump"),
    (b"makedumpfile", "a flattened kernel dump"),
    (b"\x9f\xeb\x01\x00", "BTF type information"),
    (b"BC\xc0\xde", "LLVM bitcode"),
    (b"\xca\xfe\xba\xbe", "a Mach-O or Java file"),
    (b"%PDF", "a PDF"),
    (b"<", "a page of HTML or XML (a failed download?)"),
];

/// What `bytes` are, as a noun with its article.
pub(super) fn what(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "an empty file".to_owned();
    }
    if let Some(other) = boot_image(bytes) {
        return other;
    }
    if let Some((_, what)) = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (*what).to_owned();
    }
    if array_at(bytes, 257) == Some(*b"ustar") {
        return "a tar archive".to_owned();
    }
    let head = bytes.get(..512).unwrap_or(bytes);
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
    if head.iter().all(is_text) {
        return "a text file".to_owned();
    }
    if head.iter().all(|byte| *byte == 0) {
        return "a file that begins with zeros".to_owned();
    }
    "a file of no format known".to_owned()
}

/// Kernels of other architectures, and PE files.
fn boot_image(bytes: &[u8]) -> Option<String> {
    if u32_at(bytes, 0x24) == Some(0x016f_2818) {
        return Some("a kernel for 32-bit ARM (zImage)".to_owned());
    }
    if matches!(array_at(bytes, 56), Some([b'R', b'S', b'C', 5])) {
        return Some("a kernel for RISC-V (Image)".to_owned());
    }
    if let Some(pe) = Pe::parse(bytes) {
        return Some(format!("a Windows or EFI program for {} (PE)", pe.machine_name()));
    }
    bytes.starts_with(b"MZ").then(|| "a DOS program".to_owned())
}
