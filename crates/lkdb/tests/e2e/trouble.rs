//! Bad input: one clear line, exit 1, nothing half-written, nothing left running.

use std::fs;

use crate::fixture::{Lkdb, SmallDisk, kernel_file};

#[test]
fn a_kernel_that_is_none() {
    let lkdb = Lkdb::new();
    lkdb.refused(&["boot", "-d", "--kernel", "/no/such/image"], &["/no/such/image"]);
    let junk = lkdb.scratch().join("junk");
    fs::write(&junk, vec![0x5a; 100_000]).unwrap();
    lkdb.refused(&["boot", "-d", "--kernel", junk.to_str().unwrap()], &["junk"]);
    let cut = lkdb.scratch().join("cut");
    fs::write(&cut, &fs::read(kernel_file("image")).unwrap()[..3_000_000]).unwrap();
    lkdb.refused(&["boot", "-d", "--kernel", cut.to_str().unwrap()], &["cut", "truncated"]);
    assert!(lkdb.machines().is_empty());
}

#[test]
fn a_vmlinux_of_another_build() {
    let lkdb = Lkdb::new();
    let real = kernel_file("vmlinux");
    let info: serde_json::Value =
        serde_json::from_str(&lkdb.ok(&["kernel", "info", "--json", real.to_str().unwrap()])).unwrap();
    let id = info["build_id"].as_str().unwrap();
    let bytes: Vec<u8> =
        (0..id.len() / 2).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()).collect();
    let mut contents = fs::read(&real).unwrap();
    let at = contents.windows(bytes.len()).position(|window| window == bytes).unwrap();
    contents[at] ^= 0xff;
    let vmlinux = lkdb.scratch().join("vmlinux");
    fs::write(&vmlinux, contents).unwrap();
    let other = format!("{:02x}{}", bytes[0] ^ 0xff, &id[2..]);
    let image = kernel_file("image");
    let arguments =
        ["boot", "-d", "--kernel", image.to_str().unwrap(), "--vmlinux", vmlinux.to_str().unwrap()];
    lkdb.refused(&arguments, &[id, &other]);
}

#[test]
fn a_busybox_that_is_dynamic() {
    let lkdb = Lkdb::new();
    lkdb.refused(&["boot", "-d", "--busybox", "/bin/ls"], &["/bin/ls"]);
}

#[test]
fn no_qemu() {
    let lkdb = Lkdb::new().with("PATH", "/nowhere");
    lkdb.refused(&["boot", "-d"], &["no QEMU", "qemu-system-x86"]);
}

#[test]
fn shares_where_the_kernel_cannot() {
    let lkdb = Lkdb::new();
    lkdb.refused(&["boot", "-d", "--share", "/tmp:/mnt"], &["9p", "CONFIG_NET_9P_VIRTIO"]);
    lkdb.refused(&["boot", "-d", "--share", "/no/such/dir:/mnt"], &["/no/such/dir"]);
    lkdb.refused(&["boot", "-d", "--share", "/tmp"], &["HOST:GUEST"]);
}

#[test]
fn names_that_are_none() {
    let lkdb = Lkdb::new();
    lkdb.refused(&["boot", "-d", "--name", "../x"], &["../x", "machine's name"]);
    lkdb.refused(&["console", "nobody"], &["no machine named `nobody`"]);
}

#[test]
fn a_state_directory_that_is_too_deep_or_too_open() {
    use std::os::unix::fs::PermissionsExt;
    let lkdb = Lkdb::new();
    let deep = lkdb.scratch().join("d".repeat(100));
    fs::create_dir(&deep).unwrap();
    Lkdb::new().with("XDG_RUNTIME_DIR", &deep).refused(&["boot", "-d"], &["XDG_RUNTIME_DIR", "107"]);
    let open = lkdb.scratch().join("open");
    fs::create_dir_all(open.join("lkdb")).unwrap();
    fs::set_permissions(open.join("lkdb"), fs::Permissions::from_mode(0o777)).unwrap();
    Lkdb::new().with("XDG_RUNTIME_DIR", &open).refused(&["ls"], &["0700"]);
}

#[test]
fn a_full_disk() {
    let lkdb = Lkdb::new();
    let full = lkdb.scratch().join("full");
    fs::create_dir(&full).unwrap();
    let Some(disk) = SmallDisk::mount(&full, "1m") else { return };
    let archive = full.join("initramfs");
    lkdb.refused(&["initramfs", "build", "-o", archive.to_str().unwrap()], &["initramfs", "No space left"]);
    assert_eq!(fs::read_dir(&full).unwrap().count(), 0, "nothing half-written");
    Lkdb::new().with("XDG_RUNTIME_DIR", &full).refused(&["boot", "-d"], &["No space left"]);
    let left: Vec<_> = fs::read_dir(full.join("lkdb")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, [".lock"], "no machine is left");
    drop(disk);
}

#[test]
fn wrong_usage_is_2() {
    assert_eq!(Lkdb::new().run(&["boot", "--no-such-option"]).status, 2);
    assert_eq!(Lkdb::new().run(&["no-such-command"]).status, 2);
    assert_eq!(Lkdb::new().run(&["boot", "--mem", "lots"]).status, 2);
}
