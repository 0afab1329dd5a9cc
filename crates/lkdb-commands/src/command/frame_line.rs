//! One frame on a line, with its arguments; and the source line it stands at.

use lkdb_session::Session;
use lkdb_session::frames::Row;
use serde::Serialize;

use super::variables::Argument;
use crate::answer::Layout;
use crate::page::{Page, Style};

/// One frame on a line.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FrameLine {
    level: usize,
    /// The address, in hex.
    pc: String,
    function: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    /// None for a function without debug info.
    arguments: Option<Vec<Argument>>,
    file: Option<String>,
    line: Option<u32>,
    inlined: bool,
    /// The address is shown: it is not where its line begins.
    #[serde(skip)]
    with_address: bool,
}

impl FrameLine {
    pub(crate) fn of(session: &Session<'_>, level: usize, row: &Row) -> Self {
        Self {
            level,
            pc: format!("{:#018x}", row.pc),
            function: row.function.clone(),
            module: row.module.clone(),
            arguments: Argument::all(session, level),
            file: row.line.as_ref().map(|line| line.file.to_string()),
            line: row.line.as_ref().map(|line| line.line),
            inlined: row.inlined.is_some(),
            with_address: row.within_line || row.line.is_none(),
        }
    }

    /// From the address on.
    pub(crate) fn describe(&self, page: &mut Page) {
        if self.with_address {
            page.put(Style::Address, &self.pc).plain(" in ");
        }
        page.put(Style::Function, self.function.as_deref().unwrap_or("??")).plain(" (");
        for (index, argument) in self.arguments.iter().flatten().enumerate() {
            page.plain(if index == 0 { "" } else { ", " });
            argument.put(page);
        }
        page.plain(")");
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            page.plain(" at ").put(Style::File, file).plain(":").plain(line);
        }
        // As gdb has it for shared libraries.
        if let Some(module) = &self.module {
            page.plain(" from ").put(Style::File, module);
        }
        page.plain("\n");
    }
}

impl Layout for FrameLine {
    fn lay_out(&self, page: &mut Page) {
        page.plain(format_args!("#{:<3}", self.level));
        self.describe(page);
    }
}

/// The source line that a frame stands at.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SourceLine {
    line: u32,
    file: String,
    /// None when the file is not on this host.
    text: Option<String>,
    /// That the file is not there was said before.
    #[serde(skip)]
    said: bool,
    /// Shown in front, when the line is all that is shown and the address is within it.
    #[serde(skip)]
    address: Option<String>,
}

impl SourceLine {
    /// A frame's, which becomes the one that `list` is around.
    pub(crate) fn at(session: &Session<'_>, row: &Row) -> Option<Self> {
        let (file, line) = session.source_of(row)?;
        let text = session.text_of(&file).and_then(|text| text.line(u64::from(line)));
        let said = text.is_none() && session.said_missing(&file);
        session.list_around(file.clone(), line);
        Some(Self { line, file: file.name.to_string(), text, said, address: None })
    }

    /// The same with the address, for a frame that is within its line.
    pub(crate) fn alone(mut self, row: &Row) -> Self {
        self.address = row.within_line.then(|| format!("{:#018x}", row.pc));
        self
    }
}

impl Layout for SourceLine {
    fn lay_out(&self, page: &mut Page) {
        if let Some(address) = &self.address {
            page.put(Style::Address, address).plain("\t");
        }
        page.put(Style::Dim, self.line).plain("\t");
        match &self.text {
            Some(text) => page.plain(text),
            None if self.said => page.plain("in ").put(Style::File, &self.file),
            None => page.put(Style::File, &self.file).plain(": No such file or directory."),
        };
        page.plain("\n");
    }
}
