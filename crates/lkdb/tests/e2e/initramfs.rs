//! `lkdb initramfs`: archives compared with GNU cpio's reading of them, and booted by QEMU alone.

use std::path::Path;
use std::process::Command;

use crate::fixture::{Lkdb, Running, kernel_file};

/// Builds an archive in the scratch directory; gives its path.
fn build(lkdb: &Lkdb, name: &str, arguments: &[&str]) -> String {
    let path = lkdb.scratch().join(name).to_str().unwrap().to_owned();
    let image = kernel_file("image").to_str().unwrap().to_owned();
    lkdb.ok(&[&["initramfs", "build", "-o", &path, "--kernel", &image], arguments].concat());
    path
}

/// QEMU with this archive and nothing of lkdb's, the console on its standard streams.
fn qemu(archive: &str, append: &str) -> Running {
    let mut command = Command::new("qemu-system-x86_64");
    command.args([
        "-accel",
        "tcg",
        "-m",
        "1024",
        "-smp",
        "2",
        "-nographic",
        "-no-reboot",
        "-initrd",
        archive,
    ]);
    command.arg("-kernel").arg(kernel_file("image"));
    command.args(["-append", &format!("console=ttyS0 quiet panic=-1 {append}")]);
    Running::new(command)
}

#[test]
fn it_is_listed_as_cpio_lists_it_and_comes_out_the_same_each_time() {
    let lkdb = Lkdb::new();
    let arguments = ["--load", "virtio_console", "--load", "vsock_loopback"];
    let archive = build(&lkdb, "one.img", &arguments);
    let cpio = Command::new("sh").args(["-c", "cpio -itv --quiet <\"$0\"", &archive]).output().unwrap();
    assert!(cpio.status.success(), "{cpio:?}");
    let ours = lkdb.ok(&["initramfs", "inspect", &archive]);
    assert_eq!(ours, String::from_utf8(cpio.stdout).unwrap());
    assert!(ours.contains(" dev/console\n") && ours.contains("/vsock_loopback.ko\n"), "{ours}");
    let again = build(&lkdb, "two.img", &arguments);
    assert!(std::fs::read(&archive).unwrap() == std::fs::read(again).unwrap());
}

#[test]
fn both_names_of_init_reach_a_shell_with_job_control() {
    let lkdb = Lkdb::new();
    let archive = build(&lkdb, "shell.img", &["--load", "virtio_console", "--load", "vsock_loopback"]);
    for append in ["rdinit=/linuxrc", ""] {
        let mut guest = qemu(&archive, append);
        guest.wait_for("/ # ");
        // The word comes from the job itself: before, Ctrl-C might still be for the shell that starts it.
        guest.type_in("sh -c 'echo begun; exec sleep 100000'\n");
        guest.wait_for("begun\r\n");
        guest.type_in("\x03");
        guest.wait_for("/ # ");
        guest.type_in("lsmod; mount; whoami; tty; echo end of $((6 * 7))\n");
        guest.wait_for("end of 42");
        guest.type_in("poweroff -f\n");
        let (status, said) = guest.end();
        assert_eq!(status, 0, "{said}");
        for words in ["vsock_loopback ", "virtio_ring ", "devtmpfs on /dev ", "debugfs on ", "devpts on "] {
            assert!(said.contains(words), "no `{words}` with `{append}`: {said}");
        }
        assert!(said.contains("root\r\n/dev/ttyS0\r\n"), "{said}");
        for trouble in ["can't", "mount: ", "insmod: ", "mdev: ", "not found", "rror"] {
            assert!(!said.contains(trouble), "`{trouble}` with `{append}`: {said}");
        }
    }
}

#[test]
fn the_kernel_unpacks_every_compression_and_what_lies_behind() {
    let lkdb = Lkdb::new();
    let script = lkdb.scratch().join("script");
    std::fs::write(&script, "#!/bin/sh\necho behind the other\npoweroff -f\n").unwrap();
    for compress in ["none", "gzip", "zstd", "lz4", "xz"] {
        let first = build(&lkdb, "first.img", &["--compress", compress]);
        let added = format!("{}:/etc/script", script.display());
        let both = build(&lkdb, "both.img", &["--base", &first, "--add", &added]);
        let mut guest = qemu(&both, "rdinit=/bin/sh -- /etc/script");
        guest.wait_for("behind the other");
        let (status, said) = guest.end();
        assert_eq!(status, 0, "{compress}: {said}");
    }
}

#[test]
fn what_the_kernel_cannot_unpack_is_not_written() {
    let lkdb = Lkdb::new();
    let (image, config) = (kernel_file("image"), kernel_file("config"));
    let here = |path: &Path| lkdb.scratch().join(path.file_name().unwrap());
    std::fs::copy(&image, here(&image)).unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(here(&config), text.replace("CONFIG_RD_ZSTD=y", "# CONFIG_RD_ZSTD is not set")).unwrap();
    let (image, out) = (here(&image), lkdb.scratch().join("out.img"));
    let (image, out) = (image.to_str().unwrap(), out.to_str().unwrap());
    let arguments = ["initramfs", "build", "-o", out, "--kernel", image, "--compress", "zstd"];
    lkdb.refused(&arguments, &["CONFIG_RD_ZSTD", "--compress none, gzip, lz4, xz"]);
    assert!(!Path::new(out).exists());
    lkdb.ok(&["initramfs", "build", "-o", out, "--kernel", image, "--compress", "lz4"]);
}

#[test]
fn what_cannot_be_in_a_guest_is_refused() {
    let lkdb = Lkdb::new();
    let out = lkdb.scratch().join("out.img").to_str().unwrap().to_owned();
    let refused = |arguments: &[&str], words: &[&str]| {
        lkdb.refused(&[&["initramfs", "build", "-o", &out], arguments].concat(), words);
        assert!(!Path::new(&out).exists(), "{arguments:?}");
    };
    refused(&["--busybox", env!("CARGO_BIN_EXE_lkdb")], &["dynamically linked", "busybox-static"]);
    refused(&["--busybox", "/etc/passwd"], &["no ELF program"]);
    refused(&["--add", "/no/such/file"], &["/no/such/file"]);
    refused(&["--kernel", "/etc/passwd"], &["/etc/passwd", "not a kernel image"]);
    let image = kernel_file("image");
    refused(&["--kernel", image.to_str().unwrap(), "--load", "no_such"], &["no module no_such"]);
}

#[test]
fn what_is_no_initramfs_says_so() {
    let lkdb = Lkdb::new();
    let file = |name: &str, bytes: &[u8]| {
        let path = lkdb.scratch().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let inspect = |path: &str, words: &[&str]| lkdb.refused(&["initramfs", "inspect", path], words);
    inspect(&file("empty", b""), &["no archive in it"]);
    inspect(&file("text", b"some text"), &["neither a newc archive nor a compression"]);
    inspect(&file("odc", b"070707000000"), &["\"odc\"", "cpio -H newc"]);
    let whole = std::fs::read(build(&lkdb, "whole.img", &["--compress", "zstd"])).unwrap();
    inspect(&file("cut", &whole[..whole.len() / 2]), &["truncated"]);
}
