//! A module of one's own: built against the fetched headers, put into the guest, debugged.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::fixture::{Lkdb, kernel_file};

/// A module whose init function takes a branch by a variable that gdb can change.
const SOURCE: &str = r#"
#include <linux/module.h>

static int answer = 42;
module_param(answer, int, 0444);
static int doubled;
module_param(doubled, int, 0444);

static noinline int twice(int number)
{
	return number * 2;
}

static int __init hello_init(void)
{
	doubled = twice(answer);
	if (answer != 42)
		pr_info("hello: steered to %d\n", answer);
	else
		pr_info("hello: as built\n");
	return 0;
}

static void __exit hello_exit(void)
{
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("GPL");
"#;

/// Builds it and gives hello.ko.
fn built(lkdb: &Lkdb) -> PathBuf {
    let dir = lkdb.scratch().join("module");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("Makefile"), "obj-m := hello.o\n").unwrap();
    fs::write(dir.join("hello.c"), SOURCE).unwrap();
    let made = Command::new("make")
        .arg("-C")
        .arg(kernel_file("headers"))
        .arg(format!("M={}", dir.display()))
        .arg("modules")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    dir.join("hello.ko")
}

#[test]
fn it_is_loaded_at_boot_with_parameters() {
    let lkdb = Lkdb::new();
    let load = format!("{} answer=7", built(&lkdb).display());
    let script = "cat /sys/module/hello/parameters/doubled; dmesg | grep hello:; lsmod";
    let text = lkdb.ok(&["boot", "--load", &load, "--", "sh", "-c", script]);
    assert!(text.starts_with("14\n") && text.contains("steered to 7"), "{text}");
    assert!(text.contains("\nhello "), "{text}");
}

#[test]
fn it_stops_in_its_init_function_and_is_steered_there() {
    let lkdb = Lkdb::new();
    let load = built(&lkdb);
    // Temporary ones: a step of QEMU's that does nothing makes gdb hit the same breakpoint again.
    let commands = [
        "tbreak hello_init",
        "continue",
        "bt 3",
        "info registers rip",
        "x/2i $pc",
        "x/dw &answer",
        "print answer",
        "set var answer = 50",
        "tbreak twice",
        "continue",
        "info args",
        "stepi",
        "finish",
        "next",
        "print doubled",
        "delete",
    ];
    let mut arguments =
        vec!["gdb", "--smp", "1", "--keep", "--name", "steered", "--load", load.to_str().unwrap(), "--"];
    arguments.extend(["-nx", "-batch"]);
    arguments.extend(commands.iter().flat_map(|command| ["-ex", *command]));
    let text = lkdb.ok(&arguments);
    let signs = [
        "Temporary breakpoint 1, hello_init () at ",
        "#0  hello_init () at ",
        "in do_one_initcall",
        "rip  ",
        "<hello_init",
        "<answer>:\t42",
        "$1 = 42",
        "Temporary breakpoint 2, twice (",
        "number = 50",
        "Value returned is $2 = 100",
        "$3 = 100",
    ];
    let mut rest = text.as_str();
    for sign in signs {
        let at = rest.find(sign).unwrap_or_else(|| panic!("no `{sign}` there in:\n{text}"));
        rest = &rest[at + sign.len()..];
    }
    // The guest took the other branch, and says so.
    let script =
        "until dmesg | grep hello:; do usleep 100000; done; cat /sys/module/hello/parameters/doubled";
    let said = lkdb.ok(&["exec", "steered", "--", "sh", "-c", script]);
    assert!(said.contains("hello: steered to 50\n100\n"), "{said}");
}

#[test]
fn stacks_go_through_it_without_its_file() {
    let lkdb = Lkdb::new();
    let load = built(&lkdb);
    // Into its init function, and on to what that calls: out of the module again.
    let commands = [
        "break do_init_module",
        "continue",
        "tbreak *mod->init",
        "continue",
        "nexti",
        "backtrace",
        "x/i $pc",
        "echo @\\n",
        "tbreak _printk",
        "continue",
        "backtrace",
        "finish",
    ];
    let mut arguments = vec!["debug", "--load", load.to_str().unwrap(), "-batch"];
    arguments.extend(commands.iter().flat_map(|command| ["-ex", *command]));
    let text = lkdb.ok(&arguments);
    let (inside, behind) = text.split_once("@\n").unwrap();
    let outer = ["do_one_initcall (", "do_init_module (", "do_syscall_64 (", "entry_SYSCALL_64 ()"];
    for (text, first) in [(inside, "#0  "), (behind, "#1  ")] {
        let mut rest = text;
        let signs = [&[first, "hello_init () from hello\n"][..], &outer].concat();
        for sign in signs {
            let at = rest.find(sign).unwrap_or_else(|| panic!("no `{sign}` there in:\n{text}"));
            rest = &rest[at + sign.len()..];
        }
        assert!(!text.contains("Backtrace stopped"), "{text}");
    }
    assert!(inside.contains("<hello_init+"), "{inside}");
    assert!(behind.trim_end().lines().any(|line| line.ends_with(" in hello_init () from hello")), "{behind}");
}

#[test]
fn one_for_another_kernel_is_refused_with_both_releases() {
    let lkdb = Lkdb::new();
    let module = built(&lkdb);
    let release = kernel_file("modules").file_name().unwrap().to_str().unwrap().to_owned();
    let other = release.replacen('.', "_", 1);
    let bytes = fs::read(&module).unwrap();
    let magic = format!("vermagic={release}");
    let at = bytes.windows(magic.len()).position(|window| window == magic.as_bytes()).unwrap();
    let mut changed = bytes;
    changed[at..at + magic.len()].copy_from_slice(format!("vermagic={other}").as_bytes());
    fs::write(&module, changed).unwrap();
    lkdb.refused(&["boot", "-d", "--load", module.to_str().unwrap()], &["hello.ko", &release, &other]);
}
