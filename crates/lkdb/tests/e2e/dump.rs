//! `dump`: guest memory in files, beside what the guest itself says.

use std::fs;

use crate::fixture::Lkdb;

#[test]
fn what_is_dumped_is_what_the_guest_has() {
    let lkdb = Lkdb::new();
    lkdb.ok(&["boot", "-d", "--name", "dumped"]);
    let version = lkdb.ok(&["exec", "dumped", "--", "cat", "/proc/version"]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let dump = |what: &str, name: &str, of: &str| {
        let command = format!("dump {what} {} {of}", file(name).display());
        lkdb.run(&["attach", "dumped", "-batch", "-ex", &command])
    };
    assert_eq!(dump("value", "name", "init_uts_ns.name.sysname").status, 0);
    let name = String::from_utf8(fs::read(file("name")).unwrap()).unwrap();
    assert_eq!(name, format!("{:\0<65}", "Linux"));
    let range = format!("&linux_banner (char*)&linux_banner+{}", version.len());
    assert_eq!(dump("binary memory", "text", &range).status, 0);
    assert_eq!(fs::read_to_string(file("text")).unwrap(), version);
    // More than is read at once, and with an end that is not there: below the direct map is a hole.
    assert_eq!(dump("memory", "much", "page_offset_base+0x1000000 page_offset_base+0x1500001").status, 0);
    assert_eq!(fs::metadata(file("much")).unwrap().len(), 0x50_0001);
    let failed = dump("memory", "holed", "page_offset_base-0x1000 page_offset_base+0x1000");
    assert!(failed.stderr.contains("Cannot access memory at address 0xffff"), "{failed:?}");
    let failed = dump("memory", "backwards", "2 1");
    assert!(failed.stderr.contains("Invalid memory address range (start >= end)."), "{failed:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "what failed left nothing");
}
