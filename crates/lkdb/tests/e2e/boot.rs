//! `lkdb boot`: a shell on a terminal, a command with its streams and status, archives of one's own.

use crate::fixture::{Lkdb, done, eventually};

#[test]
fn a_command_has_its_streams_apart_and_its_status_passed_through() {
    let lkdb = Lkdb::new();
    let done = lkdb.run(&["boot", "--", "sh", "-c", "echo to out; echo to err >&2; exit 3"]);
    assert_eq!((done.status, done.stdout.as_str()), (3, "to out\n"), "{done:#?}");
    assert!(done.stderr.ends_with("to err\n"), "{done:#?}");
    assert!(lkdb.machines().is_empty());
}

#[test]
fn streams_are_binary_safe_both_ways() {
    let lkdb = Lkdb::new();
    let input: Vec<u8> = (0..100_000_u32).flat_map(|n| [(n % 256) as u8, (n / 7 % 256) as u8]).collect();
    let output = lkdb.feed(&["boot", "--", "cat"], &input);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == input, "{} bytes came back of {}", output.stdout.len(), input.len());
}

#[test]
fn a_signal_is_a_shells_status() {
    let done = Lkdb::new().run(&["boot", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(done.status, 128 + 15, "{done:#?}");
}

#[test]
fn a_command_that_is_not_there_is_127_as_in_a_shell() {
    let done = Lkdb::new().run(&["boot", "--json", "--", "no-such-command"]);
    assert_eq!(done.status, 127, "{done:#?}");
    assert!(done.stderr.contains("no-such-command"), "{done:#?}");
}

#[test]
fn a_timeout_is_124_and_says_so() {
    let done = Lkdb::new().run(&["boot", "--json", "--timeout", "1", "--", "sleep", "1000"]);
    assert_eq!(done.status, 124, "{done:#?}");
    let verdict: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(verdict["reason"], "timeout");
    assert!(done.stderr.contains("timed out after 1 s"), "{done:#?}");
}

#[test]
fn a_machine_that_cannot_start_is_125() {
    let lkdb = Lkdb::new();
    let done = lkdb.run(&["boot", "--json", "--qemu-arg", "-no-such-option", "--", "true"]);
    assert_eq!(done.status, 125, "{done:#?}");
    let verdict: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(verdict["reason"], "not-started");
    assert!(done.stderr.contains("-no-such-option"), "{done:#?}");
    assert!(lkdb.machines().is_empty());
}

#[test]
fn a_panic_is_126_and_its_words_are_shown() {
    let done = Lkdb::new().run(&["boot", "--", "sh", "-c", "echo c > /proc/sysrq-trigger"]);
    assert_eq!(done.status, 126, "{done:#?}");
    assert!(done.stderr.contains("Kernel panic - not syncing: sysrq triggered crash"), "{done:#?}");
}

#[test]
fn a_guest_that_never_comes_up_is_125_and_its_processors_are_named() {
    let lkdb = Lkdb::new();
    let done = lkdb.run(&["boot", "--boot-timeout", "20", "--append", "rdinit=/bin/cat", "--", "true"]);
    assert_eq!(done.status, 125, "{done:#?}");
    assert!(done.stderr.contains("CPU 0: 0x"), "{done:#?}");
    assert!(done.stderr.contains("CPU 1: 0x"), "{done:#?}");
    // Idle, in the kernel, at a symbol.
    assert!(done.stderr.contains("+0x"), "{done:#?}");
}

#[test]
fn a_silent_boot_says_where_it_is() {
    let lkdb = Lkdb::new();
    let mut boot = lkdb.start(&["boot", "--boot-timeout", "15", "--append", "console=ttyS3 rdinit=/bin/cat"]);
    boot.wait_for("the boot is silent after 15 s");
    boot.wait_for("CPU 0: 0x");
    boot.kill("TERM");
    let (status, _) = boot.end();
    assert_eq!(status, 128 + 15);
    assert!(lkdb.machines().is_empty());
}

#[test]
fn the_shell_has_job_control_and_ends_with_ctrl_a_x() {
    let lkdb = Lkdb::new();
    let mut shell = lkdb.start_on_terminal(&["boot"]);
    shell.wait_for("# ");
    shell.type_in("sleep 1000\r");
    eventually("sleep runs", || lkdb.run(&["exec", "--", "pidof", "sleep"]).status == 0);
    shell.type_in("\x03");
    shell.wait_for("# ");
    shell.type_in("echo status $?, on $(tty)\r");
    shell.wait_for("status 130, on /dev/ttyS0");
    shell.type_in("\x01x");
    let (status, said) = shell.end();
    assert_eq!(status, 0);
    for complaint in ["job control turned off", "can't access tty", "can't open /dev/"] {
        assert!(!said.contains(complaint), "{said}");
    }
    assert!(lkdb.machines().is_empty());
}

#[test]
fn a_shell_that_powers_off_ends_lkdb() {
    let lkdb = Lkdb::new();
    let mut shell = lkdb.start_on_terminal(&["boot"]);
    shell.wait_for("# ");
    shell.type_in("poweroff -f\r");
    let (status, said) = shell.end();
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("the guest powered off"), "{said}");
}

#[test]
fn files_are_added_and_modules_loaded_with_what_they_need() {
    let lkdb = Lkdb::new();
    let file = lkdb.scratch().join("greeting");
    std::fs::write(&file, "hello from the host\n").unwrap();
    let add = format!("{}:/etc/greeting", file.display());
    let done = lkdb.run(&[
        "boot",
        "--add",
        &add,
        "--load",
        "virtio_console",
        "--",
        "sh",
        "-c",
        "cat /etc/greeting; lsmod",
    ]);
    assert_eq!(done.status, 0, "{done:#?}");
    assert!(done.stdout.starts_with("hello from the host\n"), "{done:#?}");
    for module in ["virtio_console ", "virtio_ring ", "virtio "] {
        assert!(done.stdout.contains(&format!("\n{module}")), "{done:#?}");
    }
}

#[test]
fn an_archive_of_ones_own_boots_with_its_own_init_and_runs_commands() {
    let lkdb = Lkdb::new();
    let archive = lkdb.scratch().join("own.img");
    let overlay = lkdb.scratch().join("overlay");
    std::fs::create_dir_all(overlay.join("etc")).unwrap();
    std::fs::write(overlay.join("etc/mine"), "mine\n").unwrap();
    let path = archive.to_str().unwrap();
    lkdb.ok(&[
        "initramfs",
        "build",
        "-o",
        path,
        "--overlay",
        overlay.to_str().unwrap(),
        "--compress",
        "gzip",
    ]);
    let before = std::fs::read(&archive).unwrap();
    for init in [None, Some("rdinit=/linuxrc")] {
        let mut arguments = vec!["boot", "--initramfs", path];
        arguments.extend(init.iter().flat_map(|init| ["--append", init]));
        // Commands run beside the archive's own init, which may still be about to mount /proc.
        let script = "until [ -e /proc/1/comm ]; do usleep 10000; done; cat /etc/mine /proc/1/comm";
        arguments.extend(["--", "sh", "-c", script]);
        let done = lkdb.run(&arguments);
        assert_eq!(done.status, 0, "{done:#?}");
        assert!(done.stdout.starts_with("mine\n"), "{done:#?}");
        assert!(!done.stdout.contains("lkdb"), "the archive's own init must run: {done:#?}");
    }
    assert!(std::fs::read(&archive).unwrap() == before);
}

#[test]
fn a_dry_run_prints_a_line_that_a_shell_runs() {
    let lkdb = Lkdb::new();
    let line = lkdb.ok(&["boot", "--dry-run", "--append", "it's quiet panic=-1", "--accel", "tcg"]);
    assert!(lkdb.machines().is_empty());
    let words = shell_words::split(line.trim()).unwrap();
    assert!(words[0].ends_with("qemu-system-x86_64"), "{line}");
    // With a shell that ends at once the line must run to its end by itself.
    let script =
        format!("{} -no-reboot < /dev/null", line.trim().replace("it'\\''s quiet", "rdinit=/no-such"));
    let output = std::process::Command::new("timeout")
        .args(["200", "sh", "-c", &script])
        .current_dir(lkdb.scratch())
        .output()
        .unwrap();
    let done = done(output);
    assert!(done.stdout.contains("Linux version"), "{line}\n{done:#?}");
}
