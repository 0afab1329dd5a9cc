//! Instructions among their source lines: `disassemble /s` and `/m`.

use std::collections::HashSet;

use lkdb_base::RuntimeAddr;
use lkdb_session::Session;
use lkdb_session::linespec::{File, Place, Purpose};

use super::code::{Modifiers, Row};
use crate::Result;
use crate::page::{Page, Style};

/// Puts instructions on a page, with what the modifiers want.
pub(crate) fn lay_out(
    session: &Session<'_>,
    page: &mut Page,
    rows: &[Row],
    modifiers: Modifiers,
    function: Option<RuntimeAddr>,
) -> Result<()> {
    if modifiers.source {
        return in_code_order(session, page, rows, modifiers, function);
    }
    if modifiers.by_source {
        return in_source_order(session, page, rows, modifiers, function);
    }
    for row in rows {
        put(page, row, modifiers, function);
    }
    Ok(())
}

/// One instruction.
fn put(page: &mut Page, row: &Row, modifiers: Modifiers, function: Option<RuntimeAddr>) {
    page.plain(if row.current { "=> " } else { "   " });
    page.put(Style::Address, format_args!("{:#018x}", row.address.0));
    match (function, &row.symbol) {
        // Within a function offsets are from its entry, in its cold part too.
        (Some(entry), _) => {
            page.plain(format_args!(" <{:+}>", row.address.0.wrapping_sub(entry.0).cast_signed()));
        }
        (None, Some(symbol)) => {
            page.plain(" <").put(Style::Function, symbol).plain(format_args!("{:+}>", row.offset));
        }
        (None, None) => {}
    }
    page.plain(":\t");
    if modifiers.bytes {
        page.put(Style::Dim, format_args!("{:<19}", row.bytes)).plain("\t");
    }
    page.plain(&row.text).plain("\n");
}

fn place(session: &Session<'_>, row: &Row) -> Place {
    session.place_at(RuntimeAddr(row.address.0), Purpose::Lines)
}

/// `/s`: source lines before the code they belong to; lines that are skipped come along once.
fn in_code_order(
    session: &Session<'_>,
    page: &mut Page,
    rows: &[Row],
    modifiers: Modifiers,
    function: Option<RuntimeAddr>,
) -> Result<()> {
    let places: Vec<Place> = rows.iter().map(|row| place(session, row)).collect();
    let code: HashSet<(String, u32)> = places.iter().filter_map(key).collect();
    let mut shown: HashSet<(String, u32)> = HashSet::new();
    let mut last: Option<(File, u32)> = None;
    for (row, place) in rows.iter().zip(&places) {
        let here = place.file.clone().map(|file| (file, place.line));
        let same = |other: &(File, u32)| {
            here.as_ref().is_some_and(|here| here.0.name == other.0.name && here.1 == other.1)
        };
        if let Some((file, line)) = here.clone()
            && !last.as_ref().is_some_and(same)
        {
            let changed = last.as_ref().is_none_or(|(other, _)| other.name != file.name);
            if last.is_some() {
                page.plain("\n");
            }
            if changed {
                page.put(Style::File, &file.name).plain(":\n");
            }
            let first = match &last {
                // Lines between that have no code come along, if all of them are new.
                Some((other, before)) if !changed && other.name == file.name && *before < line => {
                    let unseen = |number: &u32| {
                        let key = (file.name.to_string(), *number);
                        !code.contains(&key) && !shown.contains(&key)
                    };
                    (before + 1..line).rev().take_while(unseen).last().unwrap_or(line)
                }
                _ => line,
            };
            let first = if (first..line).len() as u32 == line.saturating_sub(first) { first } else { line };
            put_lines(session, page, &file, first, line)?;
            for number in first..=line {
                shown.insert((file.name.to_string(), number));
            }
        }
        last = here;
        put(page, row, modifiers, function);
    }
    Ok(())
}

fn key(place: &Place) -> Option<(String, u32)> {
    Some((place.file.as_ref()?.name.to_string(), place.line))
}

fn put_lines(session: &Session<'_>, page: &mut Page, file: &File, first: u32, last: u32) -> Result<()> {
    for number in first..=last {
        match session.text_of(file) {
            Some(text) => {
                let line = text.line(u64::from(number)).unwrap_or_default();
                page.put(Style::Dim, number).plain("\t").plain(line).plain("\n");
            }
            None => {
                if session.said_missing(file) {
                    page.plain(number).plain("\tin ").put(Style::File, &file.name).plain("\n");
                } else {
                    page.plain(number).plain("\t").put(Style::File, &file.name);
                    page.plain(": No such file or directory.\n");
                }
            }
        }
    }
    Ok(())
}

/// `/m`: by line, each line's code together.
fn in_source_order(
    session: &Session<'_>,
    page: &mut Page,
    rows: &[Row],
    modifiers: Modifiers,
    function: Option<RuntimeAddr>,
) -> Result<()> {
    let mut placed: Vec<(u32, &Row, Option<File>)> = rows
        .iter()
        .map(|row| {
            let place = place(session, row);
            (place.line, row, place.file)
        })
        .collect();
    let main = placed.first().and_then(|(_, _, file)| file.clone());
    placed.retain(|(_, _, file)| {
        file.as_ref().zip(main.as_ref()).is_none_or(|(file, main)| file.name == main.name)
    });
    placed.sort_by_key(|(line, row, _)| (*line, row.address.0));
    let mut last = None;
    for (line, row, file) in placed {
        if last != Some(line) {
            if last.is_some() {
                page.plain("\n");
            }
            if let Some(file) = &file {
                put_lines(session, page, file, line, line)?;
            }
            last = Some(line);
        }
        put(page, row, modifiers, function);
    }
    if last.is_some() {
        page.plain("\n");
    }
    Ok(())
}
