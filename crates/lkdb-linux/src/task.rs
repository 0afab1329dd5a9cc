//! Tasks: `struct task_struct` (include/linux/sched.h).

use lkdb_base::RuntimeAddr;
use lkdb_value::expr::{evaluate, parse};
use lkdb_value::{Context, Error, Value};

use crate::per_cpu::{Area, variable};

/// A task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its `task_struct`.
    pub address: RuntimeAddr,
    /// Its number, which users call a thread's; 0 for those that idle.
    pub pid: i32,
    /// Its name.
    pub comm: String,
}

/// Why nobody can say which task a CPU runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTask {
    /// It is not in Linux yet.
    #[error("the kernel has not set it up yet")]
    NotSetUp,
    /// The kernel's variables cannot be found or read, or hold no task.
    #[error(transparent)]
    Value(#[from] Error),
}

/// The task that the CPU of this area runs.
///
/// # Errors
/// Why that cannot be said.
pub fn running(context: &dyn Context, area: &Area) -> Result<Task, NoTask> {
    let pointer = area.copy_of(current(context)?);
    match context.memory().read_u64(pointer).map_err(Error::from)? {
        0 => Err(NoTask::NotSetUp),
        address => Ok(task_at(context, RuntimeAddr(address))?),
    }
}

/// Where the per-CPU section keeps the pointer to the task that runs.
fn current(context: &dyn Context) -> Result<RuntimeAddr, Error> {
    // With other hot data from v6.2 on: "x86: Put hot per CPU variables into a struct". A variable of its own before,
    // and again from v6.15 on: "x86/percpu: Move current_task to percpu hot section".
    match variable(context, "pcpu_hot") {
        Ok(hot) => match value(context, &format!("&((struct pcpu_hot *) {:#x})->current_task", hot.0)) {
            Ok(address) => number(context, &address).map(RuntimeAddr),
            Err(Error::NoMember(_)) => variable(context, "current_task"),
            Err(error) => Err(error),
        },
        Err(Error::NoSymbol(_)) => variable(context, "current_task"),
        Err(error) => Err(error),
    }
}

fn task_at(context: &dyn Context, address: RuntimeAddr) -> Result<Task, Error> {
    let member = |name: &str| value(context, &format!("((struct task_struct *) {:#x})->{name}", address.0));
    let pid = number(context, &member("pid")?)?;
    let (_, comm) = member("comm")?.bytes(context)?;
    let name: Vec<u8> = comm.iter().copied().take_while(|byte| *byte != 0).collect();
    // An int: the low half is all of it.
    let [a, b, c, d, ..] = pid.to_le_bytes();
    let pid = i32::from_le_bytes([a, b, c, d]);
    Ok(Task { address, pid, comm: String::from_utf8_lossy(&name).into_owned() })
}

fn value(context: &dyn Context, text: &str) -> Result<Value, Error> {
    evaluate(&parse(text, context)?, context)
}

/// The low 8 bytes of a value.
fn number(context: &dyn Context, value: &Value) -> Result<u64, Error> {
    let (_, bytes) = value.bytes(context)?;
    Ok(bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
