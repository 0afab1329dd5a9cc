//! The machine that a session has in hand: its CPUs, its memory, where its kernel lies, and why it stands still.
//!
//! How it is moved is [`crate::run`]'s; what a stop means, and what commands make of a move, is `resume`'s.

mod cpus;
mod end;
mod place;
mod resume;
mod stop;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use lkdb_base::paging::AddressSpace;
use lkdb_base::{Arch, Memory, PhysAddr, RuntimeAddr};
use lkdb_map::Ram;
use lkdb_target::{Guest, GuestMemory, Registers, Stub, Thread, View};

use crate::entry::{Boot, Entry};
use crate::run::Runner;
use crate::{Error, Result, Session};

/// The stub's name for a CPU: counted from 1.
pub use lkdb_target::Thread as Cpu;

pub use end::Hold;
pub use resume::{Goal, Verdict};
pub use stop::Stop;

/// What is known of where the kernel lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// It is not unpacked yet; this is its way there.
    ToCome(Boot),
    /// It is here.
    Here(Entry),
    /// Nobody can tell.
    Unknown,
}

/// What it takes to have a machine.
pub struct Connection {
    /// Its stub; the machine stands still.
    pub stub: Stub,
    /// Its RAM, where that can be mapped.
    pub ram: Option<Ram>,
    /// What keeps it ours.
    pub hold: Box<dyn Hold>,
    /// Its architecture.
    pub arch: &'static Arch,
    /// Where its kernel is.
    pub kernel: Kernel,
    /// Its way to its kernel after a reset, where that is known.
    pub boot: Option<Boot>,
    /// How long it may take from a reset to its kernel.
    pub boot_within: Duration,
}

/// A machine in a session's hand.
pub struct Live {
    runner: Runner,
    stub: Rc<RefCell<Stub>>,
    guest: Rc<Guest>,
    hold: Option<Box<dyn Hold>>,
    arch: &'static Arch,
    kernel: Kernel,
    boot: Option<Boot>,
    boot_within: Duration,
    selected: Thread,
    stop: Option<Stop>,
    /// CPUs that have come to breakpoints and where, not judged yet.
    queue: Vec<(Thread, RuntimeAddr)>,
    memory: GuestMemory,
    kernel_root: Option<PhysAddr>,
    /// The CPU that has come to the first instruction of inlined calls, and how many the user is not in yet.
    hidden: Option<(Thread, usize)>,
    /// How often it was moved.
    moves: u64,
    /// Whether it runs under KVM, which has only the processor's debug registers.
    kvm: OnceCell<bool>,
    /// A register was written: CPUs may stand elsewhere than the runner knows.
    written: Cell<bool>,
}

impl Live {
    fn new(connection: Connection) -> Result<Self> {
        let Connection { stub, ram, hold, arch, kernel, boot, boot_within } = connection;
        let stub = Rc::new(RefCell::new(stub));
        let runner = Runner::new(Rc::clone(&stub), arch.program_counter)?;
        let guest = Rc::new(Guest::new(arch, Some(Rc::clone(&stub)), ram));
        let selected = runner.cpus().first().map_or(Thread(1), |(cpu, _)| *cpu);
        let memory = GuestMemory::new(Rc::clone(&guest), View::Cpu(selected));
        let (hold, stop, queue) = (Some(hold), None, Vec::new());
        Ok(Self {
            runner,
            stub,
            guest,
            hold,
            arch,
            kernel,
            boot,
            boot_within,
            selected,
            stop,
            queue,
            memory,
            kernel_root: None,
            hidden: None,
            moves: 0,
            kvm: OnceCell::new(),
            written: Cell::new(false),
        })
    }

    /// The CPU that commands are about.
    #[must_use]
    pub fn selected(&self) -> Thread {
        self.selected
    }

    /// Makes commands be about a CPU.
    ///
    /// # Errors
    /// When there is no such CPU.
    pub fn select(&mut self, cpu: Thread) -> Result<()> {
        if self.pc(cpu).is_none() {
            return Err(Error::say(format!("Unknown thread {}.", cpu.0)));
        }
        self.selected = cpu;
        self.memory = GuestMemory::new(Rc::clone(&self.guest), View::Cpu(cpu));
        Ok(())
    }

    /// Where each CPU stands.
    #[must_use]
    pub fn cpus(&self) -> &[(Thread, RuntimeAddr)] {
        self.runner.cpus()
    }

    /// Where one CPU stands; none where there is no such.
    #[must_use]
    pub fn pc(&self, cpu: Thread) -> Option<RuntimeAddr> {
        self.runner.pc(cpu)
    }

    /// Memory as the selected CPU sees it.
    #[must_use]
    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// The registers of a CPU.
    ///
    /// # Errors
    /// When the stub does not tell them.
    pub fn registers(&self, cpu: Thread) -> Result<Registers> {
        Ok(self.stub.borrow_mut().registers(cpu)?)
    }

    /// Sets a register of the selected CPU, from bytes in the target's order.
    ///
    /// # Errors
    /// When the stub refuses.
    pub fn write_register(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.stub.borrow_mut().write_register(self.selected, name, bytes)?;
        self.written.set(true);
        Ok(())
    }

    /// Learns again where the CPUs stand, if a register was written since; those that stand elsewhere than before.
    pub(crate) fn notice_writes(&mut self) -> Result<Vec<(Thread, RuntimeAddr)>> {
        if !self.written.take() {
            return Ok(Vec::new());
        }
        let before = self.runner.cpus().to_vec();
        self.runner.read_again()?;
        Ok(self.runner.cpus().iter().copied().filter(|cpu| !before.contains(cpu)).collect())
    }

    /// Whether QEMU says that it runs under KVM. Another stub does not say.
    pub(crate) fn kvm(&self) -> bool {
        let ask = || self.stub.borrow_mut().monitor("info kvm").is_ok_and(|said| said.contains("enabled"));
        *self.kvm.get_or_init(ask)
    }

    /// Changes whenever the target may have: at each move and each write.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.stub.borrow().generation()
    }

    /// How often commands have moved it.
    pub(crate) fn moves(&self) -> u64 {
        self.moves
    }

    /// Whether a CPU uses no page tables.
    pub(crate) fn unpaged(&self, cpu: Thread) -> bool {
        self.guest.space(cpu) == Some(AddressSpace::Flat)
    }

    /// How many inlined calls around the selected CPU's instruction the user is not in yet.
    #[must_use]
    pub fn hidden_inlines(&self) -> usize {
        self.hidden.filter(|(cpu, _)| *cpu == self.selected).map_or(0, |(_, hidden)| hidden)
    }

    pub(crate) fn hide_inlines(&mut self, hidden: usize) {
        self.hidden = Some((self.selected, hidden));
    }

    /// Its architecture.
    #[must_use]
    pub fn arch(&self) -> &'static Arch {
        self.arch
    }

    /// What is known of where its kernel lies.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Why it stands still; none before it has run.
    #[must_use]
    pub fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }
}

impl<'d> Session<'d> {
    /// Takes a machine in hand. What it runs is found with the session's kernel, which has been added.
    ///
    /// # Errors
    /// When its stub fails.
    pub fn connect(&mut self, connection: Connection) -> Result<()> {
        self.live = Some(Live::new(connection)?);
        self.kernel_moved()
    }

    /// The machine in hand.
    ///
    /// # Errors
    /// gdb's words for having none.
    pub fn live(&self) -> Result<&Live> {
        self.live.as_ref().ok_or_else(no_machine)
    }

    /// The machine in hand, to be changed.
    ///
    /// # Errors
    /// gdb's words for having none.
    pub fn live_mut(&mut self) -> Result<&mut Live> {
        self.live.as_mut().ok_or_else(no_machine)
    }

    /// Where the selected CPU stands; none without a machine.
    #[must_use]
    pub fn program_counter(&self) -> Option<RuntimeAddr> {
        let live = self.live.as_ref()?;
        if live.written.get() {
            let registers = live.registers(live.selected).ok()?;
            return registers.number(live.arch.program_counter).map(RuntimeAddr);
        }
        live.pc(live.selected)
    }

    /// Gives a line to QEMU's monitor; what it says. It may have changed anything.
    ///
    /// # Errors
    /// When there is no machine, or its stub knows no monitor.
    pub fn monitor(&mut self, line: &str) -> Result<String> {
        let live = self.live()?;
        let said = live.stub.borrow_mut().monitor(line)?;
        live.written.set(true);
        self.forget_frames();
        Ok(said)
    }

    /// Where the selected frame is; none without a machine.
    #[must_use]
    pub fn selected_pc(&self) -> Option<RuntimeAddr> {
        match self.selected_frame() {
            0 => self.program_counter(),
            level => self.frame(level).ok().map(|row| row.pc),
        }
    }

    /// Memory: the machine's, else the files'.
    #[must_use]
    pub fn memory(&self) -> &dyn Memory {
        match &self.live {
            Some(live) => live.memory(),
            None => self.static_memory(),
        }
    }
}

fn no_machine() -> Error {
    Error::say("The program is not being run.")
}
