//! Small kernels: one that keeps the task in a variable of its own, one that keeps it with other hot data, one built
//! for one CPU.

use std::collections::HashMap;
use std::rc::Rc;

use lkdb_base::{Memory, RuntimeAddr, Unreadable};
use lkdb_symbols::types::{Base, Composite, CompositeKind, Count, Encoding, MadeTypes, Member, Type};
use lkdb_symbols::{DwarfRegister, Gone, TypeError, TypeId, TypeSource};
use lkdb_value::{Bytes, Context, Error, Named};

use crate::{Area, NoTask, running};

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
