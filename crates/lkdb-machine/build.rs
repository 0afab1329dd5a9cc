//! Builds the agent that lkdb puts into guests: a static program, for the architecture lkdb is built for.
//!
//! A cargo of its own builds it, in a target directory of its own (the outer one is locked), because the
//! agent needs other flags than lkdb: static, and small. It needs no network: the agent's dependencies
//! are lkdb's too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What must not reach the inner cargo: the outer one's flags, clippy's wrapper, its target directory.
const NOT_INHERITED: [&str; 6] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
];

fn main() {
    let agent = Path::new(&variable("CARGO_MANIFEST_DIR")).join("../lkdb-agent");
    watch(&agent);
    let out = PathBuf::from(variable("OUT_DIR"));
    let target = variable("TARGET");
    let built = build(&agent, &out.join("agent"), &target);
    let bytes = fs::read(&built).unwrap_or_else(|error| panic!("cannot read {}: {error}", built.display()));
    assert!(is_static(&bytes), "{} is not a static ELF program", built.display());
    let arch = variable("CARGO_CFG_TARGET_ARCH");
    let table = format!("&[({arch:?}, include_bytes!({:?}))]\n", built.display().to_string());
    fs::write(out.join("agent.rs"), table).unwrap_or_else(|error| panic!("cannot write agent.rs: {error}"));
}

fn watch(agent: &Path) {
    println!("cargo::rerun-if-changed=build.rs");
    for part in ["src", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", agent.join(part).display());
    }
}

fn build(agent: &Path, directory: &Path, target: &str) -> PathBuf {
    let mut cargo = Command::new(variable("CARGO"));
    for name in NOT_INHERITED {
        cargo.env_remove(name);
    }
    cargo
        .current_dir(agent)
        .args(["build", "--quiet", "--release", "--bin", "lkdb-agent", "--target", target])
        .arg("--target-dir")
        .arg(directory)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static\x1f-Crelocation-model=static")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "z")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("CARGO_PROFILE_RELEASE_LTO", "true")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    let status = cargo.status().unwrap_or_else(|error| panic!("cannot run cargo: {error}"));
    assert!(status.success(), "lkdb's agent could not be built for {target}: see the lines above");
    directory.join(target).join("release/lkdb-agent")
}

/// Whether these are the bytes of an ELF program that asks for no dynamic linker (no `PT_INTERP`).
fn is_static(elf: &[u8]) -> bool {
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?)));
    let programs = || {
        // e_phoff, e_phentsize and e_phnum of a 64-bit little-endian header.
        let start = usize::try_from(u64::from_le_bytes(elf.get(32..40)?.try_into().ok()?)).ok()?;
        let (size, count) = (half(54)?, half(56)?);
        (0..count).map(|index| half(start + index * size)).collect::<Option<Vec<_>>>()
    };
    const PT_INTERP: usize = 3;
    elf.starts_with(b"\x7fELF\x02\x01") && programs().is_some_and(|types| !types.contains(&PT_INTERP))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("cargo sets {name} for build scripts: {error}"))
}
