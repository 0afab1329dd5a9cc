//! Tiny images of every format, made by hand: recognised, unpacked, described, refused.

use std::io::Write as _;

use lkdb_base::arch;
use proptest::prelude::*;

use super::*;

const BANNER: &str = "Linux version 6.1.0-test (me@here) (gcc 12) #1 SMP Debian 6.1.1-1";
const ID: [u8; 20] = [0xab; 20];
const NOTE_HEAD: [u8; 16] = [4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, b'G', b'N', b'U', 0];

fn note(id: [u8; 20]) -> Vec<u8> {
    [NOTE_HEAD.as_slice(), &id].concat()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// An ELF file with these sections (name, type, flags, content) and one loaded segment at the
/// kernel's address.
fn elf(machine: u16, kind: u16, sections: &[(&str, u32, u64, &[u8])]) -> Vec<u8> {
    let mut file = vec![0; 64 + 56];
    put(&mut file, 0, &[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    put(&mut file, 16, &kind.to_le_bytes());
    put(&mut file, 18, &machine.to_le_bytes());
    put(&mut file, 20, &1_u32.to_le_bytes());
    put(&mut file, 32, &64_u64.to_le_bytes());
    put(&mut file, 52, &64_u16.to_le_bytes());
    put(&mut file, 54, &56_u16.to_le_bytes());
    put(&mut file, 56, &u16::from(kind != 1).to_le_bytes());
    put(&mut file, 58, &64_u16.to_le_bytes());
    put(&mut file, 64, &1_u32.to_le_bytes());
    put(&mut file, 80, &0xffff_ffff_8100_0000_u64.to_le_bytes());
    let mut names = vec![0];
    let mut headers = vec![[0_u8; 64]];
    let mut add = |file: &mut Vec<u8>, name: usize, kind: u32, flags: u64, content: &[u8]| {
        file.resize(file.len().next_multiple_of(8), 0);
        let mut header = [0; 64];
        put(&mut header, 0, &(name as u32).to_le_bytes());
        put(&mut header, 4, &kind.to_le_bytes());
        put(&mut header, 8, &flags.to_le_bytes());
        put(&mut header, 24, &file.len().to_le_bytes());
        put(&mut header, 32, &content.len().to_le_bytes());
        file.extend_from_slice(content);
        headers.push(header);
    };
    for (name, kind, flags, content) in sections {
        add(&mut file, names.len(), *kind, *flags, content);
        names.extend_from_slice(name.as_bytes());
        names.push(0);
    }
    let name = names.len();
    names.extend_from_slice(b".shstrtab\0");
    add(&mut file, name, 3, 0, &names);
    file.resize(file.len().next_multiple_of(8), 0);
    let table = file.len();
    put(&mut file, 40, &table.to_le_bytes());
    put(&mut file, 60, &(headers.len() as u16).to_le_bytes());
    put(&mut file, 62, &(headers.len() as u16 - 1).to_le_bytes());
    file.extend(headers.concat());
    file
}

const PROGBITS: u32 = 1;
const ALLOC: u64 = 2;

fn vmlinux(machine: u16) -> Vec<u8> {
    let mut constants =
        b"%s version %s (me@here)\0Linux version 6.1.0-test (me@here) (gcc 12) # SMP\n\0".to_vec();
    constants.extend_from_slice(BANNER.as_bytes());
    constants.extend_from_slice(b"\n\0");
    constants.extend_from_slice(&ikconfig());
    constants.extend_from_slice(&token_table());
    let unit = [&[4, 0, 0, 0, 5, 0, 1, 8][..], &[5, 0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    elf(
        machine,
        2,
        &[
            (".text", PROGBITS, ALLOC | 4, &[0x90; 64]),
            (".rodata", PROGBITS, ALLOC, &constants),
            (".notes", 7, ALLOC, &note(ID)),
            (".BTF", PROGBITS, ALLOC, &[0x9f, 0xeb, 1, 0]),
            (".orc_unwind", PROGBITS, ALLOC, &[0; 12]),
            (".orc_unwind_ip", PROGBITS, ALLOC, &[0; 8]),
            (".debug_info", PROGBITS, 0, &unit),
            (".symtab", 2, 0, &[0; 48]),
        ],
    )
}

fn ikconfig() -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    packed.write_all(b"CONFIG_IKCONFIG=y\nCONFIG_KALLSYMS=y\n# CONFIG_GDB_SCRIPTS is not set\n").unwrap();
    [b"IKCFG_ST".as_slice(), &packed.finish().unwrap(), b"IKCFG_ED"].concat()
}

/// The 256 tokens of a kallsyms table and their index, aligned to 8.
fn token_table() -> Vec<u8> {
    let mut table = Vec::new();
    let mut index = Vec::new();
    for token in 0..256_u32 {
        index.extend_from_slice(&u16::try_from(table.len()).unwrap().to_le_bytes());
        match token {
            48..58 => table.push(token as u8),
            _ => table.extend_from_slice(format!("tok{token}_").as_bytes()),
        }
        table.push(0);
    }
    table.resize(table.len().next_multiple_of(8), 0);
    [&[0xff; 7], table.as_slice(), &index].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd_sized(bytes: &[u8]) -> Vec<u8> {
    let mut packed = zstd::encode_all(bytes, 3).unwrap();
    packed.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
    packed
}

fn bzimage(payload: &[u8]) -> Vec<u8> {
    let before = 0x2cc;
    let mut file = vec![0; 3 * 512 + before];
    put(&mut file, 0x1f1, &[2]);
    put(&mut file, 0x1fe, &[0x55, 0xaa]);
    put(&mut file, 0x202, b"HdrS");
    put(&mut file, 0x206, &0x020f_u16.to_le_bytes());
    put(&mut file, 0x20e, &0x100_u16.to_le_bytes());
    put(&mut file, 0x230, &0x20_0000_u32.to_le_bytes());
    put(&mut file, 0x234, &[1]);
    put(&mut file, 0x236, &1_u16.to_le_bytes());
    put(&mut file, 0x238, &2047_u32.to_le_bytes());
    put(&mut file, 0x248, &(before as u32).to_le_bytes());
    put(&mut file, 0x24c, &u32::try_from(payload.len()).unwrap().to_le_bytes());
    put(&mut file, 0x258, &0x0100_0000_u64.to_le_bytes());
    put(&mut file, 0x260, &0x0337_8000_u32.to_le_bytes());
    put(&mut file, 0x300, b"6.1.0-test (me@here) #1 SMP\0");
    file.extend_from_slice(payload);
    file.extend_from_slice(&[0x90; 100]);
    file.resize(file.len().next_multiple_of(16), 0);
    let paragraphs = u32::try_from((file.len() - 3 * 512) / 16).unwrap();
    put(&mut file, 0x1f4, &paragraphs.to_le_bytes());
    file
}

/// A flat arm64 image with a vDSO (and its own build ID) before the kernel's note.
fn image() -> Vec<u8> {
    let mut file = vec![0; 4096];
    put(&mut file, 0, b"MZ\x40\xfa");
    put(&mut file, 16, &0x20_0000_u64.to_le_bytes());
    put(&mut file, 24, &0b1010_u64.to_le_bytes());
    put(&mut file, 56, b"ARM\x64");
    put(&mut file, 256, BANNER.as_bytes());
    put(&mut file, 256 + BANNER.len(), b"\n\0");
    let vdso = elf(183, 3, &[(".note", 7, ALLOC, &note([0xcd; 20]))]);
    file.extend_from_slice(&vdso);
    file.extend_from_slice(&note(ID));
    file.extend_from_slice(&[0; 100]);
    file
}

fn zboot(payload: &[u8], machine: u16) -> Vec<u8> {
    let mut file = vec![0; 512];
    put(&mut file, 0, b"MZ\0\0zimg");
    put(&mut file, 8, &512_u32.to_le_bytes());
    put(&mut file, 12, &u32::try_from(payload.len()).unwrap().to_le_bytes());
    put(&mut file, 24, b"zstd22\0");
    put(&mut file, 60, &0x80_u32.to_le_bytes());
    put(&mut file, 0x80, b"PE\0\0");
    put(&mut file, 0x84, &machine.to_le_bytes());
    file.extend_from_slice(payload);
    file.extend_from_slice(&[0; 64]);
    file
}

#[test]
fn a_bzimage_gives_the_elf_in_it_and_what_kaslr_needs() {
    let inner = vmlinux(62);
    for payload in [zstd_sized(&inner), gzip(&inner)] {
        let file = bzimage(&payload);
        let kernel = unpack(&file).unwrap();
        assert_eq!((kernel.format, kernel.arch), (Format::BzImage, &arch::X86_64));
        assert_eq!(kernel.bytes(), inner);
        let header = kernel.bzimage.as_ref().unwrap();
        assert_eq!((header.payload_offset, header.protected_mode_offset), (0x2cc, 3 * 512));
        assert_eq!((header.init_size, header.pref_address), (0x0337_8000, 0x0100_0000));
        assert!(header.relocatable && header.entry_64 == Some(true));
        assert_eq!(header.version.as_deref(), Some("6.1.0-test (me@here) #1 SMP"));
        assert_eq!(header.payload(&file), Some(payload.as_slice()));
        assert_eq!(kernel.build_id(), Some(BuildId::from_bytes(&ID)));
        assert_eq!(kernel.banner().as_deref(), Some(BANNER));
    }
}

#[test]
fn a_vmlinux_is_described_without_a_copy() {
    let file = vmlinux(62);
    let info = describe(&file).unwrap();
    assert_eq!((info.format, info.arch), (Format::Vmlinux, "x86_64"));
    assert_eq!(info.release.as_deref(), Some("6.1.0-test"));
    assert_eq!(info.banner.as_deref(), Some(BANNER));
    let config = info.config.unwrap();
    assert!(config.is_built_in("KALLSYMS") && !config.is_on("GDB_SCRIPTS"));
    let contents = info.contents;
    assert_eq!((contents.orc, contents.symbols), (Some(20), Some(2)));
    assert_eq!((contents.btf, contents.kallsyms, contents.code), (Some(4), true, true));
    let dwarf = contents.dwarf.unwrap();
    assert_eq!((dwarf.version, dwarf.locations, dwarf.split), (Some(5), Some(false), false));
    let kernel = unpack(&file).unwrap();
    assert!(std::ptr::eq(kernel.bytes(), file.as_slice()));
}

#[test]
fn an_arm64_image_has_its_own_build_id_not_its_vdsos() {
    let file = image();
    let kernel = unpack(&file).unwrap();
    assert_eq!((kernel.format, kernel.arch), (Format::Image, &arch::AARCH64));
    assert_eq!(kernel.build_id(), Some(BuildId::from_bytes(&ID)));
    assert_eq!(kernel.banner().as_deref(), Some(BANNER));
    let header = kernel.arm64.unwrap();
    assert_eq!((header.image_size, header.page_size, header.anywhere), (0x20_0000, Some(4096), true));
}

#[test]
fn zboot_and_whole_file_compression_are_seen_through() {
    let file = zboot(&zstd::encode_all(image().as_slice(), 3).unwrap(), 0xaa64);
    let kernel = unpack(&file).unwrap();
    assert_eq!((kernel.format, kernel.packing), (Format::Zboot, Some(Compression::Zstd)));
    assert_eq!(kernel.bytes(), image());
    let packed = gzip(&image());
    let kernel = unpack(&packed).unwrap();
    assert_eq!((kernel.format, kernel.wrapping), (Format::Image, Some(Compression::Gzip)));
    assert_eq!(build_id(&gzip(&vmlinux(62))), Ok(Some(BuildId::from_bytes(&ID))));
    assert_eq!(banner(&gzip(&bzimage(&gzip(&vmlinux(62))))), Ok(Some(BANNER.to_owned())));
}

#[test]
fn a_module_tells_what_it_needs() {
    let modinfo =
        b"license=GPL\0depends=virtio,virtio_ring\0name=virtio_pci\0vermagic=6.1.0-test SMP mod_unload\0";
    let mut file = elf(
        62,
        1,
        &[
            (".modinfo", PROGBITS, ALLOC, modinfo),
            (".note.gnu.build-id", 7, ALLOC, &note(ID)),
            (".gnu.linkonce.this_module", PROGBITS, ALLOC, &[0; 64]),
        ],
    );
    file.extend_from_slice(b"~Module signature appended~\n");
    let info = describe(&file).unwrap();
    let module = info.module.unwrap();
    assert_eq!((info.format, info.release.as_deref()), (Format::Module, Some("6.1.0-test")));
    assert_eq!(module.name.as_deref(), Some("virtio_pci"));
    assert_eq!(module.depends, ["virtio", "virtio_ring"]);
    assert!(module.signed && !module.intree);
    assert_eq!(info.build_id, Some(BuildId::from_bytes(&ID)));
}

fn refusal(file: &[u8]) -> String {
    unpack(file).unwrap_err().to_string()
}

#[test]
fn foreign_files_are_named() {
    let mut arm = vec![0; 64];
    put(&mut arm, 0x24, &0x016f_2818_u32.to_le_bytes());
    let mut program = elf(62, 3, &[]);
    put(&mut program, 80, &0x40_0000_u64.to_le_bytes());
    let mut x86 = bzimage(&gzip(&vmlinux(62)));
    put(&mut x86, 0x236, &[0, 0]);
    let mut windows = zboot(b"", 0x8664);
    put(&mut windows, 4, &[0; 4]);
    for (file, says) in [
        (Vec::new(), "an empty file"),
        (b"070701000000".to_vec(), "a newc archive"),
        (gzip(b"070701000000"), "a gzip file that holds a newc archive"),
        (b"#!/bin/sh\n".to_vec(), "a script"),
        (b"hello\n".to_vec(), "a text file"),
        (vec![0; 600], "zeros"),
        (vec![1; 600], "no format known"),
        (arm, "32-bit ARM"),
        (elf(243, 2, &[]), "64-bit RISC-V"),
        (program, "a program or library for x86_64"),
        (elf(62, 1, &[]), "an object file for x86_64"),
        (x86, "32-bit x86"),
        (windows, "a Windows or EFI program for x86-64"),
        (zboot(&gzip(&image()), 0x5064), "EFI zboot kernel for RISC-V"),
    ] {
        let error = refusal(&file);
        assert!(error.contains(says), "{error:?} does not say {says:?}");
    }
    let error = refusal(&elf(62, 2, &[])[..100]);
    assert!(error.starts_with("truncated ELF file"), "{error}");
}

#[test]
fn a_truncated_image_says_how_much_is_missing() {
    let file = bzimage(&gzip(&vmlinux(62)));
    let cut = file.len() - 200;
    let error = unpack(&file[..cut]).unwrap_err();
    let needed = file.len() as u64 - 15;
    assert_eq!(error, ImageError::Truncated { what: "bzImage", needed, has: cut as u64 });
    let file = zboot(&gzip(&image()), 0xaa64);
    assert!(matches!(unpack(&file[..700]), Err(ImageError::Truncated { what: "EFI zboot image", .. })));
    let file = gzip(&vmlinux(62));
    assert!(refusal(&file[..file.len() - 1]).contains("truncated"));
}

#[test]
fn a_payload_of_another_size_than_it_says_is_damaged() {
    let mut payload = zstd_sized(&vmlinux(62));
    let last = payload.len() - 4;
    payload[last] ^= 1;
    let error = refusal(&bzimage(&payload));
    assert!(error.contains("unpacks to"), "{error}");
    assert!(refusal(&bzimage(&[7; 64])).contains("no compression known"));
}

fn with_debug_info(flags: u64, content: &[u8]) -> Dwarf {
    let file =
        elf(62, 2, &[(".debug_info", PROGBITS, flags, content), (".debug_loclists", PROGBITS, 0, &[0])]);
    describe(&file).unwrap().contents.dwarf.unwrap()
}

#[test]
fn debug_information_is_measured_packed_or_split() {
    const COMPRESSED: u64 = 0x800;
    let unit = [8, 0, 0, 0, 5, 0, 1, 8, 0, 0, 0, 0];
    let header = |method: u8| [&[method][..], &[0; 23]].concat();
    let mut zlib = flate2::write::ZlibEncoder::new(header(1), flate2::Compression::new(6));
    zlib.write_all(&unit).unwrap();
    let zstd = [header(2), zstd::encode_all(unit.as_slice(), 3).unwrap()].concat();
    for (flags, content, compression) in [
        (0, unit.to_vec(), None),
        (COMPRESSED, zlib.finish().unwrap(), Some("zlib")),
        (COMPRESSED, zstd, Some("zstd")),
    ] {
        let dwarf = with_debug_info(flags, &content);
        assert_eq!((dwarf.version, dwarf.compression), (Some(5), compression));
        assert_eq!((dwarf.locations, dwarf.split), (Some(true), false));
        assert_eq!(dwarf.size, content.len() as u64 + 1);
    }
    let skeleton = [8, 0, 0, 0, 5, 0, 4, 8, 0, 0, 0, 0];
    let split = with_debug_info(0, &skeleton);
    assert_eq!((split.locations, split.split), (None, true));
}

#[test]
fn an_image_and_a_vmlinux_of_another_build_are_told_apart() {
    let image = bzimage(&gzip(&vmlinux(62)));
    assert_eq!(check_pair(&image, &vmlinux(62)), Ok(Some(BuildId::from_bytes(&ID))));
    let other = elf(62, 2, &[(".notes", 7, ALLOC, &note([0xef; 20]))]);
    let error = check_pair(&image, &other).unwrap_err().to_string();
    assert!(error.contains(&"ab".repeat(20)) && error.contains(&"ef".repeat(20)), "{error}");
    let text = [BANNER.as_bytes(), b"\n"].concat();
    let unmarked = elf(62, 2, &[(".rodata", PROGBITS, ALLOC, &text)]);
    assert_eq!(check_pair(&image, &unmarked), Ok(None));
    let renamed = elf(62, 2, &[(".rodata", PROGBITS, ALLOC, b"Linux version 5.10 #2 SMP\n")]);
    assert!(matches!(check_pair(&image, &renamed), Err(PairError::Banner { .. })));
    assert!(matches!(check_pair(&image, &elf(62, 2, &[])), Err(PairError::Unknown("vmlinux"))));
    assert!(matches!(check_pair(&image, &vmlinux(183)), Err(PairError::Arch { .. })));
    assert!(matches!(check_pair(b"", &vmlinux(62)), Err(PairError::Image(_))));
}

#[test]
fn a_release_is_read_from_a_banner() {
    assert_eq!(release_of(BANNER), Some("6.1.0-test"));
    assert_eq!(release_of("Linux version "), None);
    assert_eq!(release_of("BusyBox v1.35"), None);
}

fn every_format() -> Vec<Vec<u8>> {
    let arm = gzip(&image());
    vec![bzimage(&gzip(&vmlinux(62))), vmlinux(183), image(), zboot(&arm, 0xaa64), arm, token_table()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cut_and_changed_images_never_panic(
        which in 0..6_usize,
        cut in 0..10_000_usize,
        changes in prop::collection::vec((0..5000_usize, any::<u8>()), 0..6),
    ) {
        let mut file = every_format().swap_remove(which);
        file.truncate(cut);
        for (at, byte) in changes {
            if let Some(slot) = file.get_mut(at) {
                *slot = byte;
            }
        }
        let _ = describe(&file);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, which in 0..6_usize, keep in 0..600_usize) {
        let _ = describe(&bytes);
        let mut file = every_format().swap_remove(which);
        file.truncate(keep);
        file.extend_from_slice(&bytes);
        let _ = describe(&file);
        let _ = search::has_kallsyms(&file);
        let _ = search::btf_size(&file);
        let _ = notes::build_id_in_memory(&file);
    }
}
