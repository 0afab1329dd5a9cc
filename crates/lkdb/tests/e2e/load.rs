//! A guest that is busy on all of its CPUs: files, pipes, processes, timers, the network's loopback.

use crate::fixture::Lkdb;

/// Each is a loop of its own. `hostname` marks the rounds of the first, for those who wait for one.
const LOOPS: [&str; 5] = [
    "dd if=/dev/urandom of=/tmp/load bs=16k count=8; gzip -c /tmp/load | gunzip | md5sum; \
     cp /tmp/load /tmp/copy; mv /tmp/copy /tmp/moved; ln -s moved /tmp/link; cat /tmp/link; rm /tmp/link /tmp/moved; \
     mkdir -p /tmp/mount; mount -t tmpfs none /tmp/mount; echo text > /tmp/mount/file; umount /tmp/mount; \
     sync; hostname round",
    "find /proc/self /proc/1 /sys/class /sys/kernel/mm; cat /proc/meminfo /proc/vmstat /proc/self/maps /proc/interrupts; \
     ls -lR /dev; df; ps; stat /; free; mkfifo /tmp/fifo; rm /tmp/fifo",
    "for n in 1 2 3 4; do (echo $n | cat | wc -c) & done; wait; kill -0 $$; nice -n 5 true; sort /proc/kallsyms | head -5",
    "for n in 1 2 3 4 5 6 7 8 9; do usleep 700; done; timeout 1 true; date; hwclock; chrt -p $$",
    "nc -l -p 4321 127.0.0.1 > /tmp/got & ping -c 2 -A 127.0.0.1; nc 127.0.0.1 4321 < /bin/busybox; wait; \
     ifconfig lo; netstat; route",
];

/// Starts it; it goes on until the machine ends.
pub(crate) fn start(lkdb: &Lkdb, name: &str) {
    lkdb.ok(&["exec", name, "--", "ifconfig", "lo", "127.0.0.1", "up"]);
    for (number, body) in LOOPS.iter().enumerate() {
        let file = format!("/tmp/loop{number}");
        let script = format!("while :; do\n{body}\ndone\n");
        let write = format!("cat > {file}");
        assert!(lkdb.feed(&["exec", name, "--", "sh", "-c", &write], script.as_bytes()).status.success());
        let run = format!("setsid sh {file} > /dev/null 2>&1 < /dev/null &");
        lkdb.ok(&["exec", name, "--", "sh", "-c", &run]);
    }
}
