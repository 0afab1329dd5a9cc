//! Which folder a kernel was built in, so that debuggers can be told where its source is now.

use std::path::Path;

use crate::elf::ElfFacts;

/// The folder that absolute paths in the DWARF start with.
///
/// The first unit's name is best: it names a file of the source tree, while its `comp_dir` may be a
/// folder apart (`O=`, and Debian's `debian/build/…`). Which part of the name lies inside the tree is
/// looked up in `source`, or, without one, guessed by the kernel's top-level folders.
pub(crate) fn built_in(facts: &ElfFacts, source: Option<&Path>) -> Option<String> {
    let from_name = facts.unit_name.as_deref().filter(|name| name.starts_with('/'));
    let from_name = from_name.and_then(|name| match source {
        Some(source) => prefix_by_tree(name, source).or_else(|| prefix_by_guess(name)),
        None => prefix_by_guess(name),
    });
    from_name.or_else(|| facts.comp_dir.clone().filter(|dir| dir.starts_with('/')))
}

/// The shortest prefix whose rest exists in the tree.
fn prefix_by_tree(name: &str, source: &Path) -> Option<String> {
    slashes(name).map(|at| name.split_at(at)).find_map(|(prefix, rest)| {
        let inside = rest.strip_prefix('/')?;
        (!prefix.is_empty() && source.join(inside).is_file()).then(|| prefix.to_owned())
    })
}

fn prefix_by_guess(name: &str) -> Option<String> {
    const TOP: [&str; 6] = ["/arch/", "/init/", "/kernel/", "/mm/", "/fs/", "/drivers/"];
    let at = TOP.iter().filter_map(|top| name.find(top)).min()?;
    name.get(..at).filter(|prefix| !prefix.is_empty()).map(str::to_owned)
}

fn slashes(name: &str) -> impl Iterator<Item = usize> {
    name.match_indices('/').map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, dir: &str) -> ElfFacts {
        ElfFacts { unit_name: Some(name.into()), comp_dir: Some(dir.into()), ..ElfFacts::default() }
    }

    #[test]
    fn the_build_folder_is_found() {
        let debian =
            facts("/build/p/linux-6.1/arch/x86/kernel/head_64.S", "/build/p/linux-6.1/debian/build/b");
        assert_eq!(built_in(&debian, None).as_deref(), Some("/build/p/linux-6.1"));
        let own = facts("arch/x86/kernel/head_64.S", "/home/me/linux");
        assert_eq!(built_in(&own, None).as_deref(), Some("/home/me/linux"));
        assert_eq!(built_in(&facts("init/main.c", "debian/build"), None), None);
    }

    #[test]
    fn the_tree_decides_where_there_is_one() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("arch/x86")).unwrap();
        std::fs::write(tree.path().join("arch/x86/a.S"), "").unwrap();
        let odd = facts("/arch/kernel/linux/arch/x86/a.S", "/x");
        assert_eq!(built_in(&odd, Some(tree.path())).as_deref(), Some("/arch/kernel/linux"));
    }
}
