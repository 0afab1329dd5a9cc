//! Making lkdb's index: its time, its memory, and its size on disk.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::{Setting, process};

/// Makes it in `cache`, and says what that took. A search by a pattern is what makes lkdb build one.
pub(super) fn make(setting: &Setting<'_>, cache: &Path) -> anyhow::Result<()> {
    let command = || {
        let mut command = Command::new(setting.lkdb);
        command.env("XDG_CACHE_HOME", cache).arg("inspect").arg(setting.vmlinux);
        command.args(["-batch", "-ex", "info types ^list_head$"]);
        command
    };
    let took = process::time(command(), &["struct list_head;".to_owned()])?;
    let bytes = size(cache)?;
    ensure!(bytes > 0, "lkdb left no index in {}", cache.display());
    fs::remove_dir_all(cache).with_context(|| format!("cannot empty {}", cache.display()))?;
    fs::create_dir_all(cache)?;
    let memory = process::memory(command())?;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "  lkdb's index: built in {:.2} s with {:.0} MB anonymous and {:.0} MB in all; {:.1} MB on disk",
        took.as_secs_f64(),
        megabytes(memory.anonymous),
        megabytes(memory.whole),
        megabytes(bytes)
    );
    Ok(())
}

/// Bytes of all files in a folder.
fn size(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let facts = entry.metadata()?;
        bytes += if facts.is_dir() { size(&entry.path())? } else { facts.len() };
    }
    Ok(bytes)
}
