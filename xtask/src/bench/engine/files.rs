//! Questions about files alone, from the shell: `info line` of a function and `ptype` of a structure, both
//! drawn by a seed, from the start of the process to its end.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::contender::{Contender, Index};
use super::peers::Kind;
use super::{Setting, contender, process};
use crate::run;

/// What lkdb may need of the time of the best peer: without an index on disk, and with.
const GOALS: [(Index, f64); 2] = [(Index::None, 0.1), (Index::Kept, 0.05)];

/// One question: a function and a structure.
#[derive(Debug)]
struct Drawn {
    function: String,
    structure: String,
}

fn command(setting: &Setting<'_>, contender: &Contender<'_>, drawn: &Drawn) -> Command {
    let (line, ptype) =
        (format!("info line {}", drawn.function), format!("ptype struct {}", drawn.structure));
    let Some(peer) = contender.peer else {
        let mut command = Command::new(setting.lkdb);
        command.env("XDG_CACHE_HOME", &contender.cache).arg("inspect").arg(setting.vmlinux);
        command.args(["-batch", "-ex", &line, "-ex", &ptype]);
        return command;
    };
    let mut command = peer.command();
    match peer.kind {
        Kind::Gdb => {
            contender.gdb_options(&mut command);
            command.arg(setting.vmlinux).args(["-ex", &line, "-ex", &ptype]);
        }
        Kind::Lldb => {
            let line = format!("image lookup --name {}", drawn.function);
            let lookup = format!("type lookup {}", drawn.structure);
            command.args(["--no-lldbinit", "--batch"]).arg(setting.vmlinux);
            command.args(["--one-line", &line, "--one-line", &lookup]);
        }
    }
    command
}

/// Measures all in turn, `rounds` times; whether the goals were met.
pub(super) fn run(setting: &Setting<'_>) -> anyhow::Result<bool> {
    run::headline(&format!(
        "no guest: info line of a function and ptype of a struct, {} draws of seed {}, files in the page cache",
        setting.rounds, setting.seed
    ));
    let caches = tempfile::tempdir().context("cannot make a folder for indexes")?;
    let mut contenders = contender::all(setting, caches.path());
    contender::make_indexes(setting, &mut contenders)?;
    let draws = draw(setting)?;
    let first = draws.first().context("nothing was drawn")?;
    for contender in &contenders {
        // Brings every file into the page cache, and gdb's indexes to disk.
        time(setting, contender, first)?;
    }
    for (round, drawn) in draws.iter().enumerate() {
        // Whoever comes first finds caches cold that others warmed: so each is first in its turn.
        let start = round % contenders.len();
        let (before, after) = contenders.split_at_mut(start);
        for contender in after.iter_mut().chain(before) {
            let took = time(setting, contender, drawn)?;
            contender.times.push(took.as_secs_f64());
        }
    }
    for contender in &mut contenders {
        contender.memory = process::memory(command(setting, contender, first))?;
    }
    Ok(contender::show(&mut contenders, &GOALS))
}

fn time(setting: &Setting<'_>, contender: &Contender<'_>, drawn: &Drawn) -> anyhow::Result<Duration> {
    let words = [drawn.function.clone(), format!("struct {} {{", drawn.structure)];
    process::time(command(setting, contender, drawn), &words)
}

/// Functions of the symbol table and structures of BTF, by the seed.
fn draw(setting: &Setting<'_>) -> anyhow::Result<Vec<Drawn>> {
    let symbols = run::output(Command::new("nm").arg("--defined-only").arg(setting.vmlinux))?;
    let functions: Vec<&str> = symbols
        .lines()
        .filter_map(|line| line.split_once(" T ").map(|(_, name)| name))
        .filter(|name| !name.contains('.'))
        .collect();
    let sizes =
        run::output(Command::new("pahole").args(["-F", "btf", "--structs", "--sizes"]).arg(setting.vmlinux))?;
    let structures: Vec<&str> = sizes.lines().filter_map(|line| line.split('\t').next()).collect();
    ensure!(!functions.is_empty() && !structures.is_empty(), "nm and pahole name nothing to draw from");
    let mut random = setting.seed;
    let mut pick = |of: &[&str]| {
        // Knuth's MMIX generator; its upper half is the random one.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        of.get((random >> 33) as usize % of.len()).copied().unwrap_or_default().to_owned()
    };
    let mut drawn = || Drawn { function: pick(&functions), structure: pick(&structures) };
    Ok((0..setting.rounds).map(|_| drawn()).collect())
}
