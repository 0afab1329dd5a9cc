//! The bar of a command that takes long, on a terminal.

use std::cell::RefCell;
use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressStyle};
use lkdb_session::{Listener, Progress};

/// Shows a bar while there is work and takes it away afterwards; nothing where stderr is no terminal.
pub(super) fn bar() -> Listener {
    let shown: RefCell<Option<ProgressBar>> = RefCell::new(None);
    Box::new(move |progress| {
        let mut shown = shown.borrow_mut();
        match progress {
            Some(progress) if io::stderr().is_terminal() => {
                shown.get_or_insert_with(|| made(&progress)).set_position(progress.done as u64);
            }
            Some(_) => {}
            None => {
                if let Some(bar) = shown.take() {
                    bar.finish_and_clear();
                }
            }
        }
    })
}

fn made(progress: &Progress) -> ProgressBar {
    let bar = ProgressBar::new(progress.all as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent}%") {
        bar.set_style(style);
    }
    bar.set_message(progress.what);
    bar
}
