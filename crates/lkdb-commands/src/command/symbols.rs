//! `info types`, `info functions`, `info variables`: everything whose name matches a pattern, by file.

use std::rc::Rc;

use lkdb_session::Session;
use lkdb_symbols::index::{Entry, Group as FileGroup, Index, Kind, Pattern};
use lkdb_symbols::names::Kinds;
use lkdb_symbols::types::Type;
use lkdb_symbols::{Object, Section, Symbol as ElfSymbol, SymbolKind, TypeId, TypeSource as _};
use lkdb_value::declare::{declare_spelled, type_name};
use serde::Serialize;

use crate::answer::Layout;
use crate::data::Hex;
use crate::page::{Page, Style};
use crate::table::{Command, Group};
use crate::{Error, Result};

const OPTIONS: &str = "[-q] [-n] [-t TYPEREGEXP] [NAMEREGEXP]";

pub(crate) const INFO: &[Command] = &[
    Command::new(
        &["functions", "fun"],
        OPTIONS,
        "Functions whose name matches, by file\n-q: nothing when there is none; -n: none without debug info; -t: whose type matches.",
        Group::Status,
        functions,
    ),
    Command::new(
        &["types"],
        "[-q] [NAMEREGEXP]",
        "Types whose name matches, by file\n-q: nothing when there is none.",
        Group::Status,
        types,
    ),
    Command::new(
        &["variables", "var"],
        OPTIONS,
        "Variables of file scope whose name matches, by file\nOptions as for info functions.",
        Group::Status,
        variables,
    ),
];

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(skip)]
    title: String,
    files: Vec<File>,
    /// What no debug info knows.
    without_debug_info: Vec<Bare>,
}

#[derive(Debug, Serialize)]
struct File {
    file: Option<String>,
    symbols: Vec<Symbol>,
}

#[derive(Debug, Serialize)]
struct Symbol {
    name: String,
    line: Option<u32>,
    declaration: String,
}

#[derive(Debug, Serialize)]
struct Bare {
    address: Hex,
    name: String,
}

impl Layout for Found {
    fn lay_out(&self, page: &mut Page) {
        page.plain(&self.title);
        for file in &self.files {
            match &file.file {
                Some(name) => page.plain("\nFile ").put(Style::File, name).plain(":\n"),
                None => page.plain("\n"),
            };
            for symbol in &file.symbols {
                if let Some(line) = symbol.line {
                    page.put(Style::Dim, line).plain(":");
                }
                page.plain("\t").plain(&symbol.declaration).plain("\n");
            }
        }
        if !self.without_debug_info.is_empty() {
            page.plain("\nNon-debugging symbols:\n");
            for bare in &self.without_debug_info {
                page.put(Style::Address, format_args!("{:#018x}", bare.address.0));
                page.plain("  ").put(Style::Function, &bare.name).plain("\n");
            }
        }
    }
}

/// What was asked.
#[derive(Debug, Default)]
struct Question {
    quiet: bool,
    debug_only: bool,
    ty: Option<(String, Pattern)>,
    name: Option<(String, Pattern)>,
}

impl Question {
    fn read(text: &str) -> Result<Self> {
        let mut question = Self::default();
        let mut rest = text.trim();
        loop {
            let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            match word {
                "-q" => question.quiet = true,
                "-n" => question.debug_only = true,
                "-t" => {
                    let behind = behind.trim_start();
                    let (ty, after) = behind.split_once(char::is_whitespace).unwrap_or((behind, ""));
                    if ty.is_empty() {
                        return Err(Error::say("-t requires an argument"));
                    }
                    question.ty = Some((ty.to_owned(), pattern(ty)?));
                    rest = after.trim_start();
                    continue;
                }
                "--" => {
                    rest = behind.trim_start();
                    break;
                }
                _ => break,
            }
            rest = behind.trim_start();
        }
        if !rest.is_empty() {
            question.name = Some((rest.to_owned(), pattern(rest)?));
        }
        Ok(question)
    }

    fn title(&self, what: &str) -> String {
        let ty = |word: &str| {
            let ty = self.ty.as_ref();
            ty.map(|(ty, _)| format!(" {word} type matching regular expression \"{ty}\"")).unwrap_or_default()
        };
        match &self.name {
            Some((name, _)) => format!("All {what}s matching regular expression \"{name}\"{}:\n", ty("with")),
            None => format!("All defined {what}s{}:\n", ty("with")),
        }
    }

    fn matches(&self, name: &str) -> bool {
        self.name.as_ref().is_none_or(|(_, pattern)| pattern.matches(name.as_bytes()))
    }
}

fn pattern(text: &str) -> Result<Pattern> {
    Pattern::new(text).map_err(|error| Error::say(error.to_string()))
}

fn functions(session: &mut Session<'_>, rest: &str) -> Result {
    let question = Question::read(rest)?;
    find(session, &question, "function", Kinds::FUNCTION)
}

fn variables(session: &mut Session<'_>, rest: &str) -> Result {
    let question = Question::read(rest)?;
    find(session, &question, "variable", Kinds::VARIABLE)
}

fn types(session: &mut Session<'_>, rest: &str) -> Result {
    let question = Question::read(rest)?;
    find(session, &question, "type", Kinds::TYPES)
}

fn find(session: &Session<'_>, question: &Question, what: &str, kinds: Kinds) -> Result {
    let all = pattern("")?;
    let wanted = question.name.as_ref().map_or(&all, |(_, pattern)| pattern);
    let (mut files, mut bare) = (Vec::new(), Vec::new());
    for object in session.symbols().objects() {
        let index = session.index(object)?;
        if let Some(index) = &index {
            let groups = index.listing(wanted, kinds).map_err(|error| Error::say(error.to_string()))?;
            for group in &groups {
                files.extend(file(session, object, group, question)?);
            }
        }
        let with_bare = !question.debug_only && question.ty.is_none() && kinds != Kinds::TYPES;
        if with_bare {
            bare.extend(without_debug_info(object, index.as_deref(), question, kinds));
        }
    }
    let quiet = question.quiet && files.is_empty() && bare.is_empty();
    let title = if quiet { String::new() } else { question.title(what) };
    Ok(Box::new(Found { title, files, without_debug_info: bare }))
}

/// What is in one file; none when nothing of the wanted type is.
fn file(
    session: &Session<'_>,
    object: &Rc<Object<'_>>,
    group: &FileGroup<'_>,
    question: &Question,
) -> Result<Option<File>> {
    let mut symbols = Vec::new();
    for entry in &group.entries {
        session.interrupt().check()?;
        let Some((declaration, ty)) = declaration(session, object, entry) else { continue };
        if question.ty.as_ref().is_some_and(|(_, pattern)| !pattern.matches(ty.as_bytes())) {
            continue;
        }
        let line = Some(entry.line).filter(|line| *line > 0);
        symbols.push(Symbol { name: entry.name.to_owned(), line, declaration });
    }
    let file = group.file.map(|file| file.path.to_owned());
    Ok((!symbols.is_empty()).then_some(File { file, symbols }))
}

/// How an entry is declared, and its type's name.
fn declaration(session: &Session<'_>, object: &Object<'_>, entry: &Entry<'_>) -> Option<(String, String)> {
    let dwarf = object.dwarf()?;
    let die = dwarf.die_at(entry.die).ok()?;
    let types = session.symbols();
    let own = dwarf.type_id(die).ok()?;
    let text = match entry.kind {
        Kind::Struct => format!("struct {};", entry.name),
        Kind::Union => format!("union {};", entry.name),
        Kind::Enum => format!("enum {};", entry.name),
        Kind::Base => type_name(types, own).ok()?,
        Kind::Typedef => {
            let Type::Typedef { target, .. } = &*types.get(own).ok()? else { return None };
            format!("typedef {} {};", type_name(types, plain(types, *target)).ok()?, entry.name)
        }
        Kind::Function | Kind::Variable => {
            let ty = if entry.kind == Kind::Function {
                own
            } else {
                let (unit, entry) = dwarf.entry(die).ok()?;
                types.type_of_variable(dwarf.type_id_of(&unit, &entry).ok()?)
            };
            let linkage = if entry.external { "" } else { "static " };
            let declared = declare_spelled(types, ty, entry.name).ok()?;
            return Some((format!("{linkage}{declared};"), type_name(types, ty).ok()?));
        }
        Kind::Enumerator => return None,
    };
    Some((text, type_name(types, own).unwrap_or_default()))
}

/// A type with its typedefs looked through.
fn plain(types: &lkdb_symbols::Symbols<'_>, mut id: TypeId) -> TypeId {
    for _ in 0..64 {
        match types.get(id).as_deref() {
            Ok(Type::Typedef { target, .. }) => id = *target,
            _ => break,
        }
    }
    id
}

/// Symbols that no debug info knows: functions outside of every unit, variables whose name is in none.
fn without_debug_info(
    object: &Object<'_>,
    index: Option<&Index<'_>>,
    question: &Question,
    kinds: Kinds,
) -> Vec<Bare> {
    let code = kinds == Kinds::FUNCTION;
    let unknown = |symbol: &ElfSymbol<'_>| {
        if code {
            let unit = object.dwarf().and_then(|dwarf| dwarf.unit_at(symbol.address).ok().flatten());
            return unit.is_none();
        }
        let known = index.and_then(|index| index.named(symbol.name, Kinds::VARIABLE).ok());
        known.is_none_or(|known| known.iter().all(|entry| entry.declaration))
    };
    let all = object.minimal_symbols().map(|symbols| symbols.all()).unwrap_or_default();
    let sections: Vec<_> = object.elf.sections().collect();
    let section =
        |symbol: &ElfSymbol<'_>| sections.iter().find(|section| Some(section.index) == symbol.section);
    // Data is data in a section that may be executed, too (.data of 7.2 has the flag).
    let is_code = |symbol: &ElfSymbol<'_>, section: &Section<'_>| {
        section.executable && symbol.kind != SymbolKind::Object
    };
    let wanted = |symbol: &&ElfSymbol<'_>| {
        question.matches(symbol.name)
            && section(symbol).is_some_and(|section| section.allocated && is_code(symbol, section) == code)
            && unknown(symbol)
    };
    let runs = |symbol: &ElfSymbol<'_>| object.runtime(symbol.address).map_or(symbol.address.0, |at| at.0);
    all.iter()
        .filter(wanted)
        .map(|symbol| Bare { address: Hex(runs(symbol)), name: symbol.name.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_before_the_pattern() {
        let question = Question::read("-q -n -t int ^do_").unwrap();
        assert!(question.quiet && question.debug_only);
        assert_eq!(
            question.title("function"),
            "All functions matching regular expression \"^do_\" with type matching regular expression \"int\":\n"
        );
        assert_eq!(Question::read("").unwrap().title("type"), "All defined types:\n");
    }
}
