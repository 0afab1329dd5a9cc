//! Which packages make up the kernel that was asked for. Pure: works on what apt said there is.
//!
//! Names on Debian: `linux-image-R` (signed) or `linux-image-R-unsigned`, `linux-image-R-dbg`,
//! `linux-source-X.Y`, `linux-headers-R`; on Ubuntu `linux-image-unsigned-R`, `linux-modules-R`,
//! `linux-image[-unsigned]-R-dbgsym`, `linux-source-X.Y.Z`. R is what `uname -r` answers.

use lkdb_base::Arch;

use crate::apt::stanza::Stanza;
use crate::release::{flavour, flavour_matches};
use crate::{Error, Result, version};

/// The prefix of all of them.
pub(crate) const IMAGE: &str = "linux-image-";

/// The release that an image package is of; `None` for metapackages, debug packages and templates.
pub(crate) fn release(package: &Stanza) -> Option<&str> {
    let rest = package.name.strip_prefix(IMAGE)?;
    let rest = rest.strip_prefix("unsigned-").unwrap_or(rest);
    let rest = rest.strip_suffix("-unsigned").unwrap_or(rest);
    let other = ["-dbg", "-dbgsym", "-template"].iter().any(|suffix| rest.ends_with(suffix));
    let real = rest.starts_with(|c: char| c.is_ascii_digit()) && !other && !is_meta(package);
    real.then_some(rest)
}

fn is_meta(package: &Stanza) -> bool {
    package.depends.iter().any(|name| name.starts_with(IMAGE))
}

/// The release that the words ask for: a release, a version's beginning, a flavour, or a version and
/// a flavour; none at all asks for the flavour made for virtual machines.
///
/// A flavour alone means what the distribution's own metapackage of that flavour means; else the
/// newest release wins.
///
/// # Errors
/// When none fits; the error lists what there is.
pub(crate) fn choose(wanted: &[String], images: &[Stanza], arch: &Arch) -> Result<String> {
    let mut releases: Vec<&str> = images.iter().filter_map(release).collect();
    releases.sort_by(|a, b| version::compare_releases(b, a));
    releases.dedup();
    if let [only] = wanted
        && let Some(exact) = releases.iter().find(|release| *release == only)
    {
        return Ok((*exact).to_owned());
    }
    let (versions, flavours): (Vec<&String>, Vec<&String>) =
        wanted.iter().partition(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let fits = |release: &&&str| versions.iter().all(|version| of_version(release, version, images));
    let flavours: Vec<&str> = if flavours.is_empty() {
        vec!["cloud", "virtual", "generic", arch.debian]
    } else {
        flavours.into_iter().map(String::as_str).collect()
    };
    let usual = if versions.is_empty() {
        flavours.iter().find_map(|flavour| by_meta(flavour, images, arch))
    } else {
        None
    };
    let newest_of = |name: &&str| releases.iter().filter(fits).find(|release| flavour_matches(release, name));
    let found = usual.or_else(|| flavours.iter().find_map(newest_of).copied());
    found.map(str::to_owned).ok_or_else(|| none_fits(wanted, &releases))
}

/// Whether a release is of this version: its own numbers, or the package's, begin with it.
fn of_version(release: &str, wanted: &str, images: &[Stanza]) -> bool {
    let begins = |text: &str| {
        text.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '+']))
    };
    begins(release)
        || images.iter().any(|image| self::release(image) == Some(release) && begins(&image.version))
}

/// The release that the newest metapackage of a flavour stands for.
fn by_meta<'a>(flavour: &str, images: &'a [Stanza], arch: &Arch) -> Option<&'a str> {
    let names = [format!("{IMAGE}{flavour}"), format!("{IMAGE}{flavour}-{}", arch.debian)];
    let metas = images.iter().filter(|image| names.contains(&image.name));
    let newest = metas.max_by(|a, b| version::compare(&a.version, &b.version))?;
    let target = newest.depends.iter().find(|name| name.starts_with(IMAGE))?;
    images.iter().find(|image| image.name == *target).and_then(release)
}

fn none_fits(wanted: &[String], releases: &[&str]) -> Error {
    let wanted =
        if wanted.is_empty() { "a default kernel".into() } else { format!("`{}`", wanted.join(" ")) };
    if releases.is_empty() {
        return Error::NoKernel(format!(
            "apt's sources have no linux-image packages, so {wanted} cannot be fetched; see /etc/apt/sources.list.d"
        ));
    }
    // The newest of each flavour and series: the rest is what `6.1.0-50` and the like are for.
    let series = |release: &str| (source_names(release).swap_remove(0), flavour(release).to_owned());
    let mut seen = Vec::new();
    let newest: Vec<&str> = releases
        .iter()
        .copied()
        .filter(|release| {
            let series = series(release);
            let new = !seen.contains(&series);
            seen.push(series);
            new
        })
        .collect();
    let older = match releases.len() - newest.len() {
        0 => String::new(),
        count => format!(", and {count} older ones of the same flavours"),
    };
    Error::NoKernel(format!("no kernel answers to {wanted}; there is {}{older}", newest.join(", ")))
}

/// The image package of a release: signed before unsigned, newest version first.
pub(crate) fn image<'a>(release: &str, images: &'a [Stanza]) -> Option<&'a Stanza> {
    let signed = |package: &Stanza| !package.name.contains("unsigned");
    images
        .iter()
        .filter(|package| self::release(package) == Some(release))
        .max_by(|a, b| version::compare(&a.version, &b.version).then_with(|| signed(a).cmp(&signed(b))))
}

/// Packages the image's files are split over: those it depends on that carry its release.
pub(crate) fn companions(release: &str, image: &Stanza) -> Vec<String> {
    let ours = |name: &&String| {
        ["linux-modules-", "linux-binary-"].iter().any(|prefix| name.strip_prefix(prefix) == Some(release))
    };
    image.depends.iter().filter(ours).cloned().collect()
}

/// Names under which the debug package may be found.
pub(crate) fn debug_names(release: &str) -> Vec<String> {
    vec![
        format!("{IMAGE}{release}-dbg"),
        format!("{IMAGE}unsigned-{release}-dbgsym"),
        format!("{IMAGE}{release}-dbgsym"),
    ]
}

/// Names under which the source package may be found: `linux-source-6.1`, `linux-source-6.8.0`.
pub(crate) fn source_names(release: &str) -> Vec<String> {
    let numbers = release.split(['-', '+']).next().unwrap_or(release);
    let mut parts = numbers.split('.');
    let short = [parts.next(), parts.next()].into_iter().flatten().collect::<Vec<_>>().join(".");
    vec![format!("linux-source-{short}"), format!("linux-source-{numbers}")]
}

/// The headers packages that another one leans on.
pub(crate) fn headers_needed(package: &Stanza) -> Vec<String> {
    let ours = |name: &&String| name.starts_with("linux-headers-") || name.starts_with("linux-kbuild-");
    package.depends.iter().filter(ours).cloned().collect()
}

/// The package of exactly this version, else why there is none.
///
/// # Errors
/// The sentence to tell the user.
pub(crate) fn of_same_version<'a>(
    what: &str,
    names: &[String],
    wanted: &str,
    packages: &'a [Stanza],
) -> std::result::Result<&'a Stanza, String> {
    let named: Vec<&Stanza> = packages.iter().filter(|package| names.contains(&package.name)).collect();
    if let Some(found) = named.iter().find(|package| package.version == wanted) {
        return Ok(found);
    }
    let versions: Vec<&str> = named.iter().map(|package| package.version.as_str()).collect();
    Err(if versions.is_empty() {
        format!("no {what}: apt's sources have no package {}", names.join(" or "))
    } else {
        format!("no {what}: the kernel is {wanted}, {} only {}", names.join(" or "), versions.join(", "))
    })
}

/// The newest version among the packages of one of these names.
pub(crate) fn newest<'a>(name: &str, packages: &'a [Stanza]) -> Option<&'a Stanza> {
    let named = packages.iter().filter(|package| package.name == name);
    named.max_by(|a, b| version::compare(&a.version, &b.version))
}

#[cfg(test)]
mod tests {
    use lkdb_base::arch::X86_64;

    use super::*;

    fn package(name: &str, version: &str, depends: &[&str]) -> Stanza {
        Stanza {
            name: name.into(),
            version: version.into(),
            depends: depends.iter().map(|name| (*name).to_owned()).collect(),
            ..Stanza::default()
        }
    }

    fn bookworm() -> Vec<Stanza> {
        vec![
            package("linux-image-6.1.0-50-cloud-amd64", "6.1.176-1", &["kmod"]),
            package("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2", &["kmod"]),
            package("linux-image-6.1.0-56-cloud-amd64-unsigned", "6.1.192-2", &["kmod"]),
            package("linux-image-6.1.0-56-amd64", "6.1.192-2", &["kmod"]),
            package("linux-image-6.1.0-56-rt-amd64", "6.1.192-2", &["kmod"]),
            package("linux-image-6.12.111+deb12-cloud-amd64-unsigned", "6.12.111-1~deb12u1", &["kmod"]),
            package("linux-image-6.1.0-56-cloud-amd64-dbg", "6.1.192-2", &[]),
            package("linux-image-cloud-amd64", "6.1.176-1", &["linux-image-6.1.0-50-cloud-amd64"]),
            package("linux-image-cloud-amd64", "6.1.192-2", &["linux-image-6.1.0-56-cloud-amd64"]),
            package(
                "linux-image-6.12-cloud-amd64",
                "6.12.111-1",
                &["linux-image-6.12.111+deb12-cloud-amd64"],
            ),
            package("linux-image-amd64-signed-template", "6.1.192-2", &[]),
        ]
    }

    #[test]
    fn words_find_their_kernel() {
        let images = bookworm();
        for (wanted, release) in [
            (vec![], "6.1.0-56-cloud-amd64"),
            (vec!["cloud"], "6.1.0-56-cloud-amd64"),
            (vec!["cloud-amd64"], "6.1.0-56-cloud-amd64"),
            (vec!["amd64"], "6.1.0-56-amd64"),
            (vec!["rt"], "6.1.0-56-rt-amd64"),
            (vec!["6.1"], "6.1.0-56-cloud-amd64"),
            (vec!["6.1.176"], "6.1.0-50-cloud-amd64"),
            (vec!["6.1.0-50"], "6.1.0-50-cloud-amd64"),
            (vec!["6.12"], "6.12.111+deb12-cloud-amd64"),
            (vec!["6.1", "rt"], "6.1.0-56-rt-amd64"),
            (vec!["6.1.0-56-amd64"], "6.1.0-56-amd64"),
        ] {
            let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
            assert_eq!(choose(&wanted, &images, &X86_64).unwrap(), release, "{wanted:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let error = choose(&["5.10".into()], &bookworm(), &X86_64).unwrap_err().to_string();
        assert!(error.contains("6.1.0-56-rt-amd64") && error.contains("6.12.111"), "{error}");
        let error = choose(&[], &[], &X86_64).unwrap_err().to_string();
        assert!(error.contains("no linux-image packages"), "{error}");
    }

    #[test]
    fn the_signed_image_is_preferred_and_the_unsigned_accepted() {
        let images = bookworm();
        let name = |release| image(release, &images).unwrap().name.as_str();
        assert_eq!(name("6.1.0-56-cloud-amd64"), "linux-image-6.1.0-56-cloud-amd64");
        assert_eq!(name("6.12.111+deb12-cloud-amd64"), "linux-image-6.12.111+deb12-cloud-amd64-unsigned");
    }

    #[test]
    fn source_must_be_of_the_same_version() {
        let names = source_names("6.1.0-56-cloud-amd64");
        assert_eq!(names, ["linux-source-6.1", "linux-source-6.1.0"]);
        assert_eq!(source_names("6.12.111+deb12-cloud-amd64")[0], "linux-source-6.12");
        let packages = [package("linux-source-6.1", "6.1.176-1", &[])];
        let why = of_same_version("source", &names, "6.1.192-2", &packages).unwrap_err();
        assert!(why.contains("6.1.176-1"), "{why}");
        assert!(of_same_version("source", &names, "6.1.176-1", &packages).is_ok());
    }
}
