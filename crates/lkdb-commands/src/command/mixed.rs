//! Instructions among their source lines: `disassemble /s` and `/m`.

use std::collections::HashSet;
use std::rc::Rc;

use lkdb_base::RuntimeAddr;
use lkdb_session::Session;
use lkdb_session::linespec::File;
use lkdb_session::{LineOf, LineRow};

use super::code::{Modifiers, Row};
use crate::Result;
use crate::page::{Page, Style};

/// Lines without code that come along, at most; damaged tables jump far.
const MOST: u32 = 10_000;

/// The most bytes behind the code that come along with `/m`.
const MOST_BEHIND: u64 = 4096;

/// Gives the instructions of a range that was not asked for.
type Behind<'a> = &'a dyn Fn(RuntimeAddr, RuntimeAddr) -> Result<Vec<Row>>;

/// Puts instructions on a page, with what the modifiers want.
pub(crate) fn lay_out(
    session: &Session<'_>,
    page: &mut Page,
    rows: &[Row],
    modifiers: Modifiers,
    function: Option<RuntimeAddr>,
    behind: Behind<'_>,
) -> Result<()> {
    if modifiers.source {
        return in_code_order(session, page, rows, modifiers, function);
    }
    if modifiers.by_source {
        return in_source_order(session, page, rows, modifiers, function, behind);
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

/// `/s`: source lines before the code they belong to. Lines between that have no code here come along.
fn in_code_order(
    session: &Session<'_>,
    page: &mut Page,
    rows: &[Row],
    modifiers: Modifiers,
    function: Option<RuntimeAddr>,
) -> Result<()> {
    let lines: Vec<Option<LineOf>> =
        rows.iter().map(|row| session.line_of(RuntimeAddr(row.address.0))).collect();
    if lines.first().is_none_or(Option::is_none) {
        rows.iter().for_each(|row| put(page, row, modifiers, function));
        return Ok(());
    }
    let code: HashSet<(Rc<str>, u32)> =
        lines.iter().flatten().map(|line| (Rc::clone(&line.file.name), line.line)).collect();
    let opening = opening_line(session, rows);
    let mut last: Option<LineOf> = None;
    let mut begun = false;
    let mut until = RuntimeAddr(0);
    for (row, line) in rows.iter().zip(&lines) {
        // The line of a run of code is that of its first instruction.
        if begun && RuntimeAddr(row.address.0) < until {
            put(page, row, modifiers, function);
            continue;
        }
        let same_file = begun && name(last.as_ref()) == name(line.as_ref());
        let before = last.as_ref().map_or(0, |last| last.line);
        let new = !same_file || line.as_ref().is_some_and(|line| line.line != before);
        if new {
            if begun {
                page.plain("\n");
            }
            if !same_file {
                match line {
                    Some(line) => page.put(Style::File, &line.file.name),
                    None => page.plain("unknown"),
                };
                page.plain(":\n");
            }
            match line {
                Some(line) => {
                    let first = match (begun, same_file) {
                        (false, _) => opening.filter(|opening| *opening < line.line).unwrap_or(line.line),
                        (true, true) if before != 0 => after_code(&code, line, before),
                        _ => line.line,
                    };
                    put_lines(session, page, &line.file, first, line.line);
                }
                None => {
                    page.plain("--- no source info for this pc ---\n");
                }
            }
        }
        put(page, row, modifiers, function);
        until = line.as_ref().map_or(RuntimeAddr(0), |line| line.end);
        last.clone_from(line);
        begun = true;
    }
    Ok(())
}

fn name(line: Option<&LineOf>) -> Option<&str> {
    line.map(|line| &*line.file.name)
}

/// The line of the first row of the table at the code's start: of the opening brace, where its code is none.
fn opening_line(session: &Session<'_>, rows: &[Row]) -> Option<u32> {
    let (start, end) = bounds(rows)?;
    session.rows(start, end).first().filter(|row| row.address < end && row.line != 0).map(|row| row.line)
}

fn bounds(rows: &[Row]) -> Option<(RuntimeAddr, RuntimeAddr)> {
    let (first, last) = (rows.first()?, rows.last()?);
    Some((RuntimeAddr(first.address.0), RuntimeAddr(last.address.0.saturating_add(1))))
}

/// The first of the lines before a line, down to one that is behind the last shown or has code here.
fn after_code(code: &HashSet<(Rc<str>, u32)>, line: &LineOf, before: u32) -> u32 {
    let has_code = |number: &u32| code.contains(&(Rc::clone(&line.file.name), *number));
    let above = (before.saturating_add(1)..line.line).rev();
    above.take(MOST as usize).take_while(|number| !has_code(number)).last().unwrap_or(line.line)
}

/// `/m`: by line, each line's code together; code of other files is left out. A line's code goes up to the next
/// row of the table: the last one's over what fills the gap behind the function.
fn in_source_order(
    session: &Session<'_>,
    page: &mut Page,
    rows: &[Row],
    modifiers: Modifiers,
    function: Option<RuntimeAddr>,
    behind: Behind<'_>,
) -> Result<()> {
    let Some((start, end)) = bounds(rows) else { return Ok(()) };
    let Some(file) = session.line_of(start).map(|line| line.file) else {
        rows.iter().for_each(|row| put(page, row, modifiers, function));
        return Ok(());
    };
    let end_of = |address| session.line_of(address).map_or(end, |line| line.end);
    let pieces = pieces(&session.rows(start, end), end, &end_of);
    let last = rows.last().map_or(end, |row| RuntimeAddr(row.address.0).offset(row.length()));
    let furthest = pieces.iter().map(|(.., to)| *to).max().unwrap_or(last);
    let more = if furthest > last && furthest.0 - last.0 <= MOST_BEHIND {
        behind(last, furthest)?
    } else {
        Vec::new()
    };
    let mut next = 0;
    for (at, (line, from, to)) in pieces.iter().enumerate() {
        if *line >= next {
            put_lines(session, page, &file, if next == 0 { *line } else { next }, *line);
            next = line.saturating_add(1);
        }
        let inside = |row: &&Row| (from.0..to.0).contains(&row.address.0);
        rows.iter().filter(inside).for_each(|row| put(page, row, modifiers, function));
        for row in more.iter().filter(inside) {
            // Offsets there are from the entry of whatever it belongs to.
            let own = || session.code_around(RuntimeAddr(row.address.0)).map(|(_, entry, _)| entry);
            put(page, row, modifiers, function.and_then(|_| own()));
        }
        if pieces.get(at + 1).is_none_or(|(other, ..)| other > line) {
            page.plain("\n");
        }
    }
    Ok(())
}

/// Lines with the ranges of their code: in the table's order where lines only go up, else by line. The last row of
/// the whole table counts although it has no line, and comes last.
fn pieces(
    rows: &[LineRow],
    end: RuntimeAddr,
    end_of: &dyn Fn(RuntimeAddr) -> RuntimeAddr,
) -> Vec<(u32, RuntimeAddr, RuntimeAddr)> {
    let mut pieces = Vec::new();
    let mut back = false;
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.address < end) {
        let Some(next) = rows.get(at + 1) else {
            pieces.push((row.line, row.address, end_of(row.address)));
            break;
        };
        if next == row || row.line == 0 {
            continue;
        }
        back |= row.line > next.line;
        pieces.push((row.line, row.address, next.address));
    }
    if back {
        pieces.sort_by_key(|(line, from, _)| (*line == 0, *line, *from));
    }
    pieces
}

fn put_lines(session: &Session<'_>, page: &mut Page, file: &File, first: u32, last: u32) {
    let text = session.text_of(file);
    for number in first.max(last.saturating_sub(MOST))..=last {
        let line = text.as_ref().map(|text| text.line(u64::from(number)).unwrap_or_default());
        match line {
            Some(line) => page.put(Style::Dim, number).plain("\t").plain(line).plain("\n"),
            None if session.said_missing(file) => {
                page.plain(number).plain("\tin ").put(Style::File, &file.name).plain("\n")
            }
            None => {
                page.plain(number).plain("\t").put(Style::File, &file.name);
                page.plain(": No such file or directory.\n")
            }
        };
    }
    session.list_after(file.clone(), last);
}
