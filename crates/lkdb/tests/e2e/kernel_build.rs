//! `lkdb kernel config` and `build` on the source of the fetched kernel. Building takes minutes: those
//! tests run under `cargo xtask test --slow`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::fixture::{Done, Lkdb, kernel_file};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn has(config: &Path, line: &str) -> bool {
    std::fs::read_to_string(config).unwrap().lines().any(|other| other == line)
}

#[test]
fn the_smallest_configuration_has_what_a_debugger_wants() {
    let lkdb = Lkdb::new();
    let (source, out) = (kernel_file("source"), lkdb.scratch().join("tiny"));
    let report = lkdb.ok(&["kernel", "config", text(&source), "-O", text(&out), "--base", "tiny", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["written"], &report["failed"]), (&true.into(), &serde_json::json!([])), "{report}");
    let config = out.join(".config");
    for option in ["64BIT", "GDB_SCRIPTS", "DEBUG_INFO", "9P_FS", "IKCONFIG", "UNWINDER_ORC", "KALLSYMS_ALL"]
    {
        assert!(has(&config, &format!("CONFIG_{option}=y")), "{option}");
    }
    assert!(has(&config, "# CONFIG_BLOCK is not set"), "it is the smallest one");
    // Again on the build tree: nothing more to change.
    let again = lkdb.ok(&["kernel", "config", text(&out), "--json"]);
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["changed"], serde_json::json!([]), "{again}");
}

#[test]
fn an_option_that_does_not_take_is_explained_and_nothing_is_changed() {
    let lkdb = Lkdb::new();
    let (source, out) = (kernel_file("source"), lkdb.scratch().join("tiny"));
    let base = ["kernel", "config", text(&source), "-O", text(&out), "--base", "tiny", "--json"];
    let done = lkdb.run(&[&base[..], &["--set", "EXT4_FS=y"]].concat());
    assert_eq!(done.status, 1, "{done:#?}");
    let report: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let failure = &report["failed"][0];
    assert_eq!(
        (failure["option"].as_str(), failure["got"].as_str()),
        (Some("EXT4_FS"), Some("n")),
        "{report}"
    );
    let because = failure["because"].as_str().unwrap();
    assert!(because.contains("depends on BLOCK [BLOCK is off] (fs/ext4/Kconfig:"), "{because}");
    assert!(!out.join(".config").exists());
    // With what it depends on, and lkdb's own wishes giving way to the user's.
    lkdb.ok(&[&base[..], &["--set", "BLOCK=y", "--set", "EXT4_FS=y", "--set", "NET=n"]].concat());
    assert!(
        has(&out.join(".config"), "CONFIG_EXT4_FS=y") && has(&out.join(".config"), "# CONFIG_NET is not set")
    );
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    let lkdb = Lkdb::new();
    let (source, out) = (kernel_file("source"), lkdb.scratch().join("out"));
    let base = ["kernel", "config", text(&source), "-O", text(&out)];
    for (more, words) in [
        (
            ["--reduced", "--btf"].as_slice(),
            ["--btf and --reduced exclude each other", "nothing was changed"],
        ),
        (
            &["--set", "DEBUG_INFO_DWARF4=y", "--set", "DEBUG_INFO_DWARF5=y"],
            ["of one choice", "nothing was changed"],
        ),
        (&["--set", "NO_SUCH_OPTION=y"], ["no option NO_SUCH_OPTION", "nothing was changed"]),
    ] {
        lkdb.refused(&[&base[..], more].concat(), &words);
    }
    assert!(!out.exists());
    lkdb.refused(&["kernel", "config", text(&source)], &["keep configuration and objects apart with -O"]);
    lkdb.refused(&["kernel", "config", text(lkdb.scratch())], &["no kernel source tree"]);
    lkdb.refused(&["kernel", "build", text(&source)], &["is not configured", "lkdb kernel config"]);
}

/// Configures and builds the smallest kernel, once for all tests and runs: make does the rest.
fn built(name: &str, more: &[&str]) -> (PathBuf, serde_json::Value) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let lkdb = Lkdb::new();
    let (source, out) = (kernel_file("source"), Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    if !out.join(".config").exists() {
        let base = ["kernel", "config", text(&source), "-O", text(&out), "--base", "tiny"];
        lkdb.ok(&[&base[..], more].concat());
    }
    let report: serde_json::Value =
        serde_json::from_str(&lkdb.ok(&["kernel", "build", text(&out), "--json"])).unwrap();
    println!("{name}: {} objects in {} s", report["objects"], report["seconds"]);
    (out, report)
}

/// What every kernel that lkdb configured and built can do.
fn check(out: &Path, report: &serde_json::Value) {
    let lkdb = Lkdb::new();
    assert_eq!(report["kernel"]["build_id"].as_str().unwrap().len(), 40);
    // The configuration is read from the image.
    let image = report["kernel"]["image"].as_str().unwrap();
    let info = lkdb.ok(&["kernel", "info", image, "--json"]);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["build_id"], report["kernel"]["build_id"], "{info}");
    assert!(!info["config"].is_null(), "{info}");
    // It boots, and shares a folder.
    let shared = lkdb.scratch().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("greeting"), "hello from the host\n").unwrap();
    let share = format!("{}:/mnt", shared.display());
    let said = lkdb.ok(&["boot", "--kernel", text(out), "--share", &share, "--", "cat", "/mnt/greeting"]);
    assert_eq!(said, "hello from the host\n");
    // Lines are known to gdb whether or not types are.
    let done = gdb(out, "list start_kernel");
    assert!(done.stdout.contains("start_kernel(void)"), "{done:#?}");
}

fn gdb(out: &Path, command: &str) -> Done {
    let lkdb = Lkdb::new();
    let stop = ["-ex", "break start_kernel", "-ex", "continue", "-ex", command];
    let done = lkdb.run(&[&["gdb", "--kernel", text(out), "--", "-batch"][..], &stop].concat());
    assert_eq!(done.status, 0, "{done:#?}");
    assert!(done.stdout.contains("hit Breakpoint 1, start_kernel ()"), "{done:#?}");
    done
}

#[test]
#[ignore = "builds a kernel, which takes minutes: `cargo xtask test --slow` runs it"]
fn a_kernel_built_from_source_is_debugged_and_shares_folders() {
    let (out, report) = built("kernel-tiny", &[]);
    check(&out, &report);
    // The kernel's own gdb commands load without complaint and know the kernel.
    assert_eq!(report["gdb_scripts"], true, "{report}");
    let done = gdb(&out, "lx-version");
    assert!(done.stdout.contains("Linux version"), "{done:#?}");
    assert!(!done.stderr.contains("safe-path"), "{done:#?}");
}

#[test]
#[ignore = "builds a kernel, which takes minutes: `cargo xtask test --slow` runs it"]
fn a_kernel_with_reduced_debug_info_has_lines_and_no_gdb_scripts() {
    let (out, report) = built("kernel-reduced", &["--reduced"]);
    assert!(has(&out.join(".config"), "CONFIG_DEBUG_INFO_REDUCED=y"));
    // The scripts of such a tree refuse a kernel without types.
    assert_eq!(report["gdb_scripts"], false, "{report}");
    check(&out, &report);
}
