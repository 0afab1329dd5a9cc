//! The CPUs: which one commands are about, and what each runs.

use lkdb_linux::{Area, NoTask, Task};
use lkdb_symbols::TypeSource as _;
use lkdb_symbols::types::{Base, Encoding, Type};
use lkdb_value::Bytes;

use super::{Cpu, Kernel};
use crate::{Result, Session};

impl Session<'_> {
    /// Makes commands be about a CPU.
    ///
    /// # Errors
    /// When there is no machine, or no such CPU.
    pub fn select_cpu(&mut self, cpu: Cpu) -> Result<()> {
        let live = self.live_mut()?;
        if live.selected() != cpu {
            live.select(cpu)?;
            self.forget_frames();
        }
        Ok(())
    }

    /// Does something while another CPU is the selected one.
    ///
    /// # Errors
    /// When there is no machine, or no such CPU.
    pub fn on_cpu<T>(&mut self, cpu: Cpu, work: impl FnOnce(&mut Self) -> T) -> Result<T> {
        let before = self.live()?.selected();
        let frame = self.selected_frame();
        self.select_cpu(cpu)?;
        let moves = self.live()?.moves();
        let result = work(self);
        // A machine that has moved chose a CPU itself, and one that is gone has none.
        if cpu != before && self.live().is_ok_and(|live| live.moves() == moves) {
            self.select_cpu(before)?;
            self.select_frame(frame)?;
        }
        Ok(result)
    }

    /// The task that the selected CPU runs.
    ///
    /// # Errors
    /// Why that cannot be said: early at boot there is none yet.
    pub fn running_task(&self) -> Result<Task, NoTask> {
        let Ok(live) = self.live() else { return Err(NoTask::NotSetUp) };
        let cpu = live.selected();
        // A CPU that uses no page tables is the firmware's still.
        if !matches!(live.kernel(), Kernel::Here(_)) || live.unpaged(cpu) {
            return Err(NoTask::NotSetUp);
        }
        let registers = live.registers(cpu).map_err(|error| operation(&error))?;
        let bases = live.arch().per_cpu_bases;
        let bases: Vec<u64> = bases.iter().filter_map(|name| registers.number(name)).collect();
        let area = Area::of(self, &bases)?.ok_or(NoTask::NotSetUp)?;
        lkdb_linux::running(self, &area)
    }

    /// `$_thread` and `$_gthread`: the number of the selected CPU.
    pub(crate) fn cpu_variable(&self, name: &str) -> Option<Bytes> {
        if !matches!(name, "_thread" | "_gthread") {
            return None;
        }
        let number = self.live().map_or(0, |live| live.selected().0);
        let int = Base { name: "int".into(), size: 4, encoding: Encoding::Signed };
        let bytes: Vec<u8> = number.to_le_bytes().into_iter().take(4).collect();
        Some((self.symbols().make(Type::Base(int)), bytes.into()))
    }
}

fn operation(error: &crate::Error) -> NoTask {
    NoTask::Value(lkdb_value::Error::Operation(error.to_string()))
}
