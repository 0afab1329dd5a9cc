//! The end of having a machine: it is let go, or it goes.

use super::no_machine;
use crate::{Error, Result, Session};

/// What keeps a machine ours, and lets it go: a lease of its stub.
pub trait Hold {
    /// Ends the hold; the guest runs on with no breakpoint left.
    ///
    /// # Errors
    /// What the system says.
    fn release(self: Box<Self>) -> std::io::Result<()>;

    /// Ends the hold of a machine that is gone; what became of it, where somebody knows.
    fn end_of_machine(self: Box<Self>) -> Option<String> {
        None
    }
}

impl Session<'_> {
    /// Lets the machine go: it runs on, with no breakpoint in it.
    ///
    /// # Errors
    /// When there is none, or it is gone.
    pub fn detach(&mut self) -> Result<()> {
        let mut live = self.live.take().ok_or_else(no_machine)?;
        live.stub.borrow_mut().remove_all()?;
        let hold = live.hold.take();
        drop(live);
        self.forget_frames();
        self.kernel_moved()?;
        hold.map_or(Ok(()), Hold::release)
            .map_err(|error| Error::say(format!("cannot let the machine go: {error}")))
    }

    /// Notices that the machine in hand has gone: it is in hand no longer then, and files are all there is. A
    /// sentence on what became of it, once.
    pub fn lost_machine(&mut self) -> Option<String> {
        let live = self.live.as_ref()?;
        if !live.stub.try_borrow().ok()?.is_closed() {
            return None;
        }
        let why = self.drop_machine();
        Some(match why {
            Some(why) => format!("The machine is gone: {why}."),
            None => "The machine is gone: its gdb stub closed the connection.".to_owned(),
        })
    }

    /// The machine is gone; what became of it, where somebody knows.
    pub(super) fn drop_machine(&mut self) -> Option<String> {
        let hold = self.live.take()?.hold.take();
        self.forget_frames();
        if let Err(error) = self.kernel_moved() {
            tracing::debug!("after the machine went: {error}");
        }
        hold.and_then(Hold::end_of_machine)
    }
}
