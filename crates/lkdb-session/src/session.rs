//! The session itself: what it has, and how it is opened on files.
//!
//! What it can be asked stands in the modules beside: places in the code, listings, instructions, sources.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use lkdb_base::{Memory, RuntimeAddr};
use lkdb_map::Files;
use lkdb_symbols::{Elf, Moved, Object, ObjectId, Placement, Store, Symbols, dwarf};

use crate::breakpoints::Table;
use crate::displays::Displays;
use crate::frames::{Frames, Tables};
use crate::image::StaticMemory;
use crate::indexes::Indexes;
use crate::listing::Listing;
use crate::live::Live;
use crate::modules::Modules;
use crate::names::Names;
use crate::source::Sources;
use crate::values::Values;
use crate::{Error, Interrupt, Result, Settings};

/// One debugger's hold on one kernel: files, and what the user has said and chosen.
pub struct Session<'d> {
    files: &'d Files,
    store: &'d Store,
    symbols: Symbols<'d>,
    paths: Vec<(ObjectId, PathBuf)>,
    memory: StaticMemory<'d>,
    settings: Settings,
    sources: Sources,
    interrupt: Interrupt,
    names: Names,
    pub(crate) indexes: Indexes<'d>,
    values: Values,
    pub(crate) displays: Displays,
    pub(crate) modules: Modules<'d>,
    pub(crate) listing: RefCell<Listing>,
    pub(crate) breakpoints: Table,
    pub(crate) live: Option<Live>,
    pub(crate) frames: Frames,
    pub(crate) unwind_tables: Tables<'d>,
}

impl<'d> Session<'d> {
    /// Without a file yet. `working_directory` is where relative paths start.
    #[must_use]
    pub fn new(files: &'d Files, store: &'d Store, working_directory: PathBuf) -> Self {
        Self {
            files,
            store,
            symbols: Symbols::new(store),
            paths: Vec::new(),
            memory: StaticMemory::default(),
            settings: Settings::default(),
            sources: Sources::new(working_directory),
            interrupt: Interrupt::default(),
            names: Names::default(),
            indexes: Indexes::default(),
            values: Values::default(),
            displays: Displays::default(),
            modules: Modules::default(),
            listing: RefCell::default(),
            breakpoints: Table::default(),
            live: None,
            frames: Frames::default(),
            unwind_tables: Tables::default(),
        }
    }

    /// Adds the symbols of an ELF file, at the addresses it was linked for.
    ///
    /// # Errors
    /// When it cannot be read, or is no ELF file.
    pub fn add_file(&mut self, path: &Path) -> Result<()> {
        let bytes = self.files.map(self.path(path))?;
        self.add_bytes(path, bytes)
    }

    /// Adds the symbols of an ELF file's bytes: of one that was unpacked.
    ///
    /// # Errors
    /// When they are no ELF file.
    pub fn add_bytes(&mut self, path: &Path, bytes: &'d [u8]) -> Result<()> {
        let elf = parsed(path, bytes)?;
        self.add_object(path, elf, |_| {})
    }

    /// Adds the symbols of a file whose sections run elsewhere: `sections` by name (`.text` alone moves the
    /// others along), then all moved by `offset`.
    ///
    /// # Errors
    /// As [`Session::add_file`], and for a section that the file does not have.
    pub fn add_file_at(&mut self, path: &Path, sections: &[(String, u64)], offset: u64) -> Result<()> {
        let bytes = self.files.map(self.path(path))?;
        let elf = parsed(path, bytes)?;
        if let Some((name, _)) = sections.iter().find(|(name, _)| elf.section(name).is_none()) {
            return Err(Error::say(format!("section {name} not found in {}", path.display())));
        }
        self.add_object(path, elf, |object| place(object, &elf, sections, offset))
    }

    /// Adds an object after `set` has told it more.
    fn add_object(&mut self, path: &Path, elf: Elf<'d>, set: impl FnOnce(&mut Object<'d>)) -> Result<()> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let id = self.symbols.add_with(&name, elf, set).ok_or_else(|| Error::say("too many files"))?;
        self.names.forget();
        self.paths.push((id, path.to_owned()));
        if let Some(object) = self.symbols.object(id) {
            self.memory.add(&elf, |section| object.runtime(object.layout.start(section)));
            if let Some(dwarf) = object.dwarf() {
                self.join_split(path, dwarf.sections());
            }
            for gap in object.dwarf().map(|dwarf| dwarf.gaps(&elf)).unwrap_or_default() {
                tracing::warn!("{}: {gap}", path.display());
            }
            self.use_ready_index(object);
        }
        Ok(())
    }

    /// Puts the `.dwo` files of split debug info to it: from where they were built, else from beside the file.
    fn join_split(&self, path: &Path, sections: &dwarf::Sections<'d>) {
        if !sections.wants_join() {
            return;
        }
        let units = sections.split_units();
        let beside = path.parent().unwrap_or(Path::new(""));
        let open = |unit: &dwarf::SplitUnit| {
            let built = Path::new(&unit.directory).join(&unit.name);
            [built, beside.join(&unit.name)]
                .iter()
                .find_map(|path| Elf::parse(self.files.map(path).ok()?).ok())
        };
        let files: Vec<_> = units
            .into_iter()
            .map(|unit| {
                let elf = open(&unit);
                (unit, elf)
            })
            .collect();
        if let Err(error) = sections.join(&files) {
            tracing::warn!("{}: {error}", path.display());
        }
    }

    /// Where bytes made from files are kept.
    #[must_use]
    pub fn store(&self) -> &'d Store {
        self.store
    }

    /// The files that are mapped.
    pub(crate) fn files(&self) -> &'d Files {
        self.files
    }

    /// Everything that is known of names and addresses.
    #[must_use]
    pub fn symbols(&self) -> &Symbols<'d> {
        &self.symbols
    }

    /// The file that an object came from.
    #[must_use]
    pub fn path_of(&self, object: ObjectId) -> Option<&Path> {
        self.paths.iter().find(|(id, _)| *id == object).map(|(_, path)| path.as_path())
    }

    /// Memory as the files have it: before anything has run.
    pub(crate) fn static_memory(&self) -> &dyn Memory {
        &self.memory
    }

    /// Names of the debug info.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The history of values, convenience variables.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The kernel's architecture; none without a file.
    #[must_use]
    pub fn arch(&self) -> Option<&'static lkdb_base::Arch> {
        self.symbols.objects().find_map(|object| object.elf.arch().ok())
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings, to be changed.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Source files.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Source files, to be told where they are.
    pub fn sources_mut(&mut self) -> &mut Sources {
        &mut self.sources
    }

    /// The flag that ends long work.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// A path as the user types it: `~` is the home directory, relative ones start at the working directory.
    #[must_use]
    pub fn path(&self, typed: impl AsRef<Path>) -> PathBuf {
        let typed = typed.as_ref();
        let home = || std::env::var_os("HOME").map(PathBuf::from);
        let typed = match typed.strip_prefix("~") {
            Ok(rest) => home().map_or_else(|| typed.to_owned(), |home| home.join(rest)),
            Err(_) => typed.to_owned(),
        };
        self.sources.working_directory().join(typed)
    }

    /// `cd`: for this session's relative paths; the process stays where it is.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn change_directory(&mut self, to: &Path) -> Result<()> {
        let to = self.path(to);
        let to = to.canonicalize().map_err(|error| Error::io(to, error))?;
        if !to.is_dir() {
            return Err(Error::say(format!("{}: Not a directory.", to.display())));
        }
        self.sources.set_working_directory(to);
        Ok(())
    }

    /// `directory LIST`: colons between; relative ones are of the working directory.
    pub fn add_directories(&mut self, list: &str) {
        let absolute = |one: &str| match one {
            "$cdir" | "$cwd" => one.to_owned(),
            one => self.path(one).to_string_lossy().into_owned(),
        };
        let list: Vec<String> = list.split(':').filter(|one| !one.is_empty()).map(absolute).collect();
        self.sources.prepend_directories(&list);
    }

    /// Names of symbols that begin so, for completion; not more than a screen of them.
    #[must_use]
    pub fn names_beginning(&self, begin: &str) -> Vec<String> {
        const SCREEN: usize = 200;
        if begin.is_empty() {
            return Vec::new();
        }
        let tables = self.symbols.objects().filter_map(|object| object.elf.raw_symbols().ok());
        let all = tables.flat_map(|table| table.iter().map(|symbol| symbol.name));
        let mut names: Vec<String> = all.filter(|name| name.starts_with(begin)).map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(SCREEN);
        names
    }
}

fn parsed<'d>(path: &Path, bytes: &'d [u8]) -> Result<Elf<'d>> {
    Elf::parse(bytes).map_err(|error| Error::Elf { path: path.to_owned(), error })
}

/// Places the sections of an object: those that are told, the others by the distance that `.text` moved.
fn place<'d>(object: &mut Object<'d>, elf: &Elf<'d>, sections: &[(String, u64)], offset: u64) {
    let start = |section: &lkdb_symbols::Section<'d>| object.layout.start(section);
    let text = elf.section(".text").and_then(|text| {
        let (_, address) = sections.iter().find(|(name, _)| name == ".text")?;
        Some(address.wrapping_sub(start(&text).0))
    });
    let moved = elf.sections().filter(|section| section.allocated && section.size > 0).map(|section| {
        let told = sections.iter().find(|(name, _)| name == section.name).map(|(_, address)| *address);
        let along = start(&section).0.wrapping_add(text.unwrap_or(0));
        let runs_at = RuntimeAddr(told.unwrap_or(along).wrapping_add(offset));
        Moved { start: start(&section), size: section.size, runs_at }
    });
    let placement = Placement::module(moved.collect());
    object.place(placement);
}
