//! Bars for long work, and the user's wish to stop it: lkdb-artifacts' `Progress` on a terminal.
//!
//! Ctrl-C, SIGTERM and SIGHUP set a flag that the work looks at, so that it kills its children and
//! removes what is half done. A second Ctrl-C ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use lkdb_artifacts::Progress;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::output::Context;

/// Shows each step as a bar, or as a line when stderr is no terminal.
pub(crate) struct Bars<'a> {
    context: &'a Context,
    bar: Option<ProgressBar>,
    /// What the step is called, when it counts objects and knows no total.
    counted: Option<String>,
    stop: Arc<AtomicBool>,
}

impl<'a> Bars<'a> {
    /// From here on signals stop the work instead of the program.
    pub(crate) fn new(context: &'a Context) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Self { context, bar: None, counted: None, stop })
    }
}

impl Progress for Bars<'_> {
    fn step(&mut self, what: &str, total: Option<u64>) {
        self.end();
        let bar = self.context.progress(what, total);
        if bar.is_hidden() {
            self.context.note(match total {
                Some(total) => format!("{what} ({})", lkdb_base::size::human(total)),
                None => what.to_owned(),
            });
        }
        self.bar = Some(bar);
        self.counted = total.is_none().then(|| what.to_owned());
    }

    fn at(&mut self, done: u64) {
        let Some(bar) = &self.bar else { return };
        match &self.counted {
            Some(what) => bar.set_message(format!("{what}: {done} objects")),
            None => bar.set_position(done),
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.context.note(text)),
            None => self.context.note(text),
        }
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Drop for Bars<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
