//! Which options a debugger (and a guest of lkdb's) wants of a kernel's configuration, and what it
//! costs where one is otherwise. Judged from a configuration alone.
//!
//! KASLR, page-table isolation and the like are not here: lkdb works with them on.

use lkdb_base::Arch;

use crate::config::{Config, Value};

/// What an option should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Want {
    /// `y`: it is needed before a module can be loaded.
    BuiltIn,
    /// `y` or `m`.
    On,
    /// Not set.
    Off,
}

/// What an option serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Debugging the kernel.
    Debugging,
    /// Booting it with an archive and a console of lkdb's.
    Booting,
    /// Convenience: sharing directories, commands in the guest, reading the configuration.
    Convenience,
}

/// An option that is not as a debugger wants it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The option, without `CONFIG_`; several, where one of them would do, in order of preference.
    pub options: &'static [&'static str],
    /// What it is.
    pub is: Value,
    /// What it should be.
    pub want: Want,
    /// What it serves.
    pub purpose: Purpose,
    /// What is lost as it is.
    pub cost: &'static str,
}

struct Rule {
    options: &'static [&'static str],
    want: Want,
    purpose: Purpose,
    /// `uname -m` of the only architecture it applies to.
    arch: Option<&'static str>,
    cost: &'static str,
}

const fn rule(options: &'static [&'static str], want: Want, purpose: Purpose, cost: &'static str) -> Rule {
    Rule { options, want, purpose, arch: None, cost }
}

impl Rule {
    const fn on(self, arch: &'static str) -> Self {
        Self { arch: Some(arch), ..self }
    }

    fn judge(&self, config: &Config) -> Option<Finding> {
        let values = || self.options.iter().map(|option| config.get(option));
        let fine = match self.want {
            Want::BuiltIn => values().any(|value| *value == Value::Yes),
            Want::On => values().any(Value::is_on),
            Want::Off => !values().any(Value::is_on),
        };
        if fine {
            return None;
        }
        // The one worth showing: a module where `y` is wanted, what is on where off is.
        let is = values().find(|value| value.is_on()).or_else(|| values().next())?.clone();
        Some(Finding { options: self.options, is, want: self.want, purpose: self.purpose, cost: self.cost })
    }
}

use Purpose::{Booting, Convenience, Debugging};
use Want::{BuiltIn, Off, On};

const RULES: [Rule; 29] = [
    rule(
        &["DEBUG_INFO"],
        BuiltIn,
        Debugging,
        "no source lines, no locals; set through the choice DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT since Linux 5.18",
    ),
    rule(
        &["DEBUG_INFO_REDUCED"],
        Off,
        Debugging,
        "structures are only declared in most files, locals mostly unknown, no BTF, newer lx-* scripts fail",
    ),
    rule(
        &["DEBUG_INFO_SPLIT"],
        Off,
        Debugging,
        "debug information stays in the build tree's .dwo files: vmlinux alone has no types or locals",
    ),
    rule(
        &["DEBUG_INFO_COMPRESSED", "DEBUG_INFO_COMPRESSED_ZLIB", "DEBUG_INFO_COMPRESSED_ZSTD"],
        Off,
        Debugging,
        "debuggers start more slowly; gdb before 13 cannot read the zstd form",
    ),
    rule(&["DEBUG_INFO_BTF"], BuiltIn, Debugging, "no types without the debug package"),
    rule(
        &["KALLSYMS"],
        BuiltIn,
        Debugging,
        "no names in the kernel's own oopses, and none at all without vmlinux",
    ),
    rule(
        &["KALLSYMS_ALL"],
        BuiltIn,
        Debugging,
        "without vmlinux only functions have names, variables have none",
    ),
    rule(
        &["UNWINDER_ORC", "ORC_UNWINDER", "UNWINDER_FRAME_POINTER", "FRAME_POINTER_UNWINDER"],
        BuiltIn,
        Debugging,
        "call stacks are guessed where there is no debug information, as in entry code",
    )
    .on("x86_64"),
    rule(&["GDB_SCRIPTS"], BuiltIn, Debugging, "no lx-* commands in gdb"),
    rule(&["MODULES"], BuiltIn, Debugging, "no modules can be loaded or debugged"),
    rule(&["BLK_DEV_INITRD"], BuiltIn, Booting, "takes no initramfs: nothing to run after the kernel itself"),
    rule(&["DEVTMPFS"], BuiltIn, Booting, "/dev is filled by mdev alone"),
    rule(&["BINFMT_ELF"], BuiltIn, Booting, "runs no program at all"),
    rule(&["BINFMT_SCRIPT"], BuiltIn, Booting, "the start script of the archive cannot run"),
    rule(&["PROC_FS"], BuiltIn, Booting, "no /proc: ps, mount and lsmod fail in the guest"),
    rule(&["SYSFS"], BuiltIn, Booting, "no /sys: no module sections for debuggers, no mdev"),
    rule(&["TMPFS"], BuiltIn, Booting, "/tmp and /dev of the archive cannot be mounted"),
    rule(&["PRINTK"], BuiltIn, Booting, "the kernel prints nothing"),
    rule(&["TTY"], BuiltIn, Booting, "no console and no shell"),
    rule(&["SERIAL_8250_CONSOLE"], BuiltIn, Booting, "no console on the serial port: a silent boot")
        .on("x86_64"),
    rule(&["SERIAL_AMBA_PL011_CONSOLE"], BuiltIn, Booting, "no console on the serial port: a silent boot")
        .on("aarch64"),
    rule(&["PCI"], BuiltIn, Booting, "no virtio devices on the usual machine types"),
    rule(&["VIRTIO_PCI"], On, Convenience, "no virtio devices: no fast channel, disk or network"),
    rule(&["VIRTIO_CONSOLE"], On, Convenience, "commands in the guest run over serial ports, at 0.5 MB/s"),
    rule(
        &["NET_9P_VIRTIO", "VIRTIO_FS"],
        On,
        Convenience,
        "no directory of the host can be shared (9p: NET_9P, NET_9P_VIRTIO, 9P_FS; or VIRTIO_FS)",
    ),
    rule(
        &["PVPANIC_PCI", "PVPANIC_MMIO", "PVPANIC"],
        On,
        Convenience,
        "a panic is known from the console's text alone",
    ),
    rule(&["MAGIC_SYSRQ"], BuiltIn, Convenience, "no SysRq on the console (task dump, crash)"),
    rule(
        &["IKCONFIG"],
        BuiltIn,
        Convenience,
        "the image does not tell its configuration; keep the config file beside it",
    ),
    rule(&["DEBUG_FS"], BuiltIn, Convenience, "no /sys/kernel/debug in the guest"),
];

/// What a configuration lacks for debugging a kernel on `arch`, worst first.
#[must_use]
pub fn advise(config: &Config, arch: &Arch) -> Vec<Finding> {
    RULES
        .iter()
        .filter(|rule| rule.arch.is_none_or(|only| only == arch.name))
        .filter_map(|rule| rule.judge(config))
        .collect()
}

#[cfg(test)]
mod tests {
    use lkdb_base::arch;

    use super::*;

    fn options(text: &str, arch: &Arch) -> Vec<&'static str> {
        advise(&Config::parse(text), arch).iter().map(|finding| finding.options[0]).collect()
    }

    #[test]
    fn a_missing_option_is_found_and_one_of_several_will_do() {
        let found =
            options("CONFIG_DEBUG_INFO=y\nCONFIG_ORC_UNWINDER=y\nCONFIG_VIRTIO_FS=m\n", &arch::X86_64);
        assert!(found.contains(&"GDB_SCRIPTS") && found.contains(&"SERIAL_8250_CONSOLE"));
        for fine in ["DEBUG_INFO", "UNWINDER_ORC", "NET_9P_VIRTIO", "DEBUG_INFO_REDUCED"] {
            assert!(!found.contains(&fine), "{fine}");
        }
    }

    #[test]
    fn other_architectures_rules_are_left_out() {
        let found = options("", &arch::AARCH64);
        assert!(found.contains(&"SERIAL_AMBA_PL011_CONSOLE"));
        assert!(!found.contains(&"SERIAL_8250_CONSOLE") && !found.contains(&"UNWINDER_ORC"));
    }

    #[test]
    fn a_module_is_not_enough_for_a_console() {
        let config = Config::parse("CONFIG_SERIAL_8250_CONSOLE=m\nCONFIG_DEBUG_INFO_REDUCED=y\n");
        let found = advise(&config, &arch::X86_64);
        let of = |name| found.iter().find(|finding| finding.options[0] == name).unwrap();
        assert_eq!(of("SERIAL_8250_CONSOLE").is, Value::Module);
        assert_eq!(
            (of("DEBUG_INFO_REDUCED").is.clone(), of("DEBUG_INFO_REDUCED").want),
            (Value::Yes, Want::Off)
        );
    }

    #[test]
    fn kaslr_is_no_trouble() {
        assert!(!RULES.iter().any(|rule| rule.options.contains(&"RANDOMIZE_BASE")));
    }
}
