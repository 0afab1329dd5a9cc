//! Translations that were walked already, for as long as the target stands still.
//!
//! Whoever resumes the target calls [`Translations::forget`]; for one that runs they are not to be used.

use super::{AddressSpace, Fault, Mapping, PhysicalMemory, translate};
use crate::RuntimeAddr;

/// Places for translations; each address has one, which the next with the same low bits takes over.
const PLACES: usize = 1024;
const PAGE_BITS: u32 = 12;

/// A small cache, such as the processor's own.
#[derive(Debug, Default)]
pub struct Translations {
    places: Vec<Option<Kept>>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    space: AddressSpace,
    /// The page's first byte, as far as this place holds it: 4 KiB of it.
    page: u64,
    /// Where that byte leads.
    mapping: Mapping,
}

impl Translations {
    /// No translation yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { places: Vec::new() }
    }

    /// Forgets all: the target has run, or page tables were written.
    pub fn forget(&mut self) {
        self.places.clear();
    }

    /// As [`translate`], from the cache where it has been asked for already.
    ///
    /// # Errors
    /// As [`translate`]. Faults are not kept.
    pub fn translate<M: PhysicalMemory + ?Sized>(
        &mut self,
        memory: &M,
        space: &AddressSpace,
        address: RuntimeAddr,
    ) -> Result<Mapping, Fault> {
        let AddressSpace::Paged(_) = space else { return translate(memory, space, address) };
        let inside = address.0 & ((1 << PAGE_BITS) - 1);
        let page = address.0 - inside;
        let place = usize::try_from(page >> PAGE_BITS).unwrap_or_default() % PLACES;
        if self.places.is_empty() {
            self.places.resize(PLACES, None);
        }
        let kept = self.places.get(place).copied().flatten();
        if let Some(kept) = kept.filter(|kept| kept.page == page && kept.space == *space) {
            return Ok(moved(kept.mapping, inside));
        }
        let mapping = translate(memory, space, RuntimeAddr(page))?;
        if let Some(place) = self.places.get_mut(place) {
            *place = Some(Kept { space: *space, page, mapping });
        }
        Ok(moved(mapping, inside))
    }
}

const fn moved(mapping: Mapping, by: u64) -> Mapping {
    Mapping { physical: mapping.physical.offset(by), left: mapping.left - by, ..mapping }
}
