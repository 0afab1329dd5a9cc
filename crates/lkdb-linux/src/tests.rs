//! Small kernels: one that keeps the task in a variable of its own, one that keeps it with other hot data, one built
//! for one CPU, one with a module.

use std::collections::HashMap;
use std::rc::Rc;

use lkdb_base::{Memory, RuntimeAddr, Unreadable};
use lkdb_symbols::types::{Base, Composite, CompositeKind, Count, Encoding, MadeTypes, Member, Type};
use lkdb_symbols::{DwarfRegister, Gone, TypeError, TypeId, TypeSource};
use lkdb_value::{Bytes, Context, Error, Named};

use crate::{Area, ModuleLayout, NoTask, running};

/// Where the variables are linked.
const VARIABLES: u64 = 0xffff_ffff_8300_0000;
/// Where CPU 1's area is behind them.
const OFFSET: u64 = 0x10_0000;
const TASK: u64 = 0xffff_8880_0000_0000;

#[derive(Default)]
struct Kernel {
    types: MadeTypes,
    words: HashMap<u64, u64>,
    names: HashMap<&'static str, u64>,
    tags: HashMap<&'static str, TypeId>,
}

impl Kernel {
    /// With a task at [`TASK`].
    fn new() -> Self {
        let mut kernel = Self::default();
        let base = |name: &str, size, encoding| Type::Base(Base { name: name.into(), size, encoding });
        let int = kernel.types.make(base("int", 4, Encoding::Signed));
        let letter = kernel.types.make(base("char", 1, Encoding::SignedChar));
        let count = Count::Fixed(16);
        let comm = kernel.types.make(Type::Array { element: letter, count, vector: false });
        kernel.tag("task_struct", 32, &[("pid", int, 0), ("comm", comm, 8)]);
        kernel.words.insert(TASK, 42);
        kernel.words.insert(TASK + 8, u64::from_le_bytes(*b"kthreadd"));
        kernel
    }

    fn tag(&mut self, name: &'static str, size: u64, members: &[(&str, TypeId, u64)]) {
        let member = |(name, ty, at): &(&str, TypeId, u64)| Member {
            name: Some((*name).into()),
            ty: *ty,
            bit_offset: at * 8,
            bit_size: None,
        };
        let members: Rc<[Member]> = members.iter().map(member).collect();
        let kind = CompositeKind::Struct;
        let composite = Composite { kind, name: Some(name.into()), size, declaration: false, members };
        self.tags.insert(name, self.types.make(Type::Composite(composite)));
    }

    fn variable(&mut self, name: &'static str, at: u64, value: u64) {
        self.names.insert(name, VARIABLES + at);
        self.words.insert(VARIABLES + at, value);
    }

    /// Two CPUs whose areas are set up.
    fn areas(&mut self) {
        self.variable("nr_cpu_ids", 0x100, 2);
        self.variable("__per_cpu_offset", 0x200, OFFSET / 2);
        self.words.insert(VARIABLES + 0x208, OFFSET);
    }
}

impl Memory for Kernel {
    fn read(&self, address: RuntimeAddr, into: &mut [u8]) -> Result<(), Unreadable> {
        for (index, byte) in into.iter_mut().enumerate() {
            let at = address.offset(index as u64);
            let within = usize::try_from(at.0 % 8).unwrap();
            // Behind the task there is nothing but zeroes.
            let there = self.words.get(&(at.0 - at.0 % 8)).copied();
            let word = there.or((at.0 >= TASK && at.0 < TASK + 32).then_some(0));
            *byte = word.ok_or_else(|| Unreadable::new(at, "nothing is there"))?.to_le_bytes()[within];
        }
        Ok(())
    }
}

impl TypeSource for Kernel {
    fn get(&self, id: TypeId) -> Result<Rc<Type>, TypeError> {
        if id == TypeId::Void { Ok(Rc::new(Type::Void)) } else { self.types.get(id) }
    }

    fn complete(&self, id: TypeId) -> TypeId {
        id
    }

    fn make(&self, ty: Type) -> TypeId {
        self.types.make(ty)
    }
}

impl Context for Kernel {
    fn types(&self) -> &dyn TypeSource {
        self
    }

    fn memory(&self) -> &dyn Memory {
        self
    }

    fn named(&self, name: &str) -> Result<Named, Error> {
        let address = self.names.get(name).copied().map(RuntimeAddr);
        address
            .map(|address| Named::Bare { address, code: false, function: None })
            .ok_or_else(|| Error::NoSymbol(name.to_owned()))
    }

    fn tagged(&self, kind: &'static str, name: &str) -> Result<TypeId, Error> {
        self.tags.get(name).copied().ok_or(Error::NoType { kind, name: name.into() })
    }

    fn type_named(&self, name: &str) -> Result<TypeId, Error> {
        Err(Error::NoType { kind: "symbol", name: name.into() })
    }

    fn symbol_at(&self, _: RuntimeAddr) -> Option<String> {
        None
    }

    fn register(&self, register: DwarfRegister) -> Result<Rc<[u8]>, Gone> {
        Err(Gone::Clobbered(register))
    }

    fn register_named(&self, _: &str) -> Option<Result<Bytes, Error>> {
        None
    }

    fn convenience(&self, _: &str) -> Option<Bytes> {
        None
    }
}

/// The task of the CPU with these registers.
fn task(kernel: &Kernel, bases: &[u64]) -> Result<(i32, String), NoTask> {
    let area = Area::of(kernel, bases)?.ok_or(NoTask::NotSetUp)?;
    running(kernel, &area).map(|task| (task.pid, task.comm))
}

fn kthreadd() -> Result<(i32, String), NoTask> {
    Ok((42, "kthreadd".to_owned()))
}

#[test]
fn a_task_in_a_variable_of_its_own() {
    let mut kernel = Kernel::new();
    kernel.areas();
    kernel.variable("current_task", 0, 0);
    kernel.words.insert(VARIABLES + OFFSET, TASK);
    kernel.words.insert(VARIABLES + OFFSET / 2, 0);
    assert_eq!(task(&kernel, &[0, OFFSET]), kthreadd(), "in whichever register entry code has left it");
    assert_eq!(Area::of(&kernel, &[OFFSET]).unwrap().map(|area| area.cpu), Some(1));
    assert_eq!(task(&kernel, &[OFFSET / 2]), Err(NoTask::NotSetUp), "no task yet");
    assert_eq!(task(&kernel, &[0, 7]), Err(NoTask::NotSetUp), "not in Linux yet");
    assert_eq!(task(&kernel, &[]), Err(NoTask::NotSetUp));
}

#[test]
fn a_task_with_other_hot_data() {
    let mut kernel = Kernel::new();
    kernel.areas();
    kernel.variable("pcpu_hot", 0, 0);
    let pointer = kernel.types.make(Type::Pointer { size: 8, target: kernel.tags["task_struct"] });
    kernel.tag("pcpu_hot", 64, &[("current_task", pointer, 8)]);
    kernel.words.insert(VARIABLES + OFFSET + 8, TASK);
    // What is read is the area's, not the section's.
    kernel.words.insert(VARIABLES + 8, 0);
    let got = task(&kernel, &[OFFSET]);
    assert_eq!(got, kthreadd());
    // A kernel half-way back: the struct is there, the task is not in it.
    kernel.tag("pcpu_hot", 64, &[]);
    kernel.variable("current_task", 0x40, 0);
    kernel.words.insert(VARIABLES + OFFSET + 0x40, TASK);
    assert_eq!(task(&kernel, &[OFFSET]), kthreadd());
}

#[test]
fn a_kernel_for_one_cpu_has_no_offsets() {
    let mut kernel = Kernel::new();
    kernel.variable("current_task", 0, TASK);
    assert_eq!(task(&kernel, &[]), kthreadd());
}

/// Where a module's structure, its code, its tables and the kernel's list are.
const MODULE: u64 = 0xffff_ffff_c000_2000;
const CODE: u64 = 0xffff_ffff_c000_0000;
const SYMBOLS: u64 = 0xffff_ffff_c000_3000;
const NAMES: u64 = 0xffff_ffff_c000_4000;
const LIST: u64 = VARIABLES + 0x800;

/// A kernel before 6.4, with one module: its code has two functions, and no init code any more.
fn with_a_module() -> Kernel {
    let mut kernel = Kernel::new();
    let long = Base { name: "unsigned long".into(), size: 8, encoding: Encoding::Unsigned };
    let long = kernel.types.make(Type::Base(long));
    kernel.tag("module_layout", 16, &[("base", long, 0), ("text_size", long, 8)]);
    let layout = kernel.tags["module_layout"];
    kernel.tag("arch", 24, &[("num_orcs", long, 0), ("orc_unwind_ip", long, 8), ("orc_unwind", long, 16)]);
    let arch = kernel.tags["arch"];
    kernel.tag("mod_kallsyms", 24, &[("symtab", long, 0), ("num_symtab", long, 8), ("strtab", long, 16)]);
    let members = [
        ("list", long, 8),
        ("name", long, 24),
        ("core_layout", layout, 0x50),
        ("init_layout", layout, 0x60),
        ("arch", arch, 0x70),
        ("kallsyms", long, 0x90),
    ];
    kernel.tag("module", 0x100, &members);
    let mut put = |at: u64, words: &[u64]| {
        kernel.words.extend((at..).step_by(8).zip(words.iter().copied()));
    };
    put(LIST, &[MODULE + 8, MODULE + 8]);
    put(MODULE + 8, &[LIST, LIST, u64::from_le_bytes(*b"hello\0\0\0")]);
    put(MODULE + 0x50, &[CODE, 0x1_0000_1000, 0, 0, 3, 0x9000, 0xa000]);
    put(MODULE + 0x90, &[MODULE + 0x98, SYMBOLS, 4, NAMES]);
    // An ELF symbol: st_name, then info, other and section; st_value; st_size.
    let symbol = |name: u64, section: u64| name | section << 48;
    put(
        SYMBOLS,
        &[0, 0, 0, symbol(1, 1), CODE + 0x10, 0x20, symbol(9, 1), CODE + 0x40, 0x20, symbol(1, 0), CODE, 0],
    );
    put(NAMES, &[u64::from_le_bytes(*b"\0_one_fn"), u64::from_le_bytes(*b"\0two_fn\0")]);
    kernel
}

#[test]
fn a_modules_code_and_functions_are_found() {
    let kernel = with_a_module();
    let layout = ModuleLayout::of(&kernel).unwrap();
    let modules = layout.loaded(&kernel, RuntimeAddr(LIST));
    let [module] = modules.as_slice() else { panic!("{modules:?}") };
    assert_eq!((module.name.as_str(), &*module.code), ("hello", &[(RuntimeAddr(CODE), 0x1000)][..]));
    assert_eq!(module.orc.map(|orc| (orc.ips.0, orc.entries.0, orc.count)), Some((0x9000, 0xa000, 3)));
    let at = |offset: u64| module.function_at(&kernel, RuntimeAddr(CODE + offset));
    assert_eq!(at(0x15), Some(("_one_fn".to_owned(), RuntimeAddr(CODE + 0x10))));
    assert_eq!(at(0xfff), Some(("two_fn".to_owned(), RuntimeAddr(CODE + 0x40))));
    assert_eq!((at(0), at(0x1000)), (None, None), "before the first, behind the code");
}

#[test]
fn a_list_of_modules_that_is_damaged_ends() {
    let mut kernel = with_a_module();
    let loaded = |kernel: &Kernel| ModuleLayout::of(kernel).unwrap().loaded(kernel, RuntimeAddr(LIST)).len();
    kernel.words.insert(MODULE + 8, 0x1234);
    assert_eq!(loaded(&kernel), 1, "as far as it can be read");
    // Round and round.
    kernel.words.insert(MODULE + 8, MODULE + 8);
    kernel.words.insert(MODULE + 16, MODULE + 8);
    assert!(loaded(&kernel) <= 4096);
    kernel.words.insert(MODULE + 16, 0);
    assert_eq!(loaded(&kernel), 0, "no list at all");
    // More symbols than there can be.
    let mut kernel = with_a_module();
    kernel.words.insert(MODULE + 0xa0, u64::MAX);
    let modules = ModuleLayout::of(&kernel).unwrap().loaded(&kernel, RuntimeAddr(LIST));
    assert_eq!(modules[0].function_at(&kernel, RuntimeAddr(CODE + 0x15)), None);
}
