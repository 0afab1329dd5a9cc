//! `lkdb kernel info`: the fetched kernel in every form it comes in, its payload packed anew by each of
//! the compressors a kernel can be built with, and files that are no kernel at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::fixture::{Lkdb, kernel_file};

/// Modules of every distribution's kernel, and of a size that is read quickly.
const MODULE: &str = "kernel/drivers/char/virtio_console.ko";

fn info(file: &Path) -> Value {
    let text = Lkdb::new().ok(&["kernel", "info", "--json", file.to_str().unwrap()]);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in: {text}"))
}

/// The build ID as binutils read it.
fn readelf_build_id(file: &Path) -> String {
    let output = Command::new("readelf").args(["--notes", "--wide"]).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.trim().split("Build ID: ").nth(1));
    line.unwrap_or_else(|| panic!("readelf says: {text}")).to_owned()
}

#[test]
fn image_and_vmlinux_are_of_one_build_and_the_guest_says_the_same() {
    let (image, vmlinux) = (info(&kernel_file("image")), info(&kernel_file("vmlinux")));
    assert_eq!(image["format"], "bzImage", "{image}");
    assert_eq!(vmlinux["format"], "vmlinux", "{vmlinux}");
    assert_eq!(image["build_id"], readelf_build_id(&kernel_file("vmlinux")).as_str());
    assert_eq!(image["build_id"], vmlinux["build_id"]);
    assert_eq!(image["contents"]["dwarf"], Value::Null, "{image}");
    assert_eq!(vmlinux["contents"]["dwarf"]["version"], 5, "{vmlinux}");
    let missing = image["findings"].as_array().unwrap();
    assert!(missing.iter().any(|finding| finding["options"][0] == "GDB_SCRIPTS"), "{image}");
    let said = Lkdb::new().ok(&["boot", "--", "cat", "/proc/version"]);
    assert_eq!(image["banner"], said.trim_end());
    let release = image["release"].as_str().unwrap();
    assert!(said.starts_with(&format!("Linux version {release} (")), "{said}");
}

#[test]
fn a_version_is_its_image_with_the_vmlinux_of_the_same_build() {
    let lkdb = Lkdb::new();
    let image = info(&kernel_file("image"));
    let release = image["release"].as_str().unwrap();
    let by_version: Value = serde_json::from_str(&lkdb.ok(&["kernel", "info", "--json", release])).unwrap();
    for same in ["file", "build_id", "banner", "bzimage", "findings"] {
        assert_eq!(by_version[same], image[same]);
    }
    assert_eq!(by_version["vmlinux"]["file"], kernel_file("vmlinux").to_str().unwrap());
    assert_eq!(by_version["vmlinux"]["contents"]["dwarf"]["version"], 5, "{by_version}");

    let text = lkdb.ok(&["kernel", "info", release]);
    let starts = |label: &str, with: &str| {
        text.lines().any(|line| line.strip_prefix(label).is_some_and(|rest| rest.trim().starts_with(with)))
    };
    assert!(starts("format", "bzImage, packed with "), "{text}");
    assert!(starts("banner", image["banner"].as_str().unwrap()), "{text}");
    assert!(starts("build ID", image["build_id"].as_str().unwrap()), "{text}");
    assert!(starts("  its DWARF", "version 5, "), "{text}");
    assert!(starts("  GDB_SCRIPTS=y:", "no lx-* commands"), "{text}");
}

#[test]
fn a_module_and_its_debug_file_are_of_one_build() {
    let modules = [kernel_file("modules").join(MODULE), kernel_file("debug_modules").join(MODULE)];
    let [loaded, debug] = modules.each_ref().map(|file| info(file));
    assert_eq!(loaded["format"], "module", "{loaded}");
    assert_eq!(loaded["module"]["name"], "virtio_console", "{loaded}");
    assert_eq!(loaded["release"], info(&kernel_file("image"))["release"]);
    assert_eq!(loaded["build_id"], readelf_build_id(&modules[0]).as_str());
    assert_eq!(loaded["build_id"], debug["build_id"]);
    assert_eq!(loaded["contents"]["dwarf"], Value::Null, "{loaded}");
    assert_eq!(debug["contents"]["dwarf"]["version"], 5, "{debug}");
    let text = Lkdb::new().ok(&["kernel", "info", modules[0].to_str().unwrap()]);
    assert!(text.contains("\nmodule         virtio_console\n"), "{text}");
    assert!(!text.contains("configuration"), "a module has none: {text}");
}

/// The real kernel and what packs it, made once for all tests.
struct Original {
    image: Vec<u8>,
    /// The ELF file in it, unpacked by the compressor's own tool.
    payload: Vec<u8>,
    /// The same kernel as if built for arm64.
    flat: Vec<u8>,
    build_id: String,
    banner: String,
}

impl Original {
    fn get() -> &'static Self {
        static ORIGINAL: OnceLock<Original> = OnceLock::new();
        ORIGINAL.get_or_init(|| {
            let file = kernel_file("image");
            let image = fs::read(&file).unwrap();
            let report = info(&file);
            let start = Self::payload_at(&image);
            let packed = &image[start..start + word(&image, 0x24c) as usize];
            let (stream, size) = match report["packing"].as_str().unwrap() {
                "gzip" => (packed, None),
                _ => (&packed[..packed.len() - 4], Some(word(packed, packed.len() - 4))),
            };
            let tool = report["packing"].as_str().unwrap();
            let unpacked = piped(&[if tool == "lzo" { "lzop" } else { tool }, "-dc"], stream);
            assert!(size.is_none_or(|size| size as usize == unpacked.len()));
            assert_eq!(report["unpacked_size"], unpacked.len());
            let text = |field: &str| report[field].as_str().unwrap().to_owned();
            let (build_id, banner) = (text("build_id"), text("banner"));
            let flat = arm64_image(&unpacked, &build_id, &banner);
            Original { image, payload: unpacked, flat, build_id, banner }
        })
    }

    /// Where the packed kernel begins (`Documentation/arch/x86/boot.rst`: setup_sects, payload_offset).
    fn payload_at(image: &[u8]) -> usize {
        Self::protected_mode_at(image) + word(image, 0x248) as usize
    }

    fn protected_mode_at(image: &[u8]) -> usize {
        (usize::from(image[0x1f1]) + 1) * 512
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn put(bytes: &mut [u8], at: usize, word: usize) {
    bytes[at..at + 4].copy_from_slice(&u32::try_from(word).unwrap().to_le_bytes());
}

/// What a program makes of `input`. Its complaints are not looked at: what counts is its output.
fn piped(command: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask setup`", command[0]));
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A program that has enough closes its end.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap().stdout
    })
}

/// The packed kernel in place of the one in the bzImage. `sized`: with the unpacked size behind it, as
/// the build appends it for all but gzip.
fn bzimage(original: &Original, packed: &[u8], sized: bool) -> Vec<u8> {
    let protected_mode = Original::protected_mode_at(&original.image);
    let mut image = original.image[..Original::payload_at(&original.image)].to_vec();
    let start = image.len();
    image.extend(packed);
    if sized {
        image.extend(u32::try_from(original.payload.len()).unwrap().to_le_bytes());
    }
    let length = image.len() - start;
    put(&mut image, 0x24c, length);
    // What unpacks it lies behind it.
    image.extend([0x90; 4096]);
    image.resize(image.len().next_multiple_of(16), 0);
    let paragraphs = (image.len() - protected_mode) / 16;
    put(&mut image, 0x1f4, paragraphs);
    image
}

/// A flat arm64 kernel: a header, then those pieces of the real one that hold its banner and its build ID.
fn arm64_image(payload: &[u8], build_id: &str, banner: &str) -> Vec<u8> {
    let mut image = vec![0; 4096];
    image[16..24].copy_from_slice(&(64_u64 << 20).to_le_bytes());
    image[24] = 0b1010;
    image[56..60].copy_from_slice(b"ARM\x64");
    let id: Vec<u8> = (0..build_id.len() / 2)
        .map(|at| u8::from_str_radix(&build_id[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    for content in [banner.as_bytes(), &id] {
        let at = payload.windows(content.len()).position(|window| window == content).unwrap();
        // From before it, where the note's header is; notes are aligned.
        let start = (at & !3) - 256;
        image.extend(&payload[start..start + 8192]);
    }
    image
}

/// An EFI zboot image (`drivers/firmware/efi/libstub/zboot-header.S`) of a packed arm64 kernel.
fn zboot(name: &str, packed: &[u8], unpacked: usize) -> Vec<u8> {
    let mut image = vec![0; 0x200];
    image[..8].copy_from_slice(b"MZ\0\0zimg");
    put(&mut image, 8, 0x200);
    put(&mut image, 12, packed.len());
    image[24..24 + name.len()].copy_from_slice(name.as_bytes());
    put(&mut image, 60, 0x80);
    image[0x80..0x86].copy_from_slice(b"PE\0\0\x64\xaa");
    image.extend(packed);
    image.extend(u32::try_from(unpacked).unwrap().to_le_bytes());
    image.resize(image.len() + 100, 0);
    image
}

/// Packs the real kernel with a compressor, and looks at it in every wrapping there is.
fn packed(name: &str, command: &[&str]) {
    let original = Original::get();
    let lkdb = Lkdb::new();
    let elf = piped(command, &original.payload);
    // The filter for x86 code would be undone all the same; no build applies it to arm64's.
    let arm64: Vec<_> = command.iter().copied().filter(|option| *option != "--x86").collect();
    let packed_flat = piped(&arm64, &original.flat);
    let sized = name != "gzip";
    let (size, flat_size) = (original.payload.len(), original.flat.len());
    let files: [(&str, Vec<u8>, [&str; 3], usize); 4] = [
        ("bzImage", bzimage(original, &elf, sized), ["bzImage", "x86_64", "packing"], size),
        ("vmlinux.packed", elf, ["vmlinux", "x86_64", "wrapping"], size),
        ("vmlinuz.efi", zboot(name, &packed_flat, flat_size), ["zboot", "aarch64", "packing"], flat_size),
        ("Image.packed", packed_flat, ["Image", "aarch64", "wrapping"], flat_size),
    ];
    for (file, content, [format, arch, how], size) in files {
        let path = lkdb.scratch().join(file);
        fs::write(&path, &content).unwrap();
        let report = info(&path);
        assert_eq!((&report["format"], &report["arch"]), (&format.into(), &arch.into()), "{report}");
        assert_eq!(report[how], name, "{report}");
        assert_eq!(report["unpacked_size"], size, "{report}");
        assert_eq!(report["build_id"], original.build_id.as_str(), "{report}");
        assert_eq!(report["banner"], original.banner.as_str(), "{report}");
        // A byte less, and no form of it may pass for whole.
        let cut = content.len() - if how == "packing" { 6000.min(content.len() / 2) } else { 1 };
        fs::write(&path, &content[..cut]).unwrap();
        lkdb.refused(&["kernel", "info", path.to_str().unwrap()], &[file]);
    }
}

#[test]
fn packed_with_gzip() {
    packed("gzip", &["gzip", "-n", "-1"]);
}

#[test]
fn packed_with_bzip2() {
    packed("bzip2", &["bzip2", "-1"]);
}

#[test]
fn packed_with_lzma() {
    packed("lzma", &["lzma", "-0"]);
}

#[test]
fn packed_with_xz() {
    packed("xz", &["xz", "--check=crc32", "--x86", "--lzma2=preset=0"]);
}

#[test]
fn packed_with_lzo() {
    packed("lzo", &["lzop", "-1"]);
}

#[test]
fn packed_with_lz4() {
    packed("lz4", &["lz4", "-l", "-1"]);
}

#[test]
fn packed_with_zstd() {
    packed("zstd", &["zstd", "-q", "-1"]);
}

#[test]
fn what_is_no_kernel_for_lkdb_is_named_in_one_line() {
    let lkdb = Lkdb::new();
    let file = |name: &str, content: &[u8]| -> PathBuf {
        let path = lkdb.scratch().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let image = fs::read(kernel_file("image")).unwrap();
    let archive = lkdb.scratch().join("root.img");
    lkdb.ok(&["initramfs", "build", "-o", archive.to_str().unwrap(), "--compress", "gzip"]);
    let program = fs::read("/bin/ls").unwrap();
    let mut i386 = program.clone();
    // EI_CLASS 32-bit, e_machine EM_386.
    (i386[4], i386[18], i386[19]) = (1, 3, 0);
    let mut no_long_mode = image.clone();
    // xloadflags without XLF_KERNEL_64.
    no_long_mode[0x236] &= !1;
    let mut riscv = vec![0; 4096];
    riscv[48..56].copy_from_slice(b"RISCV\0\0\0");
    riscv[56..60].copy_from_slice(b"RSC\x05");
    let mut damaged = image.clone();
    let middle = Original::payload_at(&image) + 1_000_000;
    damaged[middle..middle + 100_000].fill(0xff);
    let elf = file("cut-vmlinux", &Original::get().payload[..1_000_000]);
    for (path, words) in [
        (file("empty", b""), "an empty file"),
        (file("cut-at-1000", &image[..1000]), "truncated"),
        (file("cut-in-half", &image[..image.len() / 2]), "truncated bzImage"),
        (file("cut-by-little", &image[..image.len() - 4096]), "truncated bzImage"),
        (file("damaged", &damaged), "damaged"),
        (elf, "truncated"),
        (PathBuf::from("/bin/ls"), "program"),
        (archive, "gzip file that holds"),
        (file("text", b"root=/dev/vda\n"), "a text file"),
        (file("zeros", &[0; 100_000]), "zeros"),
        (file("i386", &i386), "32-bit"),
        (file("no-long-mode", &no_long_mode), "a bzImage for 32-bit x86"),
        (file("riscv", &riscv), "RISC-V"),
        (PathBuf::from("/no/such/image"), "/no/such/image"),
        (PathBuf::from("/dev/null"), "/dev/null"),
    ] {
        let name = path.to_str().unwrap();
        lkdb.refused(&["kernel", "info", name], &[name, words]);
        lkdb.refused(&["kernel", "info", "--json", name], &[name, words]);
    }
}
