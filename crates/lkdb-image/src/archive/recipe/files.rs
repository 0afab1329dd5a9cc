//! The texts in the root: what init does, what is mounted, who is who.

use super::Wishes;

/// Path, mode and text of each file.
pub(super) fn texts<D>(wishes: &Wishes<D>) -> Vec<(&'static str, u32, String)> {
    let lines = |pairs: &[(String, String)]| {
        pairs.iter().map(|(one, two)| format!("{one} {two}").trim_end().to_owned() + "\n").collect()
    };
    let mut texts = vec![
        ("etc/init.d/rcS", 0o755, include_str!("rcS").to_owned()),
        ("etc/fstab", 0o644, fstab(wishes.devtmpfs)),
        ("etc/inittab", 0o644, inittab(wishes)),
        ("etc/hostname", 0o644, format!("{}\n", wishes.hostname)),
        ("etc/mdev.conf", 0o644, MDEV.to_owned()),
        (
            "etc/passwd",
            0o644,
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n".to_owned(),
        ),
        ("etc/group", 0o644, "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n".to_owned()),
        ("etc/hosts", 0o644, format!("127.0.0.1\tlocalhost {}\n", wishes.hostname)),
        ("etc/profile", 0o644, PROFILE.to_owned()),
    ];
    if !wishes.modules.is_empty() {
        texts.push(("etc/lkdb/modules", 0o644, lines(&wishes.modules)));
    }
    if !wishes.shares.is_empty() {
        texts.push(("etc/lkdb/shares", 0o644, lines(&wishes.shares)));
    }
    texts
}

/// rcS leaves out those that the running kernel does not know.
fn fstab(devtmpfs: Option<bool>) -> String {
    let dev = if devtmpfs == Some(false) {
        "dev\t/dev\ttmpfs\tmode=0755\t0\t0"
    } else {
        "devtmpfs\t/dev\tdevtmpfs\tmode=0755\t0\t0"
    };
    format!(
        "proc\t/proc\tproc\tdefaults\t0\t0\n\
         tmpfs\t/tmp\ttmpfs\tmode=1777\t0\t0\n\
         sysfs\t/sys\tsysfs\tdefaults\t0\t0\n\
         {dev}\n\
         debugfs\t/sys/kernel/debug\tdebugfs\tdefaults\t0\t0\n"
    )
}

/// The first field is the terminal, which BusyBox's init opens as the session's controlling one.
fn inittab<D>(wishes: &Wishes<D>) -> String {
    let console = wishes.console.trim_start_matches("/dev/");
    let mut text = format!(
        "# terminal::action:command, for BusyBox's init\n\
         ::sysinit:/etc/init.d/rcS\n\
         {console}::respawn:-/bin/sh\n"
    );
    if wishes.agent.is_some() {
        text.push_str("::respawn:/sbin/lkdb-agent\n");
    }
    // Where there is no screen, init would complain about it once a second.
    if wishes.vt == Some(true) && console != "tty1" {
        text.push_str("tty1::askfirst:-/bin/sh\n");
    }
    // umount complains about the root, which no one can unmount.
    text.push_str(
        "::restart:/sbin/init\n\
         ::ctrlaltdel:/bin/umount -a -r 2>/dev/null\n\
         ::ctrlaltdel:/sbin/reboot\n\
         ::shutdown:/bin/umount -a -r 2>/dev/null\n",
    );
    text
}

/// Devices that are everyone's; mdev makes all others root's alone.
const MDEV: &str = "\
(null|zero|full|random|urandom|tty|ptmx) 0:0 0666
console 0:5 0600
tty[0-9]* 0:5 0620
tty[A-Z]+[0-9]* 0:5 0660
";

/// A terminal's size given on the kernel's command line (`LINES=40 COLUMNS=120`, which the kernel hands
/// to init as environment) is told to the serial line; without one, the shell asks the terminal.
const PROFILE: &str = "\
export PATH=/sbin:/bin:/usr/sbin:/usr/bin HOME=/root
PS1='\\w \\$ '
[ \"$LINES\" ] && [ \"$COLUMNS\" ] && stty rows \"$LINES\" cols \"$COLUMNS\" 2>/dev/null
";
