//! Every fuzz target on its seeds, with each of them cut short and each of its bytes changed.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::fs;
use std::path::{Path, PathBuf};

use lkdb_fuzz::TARGETS;

fn seeds(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_target_has_its_entry_for_the_fuzzer_and_seeds() {
    let entries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    for (name, _) in TARGETS {
        let entry = fs::read_to_string(entries.join(format!("{name}.rs"))).unwrap();
        assert!(entry.contains(&format!("lkdb_fuzz::{name}(data)")), "{name}");
        assert!(!seeds(name).is_empty(), "{name}");
    }
    assert_eq!(fs::read_dir(entries).unwrap().count(), TARGETS.len());
}

#[test]
fn seeds_reach_what_lies_behind_the_first_look() {
    for seed in seeds("kernel").iter().filter(|seed| !is_find(seed)) {
        let info = lkdb_image::kernel::describe(&fs::read(seed).unwrap());
        assert!(info.as_ref().is_ok_and(|info| info.build_id.is_some()), "{}: {info:?}", seed.display());
    }
}

/// Whether a seed is something that a fuzzer found, and not whole: those are named so.
fn is_find(seed: &Path) -> bool {
    seed.file_name().unwrap().to_str().unwrap().starts_with("found-")
}

#[test]
fn seeds_and_what_is_like_them() {
    // So many places of each seed are tried: all of short ones.
    const PLACES: usize = 100;
    for (name, target) in TARGETS {
        for seed in seeds(name) {
            println!("{}", seed.display());
            let seed = fs::read(seed).unwrap();
            target(&seed);
            for at in (0..seed.len()).step_by(seed.len() / PLACES + 1) {
                target(&seed[..at]);
                let mut changed = seed.clone();
                for byte in [0, 0xff, seed[at] ^ 1, seed[at] ^ 0x80] {
                    changed[at] = byte;
                    target(&changed);
                }
            }
        }
    }
}
