//! `git bisect run lkdb boot …`: the exit statuses mean to git what they say.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fixture::{Done, Lkdb, done, kernel_file};

/// A repository away from the user's git settings.
struct Repository(PathBuf);

impl Repository {
    fn new(at: PathBuf) -> Self {
        fs::create_dir(&at).unwrap();
        let repository = Self(at);
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.0).args(arguments).stdin(Stdio::null());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@invalid");
        }
        command
    }

    fn git(&self, arguments: &[&str]) -> String {
        let done = done(self.command(arguments).output().unwrap());
        assert_eq!(done.status, 0, "git {arguments:?}: {done:#?}");
        done.stdout.trim().to_owned()
    }

    /// Commits all there is; gives the commit's name.
    fn commit(&self, what: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", what]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// `git bisect run lkdb …`.
    fn bisect_run(&self, lkdb: &Lkdb, arguments: &[&str]) -> Done {
        let lkdb = lkdb.command(arguments);
        let mut git = self.command(&["bisect", "run"]);
        git.arg(lkdb.get_program()).args(lkdb.get_args());
        for (name, value) in lkdb.get_envs() {
            match value {
                Some(value) => git.env(name, value),
                None => git.env_remove(name),
            };
        }
        done(git.output().unwrap())
    }
}

/// What a build left: a kernel, or the words of a build that broke.
fn build(at: &Path, broken: bool) {
    let image = at.join("vmlinuz");
    let _ = fs::remove_file(&image);
    if broken {
        fs::write(image, "ld: cannot find vmlinux.o\n").unwrap();
    } else {
        symlink(kernel_file("image"), image).unwrap();
    }
}

#[test]
fn the_first_bad_commit_is_found_past_those_that_do_not_boot() {
    let lkdb = Lkdb::new();
    let repository = Repository::new(lkdb.scratch().join("repository"));
    let commits: Vec<String> = (0..8)
        .map(|number| {
            // With 0 good and 7 bad git tries 3 or 4 first: it must be told to look elsewhere.
            build(&repository.0, number == 3 || number == 4);
            let threads = if number < 6 { 1000 + number } else { 100 + number };
            let settings = format!("kernel.threads-max = {threads}\n");
            fs::write(repository.0.join("sysctl.conf"), settings).unwrap();
            repository.commit(&format!("commit {number}"))
        })
        .collect();
    repository.git(&["bisect", "start", &commits[7], &commits[0]]);
    let check = "sysctl -p /etc/sysctl.conf && test $(cat /proc/sys/kernel/threads-max) -ge 1000";
    let image = repository.0.join("vmlinuz");
    let settings = format!("{}:/etc/sysctl.conf", repository.0.join("sysctl.conf").display());
    let arguments =
        ["boot", "--kernel", image.to_str().unwrap(), "--add", &settings, "--", "sh", "-c", check];
    let done = repository.bisect_run(&lkdb, &arguments);
    assert_eq!(done.status, 0, "{done:#?}");
    let log = repository.git(&["bisect", "log"]);
    assert!(log.ends_with(&format!("# first bad commit: [{}] commit 6", commits[6])), "{log}\n{done:#?}");
    assert!(log.contains("# skip: "), "{log}\n{done:#?}");
    assert!(done.stdout.contains("kernel.threads-max = 1005"), "the commit before it booted: {done:#?}");
    assert!(lkdb.machines().is_empty());
}
