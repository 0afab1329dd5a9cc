//! Archives written and read back, by us and by GNU cpio; hostile bytes; the root as a snapshot.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::list::{self, Host};
use super::newc::{Problem, Reader, Record, write_tree};
use super::recipe::{self, Wishes};
use super::{Compressor, Entry, Kind, Packing, Parts, Tree, append_padding, busybox};

type Files = Tree<Vec<u8>>;

const LIMIT: usize = 64 << 20;

/// A host that knows root alone, in UTC.
struct Plain;

impl Host for Plain {
    fn user(&self, id: u32) -> Option<&str> {
        (id == 0).then_some("root")
    }
    fn group(&self, id: u32) -> Option<&str> {
        self.user(id)
    }
    fn utc_offset(&self, _at: i64) -> i64 {
        0
    }
    fn now(&self) -> i64 {
        std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64
    }
}

fn every_kind() -> Files {
    let mut tree = Files::default();
    let now = u32::try_from(Plain.now()).unwrap();
    tree.insert("bin/tool", Entry { uid: 4_000_000, gid: 4_000_001, ..Entry::file(0o6755, *b"12345") })
        .unwrap();
    tree.insert("bin/again", Entry::new(0, Kind::HardLink(b"bin/tool".to_vec()))).unwrap();
    tree.insert("zz", Entry::new(0, Kind::HardLink(b"bin/tool".to_vec()))).unwrap();
    tree.insert("bin/to", Entry::symlink("../bin/tool")).unwrap();
    tree.insert("dev/console", Entry::new(0o600, Kind::CharDevice(5, 1))).unwrap();
    tree.insert("dev/vda", Entry::new(0o660, Kind::BlockDevice(254, 1000))).unwrap();
    tree.insert("run/pipe", Entry::new(0o644, Kind::Fifo)).unwrap();
    tree.insert("run/socket", Entry::new(0o755, Kind::Socket)).unwrap();
    tree.insert("tmp", Entry::new(0o1777, Kind::Dir)).unwrap();
    tree.insert("tmp/empty", Entry { mtime: now - 3600, ..Entry::file(0o1000, *b"") }).unwrap();
    tree.insert("tmp/future", Entry { mtime: now + 9000, ..Entry::file(0o4644, *b"f") }).unwrap();
    tree.insert("tmp/old", Entry { mtime: 951_782_400, ..Entry::file(0o2641, *b"leap") }).unwrap();
    tree.insert("tmp/last", Entry { mtime: u32::MAX, ..Entry::file(0o7777, *b"leap") }).unwrap();
    tree.insert(*b"tmp/\xff\xfe spaced", Entry::file(0o644, vec![7; 4097])).unwrap();
    tree
}

fn archive(tree: &Files) -> Vec<u8> {
    write_tree(tree, Vec::new()).unwrap()
}

fn listed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in Parts::new(bytes, LIMIT) {
        for record in part.unwrap().records() {
            list::line(&record.unwrap(), &Plain, &mut out).unwrap();
        }
    }
    out
}

/// GNU cpio with `arguments`, fed `input`, in `dir`; it must succeed.
fn cpio(arguments: &[&str], input: &[u8], dir: &Path) -> Vec<u8> {
    let mut command = Command::new("cpio");
    command.args(arguments).current_dir(dir).env("TZ", "UTC").env("LC_ALL", "C");
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("cpio (GNU, from the package of this name) must be installed");
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A cpio that stops early is found by its output, not by a broken pipe here.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn cpio_lists_what_we_write_as_we_list_it() {
    let here = tempfile::tempdir().unwrap();
    let bytes = archive(&every_kind());
    assert_eq!(bytes.len() % 512, 0);
    let theirs = cpio(&["-itv", "--quiet"], &bytes, here.path());
    let ours = listed(&bytes);
    assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs));
    assert_eq!(ours, theirs);
}

#[test]
fn cpio_unpacks_what_we_write() {
    use std::os::unix::fs::MetadataExt;
    let here = tempfile::tempdir().unwrap();
    let mut tree = Files::default();
    tree.insert("d/a", Entry::file(0o640, *b"content")).unwrap();
    tree.insert("d/b", Entry::new(0, Kind::HardLink(b"d/a".to_vec()))).unwrap();
    tree.insert("d/s", Entry::symlink("a")).unwrap();
    cpio(&["-id", "--quiet", "--no-preserve-owner"], &archive(&tree), here.path());
    let path = |name: &str| here.path().join(name);
    assert_eq!(std::fs::read(path("d/b")).unwrap(), b"content");
    let meta = std::fs::metadata(path("d/a")).unwrap();
    assert_eq!((meta.nlink(), meta.mode() & 0o777), (2, 0o640));
    assert_eq!(std::fs::read_link(path("d/s")).unwrap(), Path::new("a"));
}

#[test]
fn we_read_both_variants_that_cpio_writes() {
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("f"), b"sum me").unwrap();
    std::os::unix::fs::symlink("f", here.path().join("s")).unwrap();
    for (format, checked) in [("newc", false), ("crc", true)] {
        let bytes = cpio(&["-o", "--quiet", "-H", format], b"f\ns\n", here.path());
        let records: Vec<_> = Reader::new(&bytes).map(Result::unwrap).collect();
        let [file, link] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((file.name, file.data, file.checked), (&b"f"[..], &b"sum me"[..], checked));
        assert_eq!((link.name, link.data), (&b"s"[..], &b"f"[..]));
        assert!(file.checksum_holds());
        let forged = Record { data: b"sum mf", ..*file };
        assert_eq!(forged.checksum_holds(), !checked);
    }
}

#[test]
fn formats_that_linux_does_not_unpack_are_named() {
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("f"), b"x").unwrap();
    for (format, problem) in [("odc", Problem::OldAscii), ("bin", Problem::Binary)] {
        let bytes = cpio(&["-o", "--quiet", "-H", format], b"f\n", here.path());
        let part = Parts::new(&bytes, LIMIT).next().unwrap().unwrap();
        assert_eq!(part.records().next().unwrap().unwrap_err().problem, problem, "{format}");
    }
    let whole = archive(&every_kind());
    let cut = [vec![0; 512], whole[..whole.len() - 5000].to_vec()].concat();
    let part = Parts::new(&cut, LIMIT).next().unwrap().unwrap();
    let (mut last, mut count) = (None, 0);
    for record in part.records() {
        last = record.err();
        count += 1;
    }
    // What is before the damage is read; the damage is told by its place in the file.
    assert!(count > 3 && last.unwrap().at > 512, "{count} {last:?}");
    let error = Parts::new(b"\x7fELF....", LIMIT).next().unwrap().unwrap_err().to_string();
    assert!(error.contains("7f 45 4c 46"), "{error}");
}

fn packed(packing: Packing, threads: usize, bytes: &[u8], step: usize) -> Vec<u8> {
    let mut out = Compressor::new(packing, threads, Vec::new()).unwrap();
    for piece in bytes.chunks(step) {
        out.write_all(piece).unwrap();
    }
    out.finish().unwrap()
}

#[test]
fn members_are_found_behind_each_other() {
    let mut second = Files::default();
    second.insert("added", Entry::file(0o644, *b"later")).unwrap();
    let (first, second) = (archive(&every_kind()), archive(&second));
    let expected = [listed(&first), listed(&second), listed(&first)].concat();
    for packing in Packing::ALL {
        let mut bytes = packed(packing, 2, &first, 1000);
        bytes.resize(bytes.len() + append_padding(bytes.len() as u64), 0);
        bytes.extend_from_slice(&second);
        bytes.extend(packed(packing, 2, &first, 1000));
        assert_eq!(listed(&bytes), expected, "{packing}");
        let kinds: Vec<_> = Parts::new(&bytes, LIMIT).map(|part| part.unwrap().compression).collect();
        assert_eq!(kinds, [packing.compression(), None, packing.compression()]);
    }
    // Two archives within one compressed stream, as the kernel takes them too.
    let both = [first.clone(), second].concat();
    let bytes = packed(Packing::Gzip, 1, &both, 4096);
    assert_eq!(listed(&bytes), listed(&both));
}

#[test]
fn compression_is_the_same_whatever_the_threads_and_pieces() {
    // More than one job of zstd (8 MiB) and one block of lz4 and xz (8 MiB). Zeros for xz: it is slow.
    let data: Vec<u8> =
        (0..17u32 << 20).map(|at| ((at >> 4).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let zeros = vec![0; (8 << 20) + 100];
    for packing in [Packing::Gzip, Packing::Zstd, Packing::Lz4, Packing::Xz] {
        let data = if packing == Packing::Xz { &zeros } else { &data };
        let one = packed(packing, 1, data, data.len());
        let many = packed(packing, 3, data, 100_003);
        assert!(one == many, "{packing}: {} and {} bytes", one.len(), many.len());
        let kind = packing.compression().unwrap();
        let back = crate::compress::decompress(kind, &one, LIMIT).unwrap();
        assert!(back.bytes == *data && back.consumed == one.len(), "{packing} doesn't come back");
    }
}

fn applets() -> Vec<busybox::Applet> {
    busybox::applets_of_list(
        "bin/busybox\nbin/sh\nlinuxrc\nsbin/init\nbin/mount\nusr/bin/[\nusr/sbin/chroot\n",
    )
}

fn wishes() -> Wishes<Vec<u8>> {
    Wishes { console: "ttyS0".to_owned(), hostname: "lkdb".to_owned(), ..Wishes::default() }
}

fn described(tree: &Files) -> String {
    let mut text = String::from_utf8(listed(&archive(tree))).unwrap();
    for (path, entry) in tree.iter() {
        if let Kind::File(data) = &entry.kind {
            let data = String::from_utf8_lossy(data);
            write!(text, "\n--- {}\n{data}", String::from_utf8_lossy(path)).unwrap();
        }
    }
    text
}

#[test]
fn the_plain_root() {
    let tree = recipe::root(b"BUSYBOX\n".to_vec(), &applets(), wishes()).unwrap();
    insta::assert_snapshot!(described(&tree));
}

#[test]
fn the_root_with_every_wish() {
    let everything = Wishes {
        devtmpfs: Some(false),
        vt: Some(true),
        modules: vec![("/lib/modules/6/a.ko".to_owned(), "debug=1 x=y".to_owned())],
        shares: vec![("tag0".to_owned(), "/mnt/src".to_owned())],
        agent: Some(b"AGENT\n".to_vec()),
        mtime: 1,
        ..wishes()
    };
    let mut without_linuxrc = applets();
    without_linuxrc.retain(|applet| applet.name != "linuxrc");
    let tree = recipe::root(b"BUSYBOX\n".to_vec(), &without_linuxrc, everything).unwrap();
    let text = |path: &str| match &tree.get(path).unwrap().kind {
        Kind::File(data) => String::from_utf8(data.clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text("etc/lkdb/modules"), "/lib/modules/6/a.ko debug=1 x=y\n");
    assert_eq!(text("etc/lkdb/shares"), "tag0 /mnt/src\n");
    assert!(text("linuxrc").starts_with("#!/bin/sh\nexec /sbin/init"));
    assert!(text("etc/inittab").contains("\n::respawn:/sbin/lkdb-agent\ntty1::askfirst:-/bin/sh\n"));
    assert!(text("etc/fstab").contains("\ndev\t/dev\ttmpfs\t"));
    assert!(tree.iter().all(|(_, entry)| entry.mtime == 1));
}

#[test]
fn a_root_that_cannot_come_up_is_refused() {
    let refuse = |wishes: Wishes<Vec<u8>>, applets: &[busybox::Applet]| {
        recipe::root(Vec::new(), applets, wishes).unwrap_err().to_string()
    };
    assert!(refuse(wishes(), &[]).contains("no `init` applet"));
    let spaced = Wishes { shares: vec![("a b".to_owned(), "/mnt".to_owned())], ..wishes() };
    assert!(refuse(spaced, &applets()).contains("`a b`"));
    let broken = Wishes { modules: vec![("/m.ko".to_owned(), "a\nb".to_owned())], ..wishes() };
    assert!(refuse(broken, &applets()).contains("`a\nb`"));
}

#[test]
fn applets_are_found_in_the_name_table() {
    let mut binary = b"\x7fELF junk\0busybox\0more\0".to_vec();
    binary
        .extend_from_slice(b"\x01\x02\0[\0[[\0ash\0busybox\0chroot\0init\0linuxrc\0ls\0mount\0sh\0abc\0\xff");
    let found = busybox::applets_of_binary(&binary);
    let paths: Vec<_> = found.iter().map(|applet| format!("{}/{}", applet.dir, applet.name)).collect();
    let expected = "/linuxrc bin/[ bin/[[ bin/ash bin/ls bin/mount bin/sh sbin/chroot sbin/init";
    assert_eq!(paths.join(" "), expected);
    assert_eq!(busybox::applets_of_binary(b"\0busybox\0"), []);
}

#[test]
fn programs_that_are_no_busybox_are_refused() {
    use busybox::{Unfit, check};
    assert_eq!(check(b"#!/bin/sh\n", None), Err(Unfit::NotElf));
    let own = std::fs::read("/proc/self/exe").unwrap();
    assert!(matches!(check(&own, None), Err(Unfit::Dynamic(loader)) if loader.contains("ld-")));
    let other = lkdb_base::arch::ALL.into_iter().find(|arch| arch.name != std::env::consts::ARCH).unwrap();
    assert!(matches!(check(&own, Some(other)), Err(Unfit::Arch { wanted, .. }) if wanted == other.name));
}

fn entry() -> impl Strategy<Value = Entry<Vec<u8>>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let kind = prop_oneof![
        4 => bytes().prop_map(Kind::File),
        1 => Just(Kind::Dir),
        1 => prop::collection::vec(1u8.., 1..9).prop_map(Kind::Symlink),
        1 => (0..4096u32, any::<u32>()).prop_map(|(major, minor)| Kind::CharDevice(major, minor)),
        1 => (0..4096u32, any::<u32>()).prop_map(|(major, minor)| Kind::BlockDevice(major, minor)),
        1 => Just(Kind::Fifo),
        1 => Just(Kind::Socket),
    ];
    (0..0o10000u32, any::<u32>(), any::<u32>(), any::<u32>(), kind)
        .prop_map(|(mode, uid, gid, mtime, kind)| Entry { mode, uid, gid, mtime, kind })
}

proptest! {
    #[test]
    fn what_is_written_is_read(entries in prop::collection::vec(("[a-c]{1,2}(/[a-c]{1,2}){0,2}", entry()), 0..12)) {
        let mut tree = Files::default();
        for (path, entry) in entries {
            // Those that don't fit together are refused, which is as good.
            let _ = tree.insert(path, entry);
        }
        let bytes = archive(&tree);
        let records: Vec<_> = Reader::new(&bytes).map(Result::unwrap).collect();
        prop_assert_eq!(records.len(), tree.len());
        for (record, (path, entry)) in records.iter().zip(tree.iter()) {
            let header = &record.header;
            prop_assert_eq!(record.name, path);
            prop_assert_eq!(
                (header.mode & 0o7777, header.uid, header.gid, header.mtime),
                (entry.mode, entry.uid, entry.gid, entry.mtime)
            );
            match &entry.kind {
                Kind::File(data) | Kind::Symlink(data) => prop_assert_eq!(record.data, data.as_slice()),
                Kind::CharDevice(a, b) | Kind::BlockDevice(a, b) => prop_assert_eq!(header.rdev, (*a, *b)),
                _ => prop_assert!(record.data.is_empty()),
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for part in Parts::new(&bytes, 1 << 20).flatten() {
            part.records().for_each(drop);
        }
        let _ = busybox::check(&bytes, None);
        let _ = busybox::applets_of_binary(&bytes);
        let _ = super::modules::ModuleInfo::read(&bytes);
        let _ = super::modules::Index::from_dep(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn damaged_archives_never_panic(at in 0usize..3000, byte: u8, cut in 0usize..6000) {
        let mut bytes = archive(&every_kind());
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(cut);
        for part in Parts::new(&bytes, 1 << 20).flatten() {
            for record in part.records().flatten() {
                list::line(&record, &Plain, &mut Vec::new()).unwrap();
            }
        }
    }
}
