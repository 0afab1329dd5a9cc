//! Files with symbols: `file`, `add-symbol-file`, `info files`.

use lkdb_session::Session;
use serde::Serialize;

use crate::answer::{Layout, Nothing, Text};
use crate::data::Hex;
use crate::page::{Page, Style};
use crate::table::{Command, Group, Takes};
use crate::{Error, Result, arguments};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new(&["file", "symbol-file"], "FILE", "Adds the symbols of a file, at the addresses it was linked for", Group::Files, file)
        .takes(Takes::Path),
    Command::new(
        &["add-symbol-file"],
        "FILE [ADDRESS] [-s SECTION ADDRESS]... [-o OFFSET]",
        "Adds the symbols of a file that runs elsewhere\nADDRESS is where .text is, -s tells of other sections, -o moves all.",
        Group::Files,
        add_symbol_file,
    )
    .takes(Takes::Path),
];

pub(crate) const INFO: &[Command] = &[
    Command::new(
        &["files", "target"],
        "",
        "The files, and where their sections are",
        Group::Status,
        info_files,
    ),
    Command::new(
        &["sharedlibrary", "dll"],
        "",
        "Shared libraries: a kernel has none",
        Group::Status,
        info_shared,
    ),
];

fn file(session: &mut Session<'_>, rest: &str) -> Result {
    match arguments::words(rest)?.as_slice() {
        [path] => session.add_file(path.as_ref())?,
        [] => return Err(Error::say("file takes the path of a vmlinux or module")),
        _ => return Err(Error::say("file takes one path")),
    }
    Ok(Box::new(Nothing {}))
}

fn add_symbol_file(session: &mut Session<'_>, rest: &str) -> Result {
    let words = arguments::words(rest)?;
    let mut words = words.iter();
    let Some(path) = words.next() else {
        return Err(Error::say("add-symbol-file takes a file name and an address"));
    };
    let (mut sections, mut offset): (Vec<(String, u64)>, u64) = (Vec::new(), 0);
    while let Some(word) = words.next() {
        let missing = || Error::say(format!("Missing argument to \"{word}\""));
        match word.as_str() {
            "-s" => {
                let section = words.next().ok_or_else(missing)?;
                let address = session.address_of(words.next().ok_or_else(missing)?)?;
                sections.push((section.clone(), address.0));
            }
            "-o" => offset = session.address_of(words.next().ok_or_else(missing)?)?.0,
            "-readnow" | "-readnever" => {}
            expression => sections.push((".text".to_owned(), session.address_of(expression)?.0)),
        }
    }
    session.add_file_at(path.as_ref(), &sections, offset)?;
    Ok(Text::line(format_args!("add symbol table from file \"{path}\"")))
}

/// The files.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct FilesAndSections(Vec<OneFile>);

#[derive(Debug, Serialize)]
struct OneFile {
    file: String,
    format: String,
    entry: Hex,
    sections: Vec<Section>,
}

#[derive(Debug, Serialize)]
struct Section {
    name: String,
    start: Hex,
    end: Hex,
}

impl Layout for FilesAndSections {
    fn lay_out(&self, page: &mut Page) {
        for file in &self.0 {
            page.plain("Symbols from \"").put(Style::File, &file.file).plain("\".\n");
        }
        for file in &self.0 {
            page.plain("Local exec file:\n\t`").put(Style::File, &file.file);
            page.plain("', file type ").plain(&file.format).plain(".\n");
            page.plain(format_args!("\tEntry point: {:#x}\n", file.entry.0));
            for section in &file.sections {
                page.plain("\t").put(Style::Address, format_args!("{:#018x}", section.start.0)).plain(" - ");
                page.put(Style::Address, format_args!("{:#018x}", section.end.0)).plain(" is ");
                page.plain(&section.name).plain("\n");
            }
        }
    }
}

fn info_files(session: &mut Session<'_>, rest: &str) -> Result {
    arguments::none(rest)?;
    let files = session.symbols().objects().map(|object| {
        let sections = object.elf.sections().filter(|section| section.allocated).filter_map(|section| {
            let start = object.runtime(object.layout.start(&section))?;
            let end = start.offset(section.size);
            Some(Section { name: section.name.to_owned(), start: Hex(start.0), end: Hex(end.0) })
        });
        let path = session.path_of(object.id).map(|path| path.display().to_string());
        let arch = object.elf.arch().map_or("unknown", |arch| arch.bfd);
        OneFile {
            file: path.unwrap_or_else(|| object.name.clone()),
            format: format!("elf64-{arch}"),
            entry: Hex(object.elf.entry()),
            sections: sections.collect(),
        }
    });
    let all = FilesAndSections(files.collect());
    Ok(Box::new(all))
}

fn info_shared(_: &mut Session<'_>, rest: &str) -> Result {
    arguments::none(rest)?;
    Ok(Text::line("No shared libraries loaded at this time."))
}
