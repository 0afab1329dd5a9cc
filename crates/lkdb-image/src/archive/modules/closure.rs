//! Which modules must be loaded for the ones that are wanted, dependencies first.

use std::collections::BTreeSet;

use super::{Index, Module, ModuleInfo};

/// Finds the order step by step: it asks for the information of modules whose dependencies no depmod
/// has listed, and the caller, who can read files, gives it.
#[derive(Debug)]
pub struct Loading<'i> {
    index: &'i Index,
    stack: Vec<Visit<'i>>,
    begun: BTreeSet<String>,
    order: Vec<String>,
}

/// What a walk needs next, or its end.
#[derive(Debug)]
pub enum Step<'i> {
    /// Call [`Loading::tell`] with what this module says of itself.
    Ask(&'i Module),
    /// Nothing is left to do.
    Done,
    /// A module depends on one that is not there.
    Missing {
        /// The module.
        module: String,
        /// What it depends on.
        dependency: String,
    },
}

#[derive(Debug)]
struct Visit<'i> {
    name: String,
    /// The module, until it was asked for what it depends on.
    unasked: Option<&'i Module>,
    /// What must still go before it.
    before: Vec<String>,
    /// What it would like to have after it.
    after: Vec<String>,
}

impl<'i> Loading<'i> {
    pub(super) fn new(index: &'i Index) -> Self {
        Self { index, stack: Vec::new(), begun: BTreeSet::new(), order: Vec::new() }
    }

    /// Wants this module (a name that the index has, or it is passed over). Go on with [`Loading::step`].
    pub fn want(&mut self, name: &str) {
        let Some(module) = self.index.get(name) else { return };
        if !self.begun.insert(name.to_owned()) {
            return;
        }
        let here = |names: &[String]| -> Vec<String> {
            names.iter().rev().filter(|name| self.index.get(name).is_some()).cloned().collect()
        };
        // Soft dependencies that the tree lacks are none.
        let soft = self.index.softdeps(name);
        let mut before = soft.map(|(pre, _)| here(pre)).unwrap_or_default();
        let after = soft.map(|(_, post)| here(post)).unwrap_or_default();
        let unasked = match &module.depends {
            Some(depends) => {
                before.extend(depends.iter().cloned());
                None
            }
            None => Some(module),
        };
        self.stack.push(Visit { name: name.to_owned(), unasked, before, after });
    }

    /// Goes on until something is needed.
    pub fn step(&mut self) -> Step<'i> {
        while let Some(visit) = self.stack.last_mut() {
            if let Some(module) = visit.unasked {
                return Step::Ask(module);
            }
            // The last dependency of a line of modules.dep is what must be loaded first.
            if let Some(next) = visit.before.pop() {
                if self.index.get(&next).is_some() {
                    self.want(&next);
                } else if !self.index.is_builtin(&next) {
                    let module = visit.name.clone();
                    return Step::Missing { module, dependency: next };
                }
                continue;
            }
            let Some(visit) = self.stack.pop() else { break };
            self.order.push(visit.name);
            for name in visit.after {
                self.want(&name);
            }
        }
        Step::Done
    }

    /// Answers [`Step::Ask`].
    pub fn tell(&mut self, info: &ModuleInfo) {
        let index = self.index;
        let Some(visit) = self.stack.last_mut() else { return };
        visit.unasked = None;
        let here = |name: &&String| index.get(name).is_some();
        visit.before.extend(info.softdeps.0.iter().rev().filter(here).cloned());
        visit.after.extend(info.softdeps.1.iter().rev().filter(here).cloned());
        visit.before.extend(info.depends.iter().rev().cloned());
    }

    /// The names in the order in which they must be loaded.
    #[must_use]
    pub fn order(&self) -> &[String] {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(index: &Index, wanted: &[&str], infos: &[(&str, &[&str])]) -> Result<Vec<String>, String> {
        let mut loading = index.load();
        for name in wanted {
            loading.want(name);
            loop {
                match loading.step() {
                    Step::Done => break,
                    Step::Missing { module, dependency } => {
                        return Err(format!("{module} needs {dependency}"));
                    }
                    Step::Ask(module) => {
                        let asked = infos.iter().find(|(path, _)| *path == module.path).unwrap();
                        let depends = asked.1.iter().map(|name| (*name).to_owned()).collect();
                        loading.tell(&ModuleInfo { depends, ..ModuleInfo::default() });
                    }
                }
            }
        }
        Ok(loading.order().to_vec())
    }

    #[test]
    fn dependencies_of_modules_dep_come_first() {
        let dep = "k/vsock_loopback.ko: k/transport-common.ko k/vsock.ko\n\
                   k/transport-common.ko: k/vsock.ko\nk/vsock.ko:\nk/alone.ko:\n";
        let index = Index::from_dep(dep);
        let got = order(&index, &["alone", "vsock_loopback", "vsock"], &[]).unwrap();
        assert_eq!(got, ["alone", "vsock", "transport_common", "vsock_loopback"]);
    }

    #[test]
    fn soft_dependencies_go_before_and_after() {
        let mut index = Index::from_dep("a.ko:\nb.ko:\nc.ko:\nd.ko: c.ko\n");
        index.add_softdep("# x\nsoftdep a pre: b gone post: d\n");
        assert_eq!(order(&index, &["a"], &[]).unwrap(), ["b", "a", "c", "d"]);
    }

    #[test]
    fn without_depmod_the_files_are_asked() {
        let index = Index::from_paths(["x/a.ko", "x/b-b.ko", "x/c.ko", "x/README"].map(str::to_owned));
        let infos: &[(&str, &[&str])] = &[("x/a.ko", &["b_b", "c"]), ("x/b-b.ko", &["c"]), ("x/c.ko", &[])];
        assert_eq!(order(&index, &["a"], infos).unwrap(), ["c", "b_b", "a"]);
    }

    #[test]
    fn circles_end_and_what_is_missing_is_named() {
        let index = Index::from_dep("a.ko: b.ko\nb.ko: a.ko\nc.ko: gone.ko\n");
        assert_eq!(order(&index, &["a"], &[]).unwrap(), ["b", "a"]);
        assert_eq!(order(&index, &["c"], &[]).unwrap_err(), "c needs gone");
        let mut index = Index::from_dep("c.ko: in.ko\n");
        index.add_builtin("kernel/in.ko\n");
        assert_eq!(order(&index, &["c"], &[]).unwrap(), ["c"]);
    }
}
