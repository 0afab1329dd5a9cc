//! Who may lean on whom.

use std::collections::BTreeMap;

use crate::metadata::Package;

/// What each crate of ours may use of ours. The house of ARCHITECTURE.md, from the ground up: a crate that
/// is not here has no place yet.
const MAY_USE: &[(&str, &[&str])] = &[
    ("lkdb-base", &[]),
    // Built anew for the guest, small: it may drag nothing in.
    ("lkdb-agent", &[]),
    ("lkdb-testkit", &["lkdb-base"]),
    // The one crate with `unsafe`: it maps, and knows nothing of what the bytes mean.
    ("lkdb-map", &["lkdb-base"]),
    // What fuzzers and tests call: the readers of foreign bytes, and nothing is built on it.
    (
        "lkdb-fuzz",
        &[
            "lkdb-agent",
            "lkdb-base",
            "lkdb-image",
            "lkdb-symbols",
            "lkdb-target",
            "lkdb-unwind",
            "lkdb-value",
        ],
    ),
    ("lkdb-image", &["lkdb-base"]),
    ("lkdb-symbols", &["lkdb-base"]),
    ("lkdb-unwind", &["lkdb-base", "lkdb-symbols"]),
    ("lkdb-value", &["lkdb-base", "lkdb-symbols"]),
    // Neither lkdb-target nor lkdb-machine: what Linux looks like in memory must work on a dump.
    ("lkdb-linux", &["lkdb-base", "lkdb-symbols", "lkdb-value", "lkdb-unwind"]),
    ("lkdb-target", &["lkdb-base", "lkdb-map"]),
    // The stub's client: a supervisor frees a guest whose debugger died.
    ("lkdb-machine", &["lkdb-base", "lkdb-agent", "lkdb-map", "lkdb-target"]),
    ("lkdb-artifacts", &["lkdb-base", "lkdb-image", "lkdb-map"]),
    (
        "lkdb-session",
        &[
            "lkdb-base",
            "lkdb-image",
            "lkdb-linux",
            "lkdb-machine",
            "lkdb-map",
            "lkdb-symbols",
            "lkdb-target",
            "lkdb-unwind",
            "lkdb-value",
        ],
    ),
    ("lkdb-commands", &["lkdb-base", "lkdb-linux", "lkdb-session", "lkdb-symbols", "lkdb-value"]),
];

/// The program uses every room, and tasks use none: they must work when nothing builds.
const PROGRAM: &str = "lkdb";
const TASKS: &str = "xtask";

/// Crates that work on bytes they are handed, so that they run on a dump, in a fuzzer, in a unit test.
pub(super) const PURE: [&str; 7] =
    ["lkdb-base", "lkdb-image", "lkdb-linux", "lkdb-symbols", "lkdb-unwind", "lkdb-value", "lkdb-commands"];

/// Others' crates that do I/O: of no use to a pure crate but to break the rule.
const IO: [&str; 7] = ["libc", "memmap2", "nix", "rustix", "signal-hook", "tempfile", "ureq"];
/// For the program alone: elsewhere error types would be erased, and terminals talked to.
const FOR_THE_PROGRAM: [&str; 7] =
    ["anstream", "anstyle", "anyhow", "clap", "comfy-table", "indicatif", "tracing-subscriber"];

/// Complaints about the workspace's packages.
pub(super) fn check(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(check_one).collect()
}

fn check_one(package: &Package) -> Vec<String> {
    let name = package.name.as_str();
    let mut complaints = Vec::new();
    let allowed = MAY_USE.iter().find(|(crate_, _)| *crate_ == name).map(|(_, allowed)| *allowed);
    if allowed.is_none() && name != PROGRAM && name != TASKS {
        complaints.push(format!("{name}: this crate has no place in the house (xtask/src/tidy/crates.rs)"));
    }
    for dependency in package.dependencies.iter().filter(|one| one.kind.as_deref() != Some("dev")) {
        let other = dependency.name.as_str();
        let ours = other == PROGRAM || other.starts_with("lkdb-");
        if ours && name != PROGRAM && !allowed.unwrap_or_default().contains(&other) {
            complaints.push(format!("{name}: it may not depend on {other}"));
        }
        if ours && other == "lkdb-testkit" {
            complaints.push(format!("{name}: lkdb-testkit is for tests only"));
        }
        if PURE.contains(&name) && IO.contains(&other) {
            complaints.push(format!("{name}: it works on bytes it is handed, and {other} does I/O"));
        }
        if name != PROGRAM && name != TASKS && FOR_THE_PROGRAM.contains(&other) {
            complaints.push(format!("{name}: {other} is for the program alone"));
        }
    }
    complaints
}

/// One integration-test binary a crate: on two cores, linking is what tests cost.
pub(super) fn check_test_binaries<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut binaries: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in paths {
        let Some((package, test)) = path.split_once("/tests/") else { continue };
        let is_package =
            package == TASKS || package.strip_prefix("crates/").is_some_and(|name| !name.contains('/'));
        let is_binary = test.ends_with(".rs")
            && (!test.contains('/') || test.matches('/').count() == 1 && test.ends_with("/main.rs"));
        if is_package && is_binary {
            binaries.entry(package).or_default().push(test);
        }
    }
    binaries.retain(|_, tests| tests.len() > 1);
    let complaint = |(package, tests): (&str, Vec<&str>)| {
        format!("{package}: one integration-test binary, not {} ({})", tests.len(), tests.join(", "))
    };
    binaries.into_iter().map(complaint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependency = |(name, kind): &(&str, Option<&str>)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(str::to_owned),
        };
        Package {
            name: name.into(),
            version: "0.1.0".into(),
            license: None,
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    #[test]
    fn leaning_downwards_is_allowed() {
        assert_eq!(check_one(&package("lkdb-linux", &[("lkdb-value", None), ("thiserror", None)])), [""; 0]);
        assert_eq!(check_one(&package("lkdb", &[("lkdb-session", None), ("anyhow", None)])), [""; 0]);
        assert_eq!(check_one(&package("lkdb-image", &[("tempfile", Some("dev"))])), [""; 0]);
    }

    #[test]
    fn each_rule_can_fail() {
        let complaints = |name: &str, other: &str| check_one(&package(name, &[(other, None)])).join("\n");
        assert!(complaints("lkdb-linux", "lkdb-target").contains("may not depend on lkdb-target"));
        assert!(complaints("lkdb-linux", "lkdb-machine").contains("may not depend on lkdb-machine"));
        assert!(complaints("lkdb-base", "lkdb").contains("may not depend on lkdb"));
        assert!(complaints("lkdb-session", "lkdb-testkit").contains("for tests only"));
        assert!(complaints("lkdb-symbols", "memmap2").contains("does I/O"));
        assert!(complaints("lkdb-target", "anyhow").contains("for the program alone"));
        assert!(complaints("lkdb-manager", "serde").contains("no place in the house"));
        assert!(complaints("xtask", "lkdb-base").contains("may not depend on lkdb-base"));
    }

    #[test]
    fn a_second_test_binary_is_found() {
        let paths = ["crates/a/tests/it/main.rs", "crates/a/tests/it/more.rs", "crates/a/tests/two.rs"];
        assert_eq!(check_test_binaries(paths.into_iter()).len(), 1);
        assert_eq!(check_test_binaries(paths[..2].iter().copied()).len(), 0);
        assert_eq!(
            check_test_binaries(["crates/a/src/tests/b.rs", "crates/a/src/tests/c.rs"].into_iter()).len(),
            0
        );
    }
}
