//! `lkdb kernel fetch`, `list`, `rm`: the distribution's packages, and a debuginfod server of our own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::fixture::{Lkdb, SmallDisk, eventually};

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in: {text}"))
}

#[test]
fn the_fetched_kernel_has_all_its_parts() {
    let listing = json(&Lkdb::new().ok(&["kernel", "list", "--json"]));
    let kernel = &listing[0]["kernel"];
    let path =
        |part: &str| PathBuf::from(kernel[part].as_str().unwrap_or_else(|| panic!("no {part}: {kernel}")));
    assert!(path("image").is_file() && path("vmlinux").is_file() && path("config").is_file());
    assert!(path("modules").join("modules.dep").is_file(), "depmod has run");
    assert!(path("debug_modules").join("kernel").is_dir());
    assert!(path("source").join("init/main.c").is_file());
    assert!(kernel["source_from"].as_str().unwrap().starts_with("/build/"), "{kernel}");
    assert_eq!(kernel["build_id"].as_str().unwrap().len(), 40);
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let lkdb = Lkdb::new();
    let release = json(&lkdb.ok(&["kernel", "list", "--json"]))[0]["kernel"]["release"].clone();
    let report = json(&lkdb.ok(&["kernel", "fetch", "--json", release.as_str().unwrap()]));
    assert_eq!(report["fetched"], serde_json::json!([]), "{report}");
    assert_eq!(report["kernel"]["release"], release);
}

#[test]
fn a_kernel_that_is_not_there_is_answered_with_what_is() {
    let lkdb = Lkdb::new();
    let done = lkdb.run(&["kernel", "fetch", "2.4"]);
    assert_eq!(done.status, 1, "{done:#?}");
    assert!(done.stderr.contains("no kernel answers to `2.4`; there is "), "{done:#?}");
    assert!(done.stderr.contains("cloud"), "{done:#?}");
    lkdb.refused(&["kernel", "rm", "2.4"], &["no fetched kernel is called `2.4`"]);
    lkdb.refused(&["kernel", "rm", "../.."], &["no fetched kernel is called"]);
}

#[test]
fn a_cache_on_a_full_disk_is_left_as_it_was() {
    let lkdb = Lkdb::new();
    let cache = lkdb.scratch().join("full");
    std::fs::create_dir_all(&cache).unwrap();
    let Some(disk) = SmallDisk::mount(&cache, "90m") else { return };
    let lkdb = lkdb.with("XDG_CACHE_HOME", &cache);
    let done = lkdb.run(&["kernel", "fetch"]);
    let kernels = cache.join("lkdb/kernels").read_dir().map(Iterator::count);
    drop(disk);
    assert_eq!(done.status, 1, "{done:#?}");
    assert!(done.stderr.contains("free, and"), "{done:#?}");
    assert_eq!(kernels.unwrap(), 0);
}

/// The real server, over one folder.
struct Debuginfod {
    child: Child,
    url: String,
}

impl Debuginfod {
    fn start(folder: &Path, home: &Path) -> Self {
        // A port that was free a moment ago: the server takes no descriptor.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("debuginfod")
            .args(["-d", ":memory:", "-p", &port.to_string(), "-F"])
            .arg(folder)
            .env("HOME", home)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("debuginfod, of the package of that name");
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Debuginfod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Compiles a program with debug info; returns its build ID.
fn program(file: &Path, code: &str) -> String {
    std::fs::write(file.with_extension("c"), code).unwrap();
    let made = Command::new("gcc")
        .args(["-g", "-Wl,--build-id", "-o"])
        .args([file, &file.with_extension("c")])
        .status()
        .unwrap();
    assert!(made.success());
    let notes = Command::new("readelf").arg("-n").arg(file).output().unwrap();
    let notes = String::from_utf8(notes.stdout).unwrap();
    notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).unwrap().to_owned()
}

#[test]
fn a_debug_file_comes_from_a_debuginfod_server() {
    let lkdb = Lkdb::new();
    let folder = lkdb.scratch().join("served");
    std::fs::create_dir(&folder).unwrap();
    let known = program(&folder.join("program"), "int main(void) { return 0; }\n");
    let unknown = program(&lkdb.scratch().join("other"), "int main(void) { return 1; }\n");
    let server = Debuginfod::start(&folder, lkdb.scratch());
    let cache = lkdb.scratch().join("cache");
    let nowhere = "http://127.0.0.1:1";
    let lkdb =
        lkdb.with("XDG_CACHE_HOME", &cache).with("DEBUGINFOD_URLS", format!("{nowhere} {}/", server.url));
    let fetch = |id: &str| lkdb.run(&["kernel", "fetch", "--json", "--build-id", id]);
    // It answers 404 until it has looked through its folder.
    eventually("the server knows the program", || fetch(&known).status == 0);
    let report = json(&fetch(&known).stdout);
    let file = report["vmlinux"].as_str().unwrap();
    assert_eq!(std::fs::read(file).unwrap(), std::fs::read(folder.join("program")).unwrap());
    assert!(report["executable"].is_string(), "{report}");

    let done = fetch(&unknown);
    assert_eq!(done.status, 1, "{done:#?}");
    assert!(done.stderr.contains(&format!("{nowhere}: ")), "the one that refused: {done:#?}");
    assert!(done.stderr.contains(&format!("{} does not know it", server.url)), "{done:#?}");
    assert!(!cache.join("lkdb/buildid").join(&unknown).exists(), "nothing half-fetched");
    lkdb.ok(&["kernel", "rm", &known]);
    assert!(!Path::new(file).exists());
}

#[test]
fn no_server_named_says_how_to_name_one() {
    Lkdb::new().refused(&["kernel", "fetch", "--build-id", "0123456789abcdef"], &["DEBUGINFOD_URLS"]);
}
