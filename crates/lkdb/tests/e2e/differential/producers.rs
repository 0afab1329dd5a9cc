//! What compilers and linkers make of a small program, each beside gdb: DWARF 4 and 5, optimised or not, little
//! debug info, packed sections, split debug info, type units. What lkdb does not read, it says.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{COMMANDS, compare, inspect};
use crate::fixture::Lkdb;

const SOURCES: [&str; 2] = ["program.c", "program2.c"];

/// The sources, where gdb finds them by their names.
fn sources(at: &Path) {
    let texts = [include_str!("program.h"), include_str!("program.c"), include_str!("program2.c")];
    for (name, text) in ["program.h", "program.c", "program2.c"].iter().zip(texts) {
        std::fs::write(at.join(name), text).unwrap();
    }
}

fn run(at: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(at).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

/// The program as gcc makes it with these options.
fn built(at: &Path, name: &str, options: &[&str]) -> PathBuf {
    let mut arguments = vec!["-Wl,--build-id", "-o", name];
    arguments.extend(options);
    arguments.extend(SOURCES);
    run(at, "gcc", &arguments);
    at.join(name)
}

fn agree(file: &Path) {
    let lkdb = Lkdb::new();
    compare(file, &|| inspect(&lkdb, file), 40, COMMANDS);
}

#[test]
fn what_gcc_makes_is_answered_as_gdb_does() {
    let at = tempfile::tempdir().unwrap();
    sources(at.path());
    for (name, options) in [
        ("plain-5", &["-g", "-O0", "-gdwarf-5"][..]),
        ("fast-5", &["-g", "-O2", "-gdwarf-5"]),
        ("plain-4", &["-g", "-O0", "-gdwarf-4"]),
        ("fast-4", &["-g", "-O2", "-gdwarf-4"]),
        ("little", &["-g1", "-O2"]),
    ] {
        agree(&built(at.path(), name, options));
    }
    for how in ["zlib", "zlib-gnu"] {
        let packed = format!("--compress-debug-sections={how}");
        run(at.path(), "objcopy", &[&packed, "fast-5", how]);
        agree(&at.path().join(how));
    }
}

#[test]
fn types_in_units_of_their_own_are_the_same() {
    let at = tempfile::tempdir().unwrap();
    sources(at.path());
    let questions =
        ["ptype struct device", "ptype/o struct operations", "whatis first.node", "print first.state"];
    let kinds = [
        &["-gdwarf-5"][..],
        &["-gdwarf-5", "-fdebug-types-section"],
        &["-gdwarf-4", "-fdebug-types-section"],
        &["-gdwarf-5", "-fdebug-types-section", "-gsplit-dwarf"],
        &["-gdwarf-4", "-fdebug-types-section", "-gsplit-dwarf"],
    ];
    let answers = kinds.map(|options| {
        let file = built(at.path(), "types", &[&["-g", "-O1"], options].concat());
        let lkdb = Lkdb::new();
        let mut command = inspect(&lkdb, &file);
        for question in questions {
            command.args(["-ex", question]);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    for (answer, options) in answers.iter().zip(kinds).skip(1) {
        assert_eq!(*answer, answers[0], "{options:?}");
    }
}

#[test]
fn split_debug_info_is_answered_as_gdb_does() {
    let at = tempfile::tempdir().unwrap();
    sources(at.path());
    for (name, options) in [
        // Of -O0 gdb forgets the directory of a unit that it has come to by a type's name.
        ("split-fast-5", &["-g", "-O2", "-gdwarf-5", "-gsplit-dwarf"][..]),
        ("split-plain-4", &["-g", "-O0", "-gdwarf-4", "-gsplit-dwarf"]),
        ("split-fast-4", &["-g", "-O2", "-gdwarf-4", "-gsplit-dwarf"]),
        ("split-packed", &["-g", "-O2", "-gdwarf-5", "-gsplit-dwarf", "-gz"]),
    ] {
        agree(&built(at.path(), name, options));
    }
    // Moved together, they are found beside the file.
    let moved = at.path().join("moved");
    std::fs::create_dir(&moved).unwrap();
    for name in ["split-fast-5", "split-fast-5-program.dwo", "split-fast-5-program2.dwo"] {
        std::fs::rename(at.path().join(name), moved.join(name)).unwrap();
    }
    let lkdb = Lkdb::new();
    let output = inspect(&lkdb, &moved.join("split-fast-5")).args(["-ex", "whatis first.version"]).output();
    let said = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
    assert_eq!(said, "type = struct {...}\n");
}

#[test]
fn what_lies_elsewhere_is_said() {
    let at = tempfile::tempdir().unwrap();
    sources(at.path());
    for (name, options, words, questions) in [
        ("split-5", &["-g", "-gdwarf-5", "-gsplit-dwarf"][..], ".dwo files", ["info line main", "list walk"]),
        ("split-4", &["-g", "-gdwarf-4", "-gsplit-dwarf"], ".dwo files", ["info line main", "list walk"]),
    ] {
        let file = built(at.path(), name, options);
        let lost = at.path().join(format!("{name}-program.dwo"));
        if name.starts_with("split") {
            std::fs::remove_file(lost).unwrap();
        }
        let lkdb = Lkdb::new();
        let mut command = inspect(&lkdb, &file);
        for question in questions {
            command.args(["-ex", question]);
        }
        let output = command.args(["-ex", "whatis first.version"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(words), "{name}: {said}");
        // What is there is answered, and what is not is no wrong type.
        let answers = String::from_utf8_lossy(&output.stdout);
        assert!(
            answers.contains("program.c\" starts at address") && !answers.contains("type = void"),
            "{answers}"
        );
        assert_eq!(output.status.code(), Some(1), "{name}: {answers}");
    }
}
