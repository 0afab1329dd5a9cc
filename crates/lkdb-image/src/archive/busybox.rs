//! What an archive needs to know of a BusyBox binary: can it be the guest's only program, and which
//! applets has it. The binary is read, never run; asking it with `--list-full` is the caller's affair.

use lkdb_base::Arch;
use object::Endianness;
use object::elf::{FileHeader32, FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader, ProgramHeader};

/// A BusyBox that can be put into a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusyBox {
    /// Its banner's version: `v1.35.0 (Debian 1:1.35.0-4+deb12u1+b1)`.
    pub version: String,
    /// What it runs on.
    pub arch: &'static Arch,
}

/// Why a file cannot be the guest's BusyBox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Not a program.
    #[error("it is no ELF program")]
    NotElf,
    /// It needs a loader and libraries that the guest hasn't got.
    #[error(
        "it is dynamically linked (its loader is {0}), and no loader or library would be in the guest: \
         take a static one, as from the package busybox-static or `lkdb busybox build`"
    )]
    Dynamic(String),
    /// For another machine.
    #[error("it is a program for {has}, and the guest is {wanted}")]
    Arch {
        /// What it is for.
        has: String,
        /// What it should be for.
        wanted: &'static str,
    },
    /// Some other program.
    #[error("it is no BusyBox: no `BusyBox v…` banner is in it")]
    NotBusyBox,
}

/// Looks whether `binary` can be the BusyBox of a guest of architecture `wanted` (any that lkdb knows
/// when `None`).
///
/// # Errors
/// The first reason found why it cannot.
pub fn check(binary: &[u8], wanted: Option<&'static Arch>) -> Result<BusyBox, Unfit> {
    let (machine, loader) = match binary.get(4) {
        Some(1) => elf_facts::<FileHeader32<Endianness>>(binary),
        _ => elf_facts::<FileHeader64<Endianness>>(binary),
    }
    .ok_or(Unfit::NotElf)?;
    let arch = Arch::by_elf_machine(machine);
    let arch = match (arch, wanted) {
        (Some(has), Some(wanted)) if has == wanted => has,
        (Some(has), None) => has,
        (has, wanted) => {
            let has = has.map_or_else(|| format!("ELF machine {machine}"), |has| has.name.to_owned());
            let wanted = wanted.map_or("one that lkdb knows (x86_64 or aarch64)", |wanted| wanted.name);
            return Err(Unfit::Arch { has, wanted });
        }
    };
    if let Some(loader) = loader {
        return Err(Unfit::Dynamic(loader));
    }
    let version = banner(binary).ok_or(Unfit::NotBusyBox)?;
    Ok(BusyBox { version, arch })
}

/// The loader that a dynamically linked program asks for; `None` for a static one, and for what is no
/// ELF program.
#[must_use]
pub fn loader_of(program: &[u8]) -> Option<String> {
    match program.get(4) {
        Some(1) => elf_facts::<FileHeader32<Endianness>>(program),
        _ => elf_facts::<FileHeader64<Endianness>>(program),
    }?
    .1
}

/// `e_machine`, and the program's loader if it asks for one.
fn elf_facts<H: FileHeader<Endian = Endianness>>(binary: &[u8]) -> Option<(u16, Option<String>)> {
    let header = H::parse(binary).ok()?;
    let endian = header.endian().ok()?;
    let machine = header.e_machine(endian).0;
    let segments = header.program_headers(endian, binary).ok()?;
    if segments.is_empty() {
        return None;
    }
    let interp = segments.iter().find(|segment| segment.p_type(endian) == PT_INTERP);
    let loader = interp.map(|segment| {
        let path = segment.data(endian, binary).unwrap_or_default();
        let path = path.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(path).into_owned()
    });
    Some((machine, loader))
}

/// The version in `BusyBox v1.35.0 (…)`, as `busybox` prints it at its first line.
fn banner(binary: &[u8]) -> Option<String> {
    const START: &[u8] = b"BusyBox v";
    let at = binary.windows(START.len()).position(|window| {
        window == START // The version follows directly; "BusyBox vi" and its like do not start with a digit.
    })?;
    let text = binary.get(at + START.len() - 1..)?;
    let end = text.iter().take(128).position(|byte| !(b' '..=b'~').contains(byte))?;
    let text = std::str::from_utf8(text.get(..end)?).ok()?;
    text.as_bytes().get(1).is_some_and(u8::is_ascii_digit).then(|| text.trim_end().to_owned())
}

/// A name under which BusyBox does something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Applet {
    /// Where it is installed, without /usr: `bin`, `sbin`, or nothing for the root itself.
    pub dir: &'static str,
    /// Its name.
    pub name: String,
}

/// The applets that `busybox --list-full` names, with `usr/` taken away.
#[must_use]
pub fn applets_of_list(list: &str) -> Vec<Applet> {
    let mut applets: Vec<_> = list.lines().filter_map(|line| applet_at(line.trim())).collect();
    applets.sort();
    applets.dedup();
    applets
}

fn applet_at(path: &str) -> Option<Applet> {
    let path = path.trim_start_matches('/');
    let path = path.strip_prefix("usr/").unwrap_or(path);
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let dir = match dir {
        "bin" => "bin",
        "sbin" => "sbin",
        "" => "",
        _ => return None,
    };
    (is_applet_name(name.as_bytes()) && name != "busybox").then(|| Applet { dir, name: name.to_owned() })
}

/// The applets that the name table in the binary holds: the longest ascending row of NUL-ended names
/// that `busybox` itself is one of (applet_tables.c writes them sorted, for a binary search). The table
/// of places is packed and moves between versions, so the places come from a list of what is
/// administrators' work.
#[must_use]
pub fn applets_of_binary(binary: &[u8]) -> Vec<Applet> {
    const OWN: &[u8] = b"\0busybox\0";
    let mut best: Vec<&[u8]> = Vec::new();
    let mut from = 0;
    while let Some(found) = find(binary.get(from..).unwrap_or_default(), OWN) {
        let row = row_around(binary, from + found + 1);
        if row.len() > best.len() {
            best = row;
        }
        from += found + OWN.len() - 1;
    }
    if best.len() < 8 {
        return Vec::new();
    }
    let names = best.into_iter().filter(|name| *name != b"busybox").map(String::from_utf8_lossy);
    let mut applets: Vec<_> = names
        .map(|name| {
            let dir = match name.as_ref() {
                "linuxrc" => "",
                name if SBIN.contains(&name) => "sbin",
                _ => "bin",
            };
            Applet { dir, name: name.into_owned() }
        })
        .collect();
    applets.sort();
    applets
}

/// The ascending row of names around the one that starts at `at`.
fn row_around(binary: &[u8], at: usize) -> Vec<&[u8]> {
    let mut row = Vec::new();
    let (mut end, mut above): (usize, &[u8]) = (at, b"");
    // Backwards from `at`, then forwards; each name is bounded, and so is the row by its order.
    while let Some(name) = end.checked_sub(1).and_then(|nul| name_ending_at(binary, nul)) {
        if !above.is_empty() && name >= above {
            break;
        }
        row.push(name);
        end -= name.len() + 1;
        above = name;
    }
    row.reverse();
    let mut start = at;
    while let Some(name) = name_starting_at(binary, start) {
        if row.last().is_some_and(|below| *below >= name) {
            break;
        }
        row.push(name);
        start += name.len() + 1;
    }
    row
}

const LONGEST_NAME: usize = 32;

fn name_ending_at(binary: &[u8], nul: usize) -> Option<&[u8]> {
    if binary.get(nul) != Some(&0) {
        return None;
    }
    let window = binary.get(nul.saturating_sub(LONGEST_NAME)..nul)?;
    let start = window.iter().rposition(|&byte| byte == 0).map_or(0, |zero| zero + 1);
    window.get(start..).filter(|name| is_applet_name(name))
}

fn name_starting_at(binary: &[u8], start: usize) -> Option<&[u8]> {
    let window = binary.get(start..)?;
    let end = window.iter().take(LONGEST_NAME + 1).position(|&byte| byte == 0)?;
    window.get(..end).filter(|name| is_applet_name(name))
}

fn is_applet_name(name: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"[_-.+".contains(byte);
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.iter().all(fits)
        && !name.iter().all(|byte| *byte == b'.')
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// What BusyBox installs into sbin (or usr/sbin): the commands of administrators.
const SBIN: &[&str] = &[
    "acpid",
    "add-shell",
    "addgroup",
    "adduser",
    "adjtimex",
    "arp",
    "arping",
    "blkid",
    "blockdev",
    "bootchartd",
    "brctl",
    "chat",
    "chpasswd",
    "chroot",
    "crond",
    "delgroup",
    "deluser",
    "depmod",
    "devmem",
    "dhcprelay",
    "dnsd",
    "ether-wake",
    "fakeidentd",
    "fbset",
    "fbsplash",
    "fdformat",
    "fdisk",
    "findfs",
    "freeramdisk",
    "fsck",
    "fsck.minix",
    "fsfreeze",
    "fstrim",
    "ftpd",
    "getty",
    "halt",
    "hdparm",
    "httpd",
    "hwclock",
    "i2cdetect",
    "i2cdump",
    "i2cget",
    "i2cset",
    "i2ctransfer",
    "ifconfig",
    "ifdown",
    "ifenslave",
    "ifplugd",
    "ifup",
    "inetd",
    "init",
    "insmod",
    "ip",
    "ipaddr",
    "iplink",
    "ipneigh",
    "iproute",
    "iprule",
    "iptunnel",
    "killall5",
    "klogd",
    "loadfont",
    "loadkmap",
    "logread",
    "losetup",
    "lpd",
    "lsmod",
    "makedevs",
    "mdev",
    "mim",
    "mkdosfs",
    "mke2fs",
    "mkfs.ext2",
    "mkfs.minix",
    "mkfs.reiser",
    "mkfs.vfat",
    "mkswap",
    "modinfo",
    "modprobe",
    "nameif",
    "nanddump",
    "nandwrite",
    "nbd-client",
    "nologin",
    "ntpd",
    "partprobe",
    "pivot_root",
    "popmaildir",
    "poweroff",
    "powertop",
    "raidautorun",
    "rdate",
    "rdev",
    "readahead",
    "readprofile",
    "reboot",
    "remove-shell",
    "rmmod",
    "route",
    "rtcwake",
    "run-init",
    "runlevel",
    "seedrng",
    "sendmail",
    "setconsole",
    "setfont",
    "setlogcons",
    "slattach",
    "start-stop-daemon",
    "sulogin",
    "svlogd",
    "swapoff",
    "swapon",
    "switch_root",
    "sysctl",
    "syslogd",
    "telnetd",
    "tftpd",
    "tc",
    "tunctl",
    "ubiattach",
    "ubidetach",
    "ubimkvol",
    "ubirename",
    "ubirmvol",
    "ubirsvol",
    "ubiupdatevol",
    "udhcpc",
    "udhcpc6",
    "udhcpd",
    "uevent",
    "vconfig",
    "watchdog",
    "zcip",
];
