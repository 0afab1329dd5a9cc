//! What DWARF says of small programs that GCC 12 built: versions 4 and 5, compressed, relocatable, not
//! optimised. The answers are gdb 13's for the same files.
//!
//! The programs are the fuzzer's seeds; their source is at the end of this file.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "all of this is tests")]

use std::rc::Rc;

use lkdb_base::{LinkAddr, RuntimeAddr};
use lkdb_symbols::dwarf::{DeclarationKind, Describer, Length, LocationDescription};
use lkdb_symbols::{Elf, Object, ObjectId, Store};

const GCC_4: &[u8] = include_bytes!("../../../../fuzz/seeds/dwarf/gcc-4");
const GCC_5: &[u8] = include_bytes!("../../../../fuzz/seeds/dwarf/gcc-5");
const PLAIN: &[u8] = include_bytes!("../../../../fuzz/seeds/dwarf/plain");
const MODULE: &[u8] = include_bytes!("../../../../fuzz/seeds/dwarf/module");
const ZSTD: &[u8] = include_bytes!("../../../../fuzz/seeds/dwarf/zstd");
const ZDEBUG: &[u8] = include_bytes!("../../../../fuzz/seeds/dwarf/zdebug");

/// Calls `test` with a file as an object.
fn on(file: &[u8], test: impl for<'d> FnOnce(&Object<'d>)) {
    let store = Store::new();
    test(&Object::new(ObjectId(0), "test", Elf::parse(file).unwrap(), &store));
}

/// `info line *ADDRESS`: line, file, start, end.
fn line_of(object: &Object<'_>, address: u64) -> Option<(u32, String, u64, u64)> {
    let dwarf = object.dwarf().unwrap();
    let unit = dwarf.unit(dwarf.unit_at(LinkAddr(address)).unwrap()?).unwrap();
    let lines = unit.lines(dwarf.sections()).unwrap();
    let at = lines.at(address)?;
    Some((at.line, lines.files[at.file].name.to_string(), at.start, at.end))
}

#[test]
fn lines_are_the_same_however_the_sections_are_kept() {
    for file in [GCC_4, GCC_5, ZSTD, ZDEBUG] {
        on(file, |object| {
            let walk = "walk.c".to_owned();
            assert_eq!(line_of(object, 0x401051), Some((25, walk.clone(), 0x401050, 0x401052)));
            assert_eq!(line_of(object, 0x401010), Some((12, walk, 0x401010, 0x401017)));
            assert_eq!(line_of(object, 0x40105f).unwrap().0, 5, "inlined from the header");
            assert_eq!(line_of(object, 0x402000), None);
        });
    }
}

#[test]
fn a_function_is_found_by_its_code_and_named_with_the_offset() {
    on(GCC_5, |object| {
        let name = |address| object.symbolic(LinkAddr(address)).unwrap().to_string();
        assert_eq!(name(0x401010), "sum");
        assert_eq!(name(0x401061), "walk+17");
        assert_eq!(name(0x403010), "calls.0", "data by its symbol");
        let function = object.dwarf().unwrap().function_at(LinkAddr(0x401020)).unwrap().unwrap();
        assert_eq!((function.name, function.entry), ("sum", LinkAddr(0x401010)));
        let (near, section) = object.symbol_at(LinkAddr(0x401002)).unwrap();
        assert_eq!((near.symbol.name, near.offset, section.name), ("stop", 2, ".text"));
        assert_eq!(object.symbols_named("walk").len(), 1);
        assert_eq!(object.symbols_named("wal").len(), 0);
    });
}

#[test]
fn a_line_in_a_header_is_wherever_it_was_inlined() {
    for file in [GCC_4, GCC_5, ZDEBUG] {
        on(file, |object| {
            let dwarf = object.dwarf().unwrap();
            for pattern in ["list.h", "/src/list.h", "src/list.h"] {
                let files = dwarf.files_named(pattern).unwrap();
                assert_eq!(files.len(), 2, "{pattern}");
                let places = dwarf.places(&files, 5).unwrap().unwrap();
                let inlined = [0x401024, 0x40105f, 0x401070].map(LinkAddr);
                let all = |at: &LinkAddr| inlined.contains(at);
                assert!(places.addresses.iter().all(all) && places.addresses.len() >= 2, "{places:?}");
            }
            assert!(dwarf.files_named("ist.h").unwrap().is_empty(), "whole names only");
            assert!(dwarf.files_named("/list.h").unwrap().is_empty());
        });
    }
}

#[test]
fn a_line_without_code_is_the_next_one_with_some() {
    on(GCC_5, |object| {
        let dwarf = object.dwarf().unwrap();
        let files = dwarf.files_named("walk.c").unwrap();
        let places = dwarf.places(&files, 11).unwrap().unwrap();
        assert_eq!((places.line, places.addresses), (12, vec![LinkAddr(0x401010)]));
        let spans = dwarf.spans(&files, 11).unwrap();
        assert_eq!(spans[0].span, Some((LinkAddr(0x401010), LinkAddr(0x401010))), "no code of its own");
        assert_eq!(dwarf.spans(&files, 4000).unwrap()[0].span, None);
        assert_eq!(dwarf.places(&files, 4000).unwrap(), None);
    });
}

#[test]
fn breakpoints_go_to_the_entry_where_locations_hold_there_and_else_behind_the_prologue() {
    let start = |file, address| {
        let mut found = None;
        on(file, |object| found = Some(object.start(LinkAddr(address)).unwrap()));
        let found = found.unwrap();
        (found.address.0, found.line.unwrap().line)
    };
    assert_eq!(start(GCC_5, 0x401010), (0x401010, 12));
    assert_eq!(start(PLAIN, 0x40100e), (0x40101d, 10));
}

#[test]
fn scopes_have_what_is_declared_in_them_and_inlined_calls() {
    on(GCC_5, |object| {
        let dwarf = object.dwarf().unwrap();
        let scopes = dwarf.scopes_at(LinkAddr(0x401022)).unwrap().unwrap();
        let blocks = scopes.at(LinkAddr(0x401022));
        let names: Vec<Vec<&str>> =
            blocks.iter().map(|block| block.symbols.iter().map(|symbol| symbol.name).collect()).collect();
        let outer = vec!["from", "times", "calls", "all"];
        assert_eq!(names.last(), Some(&outer));
        assert_eq!(names[names.len() - 2], ["i"]);
        let inlined = dwarf.inlined_at(LinkAddr(0x40105f)).unwrap();
        assert_eq!(inlined.len(), 1);
        assert_eq!((inlined[0].name, inlined[0].call_line), ("twice", 26));
        let copies = dwarf.instances_of(scopes.function.die.unit, "twice").unwrap();
        let walk = copies.iter().find(|copy| copy.entry == LinkAddr(0x40105f));
        assert!(walk.unwrap().inlined, "{copies:?}");
    });
}

#[test]
fn locations_are_told_in_gdbs_words() {
    let told = |file, address, name: &str| {
        let mut found = None;
        on(file, |object| {
            let dwarf = object.dwarf().unwrap();
            let scopes = dwarf.scopes_at(LinkAddr(address)).unwrap().unwrap();
            let describer = Describer {
                dwarf,
                arch: object.elf.arch().unwrap(),
                runs_at: &|address| RuntimeAddr(address.0),
                symbol: &|_| None,
            };
            let mut blocks = scopes.at(LinkAddr(address)).into_iter();
            let block = blocks.find(|block| block.symbols.iter().any(|symbol| symbol.name == name)).unwrap();
            let symbol = block.symbols.iter().find(|symbol| symbol.name == name).unwrap();
            found = Some(describer.in_scope(symbol, block.entry()).unwrap());
        });
        let found = found.unwrap();
        assert_eq!(found.length, Length::OfType);
        found.text
    };
    assert_eq!(told(GCC_5, 0x401010, "times"), "a variable in $rsi");
    assert_eq!(told(GCC_5, 0x401010, "calls"), "in static storage at address 0x403010");
    assert_eq!(told(PLAIN, 0x40101d, "from"), "a complex DWARF expression:\n     0: DW_OP_fbreg -56\n");
    assert_eq!(
        told(GCC_5, 0x401020, "all"),
        "multi-location:\n  Base address 0x401010  Range 0x401010-0x40101e: the constant 0\n  \
         Range 0x40101e-0x401037: a variable in $rdx\n  Range 0x40103b-0x40104b: a variable in $rdx\n"
    );
    assert_eq!(told(GCC_5, 0x401076, "LIMIT"), "a constant with value 7 (0x7)");
}

#[test]
fn a_call_tells_what_it_passes() {
    on(GCC_5, |object| {
        let dwarf = object.dwarf().unwrap();
        let call = dwarf.call_site(LinkAddr(0x401059)).unwrap().unwrap();
        assert!(!call.tail && call.target.is_none());
        let callee = dwarf.root_origin(call.callee.unwrap()).unwrap();
        let (unit, entry) = dwarf.entry(callee).unwrap();
        assert_eq!(dwarf.name_of(&unit, &entry).unwrap(), Some("sum"));
        let times = call.parameters.iter().find(|parameter| parameter.location.unwrap().bytes == [0x54]);
        assert_eq!(times.unwrap().value.unwrap().bytes, [0x74, 0], "DW_OP_breg4 0");
        assert_eq!(dwarf.call_site(LinkAddr(0x401020)).unwrap(), None);
    });
}

#[test]
fn a_modules_sections_lie_one_behind_the_other() {
    on(MODULE, |object| {
        assert_eq!(line_of(object, 0x60), Some((25, "walk.c".to_owned(), 0x60, 0x62)));
        assert_eq!(line_of(object, 0x21), Some((12, "walk.c".to_owned(), 0x20, 0x27)));
        assert_eq!(object.symbolic(LinkAddr(0x62)).unwrap().to_string(), "walk+2");
        assert_eq!(object.symbols_named("walk")[0].address, LinkAddr(0x60));
        let (_, section) = object.symbol_at(LinkAddr(0x60)).unwrap();
        assert_eq!(section.name, ".text.walk");
    });
}

#[test]
fn a_unit_lists_its_variables() {
    on(GCC_5, |object| {
        let dwarf = object.dwarf().unwrap();
        let unit = dwarf.unit_at(LinkAddr(0x401050)).unwrap().unwrap();
        let variables = dwarf.variables(unit).unwrap();
        let total = variables.iter().find(|variable| variable.name == "total").unwrap();
        assert_eq!(total.kind, DeclarationKind::Variable(LocationDescription::Static(LinkAddr(0x40300c))));
        let (unit, entry) = dwarf.entry(total.ty.unwrap()).unwrap();
        assert_eq!(dwarf.name_of(&unit, &entry).unwrap(), Some("int"));
    });
}

#[test]
fn units_are_kept_and_few_at_that() {
    on(GCC_5, |object| {
        let dwarf = object.dwarf().unwrap();
        let id = dwarf.units().unwrap().ids().next().unwrap();
        assert!(Rc::ptr_eq(&dwarf.unit(id).unwrap(), &dwarf.unit(id).unwrap()));
    });
}

// The programs: `gcc -g -gdwarf-N -O2 -nostdlib -static -fno-pic walk.c add.c`; `plain` is walk.c with -O0,
// `module` is walk.c with `-c -ffunction-sections`; `zstd` and `zdebug` are gcc-5 and gcc-4 compressed.
//
// list.h:
//      1  struct item { int key; struct item *next; };
//      3  static inline int twice(int x)
//      4  {
//      5          return x * 2;
//      6  }
//
// walk.c:
//      3  int total;
//      4  static struct item *head;
//      5  void stop(const char *why) __attribute__((noreturn, cold));
//      7  __attribute__((noinline)) static long sum(struct item *from, int times)
//      8  {
//      9          static int calls;
//     10          long all = 0;
//     12          calls++;
//     13          for (struct item *i = from; i; i = i->next) {
//     14                  int key = twice(i->key);
//     16                  if (key < 0)
//     17                          stop("negative");
//     18                  all += key * times;
//     19          }
//     20          return all;
//     21  }
//     23  int walk(int times)
//     24  {
//     25          total = sum(head, times);
//     26          return twice(total);
//     27  }
//     29  void stop(const char *why)
//     30  {
//     31          for (;;)
//     32                  *(volatile char *)why;
//     33  }
//
// add.c:
//      5  int add(int key)
//      6  {
//      7          enum { LIMIT = 7 };
//      8          int doubled = twice(key);
//     10          if (doubled > LIMIT)
//     11                  return doubled;
//     12          return total + doubled;
//     13  }
