//! `lkdb busybox build`, on the distribution's source package.

use std::path::Path;
use std::process::Command;

use crate::fixture::Lkdb;

#[test]
fn what_is_no_busybox_is_refused_before_any_work() {
    let lkdb = Lkdb::new();
    let dir = lkdb.scratch().to_str().unwrap().to_owned();
    lkdb.refused(&["busybox", "build", &dir, "-o", "/nowhere/at/all"], &["/nowhere/at", "No such file"]);
    let done = lkdb.run(&["busybox", "build", &dir, "-o", &format!("{dir}/busybox")]);
    assert_eq!(done.status, 1, "{done:#?}");
    assert!(done.stderr.contains("no BusyBox source tree"), "{done:#?}");
    assert!(!Path::new(&dir).join("busybox").exists());
}

#[test]
fn a_static_busybox_is_built_from_the_source_package() {
    let lkdb = Lkdb::new();
    // Headers as they are since Linux 6.8: no CBQ. The one on this host may still have it.
    let headers = lkdb.scratch().join("headers/linux");
    std::fs::create_dir_all(&headers).unwrap();
    let text = std::fs::read_to_string("/usr/include/linux/pkt_sched.h").unwrap();
    std::fs::write(headers.join("pkt_sched.h"), text.replace("CBQ", "GONE")).unwrap();
    let lkdb = lkdb.with("CPATH", headers.parent().unwrap().to_str().unwrap());
    let root = lkdb.scratch().join("root");
    let root_text = root.to_str().unwrap().to_owned();
    let report = lkdb.ok(&["busybox", "build", "--install", &root_text, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["switched_off"][0][0], "TC", "{report}");
    assert!(
        root.join("bin/sh").is_symlink() && root.join("linuxrc").is_symlink() && !root.join("usr").exists()
    );
    let listed = Command::new(root.join("bin/busybox")).arg("--list").output().unwrap();
    assert!(String::from_utf8(listed.stdout).unwrap().lines().any(|applet| applet == "mdev"));
    // And it is what a guest can run.
    let said =
        lkdb.ok(&["boot", "--busybox", &format!("{root_text}/bin/busybox"), "--", "busybox", "--help"]);
    assert!(said.starts_with("BusyBox v"), "{said}");
}
