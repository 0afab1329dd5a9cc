//! What places mean, by the debug info, and by the symbol table where there is none.

use std::rc::Rc;

use lkdb_base::{LinkAddr, RuntimeAddr};
use lkdb_symbols::dwarf::{LineAt, Lines};
use lkdb_symbols::names::{Extent, Kinds};
use lkdb_symbols::{DieRef, Dwarf, Located, Object, ObjectId, SymbolKind, UnitId, dwarf};

use super::{File, Place, Purpose, Spec, parse};
use crate::names::instances;
use crate::{Error, Result, Session};

/// Where a function begins, or an inlined copy of it.
struct Entry {
    object: ObjectId,
    /// What describes it; none for what only the symbol table knows by this name.
    die: Option<DieRef>,
    address: LinkAddr,
}

impl<'d> Session<'d> {
    /// The places that a text means; none for a name that is known and has no line.
    ///
    /// # Errors
    /// In gdb's words, when it means nothing.
    pub fn places(&self, text: &str, purpose: Purpose) -> Result<Vec<Place>> {
        let spec =
            parse(text).ok_or_else(|| Error::say("malformed linespec error: unexpected end of input"))?;
        match spec {
            Spec::Address(expression) => {
                let address = self.address_of(&expression)?;
                Ok(vec![self.place_at(address, purpose)])
            }
            Spec::Function { file, name } => self.functions(file.as_deref(), &name, purpose),
            Spec::Line { file: Some(file), line } => self.lines_of(&file, line, purpose),
            Spec::Line { file: None, line } => self.lines_here(line, purpose),
            Spec::Offset(by) => {
                let at = self.listing().line().unwrap_or(1);
                let line = i64::from(at).saturating_add(by).clamp(1, i64::from(u32::MAX >> 1));
                self.lines_here(u32::try_from(line).unwrap_or(1), purpose)
            }
        }
    }

    /// The place of an address, whatever is there.
    #[must_use]
    pub fn place_at(&self, address: RuntimeAddr, purpose: Purpose) -> Place {
        let none = Place {
            object: ObjectId(0),
            address: None,
            runs_at: Some(address),
            function: None,
            file: None,
            line: 0,
            span: None,
            by_line: false,
        };
        let Some(located) = self.symbols().locate(address) else { return none };
        let Some(object) = self.symbols().object(located.object) else { return none };
        let mut place = self.described(object, located.address, purpose);
        place.runs_at = Some(address);
        place
    }

    /// What is known of an address of an object: its line and function.
    pub(crate) fn described(&self, object: &Object<'d>, address: LinkAddr, purpose: Purpose) -> Place {
        let located = Located { object: object.id, address };
        let mut place = Place {
            object: object.id,
            address: Some(address),
            runs_at: self.symbols().runtime(located),
            function: None,
            file: None,
            line: 0,
            span: None,
            by_line: false,
        };
        place.function = match purpose {
            Purpose::Code => self.innermost_function(object, address),
            Purpose::Lines => object.symbolic(address).map(|symbolic| symbolic.name.into()),
        };
        if let Some((lines, unit, at)) = line_at(object, address) {
            place.file = file_of(object.id, &lines, &unit, at.file);
            place.line = at.line;
            place.span = Some((LinkAddr(at.start), LinkAddr(at.end)));
        }
        place
    }

    /// The function around an address as stacks show it: an inlined one before the one it is in.
    pub(crate) fn innermost_function(&self, object: &Object<'d>, address: LinkAddr) -> Option<Rc<str>> {
        let inlined = || object.dwarf()?.inlined_at(address).ok()?.into_iter().next();
        let name = inlined().map(|inlined| inlined.name);
        name.or_else(|| object.symbolic(address).map(|symbolic| symbolic.name)).map(Into::into)
    }

    /// Places of a function, by name.
    fn functions(&self, file: Option<&str>, name: &str, purpose: Purpose) -> Result<Vec<Place>> {
        if let Some(file) = file {
            self.check_file(file)?;
        }
        let mut found = Vec::new();
        let mut names = vec![name.to_owned()];
        names.extend(self.system_call_names(name));
        for name in &names {
            found = self.entries(name, purpose == Purpose::Code)?;
            if !found.is_empty() {
                break;
            }
        }
        if let Some(file) = file {
            let units: Vec<(ObjectId, UnitId)> = self.units_of_file(file)?;
            found.retain(|entry| {
                let object = self.symbols().object(entry.object);
                let unit = object.and_then(|object| object.dwarf()?.unit_at(entry.address).ok()?);
                object.zip(unit).is_some_and(|(object, unit)| units.contains(&(object.id, unit)))
            });
        }
        if found.is_empty()
            && file.is_none()
            && purpose == Purpose::Lines
            && let Some(places) = self.variables(name)?
        {
            return Ok(places);
        }
        if found.is_empty() && file.is_none() {
            found = self.entries(name, true)?;
        }
        if found.is_empty() {
            let place = file.map(|file| format!(" in \"{file}\"")).unwrap_or_default();
            return Err(Error::say(format!("Function \"{name}\" not defined{place}.")));
        }
        found.into_iter().map(|entry| self.function_place(&entry, &names, purpose)).collect()
    }

    fn function_place(&self, entry: &Entry, names: &[String], purpose: Purpose) -> Result<Place> {
        let object = self.symbols().object(entry.object).ok_or_else(|| Error::say("the file is gone"))?;
        let address = entry.address;
        if purpose == Purpose::Lines {
            let mut place = self.described(object, address, purpose);
            if place.span.is_some_and(|(start, _)| start < address) {
                // An inlined copy that begins within another line's code has no line of its own, says gdb.
                (place.file, place.line, place.span) = (None, 0, None);
            }
            // A clone goes by its own name in the symbol table alone.
            let described = if entry.die.is_none() { described_function(object, address) } else { None };
            place.function = described.or_else(|| names.first().map(|name| name.as_str().into()));
            return Ok(place);
        }
        let start = object.start(address)?;
        let mut place = self.described(object, start.address, purpose);
        // The line is that of the call where the start is inside of an inlined call.
        if let (Some(line), Some(file)) = (start.line, &mut place.file) {
            file.name = Rc::clone(&line.file);
            place.line = line.line;
        }
        Ok(place)
    }

    /// Where functions of a name begin, inlined copies among them, without a namesake's address twice. In the
    /// order of the debug info, as gdb mostly has them; what only the symbol table knows comes last. Data in an
    /// executable section (newer kernels' `.data`) counts as code `with_data`, as for gdb.
    fn entries(&self, name: &str, with_data: bool) -> Result<Vec<Entry>> {
        let mut found: Vec<Entry> = Vec::new();
        let mut add = |object: ObjectId, die: Option<DieRef>, address: LinkAddr| {
            if !found.iter().any(|known| (known.object, known.address) == (object, address)) {
                found.push(Entry { object, die, address });
            }
        };
        for object in self.symbols().objects() {
            self.interrupt().check()?;
            let Some(dwarf) = object.dwarf() else { continue };
            for offset in object.dies_named(name, Kinds::FUNCTION, Extent::All) {
                if let Some(function) = dwarf.function(dwarf.die_at(offset)?)? {
                    add(object.id, Some(function.die), function.entry);
                }
            }
            for (die, inlined) in instances(object, name) {
                if let Some(entry) = entry_of(dwarf, die, inlined)? {
                    add(object.id, Some(die), entry);
                }
            }
        }
        for object in self.symbols().objects() {
            let code = |symbol: &lkdb_symbols::Symbol<'_>| match symbol.kind {
                SymbolKind::Function => true,
                SymbolKind::Object if !with_data => false,
                SymbolKind::Untyped | SymbolKind::Object => {
                    object.section_at(symbol.address).is_some_and(|section| section.executable)
                }
            };
            for symbol in object.symbols_named(name).iter().filter(|symbol| code(symbol)) {
                add(object.id, None, symbol.address);
            }
        }
        found.sort_by_key(|entry| (entry.object, entry.die.is_none(), entry.die));
        Ok(found)
    }

    /// What a system call's plain name can be in the kernel: `sys_openat` is `__x64_sys_openat` there.
    fn system_call_names(&self, name: &str) -> Vec<String> {
        let Some(call) = name.strip_prefix("sys_") else { return Vec::new() };
        let arch = self.symbols().kernel().and_then(|kernel| kernel.elf.arch().ok());
        let prefixes = arch.map(|arch| arch.system_call_prefixes).unwrap_or_default();
        prefixes.iter().map(|prefix| format!("{prefix}{call}")).collect()
    }

    fn check_file(&self, file: &str) -> Result<()> {
        if self.units_of_file(file)?.is_empty() {
            return Err(Error::say(format!("No source file named {file}.")));
        }
        Ok(())
    }

    fn units_of_file(&self, file: &str) -> Result<Vec<(ObjectId, UnitId)>> {
        let mut units = Vec::new();
        for object in self.symbols().objects() {
            let Some(dwarf) = object.dwarf() else { continue };
            units.extend(dwarf.files_named(file)?.into_iter().map(|file| (object.id, file.unit)));
        }
        Ok(units)
    }

    /// Places of a line of a file that was named.
    fn lines_of(&self, file: &str, line: u32, purpose: Purpose) -> Result<Vec<Place>> {
        let mut found = Vec::new();
        let mut known = false;
        for object in self.symbols().objects() {
            self.interrupt().check()?;
            let Some(dwarf) = object.dwarf() else { continue };
            let files = dwarf.files_named(file)?;
            known |= !files.is_empty();
            match purpose {
                Purpose::Code => {
                    let Some(places) = dwarf.places(&files, line)? else { continue };
                    for address in places.addresses {
                        let start = object.start_of_line(address)?;
                        let mut place = self.described(object, start.address, purpose);
                        place.by_line = true;
                        found.push(place);
                    }
                }
                Purpose::Lines => {
                    for (span, file) in dwarf.spans(&files, line)?.into_iter().zip(&files) {
                        found.push(self.line_place(object, dwarf, &span, file.unit)?);
                    }
                }
            }
        }
        match (found.is_empty(), known) {
            (true, false) => Err(Error::say(format!("No source file named {file}."))),
            (true, true) => Err(Error::say(format!("No line {line} in file \"{file}\"."))),
            _ => Ok(found),
        }
    }

    fn line_place(
        &self,
        object: &Object<'d>,
        dwarf: &Dwarf<'d>,
        span: &dwarf::LineSpan,
        unit: UnitId,
    ) -> Result<Place> {
        let unit = dwarf.unit(unit)?;
        let address = span.span.map(|(start, _)| start);
        let file = File {
            object: object.id,
            unit: Some(unit.id),
            name: Rc::clone(&span.file),
            directory: Some(unit.directory).filter(|dir| !dir.is_empty()).map(Rc::from),
        };
        Ok(Place {
            object: object.id,
            address,
            runs_at: address.and_then(|address| object.runtime(address)),
            function: None,
            file: Some(file),
            line: span.line,
            span: span.span,
            by_line: true,
        })
    }

    /// Places of a line of the file that is listed.
    fn lines_here(&self, line: u32, purpose: Purpose) -> Result<Vec<Place>> {
        let file = self.listed_file()?;
        let found = self.lines_of(&file.name, line, purpose)?;
        let same: Vec<Place> = found
            .iter()
            .filter(|place| place.file.as_ref().is_none_or(|other| other.name == file.name))
            .cloned()
            .collect();
        Ok(if same.is_empty() { found } else { same })
    }
}

/// The innermost function that the debug info has at an address.
fn described_function(object: &Object<'_>, address: LinkAddr) -> Option<Rc<str>> {
    let dwarf = object.dwarf()?;
    let inlined = dwarf.inlined_at(address).ok()?.into_iter().next().map(|inlined| inlined.name);
    let name = inlined.or_else(|| Some(dwarf.function_at(address).ok()??.name))?;
    Some(name.into())
}

/// The first instruction of a function's own or inlined code.
fn entry_of(dwarf: &Dwarf<'_>, die: DieRef, inlined: bool) -> Result<Option<LinkAddr>> {
    if !inlined {
        return Ok(dwarf.function(die)?.map(|function| function.entry));
    }
    let (unit, entry) = dwarf.entry(die)?;
    let ranges = unit.ranges_of(dwarf.sections(), &entry)?;
    Ok(ranges.first().map(|range| LinkAddr(range.begin)))
}

/// The line of an address, with the table it is from.
pub(crate) fn line_at<'d>(
    object: &Object<'d>,
    address: LinkAddr,
) -> Option<(Rc<Lines>, Rc<dwarf::Unit<'d>>, LineAt)> {
    let dwarf = object.dwarf()?;
    let unit = dwarf.unit(dwarf.unit_at(address).ok()??).ok()?;
    let lines = unit.lines(dwarf.sections()).ok()?;
    let at = lines.at(address.0)?;
    Some((lines, unit, at))
}

pub(crate) fn file_of(object: ObjectId, lines: &Lines, unit: &dwarf::Unit<'_>, file: usize) -> Option<File> {
    let name = Rc::clone(&lines.files.get(file)?.name);
    let directory = Some(unit.directory).filter(|dir| !dir.is_empty()).map(Rc::from);
    Some(File { object, unit: Some(unit.id), name, directory })
}
