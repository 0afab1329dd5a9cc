//! `lkdb initramfs inspect`.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::ops::Deref;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use lkdb_image::archive::newc::{Header, Record, file_type};
use lkdb_image::archive::{Part, Parts, list};
use lkdb_image::compress::Compression;
use serde::Serialize;

use crate::initramfs::extract::Gathered;
use crate::initramfs::facts::HostFacts;
use crate::output::{Context, Render, Status};

/// A compressed member may unpack to no more than this.
const UNPACKED_LIMIT: usize = 2 << 30;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An initramfs, of any make; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Unpack it into DIR, which must be new or empty
    #[arg(long, value_name = "DIR")]
    extract: Option<PathBuf>,
}

/// What is in an initramfs.
#[derive(Debug, Default, Serialize)]
struct Listing {
    members: Vec<Member>,
}

/// One archive or compressed stream of it.
#[derive(Debug, Serialize)]
struct Member {
    offset: u64,
    stored: u64,
    size: u64,
    compression: Option<Compression>,
    files: Vec<Row>,
}

/// One file.
#[derive(Debug, Serialize)]
struct Row {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    mode: String,
    permissions: u32,
    uid: u32,
    gid: u32,
    links: u32,
    size: u32,
    mtime: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<(u32, u32)>,
    #[serde(skip)]
    line: Vec<u8>,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Status> {
    let bytes = Input::open(&args.file)?;
    let mut reading = Reading::new(args.extract.is_some());
    let outcome = reading.all(&bytes);
    let failed = outcome
        .err()
        .map(|error| error.context(format!("{} is damaged, or no initramfs", args.file.display())));
    match (&args.extract, failed) {
        (Some(_), Some(error)) => Err(error),
        (Some(dir), None) => extract(&reading.gathered.unwrap_or_default(), dir, context),
        (None, failed) => show(&reading.listing, failed, context),
    }
}

/// A file, mapped; or what comes through a pipe, in memory.
enum Input {
    Mapped(lkdb_map::Mapped),
    Read(Vec<u8>),
}

impl Input {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let failed = || format!("cannot read {}", path.display());
        let mut pipe: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else if fs::metadata(path).with_context(failed)?.file_type().is_fifo() {
            Box::new(fs::File::open(path).with_context(failed)?)
        } else {
            return Ok(Self::Mapped(lkdb_map::map(path)?));
        };
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).with_context(failed)?;
        Ok(Self::Read(bytes))
    }
}

impl Deref for Input {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Read(bytes) => bytes,
        }
    }
}

/// What has been read of an initramfs so far.
struct Reading {
    listing: Listing,
    gathered: Option<Gathered>,
    host: HostFacts,
    /// Whether names go to a terminal, which control characters in them could confuse.
    terminal: bool,
}

impl Reading {
    fn new(extract: bool) -> Self {
        Self {
            listing: Listing::default(),
            gathered: extract.then(Gathered::default),
            host: HostFacts::read(),
            terminal: io::stdout().is_terminal(),
        }
    }

    fn all(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut archives = 0;
        for part in Parts::new(bytes, UNPACKED_LIMIT) {
            archives += self.part(&part?, archives)?;
        }
        if self.listing.members.is_empty() {
            bail!("there is no archive in it");
        }
        Ok(())
    }

    /// Takes what is in a member, behind so many archives. Gives the number of archives in it.
    fn part(&mut self, part: &Part<'_>, before: usize) -> anyhow::Result<usize> {
        let mut member = Member::of(part);
        let mut records = part.records();
        let mut failed = None;
        while let Some(record) = records.next() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            member.files.push(Row::of(&record, &self.host, self.terminal));
            if let Some(gathered) = &mut self.gathered {
                gathered.take(before + records.archives(), &record);
            }
        }
        self.listing.members.push(member);
        failed.map_or(Ok(records.archives()), |error| Err(error.into()))
    }
}

fn show(listing: &Listing, failed: Option<anyhow::Error>, context: &Context) -> anyhow::Result<Status> {
    // What could be read helps to see what is wrong; JSON is one document, here the error.
    if failed.is_none() || !context.json() {
        context.show(listing)?;
    }
    if let Some(error) = failed {
        return Err(error);
    }
    if listing.members.len() > 1 || listing.members.iter().any(|member| member.compression.is_some()) {
        for member in &listing.members {
            context.note(member.summary());
        }
    }
    Ok(Status::OK)
}

fn extract(gathered: &Gathered, dir: &Path, context: &Context) -> anyhow::Result<Status> {
    let mut notes = Vec::new();
    gathered.write(dir, &mut notes).context("nothing was extracted")?;
    for note in notes {
        context.note(note);
    }
    for refused in &gathered.refused {
        context.warn(refused);
    }
    Ok(if gathered.refused.is_empty() { Status::OK } else { Status::FAILED })
}

impl Member {
    fn of(part: &Part<'_>) -> Self {
        let size = part.content().len() as u64;
        Self { offset: part.at, stored: part.stored, size, compression: part.compression, files: Vec::new() }
    }

    fn summary(&self) -> String {
        let packed = match self.compression {
            Some(compression) => format!("{compression}, {} bytes unpacked", self.size),
            None => "not compressed".to_owned(),
        };
        format!("at byte {}: {} files, {} bytes, {packed}", self.offset, self.files.len(), self.stored)
    }
}

impl Row {
    fn of(record: &Record<'_>, host: &HostFacts, terminal: bool) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Header { mode, uid, gid, nlink, size, mtime, rdev, .. } = record.header;
        let kind = mode & file_type::MASK;
        let mut line = Vec::new();
        // Writing to memory does not fail.
        let _ = list::line(record, host, &mut line);
        if terminal {
            // As ls does it.
            let text = line.iter_mut().filter(|byte| byte.is_ascii_control() && **byte != b'\n');
            text.for_each(|byte| *byte = b'?');
        }
        Self {
            path: text(record.name),
            target: (kind == file_type::SYMLINK).then(|| text(record.data)),
            mode: list::mode_text(mode),
            permissions: mode & 0o7777,
            uid,
            gid,
            links: nlink,
            size,
            mtime,
            device: matches!(kind, file_type::CHAR | file_type::BLOCK).then_some(rdev),
            line,
        }
    }
}

impl Render for Listing {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        self.members.iter().flat_map(|member| &member.files).try_for_each(|row| out.write_all(&row.line))
    }
}
