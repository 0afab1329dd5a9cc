//! Which packages a fetch takes, of what apt's lists have.

use super::FetchOptions;
use crate::apt::stanza::Stanza;
use crate::apt::{Apt, select};
use crate::{Error, Progress, Result};

/// The packages of one kernel.
pub(super) struct Plan {
    pub(super) release: String,
    pub(super) image: Stanza,
    pub(super) companions: Vec<Stanza>,
    pub(super) debug: Option<Stanza>,
    pub(super) headers: Vec<Stanza>,
    pub(super) source: Option<Stanza>,
    pub(super) left_out: Vec<String>,
}

/// Plans by the lists as they are when they are fresh; when nothing fits, by fetched ones.
pub(super) fn with_fresh_lists(
    apt: &mut Apt,
    options: &FetchOptions,
    progress: &mut dyn Progress,
) -> Result<Plan> {
    let stale = options.update || apt.stale();
    if stale {
        apt.update(progress)?;
    }
    let planned = match plan(apt, options, progress) {
        Err(Error::NoKernel(_)) if !stale => {
            apt.update(progress)?;
            plan(apt, options, progress)
        }
        other => other,
    };
    planned.map_err(|error| match (error, apt.complaint()) {
        (Error::NoKernel(text), Some(complaint)) => Error::NoKernel(format!("{text} ({complaint})")),
        (error, _) => error,
    })
}

fn plan(apt: &Apt, options: &FetchOptions, progress: &mut dyn Progress) -> Result<Plan> {
    let mut names = apt.names(select::IMAGE, progress)?;
    names.retain(|name| !name.ends_with("-dbg") && !name.ends_with("-dbgsym"));
    let images = apt.show(&names, progress)?;
    let release = select::choose(&options.wanted, &images, options.arch)?;
    let image = select::image(&release, &images)
        .ok_or_else(|| Error::NoKernel(format!("{release} has no image package")))?
        .clone();
    let (debug_names, source_names) = (select::debug_names(&release), select::source_names(&release));
    let headers_name = format!("linux-headers-{release}");
    let companion_names = select::companions(&release, &image);
    let mut names: Vec<String> =
        [&debug_names, &source_names, &companion_names].into_iter().flatten().cloned().collect();
    names.push(headers_name.clone());
    let packages = apt.show(&names, progress)?;
    let mut left_out = Vec::new();
    let mut pick = |wanted: bool, what: &str, names: &[String]| {
        if !wanted {
            return None;
        }
        let found = select::of_same_version(what, names, &image.version, &packages);
        found.map_err(|why| left_out.push(why)).ok().cloned()
    };
    let debug = pick(options.debug, "debug file", &debug_names);
    let source = pick(options.source, "source", &source_names);
    let headers = pick(options.headers, "headers", &[headers_name]);
    let companions =
        companion_names.iter().filter_map(|name| pick(true, "modules", std::slice::from_ref(name)));
    let companions = companions.collect();
    let headers = match headers {
        Some(package) => with_needed(apt, package, progress)?,
        None => Vec::new(),
    };
    Ok(Plan { release, image, companions, debug, headers, source, left_out })
}

/// A headers package and those it leans on.
fn with_needed(apt: &Apt, package: Stanza, progress: &mut dyn Progress) -> Result<Vec<Stanza>> {
    let names = select::headers_needed(&package);
    let packages = apt.show(&names, progress)?;
    let mut all = Vec::new();
    for name in &names {
        let same = packages.iter().find(|other| other.name == *name && other.version == package.version);
        let found = same.or_else(|| select::newest(name, &packages));
        all.push(found.cloned().ok_or_else(|| {
            Error::Unfit(format!("{} needs {name}, which apt's sources do not have", package.name))
        })?);
    }
    all.push(package);
    Ok(all)
}
