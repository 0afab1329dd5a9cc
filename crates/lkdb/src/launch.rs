//! From machine options to a machine: kernel, archive, QEMU, name; each either found or named as missing.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use lkdb_artifacts::{Cache, KernelSet};
use lkdb_image::config::Config;
use lkdb_machine::host::{self, Accel};
use lkdb_machine::spec::Wiring;
use lkdb_machine::state::Claim;
use lkdb_machine::{AgentPort, Machine, MachineSpec, Share, StateRoot};

use serde::Serialize;

use crate::command::internal::own_program;
use crate::initramfs::{self, Add, InitramfsOptions};
use crate::kept::Kept;
use crate::kernel_choice;
use crate::options::{AccelChoice, MachineOptions};
use crate::output::{Context, Render, Status};

/// How a command wants its machine, beside what the user said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// Stopped before the first instruction.
    pub(crate) frozen: bool,
    /// QEMU ends when the guest resets, and the guest resets when it panics.
    pub(crate) end_on_reset: bool,
}

/// A machine that is ready to be started.
#[derive(Debug)]
pub(crate) struct Prepared {
    claim: Claim,
    spec: MachineSpec,
    /// The kernel and what belongs to it.
    pub(crate) kernel: KernelSet,
}

/// Finds or makes everything a machine needs. Nothing runs yet; dropping the result leaves nothing behind.
pub(crate) fn prepare(options: &MachineOptions, wish: Wish, context: &Context) -> anyhow::Result<Prepared> {
    let mut chosen = kernel_choice::choose(options)?;
    let kernel = &chosen.kernel;
    let cache = Cache::open()?;
    let kept = Kept::of(&cache);
    let qemu = host::qemu_told(kernel.arch, |path| kept.said("qemu --version", path, || host::banner(path)))?;
    let accel = choose_accel(options, &qemu, &cache, context)?;
    let shares = shares(&options.share)?;
    let agent_port = agent_port(options, chosen.config.as_ref());
    let archive = initramfs::plan(&archive_options(options, kernel, chosen.config.take(), &shares)?)?;
    archive.notes.iter().for_each(|note| context.note(note));
    let claim = claim(&StateRoot::open()?, options.name.as_deref())?;
    let initrd = claim.dir().file("initramfs");
    archive.write(&initrd)?;
    chosen.checked()?;
    let kernel = chosen.kernel;
    let spec = MachineSpec {
        name: claim.dir().name().to_owned(),
        qemu: qemu.path,
        machine_type: options.machine_type.clone(),
        accel: accel.name().to_owned(),
        cpu: accel.cpu().map(str::to_owned),
        smp: options.smp,
        memory: options.mem,
        kernel: kernel.image.clone(),
        initrd: Some(initrd),
        append: command_line(options, wish, &kernel, agent_port),
        frozen: wish.frozen,
        end_on_reset: wish.end_on_reset,
        agent_port,
        shares,
        qemu_args: options.qemu_arg.clone(),
        release: Some(kernel.release.clone()),
        vmlinux: kernel.vmlinux.clone(),
    };
    Ok(Prepared { claim, spec, kernel })
}

impl Prepared {
    /// Starts it.
    pub(crate) fn start(self) -> anyhow::Result<(Machine, KernelSet)> {
        let machine = Machine::start(self.claim, &self.spec, &own_program()?)?;
        Ok((machine, self.kernel))
    }

    /// QEMU's command line for a shell. The archive is kept, since the line names it.
    pub(crate) fn dry_run(self) -> anyhow::Result<String> {
        let mut spec = self.spec;
        if let Some(initrd) = &spec.initrd
            && initrd.starts_with(self.claim.dir().path())
        {
            let kept = Cache::open()?.root().join("dry-run.cpio");
            if let Some(dir) = kept.parent() {
                fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            }
            fs::copy(initrd, &kept).with_context(|| format!("cannot write {}", kept.display()))?;
            spec.initrd = Some(kept);
        }
        let stub = PathBuf::from(format!("lkdb-{}.gdb", spec.name));
        let words = spec.command_line(Wiring::ByHand(&stub));
        let words = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>();
        Ok(shell_words::join(&words))
    }
}

/// lkdb's own archive, or what goes behind the user's.
fn archive_options(
    options: &MachineOptions,
    kernel: &KernelSet,
    config: Option<Config>,
    shares: &[Share],
) -> anyhow::Result<InitramfsOptions<'static>> {
    Ok(InitramfsOptions {
        busybox: options.busybox.clone(),
        base: options.initramfs.clone(),
        agent: lkdb_machine::agent::binary(kernel.arch),
        release: Some(kernel.release.clone()),
        config,
        modules: kernel.modules.clone(),
        load: options.load.clone(),
        add: options.add.iter().map(|text| Add::parse(text.as_ref())).collect::<anyhow::Result<_>>()?,
        shares: shares.iter().map(|share| (share.tag.clone(), share.guest.clone())).collect(),
        ..InitramfsOptions::new(kernel.arch)
    })
}

fn claim(root: &StateRoot, name: Option<&str>) -> anyhow::Result<Claim> {
    if let Some(name) = name {
        return Ok(root.claim(name)?);
    }
    let mut number = 1;
    loop {
        let name = if number == 1 { "default".to_owned() } else { format!("default-{number}") };
        match root.claim(&name) {
            Err(lkdb_machine::Error::NameInUse(_)) => number += 1,
            other => return Ok(other?),
        }
    }
}

/// `--dry-run`: prints the command line.
pub(crate) fn show_line(prepared: Prepared, context: &Context) -> anyhow::Result<Status> {
    context.show(&Line { command_line: prepared.dry_run()? })?;
    Ok(Status::OK)
}

#[derive(Serialize)]
struct Line {
    command_line: String,
}

impl Render for Line {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.command_line)
    }
}

fn choose_accel(
    options: &MachineOptions,
    qemu: &host::Qemu,
    cache: &Cache,
    context: &Context,
) -> anyhow::Result<Accel> {
    let wanted = match options.accel {
        AccelChoice::Auto => host::Wanted::Auto,
        AccelChoice::Kvm => host::Wanted::Kvm,
        AccelChoice::Tcg => host::Wanted::Tcg,
    };
    let choice = host::accel(qemu, wanted, cache.root())?;
    if let Some(why) = choice.why_not_kvm.filter(|_| choice.news) {
        context.note(format!("KVM does not work here ({why}); using TCG"));
    }
    Ok(choice.accel)
}

/// Where commands are run through: a virtio port if the kernel has all it takes from the start. Loading
/// modules for it would cost every boot more than most commands gain.
fn agent_port(options: &MachineOptions, config: Option<&Config>) -> AgentPort {
    let drivers = ["VIRTIO_PCI", "VIRTIO_CONSOLE"];
    let built_in = config.is_some_and(|config| drivers.iter().all(|driver| config.is_built_in(driver)));
    let has_pci = options.machine_type != "microvm";
    if built_in && has_pci && options.initramfs.is_none() { AgentPort::Virtio } else { AgentPort::Serial }
}

/// The kernel command line. What the user appends comes last, so that it wins.
fn command_line(options: &MachineOptions, wish: Wish, kernel: &KernelSet, agent_port: AgentPort) -> String {
    let serial = kernel.arch.serial;
    let user = options.append.join(" ");
    let mut user: Vec<&str> = user.split_whitespace().collect();
    let says = |name: &str| user.iter().any(|word| word.starts_with(name));
    let mut words = Vec::new();
    if !says("console=") {
        words.push(format!("console={serial}0"));
    }
    words.push(match agent_port {
        AgentPort::Serial => format!("lkdb.agent={serial}1"),
        AgentPort::Virtio => "lkdb.agent=virtio".to_owned(),
    });
    if wish.end_on_reset && !says("panic=") {
        words.push("panic=-1".to_owned());
    }
    if options.initramfs.is_some() && lkdb_machine::agent::binary(kernel.arch).is_some() {
        // The agent is process 1, leaves a child behind that serves, and becomes the archive's own init.
        words.push(format!("rdinit={}", initramfs::WRAPPED_INIT));
        let own = user.iter().rev().find_map(|word| word.strip_prefix("rdinit="));
        words.extend(own.map(|init| format!("lkdb.init={init}")));
        user.retain(|word| !word.starts_with("rdinit="));
    }
    words.extend(user.into_iter().map(str::to_owned));
    words.join(" ")
}

fn shares(texts: &[String]) -> anyhow::Result<Vec<Share>> {
    let share = |(number, text): (usize, &String)| {
        let (host, guest) = text
            .split_once(':')
            .filter(|(host, guest)| !host.is_empty() && guest.starts_with('/'))
            .with_context(|| format!("--share {text}: write HOST:GUEST, with GUEST an absolute path"))?;
        let host = fs::canonicalize(host).with_context(|| format!("--share {text}: cannot open {host}"))?;
        if !host.is_dir() {
            bail!("--share {text}: {} is no directory", host.display());
        }
        Ok(Share { host, guest: guest.to_owned(), tag: format!("lkdb{number}") })
    };
    texts.iter().enumerate().map(share).collect()
}
