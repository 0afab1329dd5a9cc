//! Plans made from small trees on disk, written, read back and unpacked.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use lkdb_base::arch;
use lkdb_image::archive::newc::{Record, write_tree};
use lkdb_image::archive::{Entry, Kind, Packing, Parts, Tree};
use lkdb_image::config::Config;

use super::extract::Gathered;
use super::{Add, InitramfsOptions, plan};

const RELEASE: &str = "6.1.0-test";

/// A module as far as lkdb looks: a 64-bit relocatable ELF file with a `.modinfo` section.
fn module(depends: &str, release: &str) -> Vec<u8> {
    let info = format!("depends={depends}\0vermagic={release} SMP mod_unload \0alias=test:{depends}*\0");
    let names = b"\0.modinfo\0.shstrtab\0";
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(64, 0);
    let (info_at, names_at) = (file.len() as u64, (file.len() + info.len()) as u64);
    file.extend_from_slice(info.as_bytes());
    file.extend_from_slice(names);
    let sections_at = file.len() as u64;
    let mut section = |name: u32, kind: u32, at: u64, size: usize| {
        file.extend(name.to_le_bytes());
        file.extend(kind.to_le_bytes());
        for field in [0, 0, at, size as u64, 0, 1, 0] {
            file.extend(field.to_le_bytes());
        }
    };
    section(0, 0, 0, 0);
    section(1, 1, info_at, info.len());
    section(10, 3, names_at, names.len());
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &1u16.to_le_bytes());
    put(18, &62u16.to_le_bytes());
    put(40, &sections_at.to_le_bytes());
    put(58, &64u16.to_le_bytes());
    put(60, &3u16.to_le_bytes());
    put(62, &2u16.to_le_bytes());
    file
}

/// A module tree without depmod's files, as a package has it before it is installed.
fn module_tree(dir: &Path) {
    let root = dir.join("lib/modules").join(RELEASE);
    fs::create_dir_all(root.join("kernel/net")).unwrap();
    fs::create_dir_all(root.join("kernel/fs")).unwrap();
    fs::write(root.join("kernel/net/base.ko"), module("", RELEASE)).unwrap();
    fs::write(root.join("kernel/net/mid-dle.ko"), module("base", RELEASE)).unwrap();
    fs::write(root.join("kernel/fs/top.ko"), module("mid_dle,base", RELEASE)).unwrap();
    fs::write(root.join("modules.builtin"), "kernel/fs/inside.ko\n").unwrap();
    symlink("/nowhere", root.join("build")).unwrap();
}

/// Options that need no BusyBox: what is planned goes behind an archive of the user's.
fn options(dir: &Path) -> InitramfsOptions<'static> {
    let base = dir.join("base.img");
    fs::write(&base, write_tree(&Tree::<Vec<u8>>::default(), Vec::new()).unwrap()).unwrap();
    InitramfsOptions { base: Some(base), ..InitramfsOptions::new(&arch::X86_64) }
}

fn files(image: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for part in Parts::new(image, 1 << 20) {
        for record in part.unwrap().records() {
            let Record { name, data, .. } = record.unwrap();
            files.push((String::from_utf8_lossy(name).into_owned(), data.to_vec()));
        }
    }
    files
}

/// The files of the archive that these options make.
fn built(dir: &Path, options: &InitramfsOptions<'_>) -> (Vec<String>, Vec<(String, Vec<u8>)>) {
    let plan = plan(options).unwrap();
    let image = dir.join("out.img");
    let built = plan.write(&image).unwrap();
    assert_eq!(fs::metadata(&image).unwrap().len(), built.size);
    (built.loads, files(&fs::read(&image).unwrap()))
}

fn refusal(options: &InitramfsOptions<'_>) -> String {
    format!("{:#}", plan(options).unwrap_err())
}

#[test]
fn modules_are_put_in_with_what_they_need() {
    let dir = tempfile::tempdir().unwrap();
    module_tree(dir.path());
    let load = ["top debug=1", "inside"].map(str::to_owned).to_vec();
    let wanted = InitramfsOptions { modules: Some(dir.path().to_owned()), load, ..options(dir.path()) };
    let (loads, files) = built(dir.path(), &wanted);
    let root = format!("lib/modules/{RELEASE}");
    let paths = ["kernel/net/base.ko", "kernel/net/mid-dle.ko", "kernel/fs/top.ko"];
    assert_eq!(loads, paths.map(|path| format!("/{root}/{path}")));
    let dep = files.iter().find(|(path, _)| *path == format!("{root}/modules.dep")).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&dep.1),
        "kernel/net/base.ko:\nkernel/net/mid-dle.ko: kernel/net/base.ko\n\
         kernel/fs/top.ko: kernel/net/mid-dle.ko kernel/net/base.ko\n"
    );
    assert!(plan(&wanted).unwrap().notes.iter().any(|note| note.contains("inside is built into the kernel")));
}

#[test]
fn a_whole_tree_gets_what_depmod_would_write() {
    let dir = tempfile::tempdir().unwrap();
    module_tree(dir.path());
    let all =
        InitramfsOptions { modules: Some(dir.path().to_owned()), all_modules: true, ..options(dir.path()) };
    let (loads, files) = built(dir.path(), &all);
    assert!(loads.is_empty());
    let text = |name: &str| {
        let file = files.iter().find(|(path, _)| path.ends_with(name)).unwrap();
        String::from_utf8_lossy(&file.1).into_owned()
    };
    assert!(text("/modules.dep").contains("kernel/fs/top.ko: kernel/net/mid-dle.ko kernel/net/base.ko\n"));
    assert!(text("/modules.alias").contains("alias test:base* mid_dle\n"));
    assert!(!files.iter().any(|(path, _)| path.ends_with("/build")));
}

#[test]
fn modules_that_cannot_be_loaded_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    module_tree(dir.path());
    let file = |name: &str, bytes: Vec<u8>| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let load = |wish: String| InitramfsOptions {
        modules: Some(dir.path().to_owned()),
        load: vec![wish],
        ..options(dir.path())
    };
    let other = refusal(&load(file("other.ko", module("", "5.0-else"))));
    assert!(other.contains("built for the kernel 5.0-else, and the kernel is 6.1.0-test"), "{other}");
    let lost = refusal(&load(file("lost.ko", module("gone", RELEASE))));
    assert!(lost.contains("the module lost needs gone"), "{lost}");
    assert!(refusal(&load(file("text.ko", b"hello".to_vec()))).contains("it is no ELF file"));
    assert!(refusal(&load("nope".to_owned())).contains("there is no module nope"));
    let tree = InitramfsOptions { release: Some("9.9".to_owned()), ..load("top".to_owned()) };
    assert!(refusal(&tree).contains("are for the kernel 6.1.0-test, and the kernel is 9.9"));
    let (loads, _) = built(dir.path(), &load(file("mine.ko", module("mid_dle", RELEASE))));
    assert_eq!(loads.last().unwrap(), "/lib/modules/6.1.0-test/extra/mine.ko");
    assert_eq!(loads.len(), 3);
}

#[test]
fn files_of_the_host_go_where_they_are_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let over = dir.path().join("over");
    fs::create_dir_all(over.join("etc")).unwrap();
    fs::write(over.join("etc/a"), b"one").unwrap();
    fs::hard_link(over.join("etc/a"), over.join("b")).unwrap();
    symlink("a", over.join("etc/l")).unwrap();
    let adds = [format!("{}:/opt/renamed", over.join("b").display()), format!("{}:/srv/", over.display())];
    let wanted = InitramfsOptions {
        overlay: vec![over.clone()],
        add: adds.iter().map(|text| Add::parse(OsStr::new(text)).unwrap()).collect(),
        ..options(dir.path())
    };
    let (_, files) = built(dir.path(), &wanted);
    let paths: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
    let expected = "b etc etc/a etc/l opt opt/renamed srv srv/over srv/over/b srv/over/etc srv/over/etc/a srv/over/etc/l";
    assert_eq!(paths.join(" "), expected);
    // The content of hard links is at the last of their names.
    assert_eq!((files[0].1.as_slice(), files[2].1.as_slice()), (&b""[..], &b"one"[..]));
    assert_eq!(files[5].1, b"one");
}

#[test]
fn what_goes_behind_leaves_the_links_before_it_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut merged = Tree::<Vec<u8>>::default();
    merged.insert("usr/bin", Entry::dir()).unwrap();
    merged.insert("usr/lib", Entry::dir()).unwrap();
    merged.insert("lib", Entry::symlink("usr/lib")).unwrap();
    merged.insert("bin", Entry::symlink("/usr/bin")).unwrap();
    merged.insert("bin/tool", Entry::file(0o755, *b"theirs")).unwrap();
    let base = dir.path().join("merged.img");
    let image = write_tree(&merged, Vec::new()).unwrap();
    fs::write(&base, &image).unwrap();
    module_tree(dir.path());
    let mine = dir.path().join("mine");
    fs::write(&mine, b"mine").unwrap();
    let add = |guest: &str| vec![Add { host: mine.clone(), guest: guest.as_bytes().to_vec() }];
    let wanted = InitramfsOptions {
        base: Some(base.clone()),
        agent: Some(b"agent"),
        modules: Some(dir.path().to_owned()),
        load: vec!["base".to_owned()],
        add: add("/bin/tool"),
        ..InitramfsOptions::new(&arch::X86_64)
    };
    let (_, files) = built(dir.path(), &wanted);
    let paths: Vec<_> = files.iter().skip(merged.len()).map(|(path, _)| path.as_str()).collect();
    let root = format!("usr/lib/modules/{RELEASE}");
    let expected = [
        "lkdb",
        "lkdb/init",
        "usr/bin/tool",
        "usr/lib/modules",
        &root,
        &format!("{root}/kernel"),
        &format!("{root}/kernel/net"),
        &format!("{root}/kernel/net/base.ko"),
        &format!("{root}/modules.dep"),
    ];
    assert_eq!(paths, expected);
    // The user's own archive is there byte for byte.
    assert!(fs::read(dir.path().join("out.img")).unwrap().starts_with(&image));
    let no = InitramfsOptions { add: add("/usr/lib"), ..wanted };
    assert!(refusal(&no).contains("is a directory with files in it"), "{}", refusal(&no));
    fs::write(&base, b"no archive").unwrap();
    assert!(refusal(&no).contains("cannot use the initramfs"));
}

#[test]
fn additions_are_read_as_typed() {
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join("with:colon");
    fs::write(&odd, b"").unwrap();
    assert_eq!(Add::parse(odd.as_os_str()).unwrap().guest, b"/with:colon");
    assert_eq!(Add::parse(OsStr::new("/x/y:/g/h")).unwrap().guest, b"/g/h");
    assert!(Add::parse(OsStr::new(":/g")).is_err());
    assert!(Add::parse(OsStr::new("/x:")).is_err());
}

#[test]
fn a_kernel_that_cannot_unpack_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let config = |text: &str| Some(Config::parse(text));
    let zstd = InitramfsOptions {
        compress: Some(Packing::Zstd),
        config: config("CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_GZIP=y\n"),
        ..options(dir.path())
    };
    let text = refusal(&zstd);
    assert!(text.contains("no CONFIG_RD_ZSTD; use --compress none, gzip"), "{text}");
    let none = InitramfsOptions { config: config("CONFIG_X=y\n"), ..options(dir.path()) };
    assert!(refusal(&none).contains("no CONFIG_BLK_DEV_INITRD"));
    let shares = InitramfsOptions {
        config: config("CONFIG_BLK_DEV_INITRD=y\nCONFIG_NET_9P=y\n"),
        shares: vec![("tag".to_owned(), "/mnt".to_owned())],
        ..options(dir.path())
    };
    assert!(refusal(&shares).contains("no CONFIG_NET_9P_VIRTIO, CONFIG_9P_FS"));
}

#[test]
fn a_target_that_cannot_be_written_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none/out.img");
    let error = plan(&options(dir.path())).unwrap().write(&missing).unwrap_err();
    assert!(format!("{error:#}").contains("none/out.img"));
    let gone = dir.path().join("gone");
    fs::write(&gone, b"x").unwrap();
    let add = vec![Add::parse(gone.as_os_str()).unwrap()];
    let planned = plan(&InitramfsOptions { add, ..options(dir.path()) }).unwrap();
    fs::write(&gone, b"longer than before").unwrap();
    let image = dir.path().join("out.img");
    fs::write(&image, b"old").unwrap();
    let error = format!("{:#}", planned.write(&image).unwrap_err());
    assert!(error.contains("changed while it was read"), "{error}");
    assert_eq!(fs::read(&image).unwrap(), b"old");
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with(".lkdb-")), "{names:?}");
}

/// Gathers all of an archive as `inspect --extract` does.
fn gathered(image: &[u8]) -> Gathered {
    let mut gathered = Gathered::default();
    for part in Parts::new(image, 1 << 20) {
        for record in part.unwrap().records() {
            gathered.take(0, &record.unwrap());
        }
    }
    gathered
}

#[test]
fn what_is_extracted_is_what_was_packed() {
    let dir = tempfile::tempdir().unwrap();
    let mut tree = Tree::<Vec<u8>>::default();
    tree.insert("d/closed", Entry::new(0o500, Kind::Dir)).unwrap();
    tree.insert("d/closed/f", Entry { mtime: 1_000_000, ..Entry::file(0o640, *b"text") }).unwrap();
    tree.insert("again", Entry::new(0, Kind::HardLink(b"d/closed/f".to_vec()))).unwrap();
    tree.insert("to", Entry::symlink("/d/closed/f")).unwrap();
    tree.insert("pipe", Entry::new(0o600, Kind::Fifo)).unwrap();
    let own = fs::metadata(dir.path()).unwrap();
    // As oneself, so that the test is the same for root and others.
    let mut mine = Tree::<Vec<u8>>::default();
    let (links, rest): (Vec<_>, Vec<_>) =
        tree.into_iter().partition(|(_, entry)| matches!(entry.kind, Kind::HardLink(_)));
    for (path, entry) in rest.into_iter().chain(links) {
        mine.insert(path, Entry { uid: own.uid(), gid: own.gid(), ..entry }).unwrap();
    }
    let image = write_tree(&mine, Vec::new()).unwrap();
    let out = dir.path().join("out");
    gathered(&image).write(&out, &mut Vec::new()).unwrap();
    let facts = fs::metadata(out.join("again")).unwrap();
    assert_eq!((facts.nlink(), facts.mtime(), facts.mode() & 0o7777), (2, 1_000_000, 0o640));
    assert_eq!(fs::read(out.join("again")).unwrap(), b"text");
    assert_eq!(fs::read_link(out.join("to")).unwrap(), Path::new("/d/closed/f"));
    assert_eq!(fs::metadata(out.join("d/closed")).unwrap().permissions().mode() & 0o7777, 0o500);
    let again = gathered(&image).write(&out, &mut Vec::new()).unwrap_err();
    assert!(again.to_string().contains("is not empty"), "{again}");
    // So that the directory can be removed by others than root.
    fs::set_permissions(out.join("d/closed"), fs::Permissions::from_mode(0o700)).unwrap();
}

/// One archive with these records, hand-made: a tree would not take such paths.
fn hostile(records: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut image = Vec::new();
    for (name, mode, data) in records.iter().chain(&[("TRAILER!!!", 0, "")]) {
        let size = data.len();
        let name_size = name.len() + 1;
        let head = format!("070701{0:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{0:08x}{size:08x}", 0, 1);
        image.extend_from_slice(
            format!("{head}{0:08x}{0:08x}{0:08x}{0:08x}{name_size:08x}{0:08x}{name}\0", 0).as_bytes(),
        );
        image.resize(image.len().next_multiple_of(4), 0);
        image.extend_from_slice(data.as_bytes());
        image.resize(image.len().next_multiple_of(4), 0);
    }
    image
}

#[test]
fn nothing_is_extracted_outside() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let to = outside.display().to_string();
    let image = hostile(&[
        ("../outside/a", 0o100_644, "x"),
        ("link", 0o120_777, &to),
        ("link/b", 0o100_644, "x"),
        ("up", 0o120_777, "../../outside"),
        ("up/c", 0o100_644, "x"),
        ("/outside/d", 0o100_644, "x"),
        ("x/../../outside/e", 0o100_644, "x"),
    ]);
    let gathered = gathered(&image);
    assert_eq!(gathered.refused.len(), 2, "{:?}", gathered.refused);
    gathered.write(&dir.path().join("out"), &mut Vec::new()).unwrap();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs::read(dir.path().join("out/outside/d")).unwrap(), b"x");
    // Links were followed within the archive, as the kernel does in its root.
    assert_eq!(fs::read(dir.path().join("out/outside/c")).unwrap(), b"x");
    assert!(dir.path().join("out").join(to.trim_start_matches('/')).join("b").is_file());
}
