//! The options a debugger and lkdb's machines want, and why.
//!
//! A table to be read: whether a tree has an option, and what stands in its way, is decided elsewhere,
//! by the tree's own Kconfig.

use crate::kconfig::tree::Tree;

/// How much an option matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Without it something lkdb does fails.
    Must,
    /// Good to have where the rest of the configuration allows it.
    Good,
}

/// One option that lkdb asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want {
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
    pub(crate) need: Need,
}

const fn on(name: &'static str) -> Want {
    Want { name, value: "y", need: Need::Must }
}

const fn good(name: &'static str) -> Want {
    Want { name, value: "y", need: Need::Good }
}

/// For every architecture. Options with dependencies stand behind what they depend on.
const COMMON: [Want; 60] = [
    // Debugging: names and lines, unwinding, a configuration that can be read from the image.
    on("DEBUG_KERNEL"),
    on("KALLSYMS"),
    on("KALLSYMS_ALL"),
    on("PRINTK"),
    on("BUG"),
    on("MAGIC_SYSRQ"),
    on("DEBUG_FS"),
    on("IKCONFIG"),
    on("IKCONFIG_PROC"),
    Want { name: "DEBUG_INFO_SPLIT", value: "n", need: Need::Must },
    Want { name: "DEBUG_INFO_COMPRESSED", value: "n", need: Need::Must },
    on("DEBUG_INFO_COMPRESSED_NONE"),
    // Modules that can be loaded and unloaded.
    on("MODULES"),
    on("MODULE_UNLOAD"),
    // The initramfs, as lkdb compresses it, and the file systems it mounts.
    on("BLK_DEV_INITRD"),
    on("RD_GZIP"),
    on("RD_XZ"),
    on("RD_LZ4"),
    on("RD_ZSTD"),
    on("PROC_FS"),
    on("PROC_SYSCTL"),
    on("SYSFS"),
    on("SHMEM"),
    on("TMPFS"),
    on("DEVTMPFS"),
    // What BusyBox's programs, and scripts, call.
    on("BINFMT_ELF"),
    on("BINFMT_SCRIPT"),
    on("MULTIUSER"),
    on("FUTEX"),
    on("POSIX_TIMERS"),
    on("EPOLL"),
    on("SIGNALFD"),
    on("TIMERFD"),
    on("EVENTFD"),
    on("FILE_LOCKING"),
    on("ADVISE_SYSCALLS"),
    on("MEMBARRIER"),
    // Consoles.
    on("TTY"),
    on("UNIX98_PTYS"),
    // Devices of lkdb's machines.
    on("PCI"),
    on("VIRTIO_MENU"),
    on("VIRTIO_PCI"),
    on("VIRTIO_MMIO"),
    on("VIRTIO_CONSOLE"),
    good("VIRTIO_MMIO_CMDLINE_DEVICES"),
    good("VIRTIO_BLK"),
    good("VIRTIO_NET"),
    good("HW_RANDOM_VIRTIO"),
    good("PVPANIC"),
    good("PVPANIC_PCI"),
    good("PVPANIC_MMIO"),
    // Sharing folders.
    on("NET"),
    on("UNIX"),
    on("INET"),
    on("NETWORK_FILESYSTEMS"),
    on("NET_9P"),
    on("NET_9P_VIRTIO"),
    on("9P_FS"),
    good("FUSE_FS"),
    good("VIRTIO_FS"),
];

const X86: [Want; 4] = [on("64BIT"), on("UNWINDER_ORC"), on("SERIAL_8250"), on("SERIAL_8250_CONSOLE")];

const ARM64: [Want; 2] = [on("SERIAL_AMBA_PL011"), on("SERIAL_AMBA_PL011_CONSOLE")];

/// The options for one architecture, by its directory under `arch/`.
pub(crate) fn wanted(arch_dir: &str) -> Vec<Want> {
    let special: &[Want] = match arch_dir {
        "x86" => &X86,
        "arm64" => &ARM64,
        _ => &[],
    };
    COMMON.iter().chain(special).copied().collect()
}

/// What switches DWARF on in this tree.
///
/// Since 5.18 (commit f9b3cd245784) `DEBUG_INFO` has no prompt and comes with
/// a member of the choice "Debug information", whose default is none at all; before, it is an option
/// like any other, and from 5.12 a choice of DWARF versions stands behind it.
pub(crate) fn dwarf(tree: &Tree) -> Vec<Want> {
    let names = ["DEBUG_INFO", "DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT", "GDB_SCRIPTS"];
    names.into_iter().filter(|name| tree.can_be_chosen(name)).map(on).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_is_asked_for_twice() {
        for arch in lkdb_base::arch::ALL {
            let mut names: Vec<&str> = wanted(arch.kernel_dir).iter().map(|want| want.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }
}
