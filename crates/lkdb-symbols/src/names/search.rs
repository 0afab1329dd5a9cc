//! The search: chunks of `.debug_info` shared out to threads, until enough is found.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use memchr::memmem;

use super::abbrev::Abbrevs;
use super::cursor::Cursor;
use super::needle::{INLINE, Needle, Places};
use super::unit::{self, Head, Reader};
use super::work::Work;
use super::{Extent, Found, Kinds, Raw, form};

/// Chunks are whole units and at least so long: a few hundred microseconds of work.
const CHUNK: usize = 2 << 20;

/// Threads beyond this wait for memory.
const MOST_THREADS: usize = 4;

/// See [`super::find`].
pub(super) fn find(raw: &Raw<'_>, heads: &[Head], name: &[u8], kinds: Kinds, extent: Extent) -> Vec<Found> {
    let search = Search { raw, heads, kinds, extent };
    let mut found: Vec<Found> = Vec::new();
    for needle in Needle::of(raw, name) {
        // A short name that is inline here is what compilers do; then the end of some longer string is not it.
        let tails = matches!(&needle, Needle::Offsets(places) if places.tails);
        let unlikely = tails && (!found.is_empty() || name.len() <= INLINE && search.has_inline_names());
        let enough = extent == Extent::First && found.iter().any(|die| !die.declaration);
        if !unlikely && !enough {
            found.extend(search.needle(needle));
        }
    }
    choose(found, extent)
}

/// The definitions in order, or one declaration.
fn choose(mut found: Vec<Found>, extent: Extent) -> Vec<Found> {
    found.sort_unstable_by_key(|die| (die.declaration, die.offset));
    found.dedup();
    let definitions = found.iter().take_while(|die| !die.declaration).count();
    found.truncate(match extent {
        Extent::First => 1,
        Extent::All => definitions.max(1),
    });
    found
}

/// What is searched, and for what.
#[derive(Clone, Copy)]
struct Search<'a> {
    raw: &'a Raw<'a>,
    heads: &'a [Head],
    kinds: Kinds,
    extent: Extent,
}

impl Search<'_> {
    /// Whether this file's compiler writes short names of what is sought into the DIE. `int` is in every C program;
    /// the assembler's functions have their names elsewhere.
    fn has_inline_names(self) -> bool {
        let int = Self { kinds: Kinds::BASE, extent: Extent::First, ..self };
        !self.kinds.meets(Kinds::FUNCTION) && !int.needle(Needle::Inline(b"int\0".to_vec())).is_empty()
    }

    fn needle(self, mut needle: Needle) -> Vec<Found> {
        let mut found = Vec::new();
        if let Needle::Offsets(places) = &mut needle {
            if places.form == form::STRP && !self.raw.str_offsets.is_empty() {
                found.extend(self.through_indexes(places));
            }
            if self.extent == Extent::All && places.at.len() > 1 {
                self.narrow(places);
            }
        }
        found.extend(self.direct(&needle));
        found
    }

    /// DIEs that refer to the name itself.
    fn direct(self, needle: &Needle) -> Vec<Found> {
        match (needle.finder(), needle) {
            (Some(finder), _) => self.parallel(&|work, units| work.hits(units, &finder, needle.form())),
            (None, Needle::Offsets(places)) => self.parallel(&|work, units| {
                units.for_each(|unit| work.go_through(unit, |name| places.have(name)));
            }),
            (None, Needle::Inline(_)) => Vec::new(),
        }
    }

    /// Which of many tails is the name's own: the linker uses one, so one DIE with it tells.
    fn narrow(self, places: &mut Places) {
        if !places.tails {
            return;
        }
        let first = Self { extent: Extent::First, ..self };
        let needle = Needle::Offsets(places.clone());
        let Some(used) = first.direct(&needle).first().and_then(|die| self.name_of(die)) else { return };
        if let Some(place) = u32::try_from(used.1).ok().filter(|_| places.have(used)) {
            places.at = vec![place];
        }
    }

    fn name_of(self, die: &Found) -> Option<(u16, u64)> {
        let unit = unit::containing(self.heads, usize::try_from(die.unit).ok()?)?;
        let head = *self.heads.get(unit)?;
        let abbrevs = Abbrevs::parse(self.raw.abbrev, head.abbrevs, head.encoding)?;
        let reader = Reader::new(self.raw.info, head, &abbrevs);
        reader.die(usize::try_from(die.offset).ok()?)?.map(|die| die.name)
    }

    /// DIEs that refer to the name by its index in their unit's string offsets.
    fn through_indexes(self, places: &Places) -> Vec<Found> {
        let uses = indexed(self.raw, self.heads, &places.at);
        self.parallel(&|work, units| {
            let first = uses.partition_point(|(unit, _)| *unit < units.start);
            let behind = uses.partition_point(|(unit, _)| *unit < units.end);
            for of_unit in uses.get(first..behind).unwrap_or_default().chunk_by(|a, b| a.0 == b.0) {
                let Some((unit, _)) = of_unit.first() else { continue };
                work.go_through(*unit, |(form, value)| {
                    form::is_string_index(form) && of_unit.iter().any(|(_, index)| *index == value)
                });
            }
        })
    }

    /// Shares chunks of units out to threads. With [`Extent::First`] no chunk behind one with a
    /// definition is begun.
    fn parallel(self, task: &(impl Fn(&mut Work<'_>, Range<usize>) + Sync)) -> Vec<Found> {
        let chunks = chunks(self.heads);
        let (next, last) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        let all = Mutex::new(Vec::new());
        let run = || {
            let mut work = Work::new(self.raw, self.heads, self.kinds, self.extent);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index > last.load(Ordering::Relaxed) {
                    break;
                }
                let Some(units) = chunks.get(index) else { break };
                task(&mut work, units.clone());
                if self.extent == Extent::First && work.done() {
                    last.fetch_min(index, Ordering::Relaxed);
                    break;
                }
            }
            if let Ok(mut all) = all.lock() {
                all.append(&mut work.found());
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(MOST_THREADS).min(chunks.len());
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(run);
            }
            run();
        });
        all.into_inner().unwrap_or_default()
    }
}

/// The units whose string offsets have one of the places, with its index there; in the units' order.
fn indexed(raw: &Raw<'_>, heads: &[Head], places: &[u32]) -> Vec<(usize, u64)> {
    let base = |head: &Head| {
        let code = Cursor::new(raw.info, head.first).uleb()?;
        let abbrevs = Abbrevs::first(raw.abbrev, head.abbrevs, code, head.encoding)?;
        let (_, facts) = Reader::new(raw.info, *head, &abbrevs).root()?;
        facts.str_offsets_base
    };
    let with_index = heads.iter().enumerate();
    let mut bases: Vec<(u64, usize)> =
        with_index.filter_map(|(index, head)| Some((base(head)?, index))).collect();
    bases.sort_unstable();
    let mut uses = Vec::new();
    for place in places {
        for at in memmem::find_iter(raw.str_offsets, &place.to_le_bytes()) {
            let at = at as u64;
            let behind = bases.partition_point(|(base, _)| *base <= at);
            let Some((base, _)) = behind.checked_sub(1).and_then(|last| bases.get(last)) else { continue };
            if !(at - base).is_multiple_of(4) {
                continue;
            }
            let index = (at - base) / 4;
            let first = bases.partition_point(|(other, _)| other < base);
            uses.extend(bases.get(first..behind).unwrap_or_default().iter().map(|(_, unit)| (*unit, index)));
        }
    }
    uses.sort_unstable();
    uses
}

fn chunks(heads: &[Head]) -> Vec<Range<usize>> {
    let (mut chunks, mut first) = (Vec::new(), 0);
    for (index, head) in heads.iter().enumerate() {
        let start = heads.get(first).map_or(0, |head| head.start);
        if head.end - start >= CHUNK || index + 1 == heads.len() {
            chunks.push(first..index + 1);
            first = index + 1;
        }
    }
    chunks
}
