//! Where `list` is: a file and the lines that were listed last.

use std::rc::Rc;

use crate::linespec::{File, Place, Purpose};
use crate::source::{SourceName, Text};
use crate::{Error, Result, Session};

/// What was listed last.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    file: Option<File>,
    /// The first and last line that were shown.
    shown: Option<(u32, u32)>,
    /// The line that a listing without arguments begins around, when nothing was shown since.
    around: Option<u32>,
    /// The file that was last not found, so that it is said once.
    missing: Option<File>,
    /// Where `info line` without arguments goes on.
    next: Option<(File, u32)>,
    hinted: bool,
}

impl Listing {
    /// The file.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// The line that `+N` and `-N` count from: the last shown.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.shown.map(|(_, last)| last).or(self.around)
    }

    /// What was shown last.
    #[must_use]
    pub fn shown(&self) -> Option<(u32, u32)> {
        self.shown
    }

    /// The line to begin around, when a place was chosen and nothing of it shown.
    #[must_use]
    pub fn around(&self) -> Option<u32> {
        self.around
    }
}

/// Lines of a file.
#[derive(Debug, Clone)]
pub struct Lines {
    /// The file.
    pub file: File,
    /// Numbers and texts; none when the file is not there.
    pub lines: Option<Vec<(u32, String)>>,
    /// The first line that was asked for.
    pub first: u32,
    /// That the file is not there was said before.
    pub said: bool,
}

impl Session<'_> {
    /// Where `list` is.
    #[must_use]
    pub fn listing(&self) -> std::cell::Ref<'_, Listing> {
        self.listing.borrow()
    }

    /// Makes `list` begin around a place: where the target has stopped, what frame was selected.
    pub fn list_around(&self, file: File, line: u32) {
        let mut listing = self.listing.borrow_mut();
        listing.file = Some(file);
        listing.shown = None;
        listing.around = Some(line);
    }

    /// Makes `list` go on behind a line that something else showed.
    pub fn list_after(&self, file: File, line: u32) {
        let mut listing = self.listing.borrow_mut();
        listing.file = Some(file);
        listing.shown = Some((line, line));
        listing.around = None;
    }

    /// Makes `info line` without arguments be about a line.
    pub fn set_next_line(&self, file: File, line: u32) {
        self.listing.borrow_mut().next = Some((file, line));
    }

    /// The line that `info line` without arguments is about.
    #[must_use]
    pub fn next_line(&self) -> Option<(File, u32)> {
        self.listing.borrow().next.clone()
    }

    /// Whether it was said before that a file is missing; from now on it was.
    pub fn said_missing(&self, file: &File) -> bool {
        let mut listing = self.listing.borrow_mut();
        let said = listing.missing.as_ref() == Some(file);
        listing.missing = Some(file.clone());
        said
    }

    /// What to do about sources that are not there; once a session.
    #[must_use]
    pub fn source_hint(&self) -> Option<String> {
        let mut listing = self.listing.borrow_mut();
        if std::mem::replace(&mut listing.hinted, true) {
            return None;
        }
        Some("Sources: `lkdb kernel fetch' gets a distribution kernel's; give --source DIR or use `directory DIR' \
              for others.".to_owned())
    }

    /// Where a source file is on this host.
    #[must_use]
    pub fn find_source(&self, file: &File) -> Option<std::path::PathBuf> {
        self.sources().find(SourceName { directory: file.directory.as_deref(), name: &file.name })
    }

    /// The file that lines without a file are of: the one listed, else the kernel's first.
    ///
    /// # Errors
    /// When there is none.
    pub fn listed_file(&self) -> Result<File> {
        if let Some(file) = self.listing().file() {
            return Ok(file.clone());
        }
        let place = self.first_place()?;
        place.file.ok_or_else(no_symbols)
    }

    /// Where a listing begins that nobody has begun: the kernel's first C function, else a module's.
    ///
    /// # Errors
    /// When there is no debug info.
    pub fn first_place(&self) -> Result<Place> {
        let known = ["start_kernel", "init_module", "main"];
        let found = known.iter().find_map(|name| {
            let places = self.places(name, Purpose::Lines).ok()?;
            places.into_iter().find(|place| place.file.is_some())
        });
        found.ok_or_else(no_symbols)
    }

    /// The text of a source file; none when it is not on this host.
    #[must_use]
    pub fn text_of(&self, file: &File) -> Option<Rc<Text>> {
        let path = self.find_source(file)?;
        self.sources().text(&path).ok()
    }

    /// Lines `first` to `last` of a file, which becomes the one that is listed.
    ///
    /// # Errors
    /// When the file is shorter.
    pub fn lines(&self, file: &File, first: u32, last: u32) -> Result<Lines> {
        let text = self.text_of(file);
        let mut listing = self.listing.borrow_mut();
        listing.file = Some(file.clone());
        listing.around = None;
        let Some(text) = text else {
            listing.shown = Some((first, first));
            let said = listing.missing.as_ref() == Some(file);
            listing.missing = Some(file.clone());
            return Ok(Lines { file: file.clone(), lines: None, first, said });
        };
        let all = u32::try_from(text.lines()).unwrap_or(u32::MAX);
        if first > all {
            return Err(Error::say(format!(
                "Line number {first} out of range; {} has {all} lines.",
                file.name
            )));
        }
        let last = last.min(all);
        listing.shown = Some((first, last));
        let lines = (first..=last).filter_map(|number| Some((number, text.line(u64::from(number))?)));
        Ok(Lines { file: file.clone(), lines: Some(lines.collect()), first, said: false })
    }
}

fn no_symbols() -> Error {
    Error::say("No symbol table is loaded.  Use the \"file\" command.")
}
