//! Kernel releases by the names that users give: `6.1`, `cloud`, `6.1.0-56-cloud-amd64`.

/// Whether `name` means `release`: its beginning up to a dot, dash or plus, or its flavour.
pub(crate) fn release_matches(release: &str, name: &str) -> bool {
    let begins =
        release.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '+']));
    begins || flavour_matches(release, name)
}

/// Whether `name` is the flavour of `release`: `cloud` and `cloud-amd64` of `6.1.0-56-cloud-amd64`.
pub(crate) fn flavour_matches(release: &str, name: &str) -> bool {
    let flavour = flavour(release);
    flavour == name || flavour.strip_prefix(name).is_some_and(|rest| rest.starts_with('-') && rest.len() > 1)
}

/// The part of a release behind its numbers: `cloud-amd64`.
pub(crate) fn flavour(release: &str) -> &str {
    let mut rest = release;
    while rest.starts_with(|c: char| c.is_ascii_digit()) {
        match rest.split_once('-') {
            Some((_, tail)) => rest = tail,
            None => return "",
        }
    }
    rest
}
