//! `cargo xtask test`: what CI runs, in the order that fails soonest. The tests come last, so that their
//! summary closes the output.

use std::process::Command;

use crate::{fuzz, licenses, run, setup, tidy};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run the slow tests too, those that build kernels, and each fuzz target for ten minutes
    #[arg(long)]
    slow: bool,
    /// Run only the tests whose names hold one of these, and none of the other checks
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    setup::run()?;
    if args.filters.is_empty() {
        checks()?;
        if args.slow {
            fuzz::run(&fuzz::Args::all())?;
        }
    }
    run::headline("the kernel that tests run");
    let lkdb = run::build_lkdb(run::Profile::Dev)?;
    run::run(Command::new(lkdb).args(["kernel", "fetch", "--headers"]))?;
    run::headline("tests");
    run::run(run::cargo(["test", "--quiet", "--workspace", "--doc", "--"]).args(&args.filters))?;
    let mut tests = run::cargo(["test", "--workspace", "--lib", "--bins", "--tests", "--"]);
    if args.slow {
        tests.arg("--include-ignored");
    }
    run::run(tests.args(&args.filters))
}

fn checks() -> anyhow::Result<()> {
    run::headline("format");
    run::run(&mut run::cargo(["fmt", "--all", "--check"]))?;
    tidy::run()?;
    licenses::run()?;
    run::headline("clippy");
    let clippy = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    run::run(&mut run::cargo(clippy))?;
    run::headline("documentation");
    let doc = ["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"];
    // Private items are documented here, so links to them lead somewhere.
    let flags = "--deny warnings --allow rustdoc::private_intra_doc_links";
    run::run(run::cargo(doc).env("RUSTDOCFLAGS", flags))
}
