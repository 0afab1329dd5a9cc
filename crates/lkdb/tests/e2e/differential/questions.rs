//! Which questions a draw makes: every command that looks at files, about names and addresses that were
//! drawn and not chosen.

use std::collections::BTreeSet;

use super::debuggers::Question;
use super::draw::Draw;
use super::names::{Names, Symbol};

/// The formats of `print` beside the natural one, of which four are drawn for each variable.
const FORMATS: [&str; 8] = ["x", "d", "u", "o", "t", "c", "a", "z"];
/// Of `x` on data.
const UNITS: [&str; 9] = ["8xb", "4dh", "4xw", "3gx", "2a", "s", "4c", "2o", "3uw"];
/// What is longer is disassembled in part: the output would be about few functions else.
const WHOLE: u64 = 1500;

/// One in so many names is searched for by a pattern: gdb takes half a second for each.
const SEARCHES: u64 = 10;

/// What only gdb is asked, so that questions can be put: which names are structures, which lines there are.
#[derive(Debug)]
pub(super) struct Scouting {
    pub(super) questions: Vec<String>,
    types: Vec<String>,
}

impl Scouting {
    /// Of `many` type names and as many addresses.
    pub(super) fn draw(names: &Names, draw: &mut Draw, many: usize) -> Self {
        let types: Vec<String> = draw.some(&names.types, many).into_iter().cloned().collect();
        let mut questions = Vec::new();
        for name in &types {
            questions.extend(["struct ", "union ", "enum ", ""].map(|tag| format!("whatis {tag}{name}")));
        }
        for function in draw.some(&names.functions, many) {
            questions.push(format!("info line *{:#x}", within(function, draw)));
        }
        Self { questions, types }
    }

    /// What gdb answered: types with their keyword, and lines of files.
    pub(super) fn found(&self, answers: &[String]) -> Found {
        let mut found = Found::default();
        let forms =
            self.types.iter().flat_map(|name| ["struct ", "union ", "enum ", ""].map(|tag| (tag, name)));
        for ((tag, name), answer) in forms.zip(answers) {
            if answer.starts_with("type = ") {
                found.types.push(format!("{tag}{name}"));
            }
        }
        let lines = answers[self.types.len() * 4..].iter().filter_map(|answer| line_of(answer));
        // Not those of headers: gdb reads every unit that has one before it answers about a line of it, which
        // takes minutes and gigabytes.
        found.lines = lines.filter(|(file, ..)| !file.ends_with(".h")).collect();
        found
    }
}

/// What gdb knows.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// `struct page`, `gfp_t`.
    pub(super) types: Vec<String>,
    /// A file as gdb names it, a line that has code, and where that begins.
    pub(super) lines: Vec<(String, u64, String)>,
}

/// Of `Line 12 of "init/main.c" starts at address 0xffffffff81000000 …`.
fn line_of(answer: &str) -> Option<(String, u64, String)> {
    let (line, rest) = answer.strip_prefix("Line ")?.split_once(" of \"")?;
    let (file, rest) = rest.split_once('"')?;
    let address = rest.split(' ').find(|word| word.starts_with("0x"))?;
    Some((file.to_owned(), line.parse().ok()?, address.to_owned()))
}

fn within(symbol: &Symbol, draw: &mut Draw) -> u64 {
    symbol.address + draw.below(symbol.size.max(1))
}

/// The questions to both debuggers, `many` of each thing; in the order of their drawing, no text twice.
pub(super) fn draw(names: &Names, found: &Found, draw: &mut Draw, many: usize) -> Vec<Question> {
    let mut asked = Vec::new();
    for function in draw.some(&names.functions, many) {
        of_function(function, draw, &mut asked);
    }
    for variable in draw.some(&names.objects, many) {
        of_object(names, variable, draw, &mut asked);
    }
    for name in draw.some(&names.variables, many) {
        of_variable(name, draw, &mut asked);
    }
    for name in &found.types {
        of_type(name, draw, &mut asked);
    }
    for (file, line, address) in &found.lines {
        of_line(file, *line, draw, &mut asked);
        // An address within an instruction would show how each spells what no compiler writes.
        asked.push(Question::new("x/i", format!("x/5i {address}")));
    }
    let mut seen = BTreeSet::new();
    // What a plain `list` and `info source` answer hangs on the question before them.
    asked.retain(|question| question.row == "info source" || seen.insert(question.text.clone()));
    asked
}

fn of_function(function: &Symbol, draw: &mut Draw, asked: &mut Vec<Question>) {
    let mut ask = |row, text: String| asked.push(Question::new(row, text));
    let Symbol { name, address, size } = function;
    let inside = within(function, draw);
    ask("info line", format!("info line {name}"));
    ask("info line", format!("info line *{inside:#x}"));
    ask("info symbol", format!("info symbol {address:#x}"));
    ask("info symbol", format!("info symbol {inside:#x}"));
    ask("info address", format!("info address {name}"));
    ask("info scope", format!("info scope {name}"));
    ask("info scope", format!("info scope *{inside:#x}"));
    ask("whatis", format!("whatis {name}"));
    ask("ptype", format!("ptype {name}"));
    ask("print", format!("print {name}"));
    ask("print", format!("print *{name}"));
    ask("print", format!("print &{name}"));
    ask("list", format!("list {name}"));
    ask("info source", "info source".to_owned());
    ask("list", format!("list *{inside:#x}"));
    ask("x/i", format!("x/3i {name}"));
    ask("x", format!("x/{} {address:#x}", draw.one(&UNITS)));
    if draw.below(SEARCHES) == 0 {
        ask("info functions", format!("info functions ^{name}$"));
    }
    let how = *draw.one(&["", "", "/r ", "/s ", "/m "]);
    let row = if matches!(how, "/s " | "/m ") { "disassemble /s" } else { "disassemble" };
    if *size <= WHOLE {
        ask(row, format!("disassemble {how}{name}"));
    } else {
        ask(row, format!("disassemble {how}{address:#x},+{}", 40 + draw.below(100)));
    }
}

fn of_object(names: &Names, object: &Symbol, draw: &mut Draw, asked: &mut Vec<Question>) {
    let inside = within(object, draw);
    asked.push(Question::new("info symbol", format!("info symbol {:#x}", object.address)));
    asked.push(Question::new("info symbol", format!("info symbol {inside:#x}")));
    asked.push(Question::new("x", format!("x/{} {:#x}", draw.one(&UNITS), object.address)));
    asked.push(Question::new("x", format!("x/{} {inside:#x}", draw.one(&UNITS))));
    if object.name.contains('.') || !names.is_unique(&object.name) {
        return;
    }
    asked.push(Question::new("info address", format!("info address {}", object.name)));
    asked.push(Question::new("print", format!("print {}", object.name)));
    asked.push(Question::new("whatis", format!("whatis {}", object.name)));
}

fn of_variable(name: &str, draw: &mut Draw, asked: &mut Vec<Question>) {
    let mut ask = |row, text: String| asked.push(Question::new(row, text));
    ask("info address", format!("info address {name}"));
    ask("whatis", format!("whatis {name}"));
    ask("ptype", format!("ptype {name}"));
    ask("ptype/o", format!("ptype/o {name}"));
    ask("print", format!("print {name}"));
    for format in draw.some(&FORMATS, 4) {
        ask("print/FMT", format!("print/{format} {name}"));
    }
    ask("print", format!("print &{name}"));
    ask("print", format!("print sizeof({name})"));
    ask("whatis", format!("whatis &{name}"));
    ask("x", format!("x/{} &{name}", draw.one(&UNITS)));
    ask("info line", format!("info line {name}"));
    ask("list", format!("list {name}"));
    ask("info scope", format!("info scope {name}"));
    ask("info symbol", format!("info symbol &{name}"));
    if draw.below(SEARCHES) == 0 {
        ask("info variables", format!("info variables ^{name}$"));
    }
}

fn of_type(name: &str, draw: &mut Draw, asked: &mut Vec<Question>) {
    let mut ask = |row, text: String| asked.push(Question::new(row, text));
    ask("whatis", format!("whatis {name}"));
    ask("ptype", format!("ptype {name}"));
    ask("ptype/o", format!("ptype/o {name}"));
    ask("print", format!("print sizeof({name})"));
    ask("whatis", format!("whatis ({name} *)0"));
    ask("ptype", format!("ptype {name} **"));
    let bare = name.rsplit(' ').next().unwrap_or(name);
    if draw.below(SEARCHES) == 0 {
        ask("info types", format!("info types ^{bare}$"));
    }
    // A name without its keyword is a typedef's, or nobody's.
    ask("ptype", format!("ptype {bare}"));
    if name.starts_with("enum ") {
        ask("print", format!("print ({name})1"));
        ask("print", format!("print ({name})6"));
    }
}

fn of_line(file: &str, line: u64, draw: &mut Draw, asked: &mut Vec<Question>) {
    let mut ask = |row, text: String| asked.push(Question::new(row, text));
    let near = (line + draw.below(9)).saturating_sub(4).max(1);
    let base = file.rsplit('/').next().unwrap_or(file);
    ask("info line", format!("info line {file}:{line}"));
    ask("info line", format!("info line {base}:{near}"));
    ask("info scope", format!("info scope {file}:{line}"));
    ask("list", format!("list {file}:{line}"));
    ask("info source", "info source".to_owned());
    ask("list", format!("list {base}:{near},{}", near + draw.below(6)));
}
