//! Who is measured, on what footing, and what came of it: lkdb and its peers, each with and without an
//! index on disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Setting;
use super::index;
use super::peers::{Kind, Peer};
use super::process::Memory;
use crate::bench::{goal, median};

/// Whether there is an index on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    None,
    Kept,
}

/// One debugger on one footing.
pub(super) struct Contender<'a> {
    pub(super) name: String,
    pub(super) index: Index,
    /// `None`: lkdb.
    pub(super) peer: Option<&'a Peer>,
    /// lkdb's cache folder, or gdb's index cache.
    pub(super) cache: PathBuf,
    /// Seconds.
    pub(super) times: Vec<f64>,
    /// The most of all runs.
    pub(super) memory: Memory,
}

impl Contender<'_> {
    /// What a gdb is started with.
    pub(super) fn gdb_options(&self, command: &mut Command) {
        command.args(["-nx", "-batch"]);
        if self.index == Index::Kept {
            command.args(["-iex", "set index-cache enabled on", "-iex"]);
            command.arg(format!("set index-cache directory {}", self.cache.display()));
        }
    }
}

/// All of them; lldb keeps no index.
pub(super) fn all<'a>(setting: &Setting<'a>, caches: &Path) -> Vec<Contender<'a>> {
    let mut contenders = Vec::new();
    let mut add = |peer: Option<&'a Peer>, index| {
        let footing = if index == Index::Kept { ", index" } else { "" };
        let name = format!("{}{footing}", peer.map_or("lkdb", |peer| &peer.name));
        let cache = caches.join(&name);
        contenders.push(Contender { name, index, peer, cache, times: Vec::new(), memory: Memory::default() });
    };
    for index in [Index::None, Index::Kept] {
        add(None, index);
        for peer in setting.peers.iter().filter(|peer| index == Index::None || peer.kind == Kind::Gdb) {
            add(Some(peer), index);
        }
    }
    contenders
}

/// Makes the folders, and in them lkdb's index. gdb makes its own in its first run.
pub(super) fn make_indexes(setting: &Setting<'_>, contenders: &mut [Contender<'_>]) -> anyhow::Result<()> {
    for contender in contenders {
        std::fs::create_dir_all(&contender.cache)?;
        if contender.peer.is_none() && contender.index == Index::Kept {
            index::make(setting, &contender.cache)?;
        }
    }
    Ok(())
}

/// Prints the medians and memory, and lkdb's ratios to the best peer on the same footing; whether each is at
/// most what its footing allows.
pub(super) fn show(contenders: &mut [Contender<'_>], goals: &[(Index, f64)]) -> bool {
    println!("  {:<18} {:>9} {:>12} {:>9}", "", "median s", "RssAnon MB", "RSS MB");
    let mut medians = Vec::new();
    for contender in contenders {
        let time = median(&mut contender.times);
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let (anonymous, whole) = (megabytes(contender.memory.anonymous), megabytes(contender.memory.whole));
        println!("  {:<18} {time:>9.3} {anonymous:>12.1} {whole:>9.1}", contender.name);
        medians.push((contender.peer.is_none(), contender.index, time));
    }
    let mut met = true;
    for &(footing, most) in goals {
        let best = |ours: bool| {
            let all = medians.iter().filter(|(our, index, _)| *our == ours && *index == footing);
            all.map(|(_, _, time)| *time).fold(f64::INFINITY, f64::min)
        };
        let ratio = best(true) / best(false);
        let how = if footing == Index::Kept { "with an index" } else { "without an index" };
        met &= goal(&format!("{how}: {ratio:.3} of the best peer's time, at most {most}"), ratio <= most);
    }
    met
}
