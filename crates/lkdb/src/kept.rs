//! Answers that take long to get, kept for as long as the files they are about stay the same.
//!
//! Asking QEMU for its version or BusyBox for its applets takes a process each, and a boot image must be unpacked to
//! see which build it is: longer than all the rest that lkdb does before it starts a machine. The answers lie in one
//! small file of the cache. A file is the same while its inode, length and both times are; what cannot be kept or
//! read is asked for again.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lkdb_artifacts::Cache;
use serde::{Deserialize, Serialize};

/// The file, in the cache.
const FILE: &str = "kept.json";
/// How many answers are kept, the latest.
const MOST: usize = 64;
/// A file that was changed just now may be changed again within one tick of its clock, which no time would show.
const SETTLED: Duration = Duration::from_secs(2);

/// The answers of a cache.
#[derive(Debug)]
pub(crate) struct Kept {
    cache: Cache,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    question: String,
    files: Vec<Identity>,
    answer: String,
}

/// What tells that a file is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    path: PathBuf,
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// Nothing for a file that cannot be told from what it may become.
    fn of(path: &Path) -> Option<Self> {
        let meta = path.metadata().ok().filter(fs::Metadata::is_file)?;
        let changed = Duration::new(meta.ctime().try_into().ok()?, meta.ctime_nsec().try_into().ok()?);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + changed).ok()?;
        (since >= SETTLED).then(|| Self {
            path: path.to_owned(),
            device: meta.dev(),
            inode: meta.ino(),
            length: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

impl Kept {
    /// Those of a cache.
    pub(crate) fn of(cache: &Cache) -> Self {
        Self { cache: cache.clone() }
    }

    /// The answer to a question about files: the kept one, or what `ask` finds out. Errors are not kept.
    pub(crate) fn answer<E>(
        &self,
        question: &str,
        files: &[&Path],
        ask: impl FnOnce() -> Result<String, E>,
    ) -> Result<String, E> {
        let Some(files) = files.iter().map(|path| Identity::of(path)).collect::<Option<Vec<_>>>() else {
            return ask();
        };
        let same = |kept: &Answer| kept.question == question && kept.files == files;
        if let Some(kept) = self.read().into_iter().find(same) {
            return Ok(kept.answer);
        }
        let answer = ask()?;
        let new = Answer { question: question.to_owned(), files, answer: answer.clone() };
        if let Err(error) = self.keep(new) {
            tracing::debug!(%error, question, "the answer is not kept");
        }
        Ok(answer)
    }

    /// What a program says of itself. A script is asked each time: what it runs may have become another.
    pub(crate) fn said<E>(
        &self,
        question: &str,
        program: &Path,
        ask: impl FnOnce() -> Result<String, E>,
    ) -> Result<String, E> {
        if is_elf(program) { self.answer(question, &[program], ask) } else { ask() }
    }

    fn read(&self) -> Vec<Answer> {
        let bytes = fs::read(self.cache.root().join(FILE)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn keep(&self, new: Answer) -> anyhow::Result<()> {
        let mut answers = self.read();
        let paths = |answer: &Answer| answer.files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
        let about = paths(&new);
        answers.retain(|old| old.question != new.question || paths(old) != about);
        answers.push(new);
        answers.drain(..answers.len().saturating_sub(MOST));
        Ok(self.cache.keep(FILE, &serde_json::to_vec(&answers)?)?)
    }
}

fn is_elf(program: &Path) -> bool {
    let mut magic = [0; 4];
    fs::File::open(program).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// How often it is asked for in a row of answers about a file, which `between` may change.
    fn asked(path: &Path, kept: &Kept, between: impl Fn()) -> u32 {
        let mut asked = 0;
        for _ in 0..3 {
            let answer = kept.answer("what", &[path], || {
                asked += 1;
                Ok::<_, Infallible>("this".to_owned())
            });
            assert_eq!(answer, Ok("this".to_owned()));
            between();
        }
        asked
    }

    /// A file that nobody changes, and that is older than a test: this test's own program.
    fn settled() -> PathBuf {
        let program = std::env::current_exe().unwrap();
        while Identity::of(&program).is_none() {
            std::thread::yield_now();
        }
        program
    }

    #[test]
    fn an_answer_is_asked_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::of(&Cache::at(dir.path().join("cache")));
        assert_eq!(asked(&settled(), &kept, || {}), 1);
        assert_eq!(asked(&settled(), &kept, || {}), 0);
        assert_eq!(kept.said("what", &settled(), || Err(())), Ok("this".to_owned()));
    }

    #[test]
    fn damage_and_what_may_still_change_are_asked_again() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::of(&Cache::at(dir.path().to_owned()));
        let damage = || fs::write(dir.path().join(FILE), "[{\"question\":\"what\"").unwrap();
        assert_eq!(asked(&settled(), &kept, damage), 3);
        let file = dir.path().join("new");
        fs::write(&file, "#!/bin/sh").unwrap();
        assert_eq!(asked(&file, &kept, || {}), 3);
        assert_eq!(kept.said("what", &file, || Err(())), Err(()));
        assert_eq!(kept.answer("what", &[&dir.path().join("gone")], || Err(())), Err(()));
    }

    #[test]
    fn another_file_at_the_same_path_replaces_the_answer() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::of(&Cache::at(dir.path().to_owned()));
        asked(&settled(), &kept, || {});
        let mut answers = kept.read();
        answers[0].files[0].inode += 1;
        fs::write(dir.path().join(FILE), serde_json::to_vec(&answers).unwrap()).unwrap();
        assert_eq!(asked(&settled(), &kept, || {}), 1);
        assert_eq!(kept.read().len(), 1);
    }
}
