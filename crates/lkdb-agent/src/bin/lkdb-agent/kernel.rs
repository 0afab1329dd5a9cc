//! What the agent reads of the running kernel: its command line, release and boot ID.

use lkdb_agent::Hello;

/// The value of `name=` on a kernel command line (the last one, as in the kernel).
pub(crate) fn parameter<'a>(command_line: &'a str, name: &str) -> Option<&'a str> {
    let mut words = command_line.split_ascii_whitespace().rev().filter_map(|word| word.split_once('='));
    words.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Who this agent is, and in which kernel.
pub(crate) fn hello() -> Hello {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // A machine's clock may start at the same second on each boot; the process ID and the boot ID differ.
    let instance = (now.as_nanos() as u64) ^ (u64::from(std::process::id()) << 48);
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Hello {
        instance,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        release: rustix::system::uname().release().to_string_lossy().into_owned(),
        boot_id: boot_id.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn the_last_value_counts() {
        let line = "console=ttyS0 lkdb.agent=ttyS1 quiet lkdb.agent=ttyS2\n";
        assert_eq!(parameter(line, "lkdb.agent"), Some("ttyS2"));
        assert_eq!(parameter(line, "quiet"), None);
    }
}
