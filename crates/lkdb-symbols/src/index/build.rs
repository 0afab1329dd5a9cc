//! Building: units as work, in the file's order, shared out to threads; then what they gathered becomes bytes.
//!
//! In the file's order, so that of things that many units have each thread keeps its first, and all of
//! them the file's first: the bytes do not depend on the threads. Units are small against the whole, so no
//! thread waits long for the last.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::gather::Gathered;
use super::walk::Walker;
use super::{BuildError, Progress, write};
use crate::names::{Raw, Units};

/// Section sizes up to which places fit the index's numbers.
const MOST_INFO: usize = super::gather::NAME_INFO as usize;
const MOST_STR: usize = super::gather::NAME_LINE_STR as usize;

/// Threads beyond this wait for memory.
const MOST_THREADS: usize = 16;

/// Builds the index of a file's debug info: its bytes, for [`super::Index::open`]. `identity` is what
/// tells this file from others (its build ID), at most 32 bytes of it count. `threads` of 0: as many as there are cores.
///
/// # Errors
/// When the units' headers are damaged, offsets do not fit, or `progress` was told to stop. Units that
/// are damaged inside are indexed as far as they can be read.
pub fn build(
    raw: &Raw<'_>,
    identity: &[u8],
    threads: usize,
    progress: &Progress,
) -> Result<Vec<u8>, BuildError> {
    let units = Units::read(raw)?;
    let fits =
        raw.info.len() < MOST_INFO && raw.str.len() < MOST_STR && raw.line_str.len() < MOST_INFO - MOST_STR;
    if !fits {
        return Err(crate::names::Error::TooLarge.into());
    }
    progress.total.store(raw.info.len(), Ordering::Relaxed);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { cores.min(MOST_THREADS) } else { threads }.min(units.len()).max(1);
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::new());
    let run = || {
        let (mut walker, mut gathered) = (Walker::default(), Gathered::default());
        while !progress.stop.load(Ordering::Relaxed) {
            let unit = next.fetch_add(1, Ordering::Relaxed);
            let Some(head) = units.heads.get(unit) else { break };
            walker.unit(raw, &units.heads, unit, &mut gathered);
            progress.done.fetch_add(head.end - head.start, Ordering::Relaxed);
        }
        gathered.finish();
        if let Ok(mut all) = all.lock() {
            all.push(gathered);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    if progress.stop.load(Ordering::Relaxed) {
        return Err(BuildError::Stopped);
    }
    write::bytes(raw, identity, all.into_inner().unwrap_or_default())
}

/// How far a build is, and the way to end it. Shared with the thread that builds.
#[derive(Debug, Default)]
pub struct ProgressState {
    done: AtomicUsize,
    total: AtomicUsize,
    stop: AtomicBool,
}

impl ProgressState {
    /// Bytes of `.debug_info` done, and of how many.
    #[must_use]
    pub fn done(&self) -> (usize, usize) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// Ends the build soon, with [`BuildError::Stopped`].
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
