//! The names of base types: compilers write `long unsigned int` where C code and gdb write `unsigned long`.

/// The spellings of GCC and of C code that are not how gdb writes the type, and how gdb does.
///
/// Each group is the spellings of one type, gdb's first. `__int128` is not among them: gdb leaves
/// `__int128 unsigned` as it is.
const SPELLINGS: [&[&str]; 8] = [
    &["short", "short int", "signed short", "short signed int", "signed short int"],
    &["unsigned short", "short unsigned int", "unsigned short int", "short unsigned"],
    &["int", "signed int", "signed"],
    &["unsigned int", "unsigned"],
    &["long", "long int", "signed long", "long signed int", "signed long int"],
    &["unsigned long", "long unsigned int", "unsigned long int", "long unsigned"],
    &["long long", "long long int", "signed long long", "long long signed int", "signed long long int"],
    &["unsigned long long", "long long unsigned int", "unsigned long long int", "long long unsigned"],
];

/// How gdb writes the name of a base type.
#[must_use]
pub fn canonical_name(name: &str) -> &str {
    let group = SPELLINGS.iter().find(|group| group.contains(&name));
    group.and_then(|group| group.first()).copied().unwrap_or(name)
}

/// Every name a base type may have in debug info, given one of them: to look it up there.
pub fn spellings(name: &str) -> impl Iterator<Item = &str> {
    let group = SPELLINGS.iter().find(|group| group.contains(&name)).copied().unwrap_or_default();
    let own = (!group.contains(&name)).then_some(name);
    own.into_iter().chain(group.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_types_are_written_as_gdb_does() {
        assert_eq!(canonical_name("long unsigned int"), "unsigned long");
        assert_eq!(canonical_name("short int"), "short");
        assert_eq!(canonical_name("__int128 unsigned"), "__int128 unsigned");
        assert_eq!(canonical_name("_Bool"), "_Bool");
    }

    #[test]
    fn a_name_is_sought_under_every_spelling() {
        let all: Vec<_> = spellings("unsigned long").collect();
        assert!(all.contains(&"long unsigned int") && all.contains(&"unsigned long"));
        assert_eq!(spellings("_Bool").collect::<Vec<_>>(), ["_Bool"]);
    }
}
