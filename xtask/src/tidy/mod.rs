//! The house rules that a compiler does not check, each with its reason beside it.
//!
//! [`crates`] holds who may lean on whom, [`files`] what may stand in a file, and [`source`] tells code
//! from comments, texts and tests.

mod crates;
mod files;
mod source;

use std::fs;

use anyhow::{Context as _, bail};

use crate::metadata::Metadata;
use crate::run;

pub(crate) fn run() -> anyhow::Result<()> {
    run::headline("house rules");
    let root = run::root();
    let mut complaints = crates::check(&Metadata::of_workspace()?.packages);
    let listed = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let listed = run::output(std::process::Command::new("git").current_dir(&root).args(listed))?;
    let mut checked = 0;
    for path in listed.lines().filter(|path| root.join(path).is_file()) {
        let bytes = fs::read(root.join(path)).with_context(|| format!("cannot read {path}"))?;
        // Test fixtures may be anything.
        let Ok(text) = String::from_utf8(bytes) else { continue };
        checked += 1;
        complaints.extend(files::check(path, &text, &root));
    }
    complaints.extend(crates::check_test_binaries(listed.lines()));
    if !complaints.is_empty() {
        bail!("{} against the house rules:\n{}", complaints.len(), complaints.join("\n"));
    }
    eprintln!("{checked} files in order");
    Ok(())
}
