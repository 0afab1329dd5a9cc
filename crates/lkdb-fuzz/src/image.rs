//! Files: kernel images, initramfs archives, configurations, module lists.

use lkdb_base::Arch;
use lkdb_image::archive::list::{self, Host};
use lkdb_image::archive::modules::{Index, ModuleInfo, Step};
use lkdb_image::archive::newc::Reader;
use lkdb_image::archive::{Parts, busybox};
use lkdb_image::compress::{Compression, decompress, decompress_all};
use lkdb_image::config::Config;
use lkdb_image::kernel;

/// What one stream may unpack to here: some bytes unpack to a million times as many, which is right,
/// and takes time from what may be wrong.
const LIMIT: usize = 1 << 20;

/// A kernel image, vmlinux or module. What is told of it must not depend on who asks.
pub fn kernel(data: &[u8]) {
    let Ok(info) = kernel::describe(data) else {
        assert!(kernel::unpack(data).is_err());
        return;
    };
    assert_eq!(info.size, data.len() as u64);
    assert_eq!(kernel::build_id(data), Ok(info.build_id.clone()));
    if let (Some(config), Some(arch)) = (&info.config, Arch::by_name(info.arch)) {
        let _ = kernel::advise(config, arch);
    }
    // Any build is of the same build as itself, if it says which; that it is no vmlinux may be refused.
    if let Ok(id) = kernel::check_pair(data, data) {
        assert_eq!(id, info.build_id);
    }
}

/// One stream in each compression that it may be read as: bounded, and no bytes taken that are not there.
pub fn compress(data: &[u8]) {
    for kind in Compression::ALL {
        // The readers are made for what begins as it should.
        if Compression::detect(data) != Some(kind) {
            continue;
        }
        let Ok(one) = decompress(kind, data, LIMIT) else { continue };
        assert!(one.bytes.len() <= LIMIT);
        assert!((1..=data.len()).contains(&one.consumed), "{} of {}", one.consumed, data.len());
        if let Ok(all) = decompress_all(kind, data, LIMIT) {
            assert!(all.bytes.starts_with(&one.bytes));
            assert!((one.consumed..=data.len()).contains(&all.consumed));
        }
    }
}

/// A host that knows nobody.
struct Nobody;

impl Host for Nobody {
    fn user(&self, _: u32) -> Option<&str> {
        None
    }

    fn group(&self, _: u32) -> Option<&str> {
        None
    }

    fn utc_offset(&self, at: i64) -> i64 {
        at % 86_400
    }

    fn now(&self) -> i64 {
        0
    }
}

/// An initramfs: its members lie one behind the other in the file, and its records in their bytes.
pub fn archive(data: &[u8]) {
    let mut listing = Vec::new();
    let mut end = 0;
    for part in Parts::new(data, LIMIT).map_while(Result::ok) {
        assert!(part.at >= end, "members overlap");
        end = part.at + part.stored;
        assert!(end <= data.len() as u64);
        for record in part.records().map_while(Result::ok) {
            let _ = record.checksum_holds();
            assert!(record.data.len() <= part.content().len());
            assert!(list::line(&record, &Nobody, &mut listing).is_ok());
            assert!(listing.ends_with(b"\n"));
            listing.clear();
        }
    }
    let mut reader = Reader::new(data);
    while let Some(Ok(_)) = reader.next() {
        assert!(reader.offset() <= data.len());
    }
    // Programs that go into one.
    let _ = (busybox::check(data, None), busybox::loader_of(data), busybox::applets_of_binary(data));
}

/// A kernel's `.config`.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let config = Config::parse(&text);
    assert_eq!(config.iter().count(), config.len());
    for (name, value) in config.iter() {
        assert_eq!(config.get(name), value, "{name}");
    }
    for arch in ["x86_64", "aarch64"].into_iter().filter_map(Arch::by_name) {
        let _ = kernel::advise(&config, arch);
    }
}

/// depmod's lists, divided by NULs, and a module file in place of what a module says of itself. The walk
/// comes to an end, loads nothing twice, and loads nothing that the lists lack.
pub fn modules(data: &[u8]) {
    let info = ModuleInfo::read(data).unwrap_or_default();
    let text = String::from_utf8_lossy(data);
    let mut lists = text.split('\0');
    let mut next = || lists.next().unwrap_or_default();
    let mut index = Index::from_dep(next());
    index.add_builtin(next());
    index.add_softdep(next());
    index.add_aliases(next());
    let told = Index::from_paths(next().lines().map(str::to_owned));
    for index in [&index, &told] {
        let mut loading = index.load();
        for (name, _) in index.iter() {
            let _ = index.what_is(name);
            loading.want(name);
            loop {
                match loading.step() {
                    Step::Ask(_) => loading.tell(&info),
                    Step::Done => break,
                    Step::Missing { .. } => return,
                }
            }
        }
        let order = loading.order();
        assert_eq!(order.len(), index.iter().count());
        assert!(order.iter().all(|name| index.get(name).is_some()));
    }
}
