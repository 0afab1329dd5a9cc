//! Where lkdb may answer otherwise than gdb: each class by its name, with its reason, and with what shows
//! that a difference is of this class. Most ask gdb itself again.

use std::collections::BTreeSet;

use super::ada::is_ada_of;
use super::case::Case;

/// A class of allowed differences.
pub(crate) struct Rule {
    /// As the table names it.
    pub(crate) name: &'static str,
    /// Why lkdb's answer is right, or as good.
    pub(crate) reason: &'static str,
    /// Whether these two answers differ by nothing else.
    pub(crate) allows: fn(&Case<'_>) -> bool,
}

/// All of them; what costs no question comes first.
pub(crate) const RULES: &[Rule] = &[
    SILENCE,
    ADA,
    GIVES_UP,
    HISTORY,
    PLACES,
    OUTSIDE,
    DECLARATIONS,
    CONSTANTS,
    ENUMERATORS,
    NAMESAKES,
    ARRAYS,
    NO_CODE,
    DATA_AS_CODE,
    DECLARED_AS_DATA,
    NO_PLACE,
];

const SILENCE: Rule = Rule {
    name: "a listing that is not there",
    reason: "for a place without line information gdb's `list` says nothing at all; lkdb says that there is none",
    allows: |case| {
        case.question.row == "list"
            && case.gdb.is_empty()
            && case.lkdb == "No line number information available."
    },
};

pub(crate) const ADA: Rule = Rule {
    name: "C symbols read as Ada's",
    reason: "gdb decodes the symbol table's names as if GNAT had made them: event_enter__umask is shown as \
        event_enter.umask, f.cold as f[cold] (and clang's statics of functions), f.constprop.0 as f.constprop. lkdb shows the name that nm shows",
    allows: |case| is_ada_of(case.gdb, case.lkdb),
};

const GIVES_UP: Rule = Rule {
    name: "gdb ends in the middle",
    reason: "at a range of no length behind a function's last instruction gdb finds no function or no block, and at a \
        register that is followed by anything else it calls an expression corrupted; then it leaves out the rest. \
        lkdb goes on",
    allows: |case| {
        let (before, last) = case.gdb.rsplit_once('\n').unwrap_or_default();
        let ends = [
            "No function found for block for symbol \"",
            "No block found for address for symbol \"",
            "Corrupted DWARF2 expression for \"",
        ];
        let gives_up = ends.iter().any(|end| last.contains(end)) && last.ends_with("\".");
        case.question.row == "info scope" && gives_up && case.lkdb.starts_with(before)
    },
};

const HISTORY: Rule = Rule {
    name: "gdb's answer hangs on its earlier ones",
    reason: "of several things with a name gdb takes the one whose unit it has read already. Asked as the first \
        thing it gives lkdb's answer",
    allows: |case| case.question.row != "info source" && case.ask_alike(&case.question.text) == case.lkdb,
};

const PLACES: Rule = Rule {
    name: "a function in several places",
    reason: "`info scope` tells of the first of a name's places (inlined copies), which gdb sorts by where its own \
        memory holds them. For the address of another of them gdb gives lkdb's answer",
    allows: |case| {
        let Some(name) = case.question.text.strip_prefix("info scope ") else { return false };
        let places = "python print(*[\"%#x\" % place.address for place in gdb.breakpoints()[0].locations])";
        let answers = case.ask(&[format!("break {name}"), places.to_owned()]);
        let places: BTreeSet<&str> = answers[1].split_whitespace().collect();
        let asked: Vec<String> = places.iter().map(|place| format!("info scope *{place}")).collect();
        let ours = case.lkdb.replacen(name, "", 1);
        let same = |(place, answer): (&&str, &String)| {
            super::normal::text(case.question, answer).replacen(&format!("*{place}"), "", 1) == ours
        };
        places.len() > 1 && places.iter().zip(&case.ask(&asked)).any(same)
    },
};

const OUTSIDE: Rule = Rule {
    name: "the scope of code in no function",
    reason: "where gdb knows a unit and no function (its block is the file's own) its `info scope` lists what the file \
        declares, types and constants of all headers in the order of a hash table, which by its own manual are no \
        locals. lkdb says that there are none",
    allows: |case| {
        let Some(place) = case.question.text.strip_prefix("info scope ") else { return false };
        let line = case.ask(&[format!("info line {place}")]).concat();
        let address = line.split_once(" address ").and_then(|(_, rest)| rest.split_whitespace().next());
        let Some(address) = place.strip_prefix('*').or(address) else { return false };
        let block = case.ask(&[format!("python print(gdb.block_for_pc({address}).is_static)")]).concat();
        block == "True" && case.lkdb.ends_with(" contains no locals or arguments.")
    },
};

const DECLARATIONS: Rule = Rule {
    name: "where variables are declared",
    reason: "gdb's index keeps one unit for a variable, often one that only declares it, and `list` and `info line` \
        tell of that one's `extern` line, with any code of that number, or of nothing. lkdb tells of \
        definitions, whose lines are those of gdb's own symbols",
    allows: |case| {
        let name = match case.question.row {
            "info source" => case.before.strip_prefix("list ").unwrap_or_default(),
            _ => case.name(),
        };
        let Some(ours) = case.other(&format!("info line {name}")) else { return false };
        let mut lines: Vec<&str> = ours.lines().collect();
        lines.sort_by_key(|line| place_of(line));
        lines.dedup();
        let places: Vec<(&str, &str)> = lines.iter().filter_map(|line| place_of(line)).collect();
        let known = |(line, (file, number)): (&&str, &(&str, &str))| {
            let symbol = format!("gdb.lookup_global_symbol('{name}') or gdb.lookup_static_symbol('{name}')");
            let asked = [
                format!("info line {file}:{name}"),
                format!("python s = {symbol}"),
                "python print('%s %d' % (s.symtab.filename, s.line))".to_owned(),
            ];
            let said = case.ask(&asked);
            said[0].lines().any(|one| one == *line) || said[2] == format!("{file} {number}")
        };
        if places.is_empty() || places.len() < lines.len() || !lines.iter().zip(&places).all(known) {
            return false;
        }
        match case.question.row {
            "info line" => true,
            "list" => listed(case, name, &places) == case.lkdb,
            "info source" => {
                let last = places.last().map(|(file, _)| format!("Current source file is {file}"));
                case.lkdb.lines().next().map(str::to_owned) == last
            }
            _ => false,
        }
    },
};

const DATA_AS_CODE: Rule = Rule {
    name: "data in a section with the flag of code",
    reason: "of a symbol without debug info gdb asks the section alone whether it is a function; the .data of newer kernels \
        may be executed by its flags. lkdb asks the symbol, which says that it is data",
    allows: |case| {
        let behind = |text: &str| {
            let (before, behind) = text.split_once("\n\nNon-debugging symbols:\n").unwrap_or((text, ""));
            (before.to_owned(), behind.lines().map(str::to_owned).collect::<BTreeSet<_>>())
        };
        let ((gdb_debug, gdb), (our_debug, ours)) = (behind(case.gdb), behind(case.lkdb));
        let more = match case.question.row {
            "info functions" => gdb.difference(&ours),
            "info variables" => ours.difference(&gdb),
            _ => return false,
        };
        let fewer = gdb.symmetric_difference(&ours).count() - more.clone().count();
        let asked = more.filter_map(|line| Some(format!("info symbol {}", line.split_once(' ')?.0)));
        let asked: Vec<String> = asked.chain(["maint info sections .data".to_owned()]).collect();
        let mut said = case.ask(&asked);
        let flags = said.pop().unwrap_or_default();
        let in_data = |symbol: &String| symbol.ends_with(" in section .data");
        gdb_debug.trim_end() == our_debug.trim_end()
            && fewer == 0
            && flags.contains(" CODE ")
            && said.iter().all(in_data)
    },
};

const DECLARED_AS_DATA: Rule = Rule {
    name: "a function that another file declares as data",
    reason: "rust/exports.c declares each helper function as an `extern int`, for EXPORT_SYMBOL alone. gdb's `info line` and \
        `list` tell of that declaration as well, which has no place; lkdb tells of the function",
    allows: |case| {
        let name = case.name();
        let said = case.ask(&[
            format!("python s = gdb.lookup_global_symbol('{name}')"),
            "python print('%s %d %s' % (s.symtab.filename, s.line, s.addr_class == gdb.SYMBOL_LOC_UNRESOLVED))"
                .to_owned(),
        ]);
        let [file, line, "True"] = said[1].split(' ').collect::<Vec<_>>()[..] else { return false };
        let nowhere = format!("Line number {line} is out of range for \"{file}\".");
        match case.question.row {
            "info line" => case.gdb.lines().filter(|one| *one != nowhere).eq(case.lkdb.lines()),
            "list" => {
                case.gdb.starts_with(&format!("file: \"{file}\", line number: {line}, "))
                    && case.gdb.ends_with(case.lkdb)
            }
            _ => false,
        }
    },
};

const NO_PLACE: Rule = Rule {
    name: "variables of a unit without code",
    reason: "gdb's `info line` and `list` say nothing at all of a variable whose unit has no code, though its own symbol has \
        a file and a line: those that lkdb tells",
    allows: |case| {
        let name = case.name();
        let Some(ours) = case.other(&format!("info line {name}")) else { return false };
        let places: Vec<(&str, &str)> = ours.lines().filter_map(place_of).collect();
        let [(file, number)] = places[..] else { return false };
        let said = case.ask(&[
            format!("python s = gdb.lookup_global_symbol('{name}') or gdb.lookup_static_symbol('{name}')"),
            "python print('%s %d' % (s.symtab.filename, s.line))".to_owned(),
        ]);
        case.gdb.is_empty()
            && said[1] == format!("{file} {number}")
            && match case.question.row {
                "info line" => true,
                "list" => listed(case, name, &places) == case.lkdb,
                _ => false,
            }
    },
};

const CONSTANTS: Rule = Rule {
    name: "constants of a typedef's type",
    reason: "for `info address` gdb 13 knows a variable that is only a value, but for a place it does not find it where its \
        type is a typedef (of `int` it does). lkdb tells where it is declared, with the line that gdb's own symbol has",
    allows: |case| {
        let name = case.name();
        let Some(ours) = case.other(&format!("info line {name}")) else { return false };
        let places: Vec<(&str, &str)> = ours.lines().filter_map(place_of).collect();
        let said = case.ask(&[
            format!("info address {name}"),
            format!("python print(gdb.lookup_static_symbol('{name}').line)"),
        ]);
        let known = said[0] == format!("Symbol \"{name}\" is constant.")
            && places.iter().any(|(_, number)| *number == said[1]);
        let unknown = case.gdb == format!("Function \"{name}\" not defined.");
        known
            && unknown
            && match case.question.row {
                "info line" => true,
                "list" => listed(case, name, &places) == case.lkdb,
                _ => false,
            }
    },
};

const NAMESAKES: Rule = Rule {
    name: "one of several functions of a name",
    reason: "gdb takes any of them, also a clone that has another symbol (NAME.part.0). lkdb takes one whose symbol is \
        the name; asked by its address gdb gives lkdb's answer",
    allows: |case| {
        let name = case.name();
        let address = case.other(&format!("info address {name}")).and_then(|ours| {
            let found = ours.strip_prefix(&format!("Symbol \"{name}\" is a function at address "))?;
            found.strip_suffix('.')
        });
        let Some(address) = address else { return false };
        let said = case.ask(&[
            format!("info symbol {address}"),
            format!("python print(gdb.block_for_pc({address}).function.type)"),
        ]);
        let ty = &said[1];
        said[0].starts_with(&format!("{name} in section "))
            && match case.question.row {
                "info address" => true,
                "ptype" | "whatis" => case.lkdb == format!("type = {ty}"),
                "print" if case.question.text.contains('&') => {
                    case.lkdb.ends_with(&format!(" {address} <{name}>"))
                }
                "print" => case.lkdb == format!("= {{{ty}}} {address} <{name}>"),
                "x/i" | "disassemble" | "disassemble /s" => {
                    case.ask_alike(&case.question.text.replacen(name, address, 1)) == case.lkdb
                }
                _ => false,
            }
    },
};

const ARRAYS: Rule = Rule {
    name: "arrays that a declaration leaves open",
    reason: "of `extern struct s a[]` and `struct s a[2]` in one unit gdb 13 takes the declaration: it knows no \
        length, and prints an address. The symbol table says how long it is, and asked for that many elements \
        gdb gives lkdb's answer",
    allows: |case| {
        let name = case.name();
        let Some(ours) = case.other(&format!("whatis {name}")) else { return false };
        let length = ours.strip_suffix(']').and_then(|ours| ours.rsplit_once('['));
        let Some((element, length)) = length else { return false };
        let Ok(count) = length.parse::<u64>() else { return false };
        let said = case.ask(&[
            format!("whatis {name}"),
            format!("info symbol (char *)&{name} + {count} * sizeof({name}[0]) - 1"),
            format!("info symbol (char *)&{name} + {count} * sizeof({name}[0])"),
        ]);
        let whole = said[1].starts_with(&format!("{name} + ")) && !said[2].starts_with(&format!("{name} + "));
        let open = said[0] == format!("{element}[]");
        let elements = || case.ask_alike(&case.question.text.replacen(name, &format!("*{name}@{count}"), 1));
        open && whole
            && match case.question.row {
                _ if case.question.text.contains('&') => {
                    case.lkdb == case.gdb.replacen("[]", &format!("[{count}]"), 1)
                }
                "whatis" | "ptype" => case.lkdb == case.gdb.replacen("[]", &format!("[{count}]"), 1),
                _ => elements() == case.lkdb,
            }
    },
};

const NO_CODE: Rule = Rule {
    name: "declarations of a unit without code",
    reason: "gdb reads no line table for a unit without code, and so puts what its headers declare into the unit's own \
        file, of which it knows no line. lkdb names the header",
    allows: |case| {
        let is_file = |line: &&str| line.starts_with("File ") && line.ends_with(':');
        let files = |text: &str| -> BTreeSet<String> {
            let named = text.lines().filter(is_file).map(|line| line[5..line.len() - 1].to_owned());
            named.collect()
        };
        let rest = |text: &str| text.lines().filter(|line| !is_file(line)).collect::<Vec<_>>().join("\n");
        let (theirs, ours) = (files(case.gdb), files(case.lkdb));
        let without_code = |file: &&String| {
            let said = case.ask(&[format!("info line {file}:1")]).concat();
            said == format!("Line number 1 is out of range for \"{file}\".")
        };
        case.question.row.starts_with("info ")
            && theirs != ours
            && rest(case.gdb) == rest(case.lkdb)
            && theirs.difference(&ours).collect::<Vec<_>>().iter().all(without_code)
    },
};

/// What `list NAME` shows of these places, by gdb's listing of each.
fn listed(case: &Case<'_>, name: &str, places: &[(&str, &str)]) -> String {
    let asked: Vec<String> = places.iter().map(|(file, line)| format!("list {file}:{line}")).collect();
    let mut parts = places.iter().zip(case.ask(&asked)).map(|((file, line), text)| match places.len() {
        1 => text,
        _ => format!("file: \"{file}\", line number: {line}, symbol: \"{name}\"\n{text}"),
    });
    super::normal::text(case.question, &parts.by_ref().collect::<Vec<_>>().join("\n"))
}

/// Of `Line 60 of "FILE" …` and `Line number 60 is out of range for "FILE".`
fn place_of(line: &str) -> Option<(&str, &str)> {
    let number = line.split(' ').find(|word| word.parse::<u64>().is_ok())?;
    let file = line.split('"').nth(1)?;
    line.starts_with("Line ").then_some((file, number))
}

const ENUMERATORS: Rule = Rule {
    name: "an enumerator of several enumerations",
    reason: "gdb's index keeps one unit for a name. lkdb takes the first of the file's; asked for that \
        enumeration's value gdb gives lkdb's answer",
    allows: |case| {
        let name = case.name();
        let Some(ours) = case.other(&format!("ptype {name}")) else { return false };
        let Some((tag, values)) = ours.strip_prefix("type = ").and_then(|text| text.split_once(" {")) else {
            return false;
        };
        let Some(value) = value_in(values, name) else { return false };
        let known = tag.starts_with("enum ") && case.ask(&[format!("ptype {tag}")]).concat() == ours;
        let instead = case.question.text.replacen(name, &format!("(({tag}){value})"), 1);
        known && case.ask_alike(&instead) == case.lkdb
    },
};

/// The value of an enumerator in the list that `ptype` prints.
fn value_in(values: &str, name: &str) -> Option<i64> {
    let mut next = 0;
    for one in values.trim_end_matches('}').split(", ") {
        let (known, value) = one.split_once(" = ").unwrap_or((one, ""));
        let value = value.parse().unwrap_or(next);
        if known == name {
            return Some(value);
        }
        next = value + 1;
    }
    None
}

#[test]
fn enumerators_count_on() {
    assert_eq!(value_in("A, B, C = 7, D}", "B"), Some(1));
    assert_eq!(value_in("A, B, C = 7, D}", "D"), Some(8));
    assert_eq!(value_in("A, B}", "C"), None);
}
