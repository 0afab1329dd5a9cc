//! What vmlinux says the kernel is, and whether the bytes in guest memory agree.

use lkdb_base::memory::words;
use lkdb_base::{BuildId, LinkAddr, PhysAddr, Slide};
use lkdb_symbols::elf::{NT_GNU_BUILD_ID, notes_in};
use lkdb_symbols::{Elf, Section};
use lkdb_target::Stub;

use super::Error;

/// The type of Xen's note with the physical address of the PVH entry (`XEN_ELFNOTE_PHYS32_ENTRY`).
const PHYS32_ENTRY: u32 = 18;
/// Sections whose pointers nothing has changed before the kernel runs, best first.
const POINTERS_IN: [&str; 4] = [".data", ".init.data", ".rodata", ".data..ro_after_init"];

/// What of a vmlinux is needed to find it in a guest.
#[derive(Debug, Clone)]
pub struct Kernel<'data> {
    elf: Elf<'data>,
    text: LinkAddr,
    end: LinkAddr,
    text_physical: PhysAddr,
    notes: Option<Section<'data>>,
    build_id: Option<BuildId>,
    banner: Option<(LinkAddr, &'data [u8])>,
}

impl<'data> Kernel<'data> {
    /// Takes the facts from a vmlinux, with or without symbols.
    ///
    /// # Errors
    /// When it is no kernel.
    pub fn new(elf: Elf<'data>) -> Result<Self, Error> {
        let symbols = elf.raw_symbols()?;
        let address = |name: &str| match symbols.named(name).as_slice() {
            [only] => Some(only.address),
            _ => None,
        };
        // `.text` starts at `_text`: the linker script puts the head code first.
        let section = elf.section(".text").map(|section| section.address);
        let text = address("_text").or(section).ok_or(Error::NoKernel("`.text` section"))?;
        let ends = elf.segments().map(|segment| segment.address.0.wrapping_add(segment.size)).max();
        let end = address("_end").or(ends.map(LinkAddr)).ok_or(Error::NoKernel("segments"))?;
        let text_physical = elf.physical(text).ok_or(Error::NoKernel("segment with its text"))?;
        let banner = address("linux_banner").and_then(|address| {
            let bytes = elf.bytes_at(address)?;
            let length = bytes.iter().take(1024).position(|byte| *byte == 0)?;
            Some((address, bytes.get(..length)?))
        });
        let notes = elf.section(".notes");
        Ok(Self { elf, text, end, text_physical, notes, build_id: elf.build_id(), banner })
    }

    /// `_text`.
    #[must_use]
    pub fn text(&self) -> LinkAddr {
        self.text
    }

    /// `_end`: link addresses from `_text` to here slide, no others.
    #[must_use]
    pub fn end(&self) -> LinkAddr {
        self.end
    }

    /// The build ID, where the kernel was linked with one.
    #[must_use]
    pub fn build_id(&self) -> Option<&BuildId> {
        self.build_id.as_ref()
    }

    /// Where `_text` is loaded without KASLR.
    pub(super) fn text_physical(&self) -> PhysAddr {
        self.text_physical
    }

    /// How far the entry lies behind `_text`.
    pub(super) fn entry_offset(&self) -> u64 {
        self.elf.entry().wrapping_sub(self.text_physical.0)
    }

    /// Where a PVH boot begins, if the kernel can be booted so.
    pub(super) fn pvh_entry(&self) -> Option<PhysAddr> {
        let note = self.elf.notes(b"Xen", PHYS32_ENTRY).next()?;
        match *note {
            [a, b, c, d, ..] => Some(PhysAddr(u32::from_le_bytes([a, b, c, d]).into())),
            _ => None,
        }
    }

    /// Where a link address lies in guest RAM when `_text` lies at `text`.
    fn in_ram(&self, address: LinkAddr, text: PhysAddr) -> PhysAddr {
        text.offset(address.0.wrapping_sub(self.text.0))
    }
}

/// Compares the kernel in guest memory with vmlinux. `false` when vmlinux has nothing to compare.
pub(super) fn verify(stub: &mut Stub, kernel: &Kernel<'_>, text: PhysAddr) -> Result<bool, Error> {
    if let (Some(expected), Some(notes)) = (&kernel.build_id, &kernel.notes) {
        let mut bytes = vec![0; usize::try_from(notes.size.min(64 * 1024)).unwrap_or_default()];
        stub.physical()?.read(kernel.in_ram(notes.address, text), &mut bytes)?;
        let found = build_id_in(&bytes);
        if found.as_ref() == Some(expected) {
            return Ok(true);
        }
        let guest = match found {
            Some(found) => Some(found),
            None => search(stub, text)?,
        };
        return Err(Error::other_build(Some(expected), guest.as_ref()));
    }
    let Some((address, expected)) = kernel.banner else { return Ok(false) };
    let mut bytes = vec![0; expected.len()];
    stub.physical()?.read(kernel.in_ram(address, text), &mut bytes)?;
    if bytes == expected {
        return Ok(true);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    Err(Error::OtherBuild { vmlinux: text(expected), guest: text(&bytes) })
}

fn build_id_in(notes: &[u8]) -> Option<BuildId> {
    let mut found = notes_in(notes).filter(|note| note.name == b"GNU" && note.kind == NT_GNU_BUILD_ID);
    found.next().map(|note| BuildId::from_bytes(note.descriptor))
}

/// Looks for a build ID where this vmlinux has none, so that the error can name it: the notes lie within
/// the first 64 MiB of any kernel.
fn search(stub: &mut Stub, text: PhysAddr) -> Result<Option<BuildId>, Error> {
    const HEADER: &[u8] = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
    const PIECE: usize = 1 << 20;
    const OVERLAP: usize = 64;
    let mut memory = stub.physical()?;
    let mut bytes = vec![0; PIECE + OVERLAP];
    for piece in 0..64 {
        memory.read(text.offset(piece * PIECE as u64), &mut bytes)?;
        let at = bytes.windows(HEADER.len()).position(|window| window == HEADER);
        if let Some(id) = at.and_then(|at| build_id_in(bytes.get(at..)?)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The virtual slide, from what relocation did to the pointers of one page: each moved by the same.
pub(super) fn slide_of_pointers(
    stub: &mut Stub,
    kernel: &Kernel<'_>,
    text: PhysAddr,
) -> Result<Slide, Error> {
    let (address, page) = page_of_pointers(kernel).ok_or(Error::NoKernel("pointers in its data"))?;
    let place = kernel.in_ram(address, text);
    let mut now = vec![0; page.len()];
    stub.physical()?.read(place, &mut now)?;
    let pairs = words(page).zip(words(&now)).filter(|(linked, _)| points_in(kernel, *linked));
    let slides: Vec<u64> = pairs.map(|(linked, now)| now.wrapping_sub(linked)).collect();
    let most = slides.iter().max_by_key(|slide| slides.iter().filter(|other| other == slide).count());
    let slide = *most.ok_or(Error::NoSlide(place.0))?;
    let agreeing = slides.iter().filter(|other| **other == slide).count();
    // A constant may look like a pointer, a few may; KASLR moves the kernel up, by less than 1 GiB, in
    // steps of at least a page.
    if agreeing * 4 < slides.len() * 3 || slide >= 1 << 30 || slide & 0xfff != 0 {
        return Err(Error::NoSlide(place.0));
    }
    Ok(Slide(slide))
}

/// The first page-sized piece of vmlinux's data with at least 16 pointers into the kernel.
fn page_of_pointers<'data>(kernel: &Kernel<'data>) -> Option<(LinkAddr, &'data [u8])> {
    const PAGE: usize = 4096;
    const ENOUGH: usize = 16;
    POINTERS_IN.iter().filter_map(|name| kernel.elf.section(name)).find_map(|section| {
        let bytes = kernel.elf.bytes(&section)?;
        let mut pages = bytes.chunks(PAGE).enumerate();
        pages.find_map(|(index, page)| {
            let pointers = words(page).filter(|word| points_in(kernel, *word)).count();
            (pointers >= ENOUGH).then(|| (section.address.offset((index * PAGE) as u64), page))
        })
    })
}

fn points_in(kernel: &Kernel<'_>, word: u64) -> bool {
    (kernel.text.0..kernel.end.0).contains(&word)
}
