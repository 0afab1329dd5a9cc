//! Structs, unions and arrays as text.

use std::fmt::Write;

use lkdb_symbols::TypeId;
use lkdb_symbols::types::{Composite, CompositeKind, Member};

use super::print::{MOST_CHARACTERS, Node, Printer};
use super::spec::Letter;
use super::text::{Text, units};
use crate::context::Error;
use crate::value::Bits;

/// Structs within structs where no limit is set; deeper ones are damage.
const MOST_DEPTH: u64 = 100;

impl Printer<'_> {
    fn too_deep(&mut self, depth: u64) -> bool {
        let most = self.settings.max_depth.unwrap_or(MOST_DEPTH).saturating_add(self.uncounted);
        let deep = depth >= most.min(MOST_DEPTH);
        if deep {
            self.out.push_str("{...}");
        }
        deep
    }

    fn new_line(&mut self, depth: u64) {
        self.out.push('\n');
        let spaces = usize::try_from(depth.saturating_mul(2)).unwrap_or(0);
        self.out.extend(std::iter::repeat_n(' ', spaces));
    }

    pub(super) fn composite(&mut self, node: Node, ty: &Composite, depth: u64) -> Result<(), Error> {
        if ty.declaration {
            self.out.push_str("<incomplete type>");
            return Ok(());
        }
        if self.too_deep(depth) {
            return Ok(());
        }
        if ty.kind == CompositeKind::Union && depth > 0 && !self.settings.unions {
            self.out.push_str("{...}");
            return Ok(());
        }
        self.out.push('{');
        if ty.members.is_empty() {
            self.out.push_str("<No data fields>");
        }
        for (index, member) in ty.members.iter().enumerate() {
            self.separate(index == 0, self.settings.pretty, depth);
            if let Some(name) = &member.name {
                self.out.push_str(name);
                self.out.push_str(" = ");
            }
            self.member(node, member, depth)?;
        }
        if self.settings.pretty && !ty.members.is_empty() {
            self.new_line(depth);
        }
        self.out.push('}');
        Ok(())
    }

    /// What goes before a part of a struct or array: `lines` puts each on a line of its own.
    fn separate(&mut self, first: bool, lines: bool, depth: u64) {
        if !first {
            self.out.push_str(if lines { "," } else { ", " });
        }
        if lines {
            self.new_line(depth + 1);
        }
    }

    fn member(&mut self, node: Node, member: &Member, depth: u64) -> Result<(), Error> {
        let bits = member.bit_size.map(|count| Bits { first: member.bit_offset % 8, count });
        let offset = node.offset.saturating_add(member.bit_offset / 8);
        let uncounted = self.uncounted;
        self.uncounted += u64::from(member.name.is_none());
        self.node(Node { ty: member.ty, offset, bits }, depth + 1)?;
        self.uncounted = uncounted;
        Ok(())
    }

    pub(super) fn array(&mut self, node: Node, element: TypeId, count: u64, depth: u64) -> Result<(), Error> {
        let size = self.types.size(element)?;
        let width = self.types.text_width(element)?;
        if width.is_none() && self.too_deep(depth) {
            return Ok(());
        }
        if size == 0 || count == 0 {
            // Of no length that is known: like a pointer to its first element.
            return match self.address(node.offset) {
                Some(address) => self.pointed(address, element),
                None => {
                    self.out.push_str("{}");
                    Ok(())
                }
            };
        }
        let text = width.filter(|_| matches!(self.format, None | Some(Letter::Text)));
        let missing = self
            .contents
            .gap(node.offset.saturating_mul(8), size.saturating_mul(count).saturating_mul(8))
            .is_some();
        if let Some((width, prefix)) = text
            && !missing
        {
            self.characters(node, count, width, prefix);
            return Ok(());
        }
        if width.is_some() && self.too_deep(depth) {
            return Ok(());
        }
        self.out.push('{');
        self.elements(node, element, (count, size), depth)?;
        self.out.push('}');
        Ok(())
    }

    fn characters(&mut self, node: Node, count: u64, width: u64, prefix: &'static str) {
        let mut units = units(self.bytes(node.offset, count.saturating_mul(width)), width);
        let mut more = false;
        if self.settings.null_stop {
            let most = self.settings.elements.unwrap_or(MOST_CHARACTERS);
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let end = units.iter().take(most).position(|unit| *unit == 0);
            // gdb shows an ellipsis where the limit comes before a zero that is not the array's last.
            more = end.is_none() && units.len() > most && units.get(most).is_some_and(|unit| *unit != 0);
            units.truncate(end.unwrap_or(most));
        }
        Text { units: &units, prefix, more }.put(&mut self.out, self.settings);
    }

    fn elements(
        &mut self,
        node: Node,
        element: TypeId,
        (count, size): (u64, u64),
        depth: u64,
    ) -> Result<(), Error> {
        let most = self.settings.elements.unwrap_or(u64::MAX);
        let threshold = self.settings.repeats.unwrap_or(u64::MAX);
        let (mut at, mut things) = (0, 0_u64);
        while at < count && things < most {
            self.separate(at == 0, self.settings.array, depth);
            if self.settings.array_indexes {
                _ = write!(self.out, "[{at}] = ");
            }
            let offset = node.offset.saturating_add(at.saturating_mul(size));
            let run = self.run(offset, size, count - at);
            self.node(Node { ty: element, offset, bits: None }, depth + 1)?;
            if run > threshold {
                _ = write!(self.out, " <repeats {run} times>");
                at += run;
                things = things.saturating_add(threshold.max(1));
            } else {
                at += 1;
                things += 1;
            }
        }
        if at < count {
            self.out.push_str("...");
        }
        if self.settings.array {
            self.new_line(depth);
        }
        Ok(())
    }

    /// How many elements from here on are equal, gaps and all.
    fn run(&self, offset: u64, size: u64, most: u64) -> u64 {
        if self.settings.repeats.is_none() {
            return 1;
        }
        let first = self.bytes(offset, size);
        let gaps = |offset: u64| {
            let start = offset.saturating_mul(8);
            let end = start.saturating_add(size.saturating_mul(8));
            let inside = move |gap: &&crate::value::Gap| {
                gap.first < end && start < gap.first.saturating_add(gap.count)
            };
            let shape = move |gap: &crate::value::Gap| {
                let last = gap.first.saturating_add(gap.count).min(end);
                (gap.first.max(start) - start, last - start)
            };
            self.contents.gaps.iter().filter(inside).map(shape)
        };
        let mut run = 1;
        while run < most {
            let next = offset.saturating_add(size.saturating_mul(run));
            if self.bytes(next, size) != first || !gaps(next).eq(gaps(offset)) {
                break;
            }
            run += 1;
        }
        run
    }
}
