//! A numbered list that grows at its end, is cut at its end when L1 goes back, and at its beginning when it is old.

use std::collections::VecDeque;

/// Entries with the numbers from `start` on.
#[derive(Debug, Clone)]
pub(super) struct Log<T> {
    start: u64,
    entries: VecDeque<T>,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { start: 0, entries: VecDeque::new() }
    }
}

impl<T> Log<T> {
    /// Number of the first entry that is kept.
    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// Number of the next entry.
    pub(super) fn end(&self) -> u64 {
        self.start + self.entries.len() as u64
    }

    pub(super) fn push(&mut self, entry: T) {
        self.entries.push_back(entry);
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        self.entries.get(self.offset(number)?)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let offset = self.offset(number)?;
        self.entries.get_mut(offset)
    }

    fn offset(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.start)?).ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        (self.start..).zip(&self.entries)
    }

    pub(super) fn for_each_mut(&mut self, change: impl FnMut(&mut T)) {
        self.entries.iter_mut().for_each(change);
    }

    /// The first number whose entry does not satisfy `holds`, which holds for a beginning of the list.
    pub(super) fn partition_point(&self, holds: impl FnMut(&T) -> bool) -> u64 {
        self.start + self.entries.partition_point(holds) as u64
    }

    /// Drops entries from the end until one is to be kept.
    pub(super) fn rewind(&mut self, keep: impl Fn(&T) -> bool) {
        while self.entries.back().is_some_and(|entry| !keep(entry)) {
            self.entries.pop_back();
        }
    }

    /// Drops entries before `end` from the beginning, as long as they are old. Returns the last of them.
    pub(super) fn prune(&mut self, end: u64, old: impl Fn(&T) -> bool) -> Option<T> {
        let mut last = None;
        while self.start < end && self.entries.front().is_some_and(&old) {
            last = self.entries.pop_front();
            self.start += 1;
        }
        last
    }
}
