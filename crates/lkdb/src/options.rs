//! The options that describe a machine, shared by every command that starts one.

use std::path::PathBuf;

use lkdb_base::size;

/// Which accelerator to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AccelChoice {
    /// KVM if it is there and works, else TCG
    Auto,
    /// Hardware virtualisation
    Kvm,
    /// QEMU's translator: slower, works everywhere
    Tcg,
}

/// What machine to start.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Machine options")]
pub(crate) struct MachineOptions {
    /// A boot image, a fetched version, or a kernel build tree (default: the newest kernel fetched)
    #[arg(long, value_name = "FILE|VERSION|DIR")]
    pub(crate) kernel: Option<String>,
    /// The kernel's ELF file with debug info, where it is not found by itself
    #[arg(long, value_name = "FILE")]
    pub(crate) vmlinux: Option<PathBuf>,
    /// The kernel's modules: a lib/modules/RELEASE directory
    #[arg(long, value_name = "DIR")]
    pub(crate) modules: Option<PathBuf>,
    /// The kernel's source tree
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
    /// Boot this archive rather than lkdb's own
    #[arg(long, value_name = "FILE", conflicts_with_all = ["busybox", "load"])]
    pub(crate) initramfs: Option<PathBuf>,
    /// A static BusyBox (default: the host's)
    #[arg(long, value_name = "FILE")]
    pub(crate) busybox: Option<PathBuf>,
    /// Put a file or directory into the guest (default: at the same path)
    #[arg(long, value_name = "HOST[:GUEST]")]
    pub(crate) add: Vec<String>,
    /// Load this module at boot, by name or from a .ko file, what it depends on first
    #[arg(long, value_name = "MODULE")]
    pub(crate) load: Vec<String>,
    /// Let the guest mount a directory of the host, over 9p
    #[arg(long, value_name = "HOST:GUEST")]
    pub(crate) share: Vec<String>,
    /// Processors
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub(crate) smp: u32,
    /// Memory
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = size::parse)]
    pub(crate) mem: u64,
    /// Add to the kernel command line
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub(crate) append: Vec<String>,
    /// How to run the guest's processors
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pub(crate) accel: AccelChoice,
    /// The machine's name (default: `default`, or `default-2` and so on when that runs)
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// QEMU's machine type
    #[arg(long, value_name = "TYPE", default_value = "pc")]
    pub(crate) machine_type: String,
    /// One more argument for QEMU, as it is; give it again for the next
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) qemu_arg: Vec<String>,
    /// Print QEMU's command line, to run by hand, and start nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
