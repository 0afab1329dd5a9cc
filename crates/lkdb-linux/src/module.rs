//! Modules that are loaded: `struct module` (include/linux/module.h), its code's places, and the tables that the
//! kernel keeps of it: ORC and the symbols of its functions. So stacks go through modules nobody has a file of.
//!
//! The list may be changing, or be damaged: what can be read of it is taken, in bounded time.

use lkdb_base::{Memory, RuntimeAddr};
use lkdb_symbols::types::Type;
use lkdb_value::expr::{evaluate, parse};
use lkdb_value::{Context, Error};

/// More modules than any kernel loads.
const MOST: usize = 4096;
/// More entries than a module's ORC has, and more symbols.
const MOST_ENTRIES: u64 = 1 << 20;
/// Longer than a symbol's name (`KSYM_NAME_LEN`).
const LONGEST_NAME: usize = 512;
/// `Elf64_Sym`: bytes of one; where `st_shndx` and `st_value` are.
const SYMBOL: usize = 24;
const SECTION_AT: usize = 6;
const VALUE_AT: usize = 8;

/// A module that is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Where its code is, and its init function's code while there is any: start and length.
    pub code: Vec<(RuntimeAddr, u64)>,
    /// Its unwind tables, where the kernel has such.
    pub orc: Option<OrcTables>,
    symbols: Option<Table>,
}

/// Where a module's ORC is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrcTables {
    /// `orc_unwind_ip`: a 32-bit distance for each entry.
    pub ips: RuntimeAddr,
    /// `orc_unwind`: the entries, 6 bytes each.
    pub entries: RuntimeAddr,
    /// How many.
    pub count: u64,
}

/// `struct mod_kallsyms`: an ELF symbol table with addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Table {
    symbols: RuntimeAddr,
    names: RuntimeAddr,
    count: u64,
}

impl Module {
    /// Whether code of it is there.
    #[must_use]
    pub fn contains(&self, address: RuntimeAddr) -> bool {
        self.code.iter().any(|(start, length)| address.0.wrapping_sub(start.0) < *length)
    }

    /// The function that an address is in, by the kernel's table, and where it begins.
    #[must_use]
    pub fn function_at(&self, memory: &dyn Memory, address: RuntimeAddr) -> Option<(String, RuntimeAddr)> {
        let (part, _) = self.code.iter().find(|(start, length)| address.0.wrapping_sub(start.0) < *length)?;
        let table = self.symbols.filter(|table| table.count <= MOST_ENTRIES)?;
        let mut bytes = vec![0; usize::try_from(table.count).ok()?.checked_mul(SYMBOL)?];
        memory.read(table.symbols, &mut bytes).ok()?;
        let symbols = bytes.chunks_exact(SYMBOL).filter_map(|symbol| {
            let (name, section) = (symbol.get(..4)?, symbol.get(SECTION_AT..SECTION_AT + 2)?);
            let value = u64::from_le_bytes(symbol.get(VALUE_AT..VALUE_AT + 8)?.try_into().ok()?);
            let name = u32::from_le_bytes(name.try_into().ok()?);
            (section != [0, 0] && name != 0 && (part.0..=address.0).contains(&value)).then_some((value, name))
        });
        // Of several at one place the first, as in the file.
        let (start, name) = symbols.rev().max_by_key(|(value, _)| *value)?;
        Some((text_at(memory, table.names.offset(name.into())), RuntimeAddr(start)))
    }
}

/// Where `struct module` has what is needed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleLayout {
    list: u64,
    name: u64,
    /// Start and length of each part of code.
    code: Vec<(u64, u64)>,
    orc: Option<[u64; 3]>,
    kallsyms: Option<u64>,
    /// Of `struct mod_kallsyms`: symbols, their number, names.
    table: Option<[u64; 3]>,
}

impl ModuleLayout {
    /// By the kernel's types.
    ///
    /// # Errors
    /// When they have no such structure, or no code in it.
    pub fn of(context: &dyn Context) -> Result<Self, Error> {
        let member = |name: &str| offset(context, "module", name);
        let all = |names: [&str; 3], of: &str| -> Option<[u64; 3]> {
            let found: Vec<u64> = names.iter().filter_map(|name| offset(context, of, name).ok()).collect();
            found.try_into().ok()
        };
        let code = code_of(context);
        if code.is_empty() {
            return Err(Error::NoMember("core_layout".to_owned()));
        }
        Ok(Self {
            list: member("list")?,
            name: member("name")?,
            code,
            orc: all(["arch.orc_unwind_ip", "arch.orc_unwind", "arch.num_orcs"], "module"),
            // "module: fix the module's kallsyms" gave it a structure in v4.5 (8244062ef1e5).
            kallsyms: member("kallsyms").ok(),
            table: all(["symtab", "num_symtab", "strtab"], "mod_kallsyms"),
        })
    }

    /// The modules on the list that begins at `head` (`modules`, kernel/module/main.c); none where no list is.
    #[must_use]
    pub fn loaded(&self, memory: &dyn Memory, head: RuntimeAddr) -> Vec<Module> {
        let mut found = Vec::new();
        let mut before = head;
        while found.len() < MOST {
            let Ok(at) = memory.read_u64(before).map(RuntimeAddr) else { break };
            // Both ways, so that nothing else is taken for a list.
            if at == head || memory.read_u64(at.offset(8)) != Ok(before.0) {
                break;
            }
            found.extend(self.module(memory, RuntimeAddr(at.0.wrapping_sub(self.list))));
            before = at;
        }
        found
    }

    fn module(&self, memory: &dyn Memory, at: RuntimeAddr) -> Option<Module> {
        let word = |offset: u64| memory.read_u64(at.offset(offset)).ok();
        let half = |offset: u64| Some(word(offset)? & u64::from(u32::MAX));
        let part = |(start, length): &(u64, u64)| Some((RuntimeAddr(word(*start)?), half(*length)?));
        let code = self.code.iter().filter_map(part).filter(|(start, length)| start.0 != 0 && *length != 0);
        let orc = |[ips, entries, count]: [u64; 3]| {
            let (ips, entries, count) = (word(ips)?, word(entries)?, half(count)?);
            let there = ips != 0 && (1..=MOST_ENTRIES).contains(&count);
            there.then_some(OrcTables { ips: RuntimeAddr(ips), entries: RuntimeAddr(entries), count })
        };
        let symbols = || {
            let table = RuntimeAddr(word(self.kallsyms?)?);
            let [symbols, count, names] =
                self.table?.map(|offset| memory.read_u64(table.offset(offset)).ok());
            let (symbols, names) = (RuntimeAddr(symbols?), RuntimeAddr(names?));
            Some(Table { symbols, names, count: count? & u64::from(u32::MAX) })
        };
        Some(Module {
            name: text_at(memory, at.offset(self.name)),
            code: code.collect(),
            orc: self.orc.and_then(orc),
            symbols: symbols(),
        })
    }
}

/// Where starts and lengths of code are. "module: replace module_layout with module_memory" (v6.4, ac3b43283923);
/// `struct module_layout` since v4.5 (7523e4dc5057), members of their own before.
fn code_of(context: &dyn Context) -> Vec<(u64, u64)> {
    let pair = |(start, length): (String, String)| {
        Some((offset(context, "module", &start).ok()?, offset(context, "module", &length).ok()?))
    };
    let kinds = ["MOD_TEXT", "MOD_INIT_TEXT"]
        .into_iter()
        .filter_map(|kind| enumerator(context, "mod_mem_type", kind));
    let memory = kinds.map(|kind| (format!("mem[{kind}].base"), format!("mem[{kind}].size")));
    let named = |start: &str, length: &str| (start.to_owned(), length.to_owned());
    let layouts = [
        named("core_layout.base", "core_layout.text_size"),
        named("init_layout.base", "init_layout.text_size"),
        named("module_core", "core_text_size"),
        named("module_init", "init_text_size"),
    ];
    memory.chain(layouts).filter_map(pair).collect()
}

/// The value of an enumerator of an enumeration.
fn enumerator(context: &dyn Context, tag: &str, name: &str) -> Option<i128> {
    let ty = context.types().get(context.tagged("enum", tag).ok()?).ok()?;
    let Type::Enum(one) = &*ty else { return None };
    one.values.iter().find(|(known, _)| &**known == name).map(|(_, value)| *value)
}

/// How far into a structure a member is.
fn offset(context: &dyn Context, tag: &str, member: &str) -> Result<u64, Error> {
    let text = format!("&((struct {tag} *) 0)->{member}");
    let (_, bytes) = evaluate(&parse(&text, context)?, context)?.bytes(context)?;
    Ok(bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// A string, cut where it gets too long or cannot be read.
fn text_at(memory: &dyn Memory, at: RuntimeAddr) -> String {
    let mut text = Vec::new();
    while text.len() < LONGEST_NAME {
        let mut byte = [0];
        let read = memory.read(at.offset(text.len() as u64), &mut byte);
        if read.is_err() || byte == [0] {
            break;
        }
        text.extend(byte);
    }
    String::from_utf8_lossy(&text).into_owned()
}
