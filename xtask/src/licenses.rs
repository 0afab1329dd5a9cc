//! Every dependency's licence must let lkdb be given away under MIT or Apache-2.0, as users expect it.
//!
//! A package's licence is an SPDX expression; what counts is whether it can be met by licences that ask
//! for no more than those two do.

use anyhow::bail;

use crate::metadata::{Metadata, Package};
use crate::run;

/// Licences that put nothing on users of lkdb beyond keeping notices. The Mozilla licence does, on files.
const ACCEPTED: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
    // bzip2's own: a BSD licence in other words.
    "bzip2-1.0.6",
];
/// Exceptions only add permissions to the licence they go with.
const EXCEPTIONS: [&str; 1] = ["LLVM-exception"];

pub(crate) fn run() -> anyhow::Result<()> {
    run::headline("licences");
    let packages = Metadata::of_everything()?.packages;
    let complaints: Vec<String> = packages.iter().filter_map(complaint).collect();
    if !complaints.is_empty() {
        bail!("these dependencies must go:\n{}", complaints.join("\n"));
    }
    eprintln!("{} packages, each under a licence that fits", packages.len());
    Ok(())
}

fn complaint(package: &Package) -> Option<String> {
    let Package { name, version, license, .. } = package;
    match license {
        None => Some(format!("{name} {version}: it names no licence")),
        Some(license) => match fits(license) {
            Some(true) => None,
            Some(false) => Some(format!("{name} {version}: {license}")),
            None => Some(format!("{name} {version}: its licence is no SPDX expression: {license}")),
        },
    }
}

/// Whether an expression can be met by accepted licences; `None` when it cannot be read.
fn fits(expression: &str) -> Option<bool> {
    // Before SPDX expressions a slash meant "or".
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = text.split_ascii_whitespace().peekable();
    let met = any_of(&mut words)?;
    words.next().is_none().then_some(met)
}

type Words<'a> = std::iter::Peekable<std::str::SplitAsciiWhitespace<'a>>;

fn any_of(words: &mut Words<'_>) -> Option<bool> {
    let mut met = all_of(words)?;
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words)?;
    }
    Some(met)
}

fn all_of(words: &mut Words<'_>) -> Option<bool> {
    let mut met = one(words)?;
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words)?;
    }
    Some(met)
}

fn one(words: &mut Words<'_>) -> Option<bool> {
    match words.next()? {
        "(" => {
            let met = any_of(words)?;
            words.next_if_eq(&")")?;
            Some(met)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        license => {
            let mut met = ACCEPTED.contains(&license);
            if words.next_if_eq(&"WITH").is_some() {
                met &= EXCEPTIONS.contains(&words.next()?);
            }
            Some(met)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_or_not() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-3.0-only OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR MIT",
            "Apache-2.0 AND ISC",
            "Unlicense OR MIT",
        ] {
            assert_eq!(fits(good), Some(true), "{good}");
        }
        for bad in
            ["GPL-2.0-only", "MPL-2.0", "MIT AND GPL-3.0-only", "(MIT OR Zlib) AND MPL-2.0", "LGPL-2.1"]
        {
            assert_eq!(fits(bad), Some(false), "{bad}");
        }
        for unreadable in ["", "MIT OR", "(MIT", "MIT Apache-2.0", "AND MIT"] {
            assert_eq!(fits(unreadable), None, "{unreadable}");
        }
    }

    #[test]
    fn a_package_is_complained_of_by_name() {
        let package = |license: Option<&str>| Package {
            name: "p".into(),
            version: "1.0.0".into(),
            license: license.map(str::to_owned),
            dependencies: Vec::new(),
        };
        assert_eq!(complaint(&package(Some("MIT"))), None);
        assert_eq!(complaint(&package(Some("GPL-2.0"))).as_deref(), Some("p 1.0.0: GPL-2.0"));
        assert!(complaint(&package(None)).is_some());
    }
}
